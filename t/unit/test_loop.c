/* SPDX-License-Identifier: Apache-2.0
 *
 * Turns, deferred work, timers, signals, the clock and randomness.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>

#include <cmocka.h>

#include "t/unit/net_world.h"

/* ---- timers ---- */

struct mark {
	struct timer timer;
	struct deferred deferred;
	struct record *record;
	char letter;
	uint64_t again; /* times to start the timer again */
};

struct record {
	struct loop *loop;
	struct buf order;
	struct mark *stop; /* stopped by every mark that runs */
	struct deferred probe;
};

static void mark_run(struct timer *timer)
{
	struct mark *mark = container_of(timer, struct mark, timer);

	assert_false(timer_running(timer));
	buf_add_char(&mark->record->order, mark->letter);
	if (mark->record->stop)
		timer_stop(&mark->record->stop->timer);
	if (mark->again > 0) {
		mark->again--;
		timer_start(timer, mark->record->loop, 0, mark_run);
	}
}

static void mark_start(struct mark *mark, struct record *record, char letter,
		       uint64_t ms)
{
	mark->record = record;
	mark->letter = letter;
	timer_start(&mark->timer, record->loop, ms, mark_run);
}

static void test_timers_order(void **state)
{
	struct record record = { .loop = loop_new(NULL) };
	struct mark marks[8];

	(void)state;
	memset(marks, 0, sizeof(marks));
	mark_start(&marks[0], &record, 'd', 20);
	mark_start(&marks[1], &record, 'a', 0);
	mark_start(&marks[2], &record, 'c', 10);
	mark_start(&marks[3], &record, 'e', 20);
	mark_start(&marks[4], &record, 'b', 0);
	mark_start(&marks[5], &record, 'x', 5);
	mark_start(&marks[6], &record, 'f', 1);
	mark_start(&marks[6], &record, 'f', 25); /* started again: moved */
	timer_stop(&marks[5].timer);
	timer_stop(&marks[5].timer);
	timer_stop(&marks[7].timer); /* never started */
	assert_true(timer_running(&marks[0].timer));
	assert_false(timer_running(&marks[5].timer));
	world_run_for(record.loop, 60);
	assert_string_equal(buf_data(&record.order), "abcdef");
	loop_free(&record.loop);
	buf_free(&record.order);
}

/* A timer of 0 ms that starts itself again lets others run in between. */
static void test_timer_again(void **state)
{
	struct record record = { .loop = loop_new(NULL) };
	struct mark marks[3];

	(void)state;
	memset(marks, 0, sizeof(marks));
	marks[0].again = 2;
	mark_start(&marks[0], &record, 'a', 0);
	mark_start(&marks[1], &record, 'b', 0);
	world_run_for(record.loop, 30);
	assert_string_equal(buf_data(&record.order), "abaa");
	loop_free(&record.loop);
	buf_free(&record.order);
}

/* One that is due is stopped by one that runs before it. */
static void test_timer_stopped_by_other(void **state)
{
	struct record record = { .loop = loop_new(NULL) };
	struct mark marks[2];

	(void)state;
	memset(marks, 0, sizeof(marks));
	mark_start(&marks[0], &record, 'a', 1);
	mark_start(&marks[1], &record, 'b', 1);
	record.stop = &marks[1];
	world_run_for(record.loop, 30);
	assert_string_equal(buf_data(&record.order), "a");
	loop_free(&record.loop);
	buf_free(&record.order);
}

#define MANY 2000

struct sorted {
	struct timer timer;
	uint64_t *last;
	unsigned *count;
};

static void sorted_run(struct timer *timer)
{
	struct sorted *sorted = container_of(timer, struct sorted, timer);

	assert_true(timer->due >= *sorted->last);
	*sorted->last = timer->due;
	++*sorted->count;
}

/* The heap under random times, starts again and stops. */
static void test_timers_many(void **state)
{
	static struct sorted timers[MANY];
	struct loop *loop = loop_new(NULL);
	uint64_t last = 0;
	unsigned i, seed = 1, count = 0, stopped = 0;

	(void)state;
	for (i = 0; i < 3 * MANY; i++) {
		struct sorted *sorted = &timers[(seed >> 8) % MANY];

		sorted->last = &last;
		sorted->count = &count;
		if (seed % 5 == 0)
			timer_stop(&sorted->timer);
		else
			timer_start(&sorted->timer, loop, (seed >> 20) % 100,
				    sorted_run);
		seed = seed * 1103515245u + 12345u;
	}
	for (i = 0; i < MANY; i++)
		stopped += !timer_running(&timers[i].timer);
	world_run_for(loop, 150);
	assert_int_equal(count, MANY - stopped);
	assert_in_range(stopped, 1, MANY - 1);
	loop_free(&loop);
}

/* ---- deferred work ---- */

static void defer_note(struct deferred *deferred)
{
	struct mark *mark = container_of(deferred, struct mark, deferred);

	buf_add_char(&mark->record->order, mark->letter);
	if (mark->again > 0) {
		mark->again--;
		loop_defer(mark->record->loop, deferred, defer_note);
	}
}

static void defer_from_timer(struct timer *timer)
{
	struct mark *mark = container_of(timer, struct mark, timer);

	loop_defer(mark->record->loop, &mark->deferred, defer_note);
	loop_defer(mark->record->loop, &mark->deferred, defer_note);
	buf_add_char(&mark->record->order, '(');
}

static void test_defer(void **state)
{
	struct record record = { .loop = loop_new(NULL) };
	struct mark marks[3];

	(void)state;
	memset(marks, 0, sizeof(marks));
	marks[0].again = 2; /* three times in the same turn */
	for (int i = 0; i < 3; i++) {
		marks[i].record = &record;
		marks[i].letter = (char)('a' + i);
		timer_start(&marks[i].timer, record.loop, 1, defer_from_timer);
	}
	world_run_for(record.loop, 20);
	assert_string_equal(buf_data(&record.order), "(((abcaa");
	loop_free(&record.loop);
	buf_free(&record.order);
}

static void test_defer_cancel(void **state)
{
	static const struct {
		const char *cancel, *rest;
	} rows[] = {
		{ "a", "bcd" }, { "b", "acd" }, { "d", "abc" },	 { "abcd", "" },
		{ "dcba", "" }, { "cd", "ab" }, { "aab", "cd" },
	};
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct record record = { .loop = loop_new(NULL) };
		struct mark marks[4];
		const char *c;

		memset(marks, 0, sizeof(marks));
		for (j = 0; j < 4; j++) {
			marks[j].record = &record;
			marks[j].letter = (char)('a' + j);
			loop_defer(record.loop, &marks[j].deferred, defer_note);
		}
		for (c = rows[i].cancel; *c; c++)
			loop_defer_cancel(record.loop,
					  &marks[*c - 'a'].deferred);
		world_run_for(record.loop, 2);
		assert_string_equal(buf_data(&record.order), rows[i].rest);
		/* The list can still be added to. */
		loop_defer(record.loop, &marks[0].deferred, defer_note);
		world_run_for(record.loop, 2);
		assert_int_equal(buf_data(&record.order)[record.order.len - 1],
				 'a');
		loop_free(&record.loop);
		buf_free(&record.order);
	}
}

/* Work deferred before the loop runs, or by a callback, never waits for an
 * event: without one the loop would sleep for the whole 10 s. */
static void stop_run(struct deferred *deferred)
{
	struct record *record = container_of(deferred, struct record, probe);

	loop_stop(record->loop);
}

static void test_defer_does_not_sleep(void **state)
{
	struct record record = { .loop = loop_new(NULL) };
	uint64_t before = loop_now_us(record.loop);

	(void)state;
	loop_defer(record.loop, &record.probe, stop_run);
	world_run(record.loop);
	assert_true(loop_now_us(record.loop) - before < 1000000);
	loop_free(&record.loop);
}

/* ---- the rest ---- */

static void signal_note(int signum, void *ctx)
{
	struct record *record = ctx;

	buf_addf(&record->order, "%d", signum == SIGUSR1);
	loop_stop(record->loop);
}

static void signal_wrong(int signum, void *ctx)
{
	(void)ctx;
	fail_msg("the replaced callback of signal %d ran", signum);
}

static void test_signal(void **state)
{
	struct record record = { .loop = loop_new(NULL) };

	(void)state;
	loop_on_signal(record.loop, SIGUSR1, signal_wrong, &record);
	loop_on_signal(record.loop, SIGUSR1, signal_note, &record);
	loop_on_signal(record.loop, SIGUSR2, signal_wrong, &record);
	raise(SIGUSR1);
	assert_int_equal(record.order.len, 0);
	world_run(record.loop);
	assert_string_equal(buf_data(&record.order), "1");
	raise(SIGPIPE); /* ignored */
	loop_free(&record.loop);
	buf_free(&record.order);
}

static void test_clock(void **state)
{
	struct loop *loop = loop_new(NULL);
	uint64_t now = loop_now(loop), us = loop_now_us(loop);

	(void)state;
	world_run_for(loop, 20);
	assert_in_range(loop_now(loop) - now, 19, 5000);
	assert_in_range(loop_now_us(loop) - us, 19000, 5000000);
	/* Between 2020 and 2200. */
	assert_in_range(loop_time_us(loop), 1577836800000000, 7258118400000000);
	loop_free(&loop);
}

static void test_random(void **state)
{
	struct loop *loop = loop_new(NULL);
	unsigned char a[32] = { 0 }, b[32] = { 0 };
	char text[65];
	size_t digits[] = { 0, 1, 7, 32, 64 };
	uint64_t low = UINT64_MAX, high = 0;
	size_t i;

	(void)state;
	loop_random(loop, a, sizeof(a));
	loop_random(loop, b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	for (i = 0; i < sizeof(digits) / sizeof(digits[0]); i++) {
		loop_random_hex(loop, text, digits[i]);
		assert_int_equal(strlen(text), digits[i]);
		assert_int_equal(strspn(text, "0123456789abcdef"), digits[i]);
	}
	for (i = 0; i < 1000; i++) {
		uint64_t ms = loop_jitter(loop, 1000);

		assert_in_range(ms, 500, 1500);
		low = ms < low ? ms : low;
		high = ms > high ? ms : high;
	}
	assert_true(low < 600 && high > 1400);
	assert_int_equal(loop_jitter(loop, 0), 0);
	loop_free(&loop);
	assert_null(loop);
	loop_free(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timers_order),
		cmocka_unit_test(test_timer_again),
		cmocka_unit_test(test_timer_stopped_by_other),
		cmocka_unit_test(test_timers_many),
		cmocka_unit_test(test_defer),
		cmocka_unit_test(test_defer_cancel),
		cmocka_unit_test(test_defer_does_not_sleep),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
