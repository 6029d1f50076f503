/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of the loop, for the files of util/net only.
 *
 * A turn is one iteration of libuv: timers, what was left for this turn
 * (loop_next_turn), polling, the callbacks of what was read, then the end of
 * the turn: deferred work, then the writes (loop_flush_later).
 */
#ifndef UTIL_NET_LOOP_UV_H
#define UTIL_NET_LOOP_UV_H

#include <stdbool.h>
#include <uv.h>

#include "util/base/buf.h"
#include "util/net/loop.h"
#include "util/net/timer.h"

#define LOOP_BLOCK_SIZE 65536 /* of one read */
#define LOOP_PLAIN_SIZE 16384 /* the largest TLS record */

struct conn;
struct process;
struct loop_signal;

struct deferred_list {
	struct deferred *first;
	struct deferred **end; /* where the next one is hung */
};

struct loop {
	uv_loop_t uv;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t idle; /* active while something waits for the next turn */
	uv_timer_t clock;
	struct deferred_list deferred;
	struct deferred_list flushes;
	struct deferred_list next_turn;
	struct deferred next_turn_mark;
	struct loop_signal *signals;
	struct conn *conns; /* all of them, for loop_free() */
	struct worker *retired; /* the same of workers that end by themselves */
	struct process *processes; /* likewise */
	/* One buffer of each kind serves every connection in its turn. */
	char *block;	       /* LOOP_BLOCK_SIZE bytes as they were read */
	char *plain;	       /* LOOP_PLAIN_SIZE bytes after decryption */
	struct buf wire;       /* bytes after encryption */
	struct timer **timers; /* heap by (due, order) */
	size_t timer_count;
	size_t timer_room;
	uint64_t timer_order;
	uint64_t clock_due; /* what `clock` is set to; UINT64_MAX: stopped */
};

/* At the end of this turn, after the deferred work. */
void loop_flush_later(struct loop *loop, struct deferred *deferred,
		      void (*run)(struct deferred *deferred));

/* In the next turn, before anything is read; the loop does not sleep. */
void loop_next_turn(struct loop *loop, struct deferred *deferred,
		    void (*run)(struct deferred *deferred));

/* Takes one of these back; harmless when it is not waiting. */
void loop_flush_cancel(struct loop *loop, struct deferred *deferred);
void loop_next_turn_cancel(struct loop *loop, struct deferred *deferred);

/* timer.c: prepares `clock`, and releases the heap. */
void loop_timers_init(struct loop *loop);
void loop_timers_free(struct loop *loop);

/* conn.c: closes a conn for loop_free(), without callbacks. */
void conn_drop(struct conn *conn);

/* process.c: kills it, and closes what is of it, without callbacks. */
void process_drop(struct process *process);

#endif
