/* SPDX-License-Identifier: Apache-2.0
 *
 * The simulated world: one clock, one queue of events, hosts, and the paths
 * between them. All that happens hangs from one struct and from the numbers
 * that its seed gives, so a run can be replayed.
 *
 * Words: a *host* has an address and at most one process at a time, which is
 * a `struct loop`; a *path* is what lies between two hosts: latency,
 * bandwidth, and whether it is cut.
 */
#ifndef T_SIM_NET_WORLD_H
#define T_SIM_NET_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/net/loop.h"

#define SECOND_US UINT64_C(1000000)

/* -- numbers ---------------------------------------------------------------- */

struct rng {
	uint64_t state;
};

uint64_t rng_next(struct rng *rng);
/* A number in low .. high. */
uint64_t rng_range(struct rng *rng, uint64_t low, uint64_t high);
/* True in `percent` of 100 cases. */
bool rng_chance(struct rng *rng, unsigned percent);
/* Another stream of numbers that is drawn from this one. */
struct rng rng_fork(struct rng *rng);

/* -- events ----------------------------------------------------------------- */

/* Embedded in its owner. Events of the same microsecond come in an order that
 * the seed decides. */
struct sim_event {
	uint64_t at;
	uint64_t tie, order;
	size_t slot; /* place in the heap, from 1; 0: not waiting */
	void (*run)(struct sim_event *event);
};

struct tcp;
struct listener;

struct sim_host {
	struct world *world;
	char name[32];
	char address[32]; /* "10.0.0.1" */
	unsigned index;
	bool down;	    /* nothing comes back from it, not even a refusal */
	struct loop *loop;  /* NULL: no process */
	int64_t clock_skew; /* us, of its wall clock */
	struct sim_host *prev, *next;
};

struct sim_path {
	bool cut;
	uint64_t latency, jitter; /* us */
	uint64_t bandwidth;	  /* bytes a second */
};

struct world {
	uint64_t now; /* us since the start */
	uint64_t seed;
	struct rng rng; /* of the network */
	struct sim_event **heap;
	size_t event_count, event_room;
	uint64_t event_order;
	uint64_t events_run;
	struct sim_host *hosts;
	unsigned host_count;
	struct sim_path *paths; /* host_room * host_room, symmetric */
	unsigned host_room;
	struct tcp *connections;
	struct listener *listeners;
	unsigned last_port;
	unsigned last_connection;
	struct sim_db *db; /* t/sim/store.h */
	/* Runs an event shortly after so many arrivals at a host: to strike in
	 * the middle of work. NULL: no trap is set. */
	struct sim_host *trap_host;
	unsigned trap_count;
	struct sim_event *trap_event;
	void (*trap_run)(struct sim_event *event);
	uint64_t hash; /* of all that happened */
	bool verbose;
	bool wire; /* prints the bytes of connections as they arrive */
	/* What is open, for finding leaks. */
	unsigned loops, conns, workers;
};

struct world *world_new(uint64_t seed);
void world_free(struct world **world);

void world_at(struct world *world, struct sim_event *event, uint64_t at,
	      void (*run)(struct sim_event *event));
void world_cancel(struct world *world, struct sim_event *event);

/* Runs all events up to that time, which it is then. */
void world_run_until(struct world *world, uint64_t at);

/* One line of the log of events: printed when verbose, and part of the hash
 * of the run. */
void world_say(struct world *world, const char *who, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Numbers that are part of the hash without being printed. */
void world_note(struct world *world, uint64_t a, uint64_t b);

/* -- hosts and paths -------------------------------------------------------- */

struct sim_host *host_new(struct world *world, const char *name);
struct sim_host *host_find(struct world *world, const char *address);
struct sim_path *path_between(struct world *world, const struct sim_host *a,
			      const struct sim_host *b);

/* While a path is cut nothing arrives; what was sent is sent again by TCP
 * some time after it is whole. */
void path_cut(struct world *world, struct sim_host *a, struct sim_host *b);
void path_heal(struct world *world, struct sim_host *a, struct sim_host *b);

/* -- processes -------------------------------------------------------------- */

/* A process on the host: nothing runs there until it is entered. */
struct loop *sim_loop_new(struct sim_host *host);

/* Between these calls the caller acts as the process does in one turn. */
void sim_loop_enter(struct loop *loop);
void sim_loop_leave(struct loop *loop);

/* SIGKILL: its sockets are closed by the kernel; nothing that its owner does
 * from now on while freeing has an effect outside. `silent`: its host died,
 * and peers learn nothing until they send something or give up. */
void sim_loop_kill(struct loop *loop, bool silent);
bool sim_loop_is_dead(const struct loop *loop);

/* SIGSTOP and SIGCONT. */
void sim_loop_pause(struct loop *loop, bool pause);

/* Frees; what timers, listeners, open connections and workers the owner has
 * left behind: how many of them, for a verdict. */
struct sim_leaks {
	size_t timers, listeners, conns, deferred, workers;
};
void sim_loop_free(struct loop **loop, struct sim_leaks *leaks);

struct world *sim_loop_world(const struct loop *loop);
struct sim_host *sim_loop_host(const struct loop *loop);

/* The largest number of bytes that waited in any connection of the loop. */
size_t sim_loop_queued_max(const struct loop *loop);

/* Work for the loop's next turn, from outside of its turns. */
void sim_loop_post(struct loop *loop, struct deferred *deferred,
		   void (*run)(struct deferred *deferred));
void sim_loop_post_cancel(struct loop *loop, struct deferred *deferred);

/* Does the deferred work of a loop now, for what blocks on it. */
void sim_loop_settle(struct loop *loop);

#endif
