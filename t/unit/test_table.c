/* SPDX-License-Identifier: Apache-2.0
 *
 * util/base/table: uthash under our hash, and its order of iteration.
 */
#include "util/base/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "util/base/mem.h"

struct item {
	char name[16];
	unsigned number;
	UT_hash_handle hh;
};

static void test_order_and_lookup(void **state)
{
	struct item *table = NULL;
	struct item *item;
	struct item *next;
	unsigned expected = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		item = mem_new(struct item);
		item->number = i;
		snprintf(item->name, sizeof(item->name), "name%u", i);
		HASH_ADD_STR(table, name, item);
	}
	HASH_FIND_STR(table, "name977", item);
	assert_non_null(item);
	assert_int_equal(item->number, 977);
	HASH_FIND_STR(table, "name1000", item);
	assert_null(item);
	HASH_ITER(hh, table, item, next) {
		assert_int_equal(item->number, expected++);
		HASH_DEL(table, item);
		mem_free(item);
	}
	assert_int_equal(expected, 1000);
}

static void test_hash(void **state)
{
	(void)state;
	assert_int_equal(table_hash("abc", 3), table_hash("abcd", 3));
	/* Equal by chance once in 2^32 or 2^64 starts. */
	assert_false(table_hash("abc", 3) == table_hash("abd", 3) &&
		     table_hash("", 0) == table_hash("a", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_lookup),
		cmocka_unit_test(test_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
