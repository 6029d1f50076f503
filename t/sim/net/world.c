/* SPDX-License-Identifier: Apache-2.0
 *
 * The clock, the queue of events, the numbers, and the log of the simulated
 * world. What happens in it is in loop.c and tcp.c.
 */
#include "t/sim/net/world.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "t/sim/net/tcp.h"
#include "util/base/buf.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"

#define HOSTS_MAX 256

/* -- numbers ---------------------------------------------------------------- */

/* splitmix64 */
uint64_t rng_next(struct rng *rng)
{
	uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t rng_range(struct rng *rng, uint64_t low, uint64_t high)
{
	assert(low <= high);
	return low + rng_next(rng) % (high - low + 1);
}

bool rng_chance(struct rng *rng, unsigned percent)
{
	return rng_next(rng) % 100 < percent;
}

struct rng rng_fork(struct rng *rng)
{
	return (struct rng){ .state = rng_next(rng) };
}

/* -- events ----------------------------------------------------------------- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
	if (a->at != b->at)
		return a->at < b->at;
	if (a->tie != b->tie)
		return a->tie < b->tie;
	return a->order < b->order;
}

static void put(struct world *world, size_t slot, struct sim_event *event)
{
	world->heap[slot] = event;
	event->slot = slot;
}

static void sift_up(struct world *world, size_t slot, struct sim_event *event)
{
	while (slot > 1 && before(event, world->heap[slot / 2])) {
		put(world, slot, world->heap[slot / 2]);
		slot /= 2;
	}
	put(world, slot, event);
}

static void sift_down(struct world *world, size_t slot,
		      struct sim_event *event)
{
	size_t child;

	while ((child = 2 * slot) <= world->event_count) {
		if (child < world->event_count &&
		    before(world->heap[child + 1], world->heap[child]))
			child++;
		if (!before(world->heap[child], event))
			break;
		put(world, slot, world->heap[child]);
		slot = child;
	}
	put(world, slot, event);
}

void world_cancel(struct world *world, struct sim_event *event)
{
	struct sim_event *last;
	size_t slot = event->slot;

	if (slot == 0)
		return;
	event->slot = 0;
	last = world->heap[world->event_count--];
	if (last == event)
		return;
	if (slot > 1 && before(last, world->heap[slot / 2]))
		sift_up(world, slot, last);
	else
		sift_down(world, slot, last);
}

void world_at(struct world *world, struct sim_event *event, uint64_t at,
	      void (*run)(struct sim_event *event))
{
	world_cancel(world, event);
	event->at = at > world->now ? at : world->now;
	event->tie = rng_next(&world->rng);
	event->order = ++world->event_order;
	event->run = run;
	if (world->event_count + 2 > world->event_room) {
		world->event_room = world->event_room ? 2 * world->event_room
						      : 256;
		world->heap = mem_realloc(world->heap, world->event_room,
					  sizeof(struct sim_event *));
	}
	sift_up(world, ++world->event_count, event);
}

void world_run_until(struct world *world, uint64_t at)
{
	while (world->event_count > 0 && world->heap[1]->at <= at) {
		struct sim_event *event = world->heap[1];

		world->now = event->at;
		world_cancel(world, event);
		world->events_run++;
		event->run(event);
	}
	world->now = at;
}

/* -- the log ---------------------------------------------------------------- */

static void mix(struct world *world, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;

	for (; len > 0; len--)
		world->hash = (world->hash ^ *at++) * UINT64_C(0x100000001b3);
}

void world_note(struct world *world, uint64_t a, uint64_t b)
{
	uint64_t numbers[3] = { world->now, a, b };

	mix(world, numbers, sizeof(numbers));
}

void world_say(struct world *world, const char *who, const char *format, ...)
{
	struct buf line = { 0 };
	va_list args;

	va_start(args, format);
	buf_vaddf(&line, format, args);
	va_end(args);
	world_note(world, line.len, 0);
	mix(world, who, strlen(who));
	mix(world, buf_data(&line), line.len);
	if (world->verbose)
		printf("%6" PRIu64 ".%06" PRIu64 " %-10s %s\n",
		       world->now / SECOND_US, world->now % SECOND_US, who,
		       buf_data(&line));
	buf_free(&line);
}

/* -- hosts and paths -------------------------------------------------------- */

struct world *world_new(uint64_t seed)
{
	struct world *world = mem_new(struct world);

	world->seed = seed;
	world->rng.state = seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
	world->hash = UINT64_C(0xcbf29ce484222325);
	world->now = SECOND_US; /* a monotonic clock is never 0 */
	world->host_room = HOSTS_MAX;
	world->paths = mem_calloc((size_t)HOSTS_MAX * HOSTS_MAX,
				  sizeof(struct sim_path));
	world->last_port = 40000;
	return world;
}

void world_free(struct world **world_ptr)
{
	struct world *world = *world_ptr;
	struct sim_host *host, *next;

	*world_ptr = NULL;
	tcp_free_all(world);
	DL_FOREACH_SAFE (world->hosts, host, next)
		mem_free(host);
	mem_free(world->paths);
	mem_free(world->heap);
	mem_free(world);
}

struct sim_host *host_new(struct world *world, const char *name)
{
	struct sim_host *host = mem_new(struct sim_host);

	assert(world->host_count < world->host_room);
	host->world = world;
	host->index = world->host_count++;
	str_copy(host->name, sizeof(host->name), name);
	snprintf(host->address, sizeof(host->address), "10.0.%u.%u",
		 host->index / 200, host->index % 200 + 1);
	DL_APPEND(world->hosts, host);
	for (unsigned i = 0; i <= host->index; i++) {
		bool far = rng_chance(&world->rng, 20);
		struct sim_path path = {
			.latency = rng_range(&world->rng, far ? 10000 : 50,
					     far ? 80000 : 2000),
			.jitter = rng_range(&world->rng, 0, 500),
			.bandwidth = rng_range(&world->rng, 1000000, 100000000),
		};

		world->paths[i * world->host_room + host->index] = path;
	}
	return host;
}

struct sim_host *host_find(struct world *world, const char *address)
{
	struct sim_host *host;

	DL_FOREACH (world->hosts, host) {
		if (str_equal(host->address, address))
			return host;
	}
	return NULL;
}

struct sim_path *path_between(struct world *world, const struct sim_host *a,
			      const struct sim_host *b)
{
	unsigned low = a->index < b->index ? a->index : b->index;
	unsigned high = a->index < b->index ? b->index : a->index;

	return &world->paths[low * world->host_room + high];
}

void path_cut(struct world *world, struct sim_host *a, struct sim_host *b)
{
	world_say(world, "fault", "cut %s %s", a->name, b->name);
	path_between(world, a, b)->cut = true;
}

void path_heal(struct world *world, struct sim_host *a, struct sim_host *b)
{
	struct sim_path *path = path_between(world, a, b);

	if (!path->cut)
		return;
	world_say(world, "fault", "heal %s %s", a->name, b->name);
	path->cut = false;
	tcp_path_healed(world, a, b);
}
