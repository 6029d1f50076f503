/* SPDX-License-Identifier: Apache-2.0
 *
 * util/base/error: the sentence, its prefix, and where it is cut.
 */
#include "util/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void test_set(void **state)
{
	struct error err = { .text = "" };

	(void)state;
	assert_int_equal(error_set(&err, "port %d is taken", 5222), -1);
	assert_string_equal(err.text, "port 5222 is taken");
	assert_int_equal(error_set(&err, "%s", "other"), -1);
	assert_string_equal(err.text, "other");
	/* The old sentence may be part of the new one. */
	error_set(&err, "<%s>", err.text);
	assert_string_equal(err.text, "<other>");
}

static void test_prefix(void **state)
{
	struct error err = { .text = "" };

	(void)state;
	error_set(&err, "no such file");
	assert_int_equal(error_prefix(&err, "%s:%d", "chappe.conf", 7), -1);
	assert_string_equal(err.text, "chappe.conf:7: no such file");
}

static void test_null(void **state)
{
	(void)state;
	assert_int_equal(error_set(NULL, "x"), -1);
	assert_int_equal(error_prefix(NULL, "x"), -1);
}

static void test_cut_between_characters(void **state)
{
	struct error err;
	char text[600];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	error_set(&err, "%s", text);
	assert_int_equal(strlen(err.text), 255);

	/* A letter of two bytes over the border goes as a whole. */
	memcpy(text + 254, "\xc3\xa9", 2);
	error_set(&err, "%s", text);
	assert_int_equal(strlen(err.text), 254);
	error_prefix(&err, "b");
	assert_int_equal(strlen(err.text), 255);
	assert_memory_equal(err.text, "b: aaa", 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_null),
		cmocka_unit_test(test_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
