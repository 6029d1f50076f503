/* SPDX-License-Identifier: Apache-2.0
 *
 * Timers: 40 bytes each, embedded in their owner, stopped at once. They live
 * in one heap under one timer of the loop, since a session has several.
 */
#ifndef UTIL_NET_TIMER_H
#define UTIL_NET_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/net/loop.h"

struct timer {
	struct loop *loop; /* NULL while it is not running */
	uint64_t due;	   /* loop_now() milliseconds */
	void (*cb)(struct timer *timer);
	size_t slot; /* place in the heap */
	uint64_t order; /* timers of the same millisecond run as started */
};

/* Starts, or starts again, for `ms` milliseconds from now, once. The callback
 * finds its owner by container_of(); the timer is stopped when it runs, so it
 * may be started again there, or its owner freed. */
void timer_start(struct timer *timer, struct loop *loop, uint64_t ms,
		 void (*cb)(struct timer *timer));

/* Harmless on a zeroed or stopped timer. */
void timer_stop(struct timer *timer);

bool timer_running(const struct timer *timer);

/* The struct of `type` that holds `member` at `ptr`. */
#define container_of(ptr, type, member)                                      \
	((type *)((char *)(ptr) - offsetof(type, member)))

#endif
