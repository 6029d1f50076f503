/* SPDX-License-Identifier: Apache-2.0
 *
 * util/base/index: what is put in is found, what is removed is not, in any
 * order and with colliding keys.
 */
#include "util/base/index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define KEYS 600

/* Few homes, so that the slots of many keys are in each other's way. */
static uint64_t key_of(unsigned i)
{
	return (uint64_t)i * 1021 % 64 + ((uint64_t)i << 32);
}

static void test_random_changes(void **state)
{
	struct index index = { .room = 0 };
	bool there[KEYS] = { false };
	int values[KEYS];
	unsigned random = 1;
	size_t count = 0;

	(void)state;
	assert_null(index_get(&index, 7));
	index_remove(&index, 7);
	for (unsigned step = 0; step < 60000; step++) {
		unsigned i;

		random = random * 1103515245u + 12345u;
		i = (random >> 16) % KEYS;
		if ((random & 0x8000) != 0) {
			index_put(&index, key_of(i), &values[i]);
			there[i] = true;
		} else {
			index_remove(&index, key_of(i));
			there[i] = false;
		}
		if (step % 100 != 0)
			continue;
		count = 0;
		for (i = 0; i < KEYS; i++) {
			assert_ptr_equal(index_get(&index, key_of(i)),
					 there[i] ? &values[i] : NULL);
			count += there[i];
		}
		assert_int_equal(index.count, count);
	}
	index_free(&index);
}

static void test_iteration(void **state)
{
	struct index index = { .room = 0 };
	int values[100] = { 0 };
	size_t at = 0;
	int *value;

	(void)state;
	assert_null(index_next(&index, &at));
	for (unsigned i = 0; i < 100; i++)
		index_put(&index, i * 16, &values[i]);
	index_put(&index, 0, &values[0]);
	while ((value = index_next(&index, &at)) != NULL)
		++*value;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(values[i], 1);
	index_free(&index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_changes),
		cmocka_unit_test(test_iteration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
