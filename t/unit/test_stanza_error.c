/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers to stanzas: errors, what they carry, and which may be answered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/ns.h"
#include "util/xmpp/stanza_error.h"

static struct stanza *parse(const char *xml)
{
	struct stanza_parser *parser = stanza_parser_new();
	struct stanza *stanza =
		stanza_parse(parser, &stream_ns_client, xml, strlen(xml), NULL);

	assert_non_null(stanza);
	stanza_parser_free(&parser);
	return stanza;
}

static void assert_written(struct stanza *stanza, const char *expected)
{
	struct buf xml = { 0 };

	stanza_write(stanza, &xml);
	assert_string_equal(buf_data(&xml), expected);
	buf_free(&xml);
	stanza_free(&stanza);
}

#define ERROR_END " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'"

static const struct {
	const char *original;
	enum stanza_error error;
	const char *text;
	const char *answer;
} answers[] = {
	{ "<iq type='get' id='1' from='a@x/r' to='b@y'>"
	  "<query xmlns='urn:q'/></iq>",
	  STANZA_SERVICE_UNAVAILABLE, NULL,
	  "<iq from='b@y' to='a@x/r' type='error' id='1'>"
	  "<query xmlns='urn:q'/><error type='cancel'>"
	  "<service-unavailable" ERROR_END "/></error></iq>" },
	{ "<message from='a@x'><body>hi</body></message>",
	  STANZA_POLICY_VIOLATION, "No & never",
	  "<message to='a@x' type='error'><body>hi</body>"
	  "<error type='modify'><policy-violation" ERROR_END "/>"
	  "<text" ERROR_END ">No &amp; never</text></error></message>" },
	{ "<presence to='b@y' type='subscribe' id='&quot;'/>",
	  STANZA_JID_MALFORMED, NULL,
	  "<presence from='b@y' type='error' id='&quot;'>"
	  "<error type='modify'><jid-malformed" ERROR_END "/></error>"
	  "</presence>" },
};

static void test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct stanza *original = parse(answers[i].original);
		struct stanza *answer = stanza_error_new(
			original, answers[i].error, answers[i].text);

		stanza_free(&original);
		assert_written(answer, answers[i].answer);
	}
}

/* Elements that fit are kept, the first that does not ends it. */
static void test_payload(void **state)
{
	char *xml = mem_printf("<message><a>%03000d</a><b>%03000d</b><c/>"
			       "</message>",
			       1, 2);
	struct stanza *original = parse(xml);
	struct stanza *answer =
		stanza_error_new(original, STANZA_CONFLICT, NULL);
	struct element *child = element_first(answer->root);

	(void)state;
	assert_true(element_is(child, "a", NS_CLIENT));
	child = element_next(child);
	assert_true(element_is(child, "error", NS_CLIENT));
	assert_null(element_next(child));
	stanza_free(&answer);
	stanza_free(&original);
	mem_free(xml);
}

static void test_result(void **state)
{
	struct stanza *request =
		parse("<iq type='set' id='7' from='a' to='b'><x/></iq>");
	struct stanza *result = stanza_result_new(request);

	(void)state;
	stanza_free(&request);
	assert_written(result, "<iq from='b' to='a' type='result' id='7'/>");
}

static void test_may_answer(void **state)
{
	static const struct {
		const char *xml;
		bool may;
	} rows[] = {
		{ "<iq type='get'/>", true },
		{ "<iq type='set'/>", true },
		{ "<iq type='result'/>", false },
		{ "<iq type='error'/>", false },
		{ "<message/>", true },
		{ "<message type='error'/>", false },
		{ "<message type='result'/>", true },
		{ "<presence/>", true },
		{ "<presence type='error'/>", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct stanza *stanza = parse(rows[i].xml);

		assert_int_equal(stanza_may_answer(stanza), rows[i].may);
		stanza_free(&stanza);
	}
}

static void test_conditions(void **state)
{
	static const char *const types[] = { "auth", "cancel", "modify",
					     "wait" };

	(void)state;
	for (int i = 0; i <= STANZA_UNEXPECTED_REQUEST; i++) {
		const char *type = stanza_error_type((enum stanza_error)i);
		bool known = false;

		assert_non_null(stanza_error_condition((enum stanza_error)i));
		for (size_t k = 0; k < sizeof(types) / sizeof(types[0]); k++)
			known |= str_equal(type, types[k]);
		assert_true(known);
	}
	assert_string_equal(stanza_error_condition(STANZA_BAD_REQUEST),
			    "bad-request");
	assert_string_equal(stanza_error_condition(STANZA_UNEXPECTED_REQUEST),
			    "unexpected-request");
	assert_string_equal(stanza_error_type(STANZA_INTERNAL_SERVER_ERROR),
			    "wait");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_payload),
		cmocka_unit_test(test_result),
		cmocka_unit_test(test_may_answer),
		cmocka_unit_test(test_conditions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
