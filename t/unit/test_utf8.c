/* SPDX-License-Identifier: Apache-2.0
 *
 * utf8_is_xml(), at each place within a word that is looked at as a whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/xmpp/utf8.h"

static const struct {
	const char *bytes;
	bool valid;
} cases[] = {
	{ "", true },
	{ "plain ASCII of some length ~", true },
	{ "\t\r\n", true },
	{ "\x01", false },
	{ "\x1f", false },
	{ "\x7f", true },
	{ "\xc2\x80", true },
	{ "\xdf\xbf", true },
	{ "\xe0\xa0\x80", true },
	{ "\xef\xbf\xbd", true },
	{ "\xf0\x9f\x98\x80", true },
	{ "\xf4\x8f\xbf\xbf", true },
	{ "\xc0\x80", false }, /* overlong */
	{ "\xc1\xbf", false },
	{ "\xe0\x9f\xbf", false },
	{ "\xf0\x8f\xbf\xbf", false },
	{ "\xed\x9f\xbf", true },  /* the last before ... */
	{ "\xed\xa0\x80", false }, /* ... the first surrogate */
	{ "\xed\xbf\xbf", false },
	{ "\xee\x80\x80", true },
	{ "\xef\xbf\xbe", false }, /* U+FFFE */
	{ "\xef\xbf\xbf", false },
	{ "\xf4\x90\x80\x80", false }, /* above U+10FFFF */
	{ "\xf8\x88\x80\x80\x80", false },
	{ "\x80", false }, /* no first byte */
	{ "\xc3", false }, /* cut */
	{ "\xe2\x82", false },
	{ "\xf0\x9f\x98", false },
	{ "\xc3(", false },
	{ "\xff", false },
};

static void test_cases(void **state)
{
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = strlen(cases[i].bytes);

		for (size_t before = 0; before < 10; before++) {
			memset(text, 'x', sizeof(text));
			memcpy(text + before, cases[i].bytes, len);
			assert_int_equal(utf8_is_xml(text, before + len),
					 cases[i].valid);
		}
	}
}

static void test_nul(void **state)
{
	(void)state;
	assert_false(utf8_is_xml("a\0b", 3));
	assert_false(utf8_is_xml("12345678\0abcdefgh", 17));
}

/* What is no character of XML may still be UTF-8. */
static void test_valid(void **state)
{
	static const char *const others[] = { "\x01", "\x1f", "\xef\xbf\xbe",
					      "\xef\xbf\xbf" };

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_true(utf8_is_valid(others[i], strlen(others[i])));
	assert_true(utf8_is_valid("a\0b", 3));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (cases[i].valid || (unsigned char)cases[i].bytes[0] >= 0xf0)
			assert_int_equal(utf8_is_valid(cases[i].bytes,
						       strlen(cases[i].bytes)),
					 cases[i].valid);
	}
	assert_false(utf8_is_valid("\xed\xa0\x80", 3));
	assert_false(utf8_is_valid("\xc0\x80", 2));
	assert_false(utf8_is_valid("\xe2\x82", 2));
	assert_false(utf8_is_valid("\x80", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
