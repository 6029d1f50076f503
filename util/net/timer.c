/* SPDX-License-Identifier: Apache-2.0
 *
 * Timers: a binary heap of pointers to the embedded timers, ordered by time
 * and then by start, under one timer of libuv.
 */
#include "util/net/timer.h"

#include <assert.h>

#include "util/base/mem.h"
#include "util/net/loop_uv.h"

#define CLOCK_STOPPED UINT64_MAX

static bool timer_before(const struct timer *a, const struct timer *b)
{
	return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void heap_put(struct loop *loop, size_t slot, struct timer *timer)
{
	loop->timers[slot] = timer;
	timer->slot = slot;
}

static void heap_up(struct loop *loop, size_t slot, struct timer *timer)
{
	while (slot > 0) {
		size_t parent = (slot - 1) / 2;

		if (!timer_before(timer, loop->timers[parent]))
			break;
		heap_put(loop, slot, loop->timers[parent]);
		slot = parent;
	}
	heap_put(loop, slot, timer);
}

static void heap_down(struct loop *loop, size_t slot, struct timer *timer)
{
	size_t child;

	while ((child = 2 * slot + 1) < loop->timer_count) {
		if (child + 1 < loop->timer_count &&
		    timer_before(loop->timers[child + 1], loop->timers[child]))
			child++;
		if (!timer_before(loop->timers[child], timer))
			break;
		heap_put(loop, slot, loop->timers[child]);
		slot = child;
	}
	heap_put(loop, slot, timer);
}

static void heap_add(struct loop *loop, struct timer *timer)
{
	if (loop->timer_count == loop->timer_room) {
		loop->timer_room = loop->timer_room ? 2 * loop->timer_room : 64;
		loop->timers = mem_realloc(loop->timers, loop->timer_room,
					   sizeof(struct timer *));
	}
	heap_up(loop, loop->timer_count++, timer);
}

static void heap_remove(struct loop *loop, struct timer *timer)
{
	size_t slot = timer->slot;
	struct timer *last;

	assert(slot < loop->timer_count && loop->timers[slot] == timer);
	last = loop->timers[--loop->timer_count];
	if (last == timer)
		return;
	if (slot > 0 && timer_before(last, loop->timers[(slot - 1) / 2]))
		heap_up(loop, slot, last);
	else
		heap_down(loop, slot, last);
}

static void timer_on_clock(uv_timer_t *handle);

/* Sets the clock to the first timer. `least` is 1 inside the clock's own
 * callback: libuv would run a clock of 0 ms again at once, for ever. */
static void clock_set(struct loop *loop, uint64_t least)
{
	uint64_t now = uv_now(&loop->uv);
	uint64_t due;

	if (loop->timer_count == 0) {
		uv_timer_stop(&loop->clock);
		loop->clock_due = CLOCK_STOPPED;
		return;
	}
	due = loop->timers[0]->due;
	if (due < now + least)
		due = now + least;
	loop->clock_due = due;
	uv_timer_start(&loop->clock, timer_on_clock, due - now, 0);
}

/* Timers started by these callbacks wait for the next turn, even with 0 ms:
 * they sort behind all that were due when this began. */
static void timer_on_clock(uv_timer_t *handle)
{
	struct loop *loop = handle->data;
	uint64_t now = uv_now(&loop->uv);
	uint64_t limit = loop->timer_order;

	loop->clock_due = 0; /* so that timer_start() leaves it to us */
	while (loop->timer_count > 0) {
		struct timer *timer = loop->timers[0];

		if (timer->due > now || timer->order >= limit)
			break;
		timer_stop(timer);
		timer->cb(timer);
	}
	clock_set(loop, 1);
}

void loop_timers_init(struct loop *loop)
{
	uv_timer_init(&loop->uv, &loop->clock);
	loop->clock.data = loop;
	loop->clock_due = CLOCK_STOPPED;
}

void loop_timers_free(struct loop *loop)
{
	mem_free(loop->timers);
	loop->timers = NULL;
}

void timer_start(struct timer *timer, struct loop *loop, uint64_t ms,
		 void (*cb)(struct timer *timer))
{
	uint64_t now = uv_now(&loop->uv);

	timer_stop(timer);
	timer->loop = loop;
	timer->due = ms < UINT64_MAX - now ? now + ms : UINT64_MAX - 1;
	timer->cb = cb;
	timer->order = loop->timer_order++;
	heap_add(loop, timer);
	/* A clock that is too early is harmless, and stopping timers leaves
	 * one behind: most timers are stopped long before they are due. */
	if (timer->due < loop->clock_due)
		clock_set(loop, 0);
}

void timer_stop(struct timer *timer)
{
	if (!timer->loop)
		return;
	heap_remove(timer->loop, timer);
	timer->loop = NULL;
}

bool timer_running(const struct timer *timer)
{
	return timer->loop != NULL;
}
