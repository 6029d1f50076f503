/* SPDX-License-Identifier: Apache-2.0
 *
 * Dialback keys: the example of XEP-0185, and all that is not quite it.
 */
#include "s2s/dialback_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SECRET "s3cr3tf0rd14lb4ck"
#define RECEIVING "xmpp.example.com"
#define ORIGINATING "example.org"
#define ID "D60000229F"

static const char expected[] =
	"37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643";

static void test_example(void **state)
{
	char key[DIALBACK_KEY_SIZE];

	(void)state;
	dialback_key(key, SECRET, RECEIVING, ORIGINATING, ID);
	assert_string_equal(key, expected);
	assert_true(dialback_key_is(expected, SECRET, RECEIVING, ORIGINATING,
				    ID));
}

static void test_others(void **state)
{
	char key[DIALBACK_KEY_SIZE + 8];

	(void)state;
	assert_false(dialback_key_is(expected, "another", RECEIVING,
				     ORIGINATING, ID));
	assert_false(dialback_key_is(expected, SECRET, ORIGINATING, RECEIVING,
				     ID));
	assert_false(dialback_key_is(expected, SECRET, RECEIVING, ORIGINATING,
				     "D60000229E"));
	assert_false(dialback_key_is("", SECRET, RECEIVING, ORIGINATING, ID));
	for (size_t i = 0; i < strlen(expected); i++) {
		memcpy(key, expected, sizeof(expected));
		key[i] = key[i] == '0' ? '1' : '0';
		assert_false(dialback_key_is(key, SECRET, RECEIVING,
					     ORIGINATING, ID));
	}
	memcpy(key, expected, sizeof(expected));
	key[strlen(expected) - 1] = '\0';
	assert_false(
		dialback_key_is(key, SECRET, RECEIVING, ORIGINATING, ID));
	memcpy(key, expected, sizeof(expected));
	memcpy(key + strlen(expected), "0", 2);
	assert_false(
		dialback_key_is(key, SECRET, RECEIVING, ORIGINATING, ID));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
