/* SPDX-License-Identifier: Apache-2.0
 *
 * The fate of messages against the table of RFC 6121 section 8.5.4, and what
 * is worth keeping (XEP-0160, XEP-0334).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sm/message_rules.h"

/* One letter for each fate: R to the resource, B to the best, A to all, O kept
 * (offline), E an error, S silence; in the order normal, chat, groupchat,
 * headline, error. */
struct row {
	enum message_place place;
	const char *nobody; /* no resource with a priority of 0 or more */
	const char *somebody;
};

static const struct row rows[] = {
	{ PLACE_NO_ACCOUNT, "EEESS", "EEESS" },
	{ PLACE_BARE, "OOESS", "BBEAS" },
	{ PLACE_RESOURCE, "RRRRR", "RRRRR" },
	{ PLACE_NO_RESOURCE, "OOESS", "BBESS" },
};

static const char letters[] = {
	[FATE_RESOURCE] = 'R', [FATE_BEST] = 'B',   [FATE_ALL] = 'A',
	[FATE_STORE] = 'O',    [FATE_REFUSE] = 'E', [FATE_DROP] = 'S',
};

static void test_fates(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (unsigned type = 0; type < MESSAGE_TYPE_COUNT; type++) {
			enum message_type t = (enum message_type)type;

			assert_int_equal(
				letters[message_fate(t, rows[i].place, false)],
				rows[i].nobody[type]);
			assert_int_equal(
				letters[message_fate(t, rows[i].place, true)],
				rows[i].somebody[type]);
		}
	}
}

static struct stanza *parse(const char *xml)
{
	struct stanza_parser *parser = stanza_parser_new();
	struct stanza *stanza =
		stanza_parse(parser, &stream_ns_client, xml, strlen(xml), NULL);

	stanza_parser_free(&parser);
	assert_non_null(stanza);
	return stanza;
}

static void test_types(void **state)
{
	static const struct {
		const char *xml;
		enum message_type type;
	} cases[] = {
		{ "<message/>", MESSAGE_NORMAL },
		{ "<message type='normal'/>", MESSAGE_NORMAL },
		{ "<message type='chat'/>", MESSAGE_CHAT },
		{ "<message type='groupchat'/>", MESSAGE_GROUPCHAT },
		{ "<message type='headline'/>", MESSAGE_HEADLINE },
		{ "<message type='error'/>", MESSAGE_ERROR },
		{ "<message type='Chat'/>", MESSAGE_NORMAL },
		{ "<message type='nonsense'/>", MESSAGE_NORMAL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stanza *stanza = parse(cases[i].xml);

		assert_int_equal(message_type_of(stanza), cases[i].type);
		stanza_free(&stanza);
	}
}

#define STATES "http://jabber.org/protocol/chatstates"

static void test_lasting(void **state)
{
	static const struct {
		const char *xml;
		bool lasting, forbids;
	} cases[] = {
		{ "<message/>", false, false },
		{ "<message><body>a</body></message>", true, false },
		{ "<message><body>a</body><active xmlns='" STATES
		  "'/></message>",
		  true, false },
		{ "<message><composing xmlns='" STATES "'/></message>", false,
		  false },
		{ "<message><thread>t</thread><paused xmlns='" STATES
		  "'/></message>",
		  false, false },
		{ "<message><received xmlns='urn:xmpp:receipts'/></message>",
		  true, false },
		{ "<message><body>a</body><no-store xmlns='urn:xmpp:hints'/>"
		  "</message>",
		  true, true },
		{ "<message><gone xmlns='" STATES
		  "'/><store xmlns='urn:xmpp:hints'/></message>",
		  true, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stanza *stanza = parse(cases[i].xml);

		assert_int_equal(message_is_lasting(stanza->root), cases[i].lasting);
		assert_int_equal(message_forbids_store(stanza),
				 cases[i].forbids);
		stanza_free(&stanza);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fates),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_lasting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
