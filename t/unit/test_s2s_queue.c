/* SPDX-License-Identifier: Apache-2.0
 *
 * The queue of a remote domain: order, and its three limits.
 */
#include "s2s/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/base/mem.h"

static const struct s2s_queue_limits limits = { .count = 3,
						.bytes = 10,
						.age = 1000 };

static bool add(struct s2s_queue *queue, const char *text, uint64_t n,
		uint64_t now)
{
	return s2s_queue_add(queue, &limits, text, strlen(text), -1,
			     (struct link_receipt){ .peer = 1, .n = n }, now);
}

static void take(struct s2s_queue *queue, const char *text, uint64_t n)
{
	struct s2s_queued *queued = s2s_queue_take(queue);

	assert_non_null(queued);
	assert_int_equal(queued->len, strlen(text));
	assert_memory_equal(queued->bytes, text, queued->len);
	assert_true(queued->receipt.n == n);
	mem_free(queued);
}

static void test_order(void **state)
{
	struct s2s_queue queue = { .first = NULL };

	(void)state;
	assert_null(s2s_queue_take(&queue));
	for (int round = 0; round < 2; round++) {
		assert_true(add(&queue, "one", 1, 5));
		assert_true(add(&queue, "two", 2, 5));
		take(&queue, "one", 1);
		assert_true(add(&queue, "three", 3, 5));
		take(&queue, "two", 2);
		take(&queue, "three", 3);
		assert_null(s2s_queue_take(&queue));
		assert_int_equal(queue.count, 0);
		assert_int_equal(queue.bytes, 0);
	}
}

static void test_count_and_bytes(void **state)
{
	struct s2s_queue queue = { .first = NULL };

	(void)state;
	assert_true(add(&queue, "a", 1, 0));
	assert_true(add(&queue, "b", 2, 0));
	assert_true(add(&queue, "c", 3, 0));
	assert_false(add(&queue, "d", 4, 0));
	take(&queue, "a", 1);
	assert_false(add(&queue, "123456789", 5, 0));
	assert_true(add(&queue, "12345678", 6, 0));
	take(&queue, "b", 2);
	take(&queue, "c", 3);
	take(&queue, "12345678", 6);
	/* One that is larger than all: it has a limit of its own. */
	assert_true(add(&queue, "larger than ten bytes", 7, 0));
	assert_false(add(&queue, "a", 8, 0));
	take(&queue, "larger than ten bytes", 7);
}

static void test_age(void **state)
{
	struct s2s_queue queue = { .first = NULL };
	struct s2s_queued *queued;

	(void)state;
	assert_true(s2s_queue_due(&queue, &limits, 5) == 0);
	assert_null(s2s_queue_take_old(&queue, &limits, 5));
	assert_true(add(&queue, "a", 1, 500));
	assert_true(add(&queue, "b", 2, 700));
	assert_true(s2s_queue_due(&queue, &limits, 500) == 1000);
	assert_true(s2s_queue_due(&queue, &limits, 1499) == 1);
	assert_null(s2s_queue_take_old(&queue, &limits, 1499));
	assert_true(s2s_queue_due(&queue, &limits, 1500) == 0);
	queued = s2s_queue_take_old(&queue, &limits, 1500);
	assert_non_null(queued);
	mem_free(queued);
	assert_null(s2s_queue_take_old(&queue, &limits, 1500));
	assert_true(s2s_queue_due(&queue, &limits, 1500) == 200);
	take(&queue, "b", 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_count_and_bytes),
		cmocka_unit_test(test_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
