/* SPDX-License-Identifier: Apache-2.0
 *
 * A process of the simulated world: turns of its loop on the virtual clock,
 * deferred work, seeded randomness, and its sudden end.
 */
#include "util/net/loop.h"

#include <assert.h>
#include <string.h>

#include "t/sim/net/conn_sim.h"
#include "t/sim/net/loop_sim.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/table.h"

/* 2026-01-01T00:00:00Z: what the wall clocks show at the start. */
#define EPOCH_US INT64_C(1767225600000000)

/* -- lists ------------------------------------------------------------------ */

static void list_init(struct deferred_list *list)
{
	list->first = NULL;
	list->end = &list->first;
}

static void list_add(struct deferred_list *list, struct deferred *deferred,
		     void (*run)(struct deferred *deferred))
{
	deferred->run = run;
	if (deferred->at)
		return;
	deferred->next = NULL;
	deferred->at = list->end;
	*list->end = deferred;
	list->end = &deferred->next;
}

static void list_remove(struct deferred_list *list, struct deferred *deferred)
{
	if (!deferred->at)
		return;
	*deferred->at = deferred->next;
	if (deferred->next)
		deferred->next->at = deferred->at;
	else
		list->end = deferred->at;
	deferred->next = NULL;
	deferred->at = NULL;
}

static size_t list_clear(struct deferred_list *list)
{
	size_t count = 0;

	for (; list->first; count++)
		list_remove(list, list->first);
	return count;
}

static void list_run(struct deferred_list *list)
{
	struct deferred *deferred;

	while ((deferred = list->first)) {
		list_remove(list, deferred);
		deferred->run(deferred);
	}
}

/* -- turns ------------------------------------------------------------------ */

static void end_turn(struct loop *loop)
{
	while (loop->deferred.first || loop->flushes.first) {
		list_run(&loop->deferred);
		list_run(&loop->flushes);
	}
}

static void run_next_turn(struct loop *loop)
{
	struct deferred_list *list = &loop->next_turn;
	struct deferred *mark = &loop->next_turn_mark;
	struct deferred *deferred;

	list_add(list, mark, NULL);
	while ((deferred = list->first)) {
		list_remove(list, deferred);
		if (deferred == mark)
			break;
		deferred->run(deferred);
	}
}

/* Those that get ready meanwhile have the next turn. */
static void run_ready(struct loop *loop)
{
	struct conn *conn;
	unsigned count;

	DL_COUNT2(loop->ready, conn, count, next_ready);
	while (count-- > 0 && (conn = loop->ready)) {
		conn_unready(conn);
		conn_look(conn);
	}
}

static void on_turn(struct sim_event *event);

void loop_wake(struct loop *loop)
{
	uint64_t at = UINT64_MAX;

	if (loop->dead || loop->paused || loop->inside)
		return;
	if (loop->ready || loop->accepting || loop->next_turn.first ||
	    loop->deferred.first || loop->flushes.first) {
		at = loop->world->now;
	} else {
		uint64_t due = loop_timers_due(loop);

		if (due < UINT64_MAX / 1000)
			at = due * 1000;
	}
	if (at == UINT64_MAX) {
		world_cancel(loop->world, &loop->turn);
		return;
	}
	if (at < loop->busy_until)
		at = loop->busy_until;
	if (loop->turn.slot == 0 || loop->turn.at != at)
		world_at(loop->world, &loop->turn, at, on_turn);
}

void sim_loop_enter(struct loop *loop)
{
	assert(!loop->inside);
	loop->inside = true;
	loop->now = loop->world->now / 1000;
}

void sim_loop_leave(struct loop *loop)
{
	if (!loop->dead)
		end_turn(loop);
	loop->inside = false;
	loop_wake(loop);
}

static void on_turn(struct sim_event *event)
{
	struct loop *loop = container_of(event, struct loop, turn);

	sim_loop_enter(loop);
	loop_timers_run(loop);
	run_next_turn(loop);
	end_turn(loop);
	if (loop->accepting)
		listener_accept(loop->accepting);
	run_ready(loop);
	/* What it cost: the others go on meanwhile. */
	loop->busy_until = loop->world->now + rng_range(&loop->rng, 10, 200);
	sim_loop_leave(loop);
}

void sim_loop_settle(struct loop *loop)
{
	bool was_inside = loop->inside;

	if (!was_inside)
		sim_loop_enter(loop);
	end_turn(loop);
	if (!was_inside)
		sim_loop_leave(loop);
}

void sim_loop_post(struct loop *loop, struct deferred *deferred,
		   void (*run)(struct deferred *deferred))
{
	loop_next_turn(loop, deferred, run);
}

void sim_loop_post_cancel(struct loop *loop, struct deferred *deferred)
{
	loop_next_turn_cancel(loop, deferred);
}

void loop_defer(struct loop *loop, struct deferred *deferred,
		void (*run)(struct deferred *deferred))
{
	list_add(&loop->deferred, deferred, run);
	loop_wake(loop);
}

void loop_defer_cancel(struct loop *loop, struct deferred *deferred)
{
	list_remove(&loop->deferred, deferred);
}

void loop_flush_later(struct loop *loop, struct deferred *deferred,
		      void (*run)(struct deferred *deferred))
{
	list_add(&loop->flushes, deferred, run);
	loop_wake(loop);
}

void loop_flush_cancel(struct loop *loop, struct deferred *deferred)
{
	list_remove(&loop->flushes, deferred);
}

void loop_next_turn(struct loop *loop, struct deferred *deferred,
		    void (*run)(struct deferred *deferred))
{
	list_add(&loop->next_turn, deferred, run);
	loop_wake(loop);
}

void loop_next_turn_cancel(struct loop *loop, struct deferred *deferred)
{
	list_remove(&loop->next_turn, deferred);
}

/* -- clock and randomness --------------------------------------------------- */

uint64_t loop_now(struct loop *loop)
{
	return loop->now;
}

uint64_t loop_now_us(struct loop *loop)
{
	return loop->world->now;
}

int64_t loop_time_us(struct loop *loop)
{
	return EPOCH_US + (int64_t)loop->world->now + loop->host->clock_skew;
}

void loop_random(struct loop *loop, void *bytes, size_t len)
{
	unsigned char *at = bytes;

	for (; len > 0; len--)
		*at++ = (unsigned char)(rng_next(&loop->rng) >> 32);
}

void loop_random_hex(struct loop *loop, char *to, size_t digits)
{
	unsigned char bytes[32];
	char text[2 * sizeof(bytes) + 1];

	assert(digits <= 2 * sizeof(bytes));
	loop_random(loop, bytes, (digits + 1) / 2);
	hex_encode(text, bytes, (digits + 1) / 2);
	memcpy(to, text, digits);
	to[digits] = '\0';
}

uint64_t loop_jitter(struct loop *loop, uint64_t ms)
{
	return ms / 2 + (ms ? rng_range(&loop->rng, 0, ms) : 0);
}

/* -- life ------------------------------------------------------------------- */

struct loop *sim_loop_new(struct sim_host *host)
{
	struct loop *loop = mem_new(struct loop);

	assert(!host->loop);
	loop->world = host->world;
	loop->host = host;
	loop->rng = rng_fork(&host->world->rng);
	loop->now = host->world->now / 1000;
	list_init(&loop->deferred);
	list_init(&loop->flushes);
	list_init(&loop->next_turn);
	host->loop = loop;
	host->down = false;
	host->world->loops++;
	return loop;
}

void sim_loop_pause(struct loop *loop, bool pause)
{
	loop->paused = pause;
	if (pause)
		world_cancel(loop->world, &loop->turn);
	else
		loop_wake(loop);
}

void sim_loop_kill(struct loop *loop, bool silent)
{
	struct conn *conn;

	assert(!loop->inside);
	loop->dead = true;
	loop->host->loop = NULL;
	loop->host->down = silent;
	world_cancel(loop->world, &loop->turn);
	listener_kill(loop, silent);
	DL_FOREACH (loop->conns, conn)
		conn_kill(conn, silent);
	workers_kill(loop);
}

bool sim_loop_is_dead(const struct loop *loop)
{
	return loop->dead;
}

void sim_loop_free(struct loop **loop_ptr, struct sim_leaks *leaks)
{
	struct loop *loop = *loop_ptr;
	struct conn *conn;

	*loop_ptr = NULL;
	memset(leaks, 0, sizeof(*leaks));
	leaks->workers = loop->worker_count;
	leaks->listeners = loop->listener_count;
	while ((conn = loop->conns)) {
		if (conn_is_open(conn))
			leaks->conns++;
		conn_drop(conn);
	}
	leaks->timers = loop->timer_count;
	leaks->deferred = list_clear(&loop->deferred) +
			  list_clear(&loop->next_turn);
	list_clear(&loop->flushes);
	if (!loop->dead)
		loop->host->loop = NULL;
	world_cancel(loop->world, &loop->turn);
	loop->world->loops--;
	mem_free(loop->timers);
	mem_free(loop);
}

struct world *sim_loop_world(const struct loop *loop)
{
	return loop->world;
}

struct sim_host *sim_loop_host(const struct loop *loop)
{
	return loop->host;
}

size_t sim_loop_queued_max(const struct loop *loop)
{
	return loop->queued_max;
}
