/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of the simulated loop, for the files of t/sim/net only. A turn
 * is what util/net/loop_uv.h says it is: timers, what was left for this turn,
 * what came in, then the deferred work and the writes.
 */
#ifndef T_SIM_NET_LOOP_SIM_H
#define T_SIM_NET_LOOP_SIM_H

#include "t/sim/net/world.h"
#include "util/base/buf.h"
#include "util/net/loop.h"
#include "util/net/timer.h"

struct conn;
struct listener;
struct worker;

struct deferred_list {
	struct deferred *first;
	struct deferred **end;
};

struct loop {
	struct world *world;
	struct sim_host *host;
	struct rng rng;
	uint64_t now;	     /* ms, of this turn */
	uint64_t busy_until; /* us: the turn before took that long */
	struct sim_event turn;
	struct deferred_list deferred, flushes, next_turn;
	struct deferred next_turn_mark;
	struct conn *ready; /* conns to look at, in order */
	struct conn *conns;
	struct listener *accepting; /* listeners with a queue */
	struct worker *workers;
	unsigned listener_count, worker_count;
	struct timer **timers; /* heap by (due, order) */
	size_t timer_count, timer_room;
	uint64_t timer_order;
	size_t queued_max;
	bool dead;   /* killed: nothing has an effect any more */
	bool paused; /* SIGSTOP */
	bool inside; /* a turn */
};

/* Something is to be done: a turn as soon as the process can. */
void loop_wake(struct loop *loop);

void loop_flush_later(struct loop *loop, struct deferred *deferred,
		      void (*run)(struct deferred *deferred));
void loop_flush_cancel(struct loop *loop, struct deferred *deferred);
void loop_next_turn(struct loop *loop, struct deferred *deferred,
		    void (*run)(struct deferred *deferred));
void loop_next_turn_cancel(struct loop *loop, struct deferred *deferred);

/* timer.c */
void loop_timers_run(struct loop *loop);
/* When the first one is due, ms; UINT64_MAX: none runs. */
uint64_t loop_timers_due(const struct loop *loop);

/* conn.c */
void conn_unready(struct conn *conn);
void conn_look(struct conn *conn);   /* one of loop->ready */
void conn_kill(struct conn *conn, bool silent);
void conn_drop(struct conn *conn);   /* frees, without callbacks */
bool conn_is_open(const struct conn *conn);

/* listener.c */
void listener_accept(struct listener *listener);
void listener_kill(struct loop *loop, bool silent);

/* worker.c */
void workers_kill(struct loop *loop);

#endif
