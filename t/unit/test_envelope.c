/* SPDX-License-Identifier: Apache-2.0
 *
 * Envelopes: what is written reads back, and what two readers could take for
 * different things is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "util/base/mem.h"
#include "util/role/envelope.h"
#include "util/xmpp/ns.h"

#define X "xmlns='jabber:client' at='a' from='b'"
#define E "00000000000000aa"
#define P "<m/></link:route>"

/* From an exact copy on the heap, so that reading over the end is found. */
static int read_text(struct envelope *envelope, const char *text,
		     struct buf *space, char **copy)
{
	size_t len = strlen(text);

	*copy = mem_dup(text, len);
	return envelope_read(envelope, *copy, len, space);
}

static void test_read(void **state)
{
	struct envelope e;
	struct buf space = { .data = NULL };
	char *copy;

	(void)state;
	assert_int_equal(
		read_text(&e,
			  "<link:route xmlns:x='urn:x'\txmlns='jabber:client' "
			  "at=\"sm'1\" from='c2s-1'  epoch='" E "' "
			  "n='18446744073709551615' for='00000000000000bb' "
			  "to='&lt;&amp;&gt;&apos;&quot;&#x41;&#66;&#x1F600;"
			  "\xc3\xa9' "
			  "session='' origin='s/1' trust='verified' kind='control' "
			  "xmlns:y-1=\"a'&lt;\" ><m>></m></link:route>",
			  &space, &copy),
		0);
	assert_string_equal(e.at, "sm'1");
	assert_string_equal(e.from, "c2s-1");
	assert_string_equal(e.epoch, E);
	assert_string_equal(e.receiver_epoch, "00000000000000bb");
	assert_true(e.n == UINT64_MAX);
	assert_string_equal(e.to, "<&>'\"AB\xf0\x9f\x98\x80\xc3\xa9");
	assert_string_equal(e.session, "");
	assert_string_equal(e.origin, "s/1");
	assert_string_equal(e.trust, "verified");
	assert_true(e.control);
	assert_string_equal(e.namespaces, " xmlns:x='urn:x' xmlns:y-1=\"a'&lt;\"");
	assert_int_equal(e.payload_len, 8);
	assert_memory_equal(e.payload, "<m>></m>", 8);
	mem_free(copy);
	buf_free(&space);
}

static void test_read_least(void **state)
{
	struct envelope e;
	struct buf space = { .data = NULL };
	char *copy;

	(void)state;
	assert_int_equal(read_text(&e, "<link:route " X ">" P, &space, &copy),
			 0);
	assert_null(e.epoch);
	assert_null(e.to);
	assert_null(e.namespaces);
	assert_int_equal(e.n, 0);
	assert_false(e.control);
	mem_free(copy);
	buf_free(&space);
}

static void test_read_ack(void **state)
{
	struct envelope e;
	struct buf space = { .data = NULL };
	char *copy;

	(void)state;
	assert_int_equal(read_text(&e,
				   "<link:ack at='a' from='b' for='" E
				   "' epoch='00000000000000bb' n='0'/>",
				   &space, &copy),
			 0);
	assert_null(e.payload);
	assert_string_equal(e.receiver_epoch, E);
	mem_free(copy);
	buf_free(&space);
}

/* Selective ones are written as they are read. */
static void test_selective_ack(void **state)
{
	static const char *const cases[] = {
		"n='1' got='1'/>",
		"n='0' got='0' gap='true'/>",
		"n='3' got='12' done='5 7-9 12' gap='true'/>",
	};
	struct buf space = { .data = NULL }, text = { .data = NULL };
	struct envelope e;
	char *copy;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *wanted = mem_printf("<link:ack at='a' from='b' for='" E
					  "' epoch='" E "' %s", cases[i]);

		assert_int_equal(read_text(&e, wanted, &space, &copy), 0);
		assert_true(e.selective);
		buf_clear(&text, 4096);
		envelope_write(&text, &e);
		assert_string_equal(buf_data(&text), wanted);
		mem_free(copy);
		mem_free(wanted);
	}
	buf_free(&text);
	buf_free(&space);
}

static void test_ranges(void **state)
{
	static const char *const malformed[] = {
		" ", "x", "0", "01", "-4", "5-", "5-5", "6-5", "5,6", "3",
		"5 ", "5  6", "5 5", "5-7 7", "8 6", "18446744073709551616",
		"5-99999999999999999999999",
	};
	const char *text = "5 7-9 12";
	uint64_t first, last = 4;

	(void)state;
	assert_int_equal(envelope_next_range(&text, last, &first, &last), 1);
	assert_true(first == 5 && last == 5);
	assert_int_equal(envelope_next_range(&text, last, &first, &last), 1);
	assert_true(first == 7 && last == 9);
	assert_int_equal(envelope_next_range(&text, last, &first, &last), 1);
	assert_true(first == 12 && last == 12);
	assert_int_equal(envelope_next_range(&text, last, &first, &last), 0);
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		int rc;

		text = malformed[i];
		last = 3;
		while ((rc = envelope_next_range(&text, last, &first,
						 &last)) == 1)
			;
		if (rc != -1)
			fail_msg("taken: %s", malformed[i]);
	}
}

static const char *const refused[] = {
	"",
	"<",
	"<link:route",
	"<link:route>" P,
	"<link:routes " X ">" P,
	"<link:route/" X ">" P,
	" <link:route " X ">" P,
	"<link:route xmlns='jabber:client' at='a'>" P,	 /* no from */
	"<link:route xmlns='jabber:client' from='a'>" P, /* no at */
	"<link:route xmlns='jabber:client' at='' from='b'>" P,
	"<link:route at='a' from='b'>" P, /* no xmlns */
	"<link:route xmlns='jabber:server' at='a' from='b'>" P,
	"<link:route " X " at='c'>" P, /* twice */
	"<link:route " X " xmlns='jabber:client'>" P,
	"<link:route " X " xmlns:x='a' xmlns:x='b'>" P,
	"<link:route " X " unknown='1'>" P,
	"<link:route " X " kind=''>" P,
	"<link:route " X " kind='Control'>" P,
	"<link:route " X " n='1'>" P, /* no epoch */
	"<link:route " X " epoch='" E "' n=''>" P,
	"<link:route " X " epoch='" E "' n='01'>" P,
	"<link:route " X " epoch='" E "' n='+1'>" P,
	"<link:route " X " epoch='" E "' n='1 '>" P,
	"<link:route " X " epoch='" E "' n='18446744073709551616'>" P,
	"<link:route " X " epoch='00000000000000a'>" P,
	"<link:route " X " epoch='00000000000000AA'>" P,
	"<link:route " X " epoch='" E "0'>" P,
	"<link:route " X " for='x'>" P,
	"<link:route " X "to='x'>" P, /* no space */
	"<link:route " X " to=x>" P,
	"<link:route " X " to = 'x'>" P,
	"<link:route " X " to='x\">" P,
	"<link:route " X " to='x>" P, /* not closed */
	"<link:route " X " to='a<b'>" P,
	"<link:route " X " to='a\nb'>" P,
	"<link:route " X " to='a\x01'>" P,
	"<link:route " X " to='&'>" P,
	"<link:route " X " to='&amp'>" P,
	"<link:route " X " to='&nbsp;'>" P,
	"<link:route " X " to='&AMP;'>" P,
	"<link:route " X " to='&;'>" P,
	"<link:route " X " to='&#;'>" P,
	"<link:route " X " to='&#x;'>" P,
	"<link:route " X " to='&#X41;'>" P,
	"<link:route " X " to='&#0;'>" P,
	"<link:route " X " to='&#xd800;'>" P,
	"<link:route " X " to='&#x110000;'>" P,
	"<link:route " X " to='&#4294967361;'>" P,
	"<link:route " X " to='&#xffff;'>" P,
	"<link:route " X " to='\xff'>" P,
	"<link:route " X " to='\xc0\x80'>" P,
	"<link:route " X " to='\xed\xa0\x80'>" P,
	"<link:route " X " to='\xe2\x82'>" P,
	"<link:route " X " to='\xf4\x90\x80\x80'>" P,
	"<link:route " X " xmlns:='x'>" P,
	"<link:route " X " xmlns:x=''>" P,
	"<link:route " X " xmlns:x='&x;'>" P,
	"<link:route " X " xmlns:x='\xff'>" P,
	"<link:route " X " to='\xef\xbf\xbf'>" P,
	"<link:route " X " xmlns:xml='x'>" P,
	"<link:route " X " xmlns:xmlns='x'>" P,
	"<link:route " X " xmlns:a:b='x'>" P,
	"<link:route " X " xmlns:1='x'>" P,
	"<link:route " X " kind='control' xmlns:link='x'>" P,
	"<link:route " X " xmlns:link='x' kind='control'>" P,
	"<link:route " X "/>",
	"<link:route " X "/>" P,
	"<link:route " X "></link:route>",
	"<link:route " X ">text</link:route>",
	"<link:route " X "> <m/></link:route>",
	"<link:route " X "><m/> </link:route>",
	"<link:route " X "><m/>",
	"<link:route " X "><m/></link:route >",
	"<link:route " X "><m/></link:route> ",
	"<link:route " X "><m/></link:routes>",
	"<link:route " X "><m></link:route></m>",
	"<link:route " X "><m/></link:route><x/>",
	"<link:ack " X " for='" E "' epoch='" E "' n='1'/>", /* xmlns */
	"<link:ack at='a' from='b' epoch='" E "' n='1'/>",
	"<link:ack at='a' from='b' for='" E "' n='1'/>",
	"<link:ack at='a' from='b' for='" E "' epoch='" E "' n='1'></link:ack>",
	"<link:ack at='a' from='b' for='" E "' epoch='" E "' n='1'/> ",
	"<link:ack at='a' from='b' for='" E "' epoch='" E "' n='1' />x",
	"<link:ack at='a' from='b' for='" E "' epoch='" E "' n='1'"
	" gap='true'/>",
	"<link:ack at='a' from='b' for='" E "' epoch='" E "' n='1'"
	" done='3'/>",
	"<link:ack at='a' from='b' for='" E "' epoch='" E "' n='1' got='01'/>",
	"<link:ack at='a' from='b' for='" E "' epoch='" E "' n='1' got=''/>",
	"<link:ack at='a' from='b' for='" E "' epoch='" E "' n='1' got='2'"
	" gap='false'/>",
	"<link:route " X " at='a' from='b' got='2'><m/></link:route>",
	"<link:ack at='a' from='b' for='" E "' epoch='" E "' n='1' "
	"kind='control'/>",
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct buf space = { .data = NULL };
		struct envelope e;
		char *copy;

		if (read_text(&e, refused[i], &space, &copy) == 0)
			fail_msg("taken: %s", refused[i]);
		mem_free(copy);
		buf_free(&space);
	}
}

static void test_too_many_attributes(void **state)
{
	struct buf text = { .data = NULL }, space = { .data = NULL };
	struct envelope e;

	(void)state;
	buf_add_str(&text, "<link:route " X);
	for (int i = 0; i < 61; i++)
		buf_addf(&text, " xmlns:p%d='u'", i);
	buf_add_str(&text, ">" P);
	assert_int_equal(envelope_read(&e, buf_data(&text), text.len, &space),
			 0);
	buf_clear(&text, 0);
	buf_add_str(&text, "<link:route " X);
	for (int i = 0; i < 62; i++)
		buf_addf(&text, " xmlns:p%d='u'", i);
	buf_add_str(&text, ">" P);
	assert_int_equal(envelope_read(&e, buf_data(&text), text.len, &space),
			 -1);
	buf_free(&text);
	buf_free(&space);
}

static void test_round_trip(void **state)
{
	const struct envelope in = {
		.at = "a<&'\"\n\t", .from = "b", .epoch = E,
		.receiver_epoch = "00000000000000bb",
		.to = "x@y/&amp;", .session = "s", .origin = "s/2", .n = 7,
		.trust = "trusted",
		.control = true, .namespaces = " xmlns:q='urn:q'",
		.payload = "<m/>", .payload_len = 4,
	};
	struct envelope out;
	struct buf text = { .data = NULL }, space = { .data = NULL };

	(void)state;
	envelope_write(&text, &in);
	assert_int_equal(envelope_read(&out, buf_data(&text), text.len,
				       &space),
			 0);
	assert_string_equal(out.at, in.at);
	assert_string_equal(out.from, in.from);
	assert_string_equal(out.epoch, in.epoch);
	assert_string_equal(out.receiver_epoch, in.receiver_epoch);
	assert_string_equal(out.to, in.to);
	assert_string_equal(out.session, in.session);
	assert_string_equal(out.origin, in.origin);
	assert_string_equal(out.trust, in.trust);
	assert_true(out.n == 7);
	assert_true(out.control);
	assert_string_equal(out.namespaces, in.namespaces);
	assert_int_equal(out.payload_len, 4);
	buf_clear(&text, 0);
	envelope_write(&text, &(struct envelope){ .at = "a", .from = "b",
						  .receiver_epoch = E,
						  .epoch = E, .n = 3 });
	assert_string_equal(buf_data(&text),
			    "<link:ack at='a' from='b' for='" E "' epoch='" E
			    "' n='3'/>");
	buf_free(&text);
	buf_free(&space);
}

static void test_parse(void **state)
{
	static const struct {
		const char *payload, *namespaces, *ns; /* ns NULL: refused */
		bool control;
	} cases[] = {
		{ "<m/>", NULL, NS_CLIENT, false },
		{ "<x:m/>", " xmlns:x='urn:x'", "urn:x", false },
		{ "<x:m/>", " xmlns:y='urn:y' xmlns:x='a&amp;b'", "a&b",
		  false },
		{ "<x:m/>", NULL, NULL, false },
		{ "<stream:m/>", NULL, NS_STREAM, false },
		{ "<stream:m/>", " xmlns:stream='urn:s'", "urn:s", false },
		{ "<link:m/>", NULL, NULL, false },
		{ "<link:m/>", " xmlns:link='urn:mine'", "urn:mine", false },
		{ "<link:m/>", NULL, NS_LINK, true },
		{ "<link:m/>", " xmlns:x='urn:x'", NS_LINK, true },
		{ "<m/><m/>", NULL, NULL, false },
		{ "<m></n>", NULL, NULL, false },
		{ "<m/>", " xmlns:x='urn:x", NULL, false },
		{ "<m/>", " x='urn:x'", NULL, false },
	};
	struct stanza_parser *parser = stanza_parser_new();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct envelope e = {
			.payload = cases[i].payload,
			.payload_len = strlen(cases[i].payload),
			.namespaces = cases[i].namespaces,
			.control = cases[i].control,
		};
		struct error err = { .text = "" };
		struct stanza *stanza = envelope_parse(&e, parser, &err);

		if (cases[i].ns) {
			if (!stanza)
				fail_msg("%zu: %s", i, err.text);
			assert_string_equal(stanza->root->ns, cases[i].ns);
		} else if (stanza || !*err.text) {
			fail_msg("%zu: taken or no reason", i);
		}
		stanza_free(&stanza);
	}
	stanza_parser_free(&parser);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_read_least),
		cmocka_unit_test(test_read_ack),
		cmocka_unit_test(test_selective_ack),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_many_attributes),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
