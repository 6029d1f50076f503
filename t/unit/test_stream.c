/* SPDX-License-Identifier: Apache-2.0
 *
 * Stream headers and errors: as text, and read again by our own parser.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/xmpp/frame.h"
#include "util/xmpp/ns.h"
#include "util/xmpp/stanza.h"
#include "util/xmpp/stream.h"

static void assert_buf(struct buf *buf, const char *expected)
{
	assert_string_equal(buf_data(buf), expected);
	buf_free(buf);
}

#define STREAM "xmlns:stream='http://etherx.jabber.org/streams'"

static void test_header(void **state)
{
	static const struct {
		struct stream_header header;
		const char *text;
	} rows[] = {
		{ { .content_ns = NS_CLIENT,
		    .from = "example.com",
		    .to = "a@example.com",
		    .id = "<1>",
		    .version = "1.0",
		    .lang = "en" },
		  "<?xml version='1.0'?><stream:stream "
		  "xmlns='jabber:client' " STREAM
		  " from='example.com' to='a@example.com'"
		  " id='&lt;1&gt;' version='1.0' xml:lang='en'>" },
		{ { .content_ns = NS_COMPONENT, .to = "c.example.com" },
		  "<?xml version='1.0'?><stream:stream"
		  " xmlns='jabber:component:accept' " STREAM
		  " to='c.example.com'>" },
		{ { .content_ns = NS_SERVER,
		    .extra = " xmlns:db='jabber:server:dialback'" },
		  "<?xml version='1.0'?><stream:stream"
		  " xmlns='jabber:server' " STREAM
		  " xmlns:db='jabber:server:dialback'>" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf text = { 0 };

		stream_write_header(&text, &rows[i].header);
		assert_buf(&text, rows[i].text);
	}
}

static void test_error(void **state)
{
	struct buf text = { 0 };

	(void)state;
	stream_write_error(&text, STREAM_HOST_UNKNOWN, NULL);
	assert_buf(&text, "<stream:error><host-unknown xmlns="
			  "'urn:ietf:params:xml:ns:xmpp-streams'/>"
			  "</stream:error>");
	stream_write_error(&text, STREAM_POLICY_VIOLATION, "a < b");
	assert_buf(&text, "<stream:error><policy-violation xmlns="
			  "'urn:ietf:params:xml:ns:xmpp-streams'/>"
			  "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'"
			  " xml:lang='en'>a &lt; b</text></stream:error>");
	stream_write_end(&text);
	assert_buf(&text, "</stream:stream>");
}

static void test_conditions(void **state)
{
	enum stream_error error;

	(void)state;
	for (int i = 0; i <= STREAM_UNSUPPORTED_VERSION; i++) {
		const char *name = stream_error_condition((enum stream_error)i);

		assert_non_null(name);
		assert_int_equal(stream_error_parse(name, &error), 0);
		assert_int_equal(error, i);
	}
	assert_int_equal(stream_error_parse("bad", &error), -1);
	assert_int_equal(stream_error_parse("", &error), -1);
	assert_string_equal(stream_error_condition(STREAM_NOT_WELL_FORMED),
			    "not-well-formed");
}

/* -- a whole stream, written and read ------------------------------------- */

struct reader {
	struct stanza_parser *parser;
	struct stream_ns ns;
	int pieces[4];
};

static bool on_piece(enum frame_kind kind, const char *bytes, size_t len,
		     void *ctx)
{
	struct reader *reader = ctx;
	struct stanza *stanza = NULL;

	if (kind == FRAME_HEADER)
		stanza = stanza_parse_header(reader->parser, bytes, len,
					     &reader->ns, NULL);
	else if (kind == FRAME_ELEMENT)
		stanza = stanza_parse(reader->parser, &reader->ns, bytes, len,
				      NULL);
	if (kind == FRAME_HEADER || kind == FRAME_ELEMENT) {
		assert_non_null(stanza);
		assert_string_equal(stanza->root->ns, NS_STREAM);
	}
	stanza_free(&stanza);
	reader->pieces[kind]++;
	return true;
}

static void test_read_again(void **state)
{
	static const struct frame_limits limits = { 1000, 10, 10, 100 };
	struct stream_header header = { .content_ns = NS_CLIENT,
					.from = "a'\"<>&b" };
	struct reader reader = { .parser = stanza_parser_new() };
	struct buf text = { 0 };
	struct frame frame;

	(void)state;
	stream_write_header(&text, &header);
	stream_write_error(&text, STREAM_RESET, "]]> & more");
	stream_write_end(&text);
	frame_init(&frame, &limits);
	assert_int_equal(frame_push(&frame, buf_data(&text), text.len, on_piece,
				    &reader),
			 FRAME_OK);
	assert_int_equal(reader.pieces[FRAME_HEADER], 1);
	assert_int_equal(reader.pieces[FRAME_ELEMENT], 1);
	assert_int_equal(reader.pieces[FRAME_END], 1);
	frame_free(&frame);
	stream_ns_free(&reader.ns);
	stanza_parser_free(&reader.parser);
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
