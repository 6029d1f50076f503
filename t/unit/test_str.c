/* SPDX-License-Identifier: Apache-2.0
 *
 * util/base/str: tables of questions and their answers.
 */
#include "util/base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void test_equal(void **state)
{
	(void)state;
	assert_true(str_equal(NULL, NULL));
	assert_false(str_equal(NULL, ""));
	assert_false(str_equal("", NULL));
	assert_true(str_equal("a", "a"));
	assert_false(str_equal("a", "A"));
	assert_false(str_equal("a", "ab"));

	assert_true(str_equal_nocase(NULL, NULL));
	assert_false(str_equal_nocase(NULL, ""));
	assert_true(str_equal_nocase("aZ-9", "Az-9"));
	assert_false(str_equal_nocase("abc", "ab"));
	assert_false(str_equal_nocase("ab", "abc"));
	assert_false(str_equal_nocase("@", "`"));
	assert_false(str_equal_nocase("\xc3\x89", "\xc3\xa9"));
}

static void test_ends(void **state)
{
	(void)state;
	assert_true(str_starts("abc", "ab"));
	assert_true(str_starts("abc", ""));
	assert_false(str_starts("ab", "abc"));
	assert_true(str_ends("abc", "bc"));
	assert_true(str_ends("abc", ""));
	assert_true(str_ends("abc", "abc"));
	assert_false(str_ends("bc", "abc"));
	assert_false(str_ends("abc", "ab"));
}

static void test_u64(void **state)
{
	static const struct {
		const char *text;
		uint64_t min, max;
		int result;
		uint64_t value;
	} rows[] = {
		{ "0", 0, 9, 0, 0 },
		{ "007", 0, 9, 0, 7 },
		{ "18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX },
		{ "18446744073709551616", 0, UINT64_MAX, -1, 0 },
		{ "99999999999999999999", 0, UINT64_MAX, -1, 0 },
		{ "10", 0, 9, -1, 0 },
		{ "4", 5, 9, -1, 0 },
		{ "5", 5, 9, 0, 5 },
		{ "9", 5, 9, 0, 9 },
		{ "", 0, 9, -1, 0 },
		{ NULL, 0, 9, -1, 0 },
		{ " 1", 0, 9, -1, 0 },
		{ "1 ", 0, 9, -1, 0 },
		{ "+1", 0, 9, -1, 0 },
		{ "-0", 0, 9, -1, 0 },
		{ "0x1", 0, 9, -1, 0 },
		{ "1.0", 0, 9, -1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t value = 4242;

		assert_int_equal(str_to_u64(rows[i].text, rows[i].min,
					    rows[i].max, &value),
				 rows[i].result);
		assert_int_equal(value, rows[i].result ? 4242 : rows[i].value);
	}
}

static void test_i64(void **state)
{
	static const struct {
		const char *text;
		int64_t min, max;
		int result;
		int64_t value;
	} rows[] = {
		{ "-128", -128, 127, 0, -128 },
		{ "-129", -128, 127, -1, 0 },
		{ "127", -128, 127, 0, 127 },
		{ "128", -128, 127, -1, 0 },
		{ "-0", -1, 1, 0, 0 },
		{ "-", -1, 1, -1, 0 },
		{ "--1", -1, 1, -1, 0 },
		{ "", -1, 1, -1, 0 },
		{ NULL, -1, 1, -1, 0 },
		{ "-9223372036854775808", INT64_MIN, INT64_MAX, 0, INT64_MIN },
		{ "-9223372036854775809", INT64_MIN, INT64_MAX, -1, 0 },
		{ "9223372036854775807", INT64_MIN, INT64_MAX, 0, INT64_MAX },
		{ "9223372036854775808", INT64_MIN, INT64_MAX, -1, 0 },
		{ "18446744073709551615", INT64_MIN, INT64_MAX, -1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t value = 4242;

		assert_int_equal(str_to_i64(rows[i].text, rows[i].min,
					    rows[i].max, &value),
				 rows[i].result);
		assert_int_equal(value, rows[i].result ? 4242 : rows[i].value);
	}
}

static void test_copy(void **state)
{
	static const struct {
		const char *from;
		size_t size;
		bool whole;
		const char *to;
	} rows[] = {
		{ "", 1, true, "" },
		{ "a", 1, false, "" },
		{ "abc", 4, true, "abc" },
		{ "abc", 3, false, "ab" },
		{ "a\xc3\xa9", 4, true, "a\xc3\xa9" },
		{ "a\xc3\xa9", 3, false, "a" },
		{ "a\xc3\xa9z", 4, false, "a\xc3\xa9" },
		{ "\xf0\x9f\x98\x80", 4, false, "" },
		{ "\xf0\x9f\x98\x80", 5, true, "\xf0\x9f\x98\x80" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char to[8];

		memset(to, 'x', sizeof(to));
		assert_int_equal(str_copy(to, rows[i].size, rows[i].from),
				 rows[i].whole);
		assert_string_equal(to, rows[i].to);
		assert_int_equal(to[rows[i].size], 'x');
	}
	assert_false(str_copy(NULL, 0, "a"));
}

static void test_matches(void **state)
{
	static const struct {
		const char *text, *pattern;
		bool match;
	} rows[] = {
		{ "", "", true },
		{ "", "*", true },
		{ "", "?", false },
		{ "a", "", false },
		{ "abc", "abc", true },
		{ "abc", "ab", false },
		{ "abc", "a?c", true },
		{ "abc", "a*", true },
		{ "abc", "*c", true },
		{ "abc", "*b", false },
		{ "abc", "**a**c**", true },
		{ "mississippi", "*is*ip*", true },
		{ "mississippi", "*is*ipx*", false },
		{ "a.example.org", "*.example.org", true },
		{ "example.org", "*.example.org", false },
		{ "[a]", "[a]", true },
		{ "a", "[a]", false },
		{ "a*c", "a*c", true },
		{ "x\xc3\xa9y", "x?y", true },
		{ "x\xc3\xa9y", "x??y", false },
	};
	char long_text[2001];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(str_matches(rows[i].text, rows[i].pattern),
				 rows[i].match);
	/* A matcher that tries every star again would not come back. */
	memset(long_text, 'a', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	assert_false(str_matches(long_text, "*a*a*a*a*a*a*a*a*a*a*a*b"));
}

static void test_trim(void **state)
{
	char both[] = " \t\r\n a b \n";
	char only[] = " \n ";
	char none[] = "a";
	char empty[] = "";

	(void)state;
	assert_string_equal(str_trim(both), "a b");
	assert_string_equal(str_trim(only), "");
	assert_string_equal(str_trim(none), "a");
	assert_string_equal(str_trim(empty), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_i64),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_trim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
