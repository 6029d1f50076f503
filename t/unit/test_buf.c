/* SPDX-License-Identifier: Apache-2.0
 *
 * util/base/buf: growth and consumption against a plain model, and the
 * escapers row by row.
 */
#include "util/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "util/base/mem.h"

static void assert_buf(const struct buf *buf, const char *text)
{
	assert_int_equal(buf->len, strlen(text));
	assert_string_equal(buf_data(buf), text);
}

static void test_empty(void **state)
{
	struct buf buf = { 0 };
	char *taken;

	(void)state;
	assert_string_equal(buf_data(&buf), "");
	buf_consume(&buf, 0);
	buf_commit(&buf, 0);
	buf_clear(&buf, 0);
	assert_null(buf.data);
	taken = buf_take(&buf);
	assert_string_equal(taken, "");
	mem_free(taken);
	buf_add_str(&buf, "");
	assert_buf(&buf, "");
	buf_free(&buf);
	buf_free_secret(&buf);
}

static void test_add(void **state)
{
	struct buf buf = { 0 };
	char long_text[300];

	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	buf_add(&buf, "abc", 2);
	buf_add_char(&buf, 'C');
	buf_add_str(&buf, "d");
	buf_addf(&buf, "%d:%s", 12, "e");
	assert_buf(&buf, "abCd12:e");
	buf_clear(&buf, 4096);
	assert_buf(&buf, "");
	/* Longer than what buf_addf() tries first, and exactly as long. */
	buf_addf(&buf, "%s", long_text);
	assert_buf(&buf, long_text);
	buf_clear(&buf, 4096);
	for (int n = 60; n < 70; n++) {
		buf_addf(&buf, "%.*s", n, long_text);
		assert_int_equal(buf.len, n);
		buf_clear(&buf, 0);
	}
	buf_free(&buf);
}

static void test_reserve(void **state)
{
	struct buf buf = { 0 };
	char *place = buf_reserve(&buf, 1000);

	(void)state;
	memset(place, 'r', 1000);
	buf_commit(&buf, 1000);
	assert_int_equal(strlen(buf_data(&buf)), 1000);
	place = buf_reserve(&buf, 10);
	memcpy(place, "xy", 2);
	buf_commit(&buf, 1);
	assert_int_equal(buf.len, 1001);
	assert_string_equal(buf_data(&buf) + 1000, "x");
	buf_free(&buf);
}

/* Bytes that count upwards go in and out at uneven speed. */
static void test_stream(void **state)
{
	struct buf buf = { 0 };
	unsigned char in = 0;
	unsigned char out = 0;

	(void)state;
	for (size_t turn = 0; turn < 5000; turn++) {
		size_t add = turn * 7919 % 97;
		size_t drop = turn * 104729 % 101;

		while (add-- > 0)
			buf_add_char(&buf, (char)in++);
		if (drop > buf.len)
			drop = buf.len;
		for (size_t i = 0; i < drop; i++)
			assert_int_equal((unsigned char)buf_data(&buf)[i],
					 out++);
		buf_consume(&buf, drop);
		assert_int_equal(buf_data(&buf)[buf.len], '\0');
		assert_int_equal((unsigned char)(in - out),
				 (unsigned char)buf.len);
	}
	/* What was consumed is used again. */
	assert_true(buf.cap <= 8192);
	buf_free(&buf);
}

static void test_clear_keeps(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	buf_add_str(&buf, "abc");
	buf_clear(&buf, 4096);
	assert_non_null(buf.data);
	assert_buf(&buf, "");
	buf_add_str(&buf, "abc");
	buf_clear(&buf, buf.cap);
	assert_non_null(buf.data);
	buf_clear(&buf, buf.cap - 1);
	assert_null(buf.data);
	assert_int_equal(buf.cap, 0);
}

static void test_take(void **state)
{
	struct buf buf = { 0 };
	char *text;

	(void)state;
	buf_add_str(&buf, "abcdef");
	buf_consume(&buf, 2);
	assert_buf(&buf, "cdef");
	text = buf_take(&buf);
	assert_string_equal(text, "cdef");
	assert_null(buf.data);
	assert_int_equal(buf.len, 0);
	mem_free(text);
}

static const struct {
	const char *plain, *text, *attr;
} xml_rows[] = {
	{ "", "", "" },
	{ "plain", "plain", "plain" },
	{ "&", "&amp;", "&amp;" },
	{ "a<b>&c", "a&lt;b&gt;&amp;c", "a&lt;b&gt;&amp;c" },
	{ "'\"", "&apos;&quot;", "&apos;&quot;" },
	{ "]]>", "]]&gt;", "]]&gt;" },
	{ "\t\n", "\t\n", "&#9;&#10;" },
	{ "a\rb", "a&#13;b", "a&#13;b" },
	{ "&amp;", "&amp;amp;", "&amp;amp;" },
	{ "\xc3\xa9\xf0\x9f\x98\x80<", "\xc3\xa9\xf0\x9f\x98\x80&lt;",
	  "\xc3\xa9\xf0\x9f\x98\x80&lt;" },
};

static void test_xml(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(xml_rows) / sizeof(xml_rows[0]); i++) {
		const char *plain = xml_rows[i].plain;

		buf_clear(&buf, 4096);
		buf_add_xml_text(&buf, plain, strlen(plain));
		assert_buf(&buf, xml_rows[i].text);
		buf_clear(&buf, 4096);
		buf_add_xml_attr(&buf, plain);
		assert_buf(&buf, xml_rows[i].attr);
	}
	/* Not a byte beyond the length. */
	buf_clear(&buf, 4096);
	buf_add_xml_text(&buf, "a&b", 1);
	assert_buf(&buf, "a");
	buf_free(&buf);
}

static void test_attr(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	buf_add_str(&buf, "<a");
	buf_add_attr(&buf, "b", NULL);
	buf_add_attr(&buf, "c", "");
	buf_add_attr(&buf, "d", "it's");
	assert_buf(&buf, "<a c='' d='it&apos;s'");
	buf_free(&buf);
}

static void test_json(void **state)
{
	static const struct {
		const char *plain, *json;
	} rows[] = {
		{ NULL, "null" },
		{ "", "\"\"" },
		{ "plain \xc3\xa9", "\"plain \xc3\xa9\"" },
		{ "\"\\/", "\"\\\"\\\\/\"" },
		{ "\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"" },
		{ "\x01z\x1f\x7f", "\"\\u0001z\\u001f\\u007f\"" },
	};
	struct buf buf = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_clear(&buf, 4096);
		buf_add_json(&buf, rows[i].plain);
		assert_buf(&buf, rows[i].json);
	}
	buf_free(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_reserve),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_clear_keeps),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_xml),
		cmocka_unit_test(test_attr),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
