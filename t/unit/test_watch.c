/* SPDX-License-Identifier: Apache-2.0
 *
 * Watching descriptors that others read and write: a pair of sockets here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "t/unit/net_world.h"
#include "util/net/watch.h"

struct pair {
	struct loop *loop;
	int fds[2];
	struct watch *watch; /* of fds[0] */
	unsigned runs, came;
	bool stop_watch;
	bool leave_bytes;
};

static void came(struct watch *watch, unsigned events, void *ctx)
{
	struct pair *pair = ctx;
	char byte;

	assert_ptr_equal(watch, pair->watch);
	pair->runs++;
	pair->came |= events;
	if ((events & WATCH_READ) && !pair->leave_bytes)
		(void)!read(pair->fds[0], &byte, 1);
	if (pair->stop_watch)
		watch_stop(&pair->watch);
}

static int setup(void **state)
{
	static struct pair pair;
	struct error err;

	memset(&pair, 0, sizeof(pair));
	pair.loop = loop_new(&err);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair.fds), 0);
	pair.watch = watch_start(pair.loop, pair.fds[0], WATCH_READ, came,
				 &pair, &err);
	assert_non_null(pair.watch);
	*state = &pair;
	return 0;
}

static int teardown(void **state)
{
	struct pair *pair = *state;

	watch_stop(&pair->watch);
	assert_null(pair->watch);
	watch_stop(&pair->watch);
	close(pair->fds[0]);
	if (pair->fds[1] >= 0)
		close(pair->fds[1]);
	loop_free(&pair->loop);
	return 0;
}

static void test_read(void **state)
{
	struct pair *pair = *state;

	world_run_for(pair->loop, 5);
	assert_int_equal(pair->runs, 0);
	assert_int_equal(write(pair->fds[1], "ab", 2), 2);
	assert_int_equal(pair->runs, 0); /* not inside a call */
	world_run_for(pair->loop, 5);
	assert_int_equal(pair->runs, 2); /* as long as it is readable */
	assert_int_equal(pair->came, WATCH_READ);
}

static void test_set(void **state)
{
	struct pair *pair = *state;

	watch_set(pair->watch, WATCH_READ | WATCH_WRITE);
	world_run_for(pair->loop, 5);
	assert_in_range(pair->runs, 1, 1000000);
	assert_int_equal(pair->came, WATCH_WRITE);
	watch_set(pair->watch, 0);
	pair->runs = 0;
	assert_int_equal(write(pair->fds[1], "a", 1), 1);
	world_run_for(pair->loop, 5);
	assert_int_equal(pair->runs, 0);
	watch_set(pair->watch, WATCH_READ);
	world_run_for(pair->loop, 5);
	assert_int_equal(pair->runs, 1);
}

static void test_hang_up(void **state)
{
	struct pair *pair = *state;

	pair->stop_watch = true;
	close(pair->fds[1]);
	pair->fds[1] = -1;
	world_run_for(pair->loop, 5);
	assert_int_equal(pair->runs, 1);
	assert_true(pair->came & WATCH_READ);
	assert_null(pair->watch);
}

static void test_stop(void **state)
{
	struct pair *pair = *state;

	pair->stop_watch = true;
	pair->leave_bytes = true;
	assert_int_equal(write(pair->fds[1], "ab", 2), 2);
	world_run_for(pair->loop, 5);
	assert_int_equal(pair->runs, 1);
}

static void test_wait(void **state)
{
	struct pair *pair = *state;

	assert_int_equal(watch_wait(pair->watch, WATCH_READ, 0), 0);
	assert_int_equal(watch_wait(pair->watch, WATCH_READ | WATCH_WRITE, 0),
			 WATCH_WRITE);
	assert_int_equal(write(pair->fds[1], "a", 1), 1);
	assert_int_equal(watch_wait(pair->watch, WATCH_READ, 1000),
			 WATCH_READ);
	close(pair->fds[1]);
	pair->fds[1] = -1;
	assert_int_equal(watch_wait(pair->watch, WATCH_READ, 1000),
			 WATCH_READ);
	assert_int_equal(pair->runs, 0);
}

static void test_no_descriptor(void **state)
{
	struct pair *pair = *state;
	struct error err = { "" };

	assert_null(watch_start(pair->loop, -1, WATCH_READ, came, pair,
				&err));
	assert_string_equal(err.text,
			    "watch a descriptor: bad file descriptor");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hang_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_descriptor, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
