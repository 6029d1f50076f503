/* SPDX-License-Identifier: Apache-2.0
 *
 * Timers on the virtual clock: a heap for each loop, as in util/net/timer.c.
 */
#include "util/net/timer.h"

#include <assert.h>

#include "t/sim/net/loop_sim.h"
#include "util/base/mem.h"

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

void timer_start(struct timer *timer, struct loop *loop, uint64_t ms,
		 void (*cb)(struct timer *timer))
{
	timer_stop(timer);
	timer->loop = loop;
	timer->due = ms < UINT64_MAX - loop->now ? loop->now + ms
						 : UINT64_MAX - 1;
	timer->cb = cb;
	timer->order = loop->timer_order++;
	if (loop->timer_count == loop->timer_room) {
		loop->timer_room = loop->timer_room ? 2 * loop->timer_room : 16;
		loop->timers = mem_realloc(loop->timers, loop->timer_room,
					   sizeof(struct timer *));
	}
	heap_up(loop, loop->timer_count++, timer);
	if (!loop->inside)
		loop_wake(loop);
}

void timer_stop(struct timer *timer)
{
	struct loop *loop = timer->loop;
	struct timer *last;

	if (!loop)
		return;
	assert(loop->timers[timer->slot] == timer);
	last = loop->timers[--loop->timer_count];
	if (last != timer) {
		size_t slot = timer->slot;

		if (slot > 0 &&
		    timer_before(last, loop->timers[(slot - 1) / 2]))
			heap_up(loop, slot, last);
		else
			heap_down(loop, slot, last);
	}
	timer->loop = NULL;
}

bool timer_running(const struct timer *timer)
{
	return timer->loop != NULL;
}

uint64_t loop_timers_due(const struct loop *loop)
{
	return loop->timer_count ? loop->timers[0]->due : UINT64_MAX;
}

void loop_timers_run(struct loop *loop)
{
	uint64_t limit = loop->timer_order;

	while (loop->timer_count > 0) {
		struct timer *timer = loop->timers[0];

		if (timer->due > loop->now || timer->order >= limit)
			break;
		timer_stop(timer);
		timer->cb(timer);
	}
}
