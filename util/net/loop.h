/* SPDX-License-Identifier: Apache-2.0
 *
 * The event loop, the clock, randomness and signals of one role. t/sim has a
 * second implementation of these headers on a virtual clock, so nobody else
 * may ask the operating system for any of this.
 */
#ifndef UTIL_NET_LOOP_H
#define UTIL_NET_LOOP_H

#include <stddef.h>
#include <stdint.h>

#include "util/base/error.h"

struct loop;

/* NULL when the system has no more descriptors. Also ignores SIGPIPE. */
struct loop *loop_new(struct error *err);

/* Runs until loop_stop(). */
void loop_run(struct loop *loop);

/* Makes loop_run() return at the end of this turn. */
void loop_stop(struct loop *loop);

/* After loop_run() returned: closes what is still open, without callbacks
 * (timers, listeners, conns are released by their owners before). */
void loop_free(struct loop **loop);

/* Monotonic milliseconds of this turn of the loop; never goes back. */
uint64_t loop_now(struct loop *loop);

/* Monotonic microseconds of this very moment, for measuring. */
uint64_t loop_now_us(struct loop *loop);

/* Wall clock, microseconds since 1970-01-01 UTC, of this very moment. */
int64_t loop_time_us(struct loop *loop);

/* Cryptographic random bytes. */
void loop_random(struct loop *loop, void *bytes, size_t len);

/* `digits` (at most 64) random lower-case hexadecimal digits and a NUL; 32
 * digits for what must not be guessed. */
void loop_random_hex(struct loop *loop, char *to, size_t digits);

/* A random delay in 0.5 .. 1.5 times `ms`: the jitter of every retry. */
uint64_t loop_jitter(struct loop *loop, uint64_t ms);

/* Work for the end of this turn of the loop, after all that was read in it
 * was handled and before the collected writes go out. Embedded in its owner;
 * scheduling twice is once. A callback may schedule again: it then runs in
 * the same turn. */
struct deferred {
	void (*run)(struct deferred *deferred);
	struct deferred *next;
	struct deferred **at; /* where the list points here; NULL: not in it */
};

void loop_defer(struct loop *loop, struct deferred *deferred,
		void (*run)(struct deferred *deferred));
void loop_defer_cancel(struct loop *loop, struct deferred *deferred);

/* One callback per signal and loop; runs as ordinary work of the loop. */
void loop_on_signal(struct loop *loop, int signum,
		    void (*cb)(int signum, void *ctx), void *ctx);

#endif
