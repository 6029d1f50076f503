/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads of simulated processes: batches run at once, but are done after
 * some virtual time.
 */
#include "util/net/worker.h"

#include "t/sim/net/loop_sim.h"
#include "util/base/mem.h"
#include "util/base/table.h"

struct worker {
	struct loop *loop;
	worker_batch_fn *run;
	void *ctx;
	size_t batch_max;
	struct worker_job *waiting, *done;
	size_t pending;
	struct sim_event event;
	struct deferred answer;
	bool dead;
	struct worker *next; /* loop->workers */
};

struct worker *worker_new(struct loop *loop, const char *name,
			  unsigned threads, size_t batch_max,
			  worker_batch_fn *run, void *ctx, struct error *err)
{
	struct worker *worker = mem_new(struct worker);

	(void)name;
	(void)threads;
	(void)err;
	worker->loop = loop;
	worker->run = run;
	worker->ctx = ctx;
	worker->batch_max = batch_max;
	LL_PREPEND(loop->workers, worker);
	loop->worker_count++;
	loop->world->workers++;
	return worker;
}

static void on_answer(struct deferred *deferred)
{
	struct worker *worker = container_of(deferred, struct worker, answer);
	struct worker_job *job;

	while ((job = worker->done)) {
		worker->done = job->next;
		worker->pending--;
		job->done(job);
	}
}

static void run_batch(struct worker *worker)
{
	struct worker_job *first = worker->waiting, *last = first;
	size_t count = 1;

	while (last->next && count < worker->batch_max) {
		last = last->next;
		count++;
	}
	worker->waiting = last->next;
	last->next = NULL;
	worker->run(first, count, worker->ctx);
	LL_CONCAT(worker->done, first);
}

static void on_event(struct sim_event *event);

static void schedule(struct worker *worker)
{
	struct world *world = worker->loop->world;

	if (worker->waiting && worker->event.slot == 0 && !worker->dead)
		world_at(world, &worker->event,
			 world->now + rng_range(&world->rng, 100, 5000),
			 on_event);
}

static void on_event(struct sim_event *event)
{
	struct worker *worker = container_of(event, struct worker, event);

	run_batch(worker);
	loop_next_turn(worker->loop, &worker->answer, on_answer);
	schedule(worker);
}

void worker_submit(struct worker *worker, struct worker_job *job)
{
	job->next = NULL;
	LL_APPEND(worker->waiting, job);
	worker->pending++;
	schedule(worker);
}

size_t worker_pending(const struct worker *worker)
{
	return worker->pending;
}

static void worker_kill(struct worker *worker)
{
	worker->dead = true;
	world_cancel(worker->loop->world, &worker->event);
}

void workers_kill(struct loop *loop)
{
	struct worker *worker;

	LL_FOREACH (loop->workers, worker)
		worker_kill(worker);
}

void worker_free(struct worker **worker_ptr)
{
	struct worker *worker = *worker_ptr;

	if (!worker)
		return;
	worker_kill(worker);
	while (worker->waiting)
		run_batch(worker);
	loop_next_turn_cancel(worker->loop, &worker->answer);
	on_answer(&worker->answer);
	LL_DELETE(worker->loop->workers, worker);
	worker->loop->worker_count--;
	worker->loop->world->workers--;
	mem_free(worker);
	*worker_ptr = NULL;
}

/* Nothing takes any time here. */
void worker_retire(struct worker **worker, void (*retired)(void *ctx),
		   void *ctx)
{
	worker_free(worker);
	retired(ctx);
}
