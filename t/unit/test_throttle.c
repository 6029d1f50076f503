/* SPDX-License-Identifier: Apache-2.0
 *
 * The throttle: who has to wait, for how long, and who has not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sm/throttle.h"
#include "util/base/mem.h"

#define ALICE "alice@example.org"
#define HOME "192.0.2.1"
#define AWAY "198.51.100.7"

static const struct throttle_limits limits = { .failures = 5,
					       .window = 1000 };

static void fail_times(struct throttle *throttle, unsigned times,
		       const char *account, const char *address, uint64_t now)
{
	while (times-- > 0)
		throttle_failed(throttle, &limits, account, address, now);
}

static void test_delay_grows(void **state)
{
	struct throttle *throttle = throttle_new(100);
	uint64_t last = 0;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		uint64_t delay = throttle_failed(throttle, &limits, ALICE,
						 HOME, 1);

		assert_true(delay > last);
		last = delay;
	}
	for (unsigned i = 0; i < 20; i++)
		last = throttle_failed(throttle, &limits, ALICE, HOME, 1);
	assert_in_range(last, 1000, 5000);
	throttle_free(&throttle);
	assert_null(throttle);
}

static void test_account(void **state)
{
	struct throttle *throttle = throttle_new(100);

	(void)state;
	fail_times(throttle, 4, ALICE, HOME, 1);
	assert_false(throttle_refuses(throttle, &limits, ALICE, HOME, 1));
	fail_times(throttle, 1, ALICE, AWAY, 1);
	assert_true(throttle_refuses(throttle, &limits, ALICE, HOME, 1));
	assert_false(throttle_refuses(throttle, &limits, "bob@example.org",
				      HOME, 1));
	/* After the window all is well, and counting begins anew. */
	assert_false(throttle_refuses(throttle, &limits, ALICE, HOME, 1002));
	fail_times(throttle, 1, ALICE, HOME, 1002);
	assert_false(throttle_refuses(throttle, &limits, ALICE, HOME, 1002));
	throttle_free(&throttle);
}

static void test_address(void **state)
{
	struct throttle *throttle = throttle_new(100);

	(void)state;
	for (unsigned i = 0; i < 25; i++) {
		char *name = mem_printf("user%u@example.org", i);

		assert_false(throttle_refuses(throttle, &limits, name, HOME,
					      1));
		throttle_failed(throttle, &limits, name, HOME, 1);
		mem_free(name);
	}
	assert_true(throttle_refuses(throttle, &limits, ALICE, HOME, 1));
	assert_true(throttle_refuses(throttle, &limits, NULL, HOME, 1));
	assert_false(throttle_refuses(throttle, &limits, ALICE, AWAY, 1));
	assert_false(throttle_refuses(throttle, &limits, ALICE, NULL, 1));
	throttle_free(&throttle);
}

static void test_network(void **state)
{
	struct throttle *throttle = throttle_new(100);

	(void)state;
	fail_times(throttle, 25, NULL, "2001:db8:1:2::1", 1);
	assert_true(throttle_refuses(throttle, &limits, NULL,
				     "2001:db8:1:2:ffff::9", 1));
	assert_false(throttle_refuses(throttle, &limits, NULL,
				      "2001:db8:1:3::1", 1));
	throttle_free(&throttle);
}

static void test_success_resets(void **state)
{
	struct throttle *throttle = throttle_new(100);

	(void)state;
	fail_times(throttle, 4, ALICE, HOME, 1);
	throttle_succeeded(throttle, ALICE, HOME, 1);
	fail_times(throttle, 4, ALICE, HOME, 1);
	assert_false(throttle_refuses(throttle, &limits, ALICE, HOME, 1));
	fail_times(throttle, 1, ALICE, HOME, 1);
	assert_true(throttle_refuses(throttle, &limits, ALICE, HOME, 1));
	throttle_free(&throttle);
}

/* Guessing from elsewhere does not lock the owner out. */
static void test_owner(void **state)
{
	struct throttle *throttle = throttle_new(100);

	(void)state;
	throttle_succeeded(throttle, ALICE, HOME, 1);
	fail_times(throttle, 20, ALICE, AWAY, 1);
	assert_true(throttle_refuses(throttle, &limits, ALICE, AWAY, 1));
	assert_false(throttle_refuses(throttle, &limits, ALICE, HOME, 1));
	throttle_free(&throttle);
}

static void test_forgive(void **state)
{
	struct throttle *throttle = throttle_new(100);

	(void)state;
	throttle_succeeded(throttle, ALICE, HOME, 1);
	fail_times(throttle, 6, ALICE, HOME, 1);
	fail_times(throttle, 5, ALICE, AWAY, 1);
	fail_times(throttle, 5, "bob@example.org", NULL, 1);
	assert_int_equal(throttle_forgive(throttle, ALICE), 11);
	assert_false(throttle_refuses(throttle, &limits, ALICE, HOME, 1));
	assert_false(throttle_refuses(throttle, &limits, ALICE, AWAY, 1));
	assert_true(throttle_refuses(throttle, &limits, "bob@example.org",
				     NULL, 1));
	assert_int_equal(throttle_forgive(throttle, ALICE), 0);
	throttle_free(&throttle);
}

static void test_bounded(void **state)
{
	struct throttle *throttle = throttle_new(10);

	(void)state;
	fail_times(throttle, 5, ALICE, NULL, 1);
	for (unsigned i = 0; i < 9; i++) {
		char *name = mem_printf("user%u@example.org", i);

		throttle_failed(throttle, &limits, name, NULL, 1);
		mem_free(name);
	}
	assert_true(throttle_refuses(throttle, &limits, ALICE, NULL, 1));
	/* The eleventh entry takes the place of the oldest. */
	throttle_failed(throttle, &limits, "last@example.org", NULL, 1);
	assert_false(throttle_refuses(throttle, &limits, ALICE, NULL, 1));
	throttle_free(&throttle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delay_grows),
		cmocka_unit_test(test_account),
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_network),
		cmocka_unit_test(test_success_resets),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_forgive),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
