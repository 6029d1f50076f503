/* SPDX-License-Identifier: Apache-2.0
 *
 * The scanner: which pieces and errors come of which bytes, in one portion, in
 * single bytes and in others; limits to the byte; callbacks that stop, reset
 * and free.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/base/mem.h"
#include "util/xmpp/frame.h"

#define DECLARATION "<?xml version='1.0'?>"
#define HEADER                                                                 \
	"<stream:stream xmlns='jabber:client' version='1.0'"                   \
	" xmlns:stream='http://etherx.jabber.org/streams'>"

static const struct frame_limits limits = {
	.bytes = 200,
	.depth = 4,
	.attributes = 3,
	.name = 20,
};

/* Pieces as text: "H" for HEADER, "[bytes]" for another header, "{bytes}" for
 * an element, "_" for white space, "$" for the end, then "!" and the error. */
struct record {
	struct buf text;
	bool blank; /* the last one was white space */
};

static bool on_piece(enum frame_kind kind, const char *bytes, size_t len,
		     void *ctx)
{
	struct record *record = ctx;
	bool blank = record->blank;

	record->blank = kind == FRAME_WHITESPACE;
	switch (kind) {
	case FRAME_WHITESPACE:
		assert_int_equal(len, 0);
		buf_add_str(&record->text, blank ? "" : "_");
		break;
	case FRAME_END:
		buf_add_char(&record->text, '$');
		break;
	case FRAME_HEADER:
		if (len == strlen(HEADER) && memcmp(bytes, HEADER, len) == 0) {
			buf_add_char(&record->text, 'H');
			break;
		}
		buf_add_char(&record->text, '[');
		buf_add(&record->text, bytes, len);
		buf_add_char(&record->text, ']');
		break;
	case FRAME_ELEMENT:
		buf_add_char(&record->text, '{');
		buf_add(&record->text, bytes, len);
		buf_add_char(&record->text, '}');
		break;
	}
	return true;
}

static char *run(const char *bytes, size_t len, size_t portion)
{
	static const char *const errors[] = {
		[FRAME_OK] = "",
		[FRAME_NOT_WELL_FORMED] = "!xml",
		[FRAME_RESTRICTED_XML] = "!restricted",
		[FRAME_TOO_BIG] = "!big",
		[FRAME_BAD_ENCODING] = "!encoding",
	};
	struct record record = { 0 };
	enum frame_error error = FRAME_OK;
	struct frame frame;

	frame_init(&frame, &limits);
	while (len > 0) {
		size_t n = len < portion ? len : portion;
		/* A block of its own shows reads behind its end. */
		char *block = mem_dup(bytes, n);

		error = frame_push(&frame, block, n, on_piece, &record);
		mem_free(block);
		bytes += n;
		len -= n;
	}
	buf_add_str(&record.text, errors[error]);
	assert_int_equal(error != FRAME_OK, frame.reason != NULL);
	if (error != FRAME_OK)
		assert_int_equal(frame.held.cap, 0);
	frame_free(&frame);
	return buf_take(&record.text);
}

static void check(const char *bytes, size_t len, const char *expected)
{
	for (size_t portion = 1; portion <= len; portion++) {
		char *got = run(bytes, len, portion);

		assert_string_equal(got, expected);
		mem_free(got);
	}
}

static const struct {
	const char *input;
	const char *expected;
} cases[] = {
	/* -- headers and declarations -- */
	{ HEADER, "H" },
	{ DECLARATION HEADER, "H" },
	{ " \r\n\t" HEADER, "H" },
	{ "\n" DECLARATION "\n" HEADER, "H" },
	{ "<?xml version=\"1.0\" encoding=\"utf-8\"?>" HEADER, "H" },
	{ "<?xml version='1.1' encoding = 'UTF-8' standalone='yes' ?>" HEADER,
	  "H" },
	{ "<?xml version='1.0' standalone='no'?>" HEADER, "H" },
	{ "<?xml version='1.0' encoding='ISO-8859-1'?>" HEADER, "!encoding" },
	{ "<?xml version='1.0' encoding='UTF-16'?>" HEADER, "!encoding" },
	{ "<?xml version='1.0' encoding=''?>" HEADER, "!encoding" },
	{ "<?xml encoding='UTF-8'?>" HEADER, "!restricted" },
	{ "<?xml version='2.0'?>" HEADER, "!xml" },
	{ "<?xml version='1.'?>" HEADER, "!xml" },
	{ "<?xml version='1.0x'?>" HEADER, "!xml" },
	{ "<?xml version='1.0' standalone='maybe'?>" HEADER, "!xml" },
	{ "<?xml version='1.0' x='y'?>" HEADER, "!xml" },
	{ "<?xml version='1.0'>" HEADER, "!xml" },
	{ "<?xml version='1.0?>" HEADER, "!restricted" },
	{ "<?xml-stylesheet href='x'?>" HEADER, "!restricted" },
	{ "<?php x?>" HEADER, "!restricted" },
	{ DECLARATION DECLARATION HEADER, "!restricted" },
	{ HEADER DECLARATION, "H!restricted" },
	{ "\xef\xbb\xbf" HEADER, "!xml" }, /* RFC 6120 section 11.6 */
	{ "GET / HTTP/1.1\r\n", "!xml" },
	{ "\x16\x03\x01\x02", "!xml" }, /* TLS where none is expected */
	{ "<stream:stream/>", "!xml" },
	{ "</stream:stream>", "!xml" },
	{ "<!DOCTYPE x>" HEADER, "!restricted" },
	{ "<!-- x -->" HEADER, "!restricted" },
	{ "<![CDATA[x]]>" HEADER, "!xml" },
	{ "<a b='>' >", "[<a b='>' >]" },

	/* -- elements -- */
	{ HEADER "<a/>", "H{<a/>}" },
	{ HEADER "<a/><b/>", "H{<a/>}{<b/>}" },
	{ HEADER "<a />", "H{<a />}" },
	{ HEADER "<a></a>", "H{<a></a>}" },
	{ HEADER "<a>x</a >", "H{<a>x</a >}" },
	{ HEADER "<a\n>x</a\t>", "H{<a\n>x</a\t>}" },
	{ HEADER "<a><b><c/>x<d></d></b></a>y",
	  "H{<a><b><c/>x<d></d></b></a>}!xml" },
	{ HEADER " <a/>\n\n<b/> ", "H_{<a/>}_{<b/>}_" },
	{ HEADER "<a b='c' d = \"e\"\n/>", "H{<a b='c' d = \"e\"\n/>}" },
	{ HEADER "<a b='\">' c=\"'/>\"/>", "H{<a b='\">' c=\"'/>\"/>}" },
	{ HEADER "<a b=''>></a>", "H{<a b=''>></a>}" },
	{ HEADER "<\xc3\xa9 \xc3\xbc='\xf0\x9f\x98\x80'/>",
	  "H{<\xc3\xa9 \xc3\xbc='\xf0\x9f\x98\x80'/>}" },
	{ HEADER "<a>x</b>", "H!xml" },
	{ HEADER "<a><bc></bd>", "H!xml" }, /* though <a> is open */
	{ HEADER "<a><b></a>", "H!xml" },
	{ HEADER "<a b='c'><b d='e'></b ></a\n>",
	  "H{<a b='c'><b d='e'></b ></a\n>}" },
	{ HEADER "<a>text as long as some words, and & more</a>", "H!xml" },
	{ HEADER "<a", "H" },
	{ HEADER "<a><b", "H" },
	{ HEADER "text", "H!xml" },
	{ HEADER "&amp;", "H!xml" },
	{ HEADER "<a/>x<b/>", "H{<a/>}!xml" },
	{ HEADER "< a/>", "H!xml" },
	{ HEADER "<1/>", "H!xml" },
	{ HEADER "<-a/>", "H!xml" },
	{ HEADER "<>", "H!xml" },
	{ HEADER "<a<b/>", "H!xml" },
	{ HEADER "<a/ >", "H!xml" },
	{ HEADER "<a b/>", "H!xml" },
	{ HEADER "<a b=c/>", "H!xml" },
	{ HEADER "<a b>", "H!xml" },
	{ HEADER "<a b='c'd='e'/>", "H!xml" },
	{ HEADER "<a b='<'/>", "H!xml" },
	{ HEADER "<a='b'/>", "H!xml" },
	{ HEADER "<a ='b'/>", "H!xml" },
	{ HEADER "<a></ a>", "H!xml" },
	{ HEADER "<a></a b>", "H!xml" },
	{ HEADER "<a></>", "H!xml" },

	/* -- the end -- */
	{ HEADER "</stream:stream>", "H$" },
	{ HEADER "</stream:stream\n>", "H$" },
	{ HEADER "<a/> </stream:stream>", "H{<a/>}_$" },
	{ HEADER "</stream:stream><a/>&", "H$" },
	{ HEADER "</stream>", "H!xml" },
	{ HEADER "</stream:streams>", "H!xml" },
	{ HEADER "</a>", "H!xml" },

	/* -- references -- */
	{ HEADER "<a>&amp;&lt;&gt;&apos;&quot;</a>",
	  "H{<a>&amp;&lt;&gt;&apos;&quot;</a>}" },
	{ HEADER "<a b='&amp;x&quot;'/>", "H{<a b='&amp;x&quot;'/>}" },
	{ HEADER "<a>&#65;&#x41;&#x1F600;&#9;</a>",
	  "H{<a>&#65;&#x41;&#x1F600;&#9;</a>}" },
	{ HEADER "<a>&#xD7FF;&#xE000;&#xFFFD;&#x10FFFF;</a>",
	  "H{<a>&#xD7FF;&#xE000;&#xFFFD;&#x10FFFF;</a>}" },
	{ HEADER "<a>&nbsp;</a>", "H!restricted" },
	{ HEADER "<a>&foobar;</a>", "H!restricted" },
	{ HEADER "<a b='&x;'/>", "H!restricted" },
	{ HEADER "<a>&AMP;</a>", "H!restricted" },
	{ HEADER "<a>&ampx;</a>", "H!restricted" },
	{ HEADER "<a>&;</a>", "H!xml" },
	{ HEADER "<a>& amp;</a>", "H!xml" },
	{ HEADER "<a>&amp</a>", "H!xml" },
	{ HEADER "<a>&#;</a>", "H!xml" },
	{ HEADER "<a>&#x;</a>", "H!xml" },
	{ HEADER "<a>&#0;</a>", "H!xml" },
	{ HEADER "<a>&#x1F;</a>", "H!xml" },
	{ HEADER "<a>&#xD800;</a>", "H!xml" },
	{ HEADER "<a>&#xDFFF;</a>", "H!xml" },
	{ HEADER "<a>&#xFFFE;</a>", "H!xml" },
	{ HEADER "<a>&#x110000;</a>", "H!xml" },
	{ HEADER "<a>&#4294967361;</a>", "H!xml" }, /* 2^32 + 65 */
	{ HEADER "<a>&#6A;</a>", "H!xml" },
	{ HEADER "<a>&#X41;</a>", "H!xml" },
	{ HEADER "<a>&#-1;</a>", "H!xml" },

	/* -- CDATA -- */
	{ HEADER "<a><![CDATA[<b>&x;</a>]]></a>",
	  "H{<a><![CDATA[<b>&x;</a>]]></a>}" },
	{ HEADER "<a><![CDATA[]]]]><![CDATA[>]]></a>",
	  "H{<a><![CDATA[]]]]><![CDATA[>]]></a>}" },
	{ HEADER "<a><![CDATA[]>]]]></a>", "H{<a><![CDATA[]>]]]></a>}" },
	{ HEADER "<a><![CDATA[]></a>]]></a>", "H{<a><![CDATA[]></a>]]></a>}" },
	{ HEADER "<a><![CDATA[]]></a>", "H{<a><![CDATA[]]></a>}" },
	{ HEADER "<![CDATA[x]]>", "H!xml" },
	{ HEADER "<a><![cdata[x]]></a>", "H!xml" },
	{ HEADER "<a><![CDATA x]]></a>", "H!xml" },
	{ HEADER "<a><!x></a>", "H!xml" },

	/* -- what XMPP forbids -- */
	{ HEADER "<!-- x -->", "H!restricted" },
	{ HEADER "<a><!-- x --></a>", "H!restricted" },
	{ HEADER "<a><?x?></a>", "H!restricted" },
	{ HEADER "<?x?>", "H!restricted" },
	{ HEADER "<!DOCTYPE x>", "H!restricted" },
	{ HEADER "<a><!ENTITY x 'y'></a>", "H!restricted" },

	/* -- limits -- */
	{ HEADER "<a><b><c><d/></c></b></a>", "H{<a><b><c><d/></c></b></a>}" },
	{ HEADER "<a><b><c><d><e/></d></c></b></a>", "H!big" },
	{ HEADER "<a><b><c><d></d><d/></c></b></a>",
	  "H{<a><b><c><d></d><d/></c></b></a>}" },
	{ HEADER "<a b='' c='' d=''/>", "H{<a b='' c='' d=''/>}" },
	{ HEADER "<a b='' c='' d='' e=''/>", "H!big" },
	{ HEADER "<a b='' c=''><b d='' e=''/></a>",
	  "H{<a b='' c=''><b d='' e=''/></a>}" },
	{ HEADER "<a2345678901234567890/>", "H{<a2345678901234567890/>}" },
	{ HEADER "<a23456789012345678901/>", "H!big" },
	{ HEADER "<a b2345678901234567890='x'/>",
	  "H{<a b2345678901234567890='x'/>}" },
	{ HEADER "<a b23456789012345678901='x'/>", "H!big" },
	{ HEADER "<a></a23456789012345678901>", "H!big" },
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(cases[i].input, strlen(cases[i].input),
		      cases[i].expected);
}

/* An element of `len` bytes, after a header. */
static char *element_of(size_t len)
{
	return mem_printf("%s<a>%0*d</a>", HEADER, (int)len - 7, 0);
}

static void test_size(void **state)
{
	char *fits = element_of(limits.bytes);
	char *too_big = element_of(limits.bytes + 1);
	char *expected = mem_printf("H{%s}", fits + strlen(HEADER));

	(void)state;
	check(fits, strlen(fits), expected);
	check(too_big, strlen(too_big), "H!big");
	mem_free(expected);
	mem_free(too_big);
	mem_free(fits);
}

/* Refused when the limit passes, not when the element ends. */
static void test_never_ending(void **state)
{
	struct record record = { 0 };
	enum frame_error error = FRAME_OK;
	struct frame frame;
	size_t pushed = 0;

	(void)state;
	frame_init(&frame, &limits);
	frame_push(&frame, HEADER "<a>", strlen(HEADER "<a>"), on_piece,
		   &record);
	for (; error == FRAME_OK && pushed < 100000; pushed++)
		error = frame_push(&frame, "x", 1, on_piece, &record);
	assert_int_equal(error, FRAME_TOO_BIG);
	assert_int_equal(pushed, limits.bytes - 3 + 1);
	/* It stays an error. */
	assert_int_equal(frame_push(&frame, "</a>", 4, on_piece, &record),
			 FRAME_TOO_BIG);
	assert_string_equal(buf_data(&record.text), "H");
	buf_free(&record.text);
	frame_free(&frame);
}

static void test_limit_lowered(void **state)
{
	static const struct frame_limits small = { 4, 1, 1, 10 };
	struct record record = { 0 };
	struct frame frame;

	(void)state;
	frame_init(&frame, &limits);
	frame_push(&frame, HEADER "<a>xx", strlen(HEADER) + 5, on_piece,
		   &record);
	frame.limits = &small;
	assert_int_equal(frame_push(&frame, "x", 1, on_piece, &record),
			 FRAME_TOO_BIG);
	buf_free(&record.text);
	frame_free(&frame);
}

/* Pieces that are complete in the input are not copied, and an idle frame
 * holds no memory. */
struct place {
	const char *start, *end;
	size_t elements;
};

static bool on_place(enum frame_kind kind, const char *bytes, size_t len,
		     void *ctx)
{
	struct place *place = ctx;

	if (kind == FRAME_ELEMENT) {
		assert_true(bytes >= place->start && bytes + len <= place->end);
		place->elements++;
	}
	return true;
}

static void test_no_copy(void **state)
{
	static const char input[] = HEADER "<a/><b>x</b> <c/>";
	struct place place = { input, input + strlen(input), 0 };
	struct frame frame;

	(void)state;
	frame_init(&frame, &limits);
	frame_push(&frame, input, strlen(input), on_place, &place);
	assert_int_equal(place.elements, 3);
	assert_null(frame.held.data);

	frame_push(&frame, "<a", 2, on_place, &place);
	assert_int_equal(frame.held.len, 2);
	place.elements = 0;
	place.start = NULL;
	place.end = (const char *)UINTPTR_MAX;
	frame_push(&frame, "/>", 2, on_place, &place);
	assert_int_equal(place.elements, 1);
	assert_null(frame.held.data);
	frame_free(&frame);
}

/* -- callbacks that interfere --------------------------------------------- */

struct interference {
	struct frame *frame;
	bool stop, reset, release;
	struct record record;
};

static bool on_interfere(enum frame_kind kind, const char *bytes, size_t len,
			 void *ctx)
{
	struct interference *what = ctx;

	on_piece(kind, bytes, len, &what->record);
	if (kind != FRAME_ELEMENT)
		return true;
	if (what->reset)
		frame_reset(what->frame);
	if (what->release) {
		frame_free(what->frame);
		mem_free(what->frame);
	}
	/* The bytes outlive both. */
	assert_int_equal(bytes[len - 1], '>');
	return !what->stop && !what->release;
}

static void interfere(struct interference *what, const char *input,
		      size_t portion)
{
	size_t len = strlen(input);

	what->frame = mem_new(struct frame);
	frame_init(what->frame, &limits);
	while (len > 0) {
		size_t n = len < portion ? len : portion;

		frame_push(what->frame, input, n, on_interfere, what);
		input += n;
		len -= n;
	}
}

/* Bytes behind <starttls/> in the same portion must be lost. */
static void test_stop(void **state)
{
	struct interference what = { .stop = true };

	(void)state;
	interfere(&what, HEADER "<a/><b/><c", 1000);
	assert_string_equal(buf_data(&what.record.text), "H{<a/>}");
	assert_null(what.frame->held.data);
	assert_int_equal(frame_push(what.frame, "<d/>", 4, on_interfere, &what),
			 FRAME_OK);
	assert_string_equal(buf_data(&what.record.text), "H{<a/>}{<d/>}");
	buf_free(&what.record.text);
	frame_free(what.frame);
	mem_free(what.frame);
}

static void test_reset(void **state)
{
	static const char input[] =
		HEADER "<a/>" DECLARATION HEADER " <b/>" HEADER;

	(void)state;
	for (size_t portion = 1; portion <= strlen(input); portion++) {
		struct interference what = { .reset = true };

		interfere(&what, input, portion);
		assert_string_equal(buf_data(&what.record.text),
				    "H{<a/>}H_{<b/>}H");
		buf_free(&what.record.text);
		frame_free(what.frame);
		mem_free(what.frame);
	}
}

static void test_reset_forgets(void **state)
{
	struct record record = { 0 };
	struct frame frame;

	(void)state;
	frame_init(&frame, &limits);
	assert_int_equal(
		frame_push(&frame, "<a><b><xx>", 10, on_piece, &record),
		FRAME_OK);
	frame_reset(&frame);
	assert_null(frame.held.data);
	assert_int_equal(frame_push(&frame, "x", 1, on_piece, &record),
			 FRAME_NOT_WELL_FORMED);
	frame_reset(&frame);
	buf_clear(&record.text, 100);
	assert_int_equal(frame_push(&frame, HEADER "<a/>", strlen(HEADER) + 4,
				    on_piece, &record),
			 FRAME_OK);
	assert_string_equal(buf_data(&record.text), "H{<a/>}");
	buf_free(&record.text);
	frame_free(&frame);
}

static void test_free_in_callback(void **state)
{
	struct interference what = { .release = true };
	struct interference held = { .release = true };

	(void)state;
	interfere(&what, HEADER "<a/><b/>", 1000);
	assert_string_equal(buf_data(&what.record.text), "H{<a/>}");
	buf_free(&what.record.text);
	/* The same with a piece that was held. */
	interfere(&held, HEADER "<a/>", strlen(HEADER) + 2);
	assert_string_equal(buf_data(&held.record.text), "H{<a/>}");
	buf_free(&held.record.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_never_ending),
		cmocka_unit_test(test_limit_lowered),
		cmocka_unit_test(test_no_copy),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_reset_forgets),
		cmocka_unit_test(test_free_in_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
