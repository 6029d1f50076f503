/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs beside the loop: their order, their batches, and the end.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "t/unit/net_world.h"
#include "util/net/worker.h"

#define JOBS 1000

struct work {
	struct loop *loop;
	struct worker *worker;
	pthread_t loop_thread;
	unsigned run, done, batches, resubmit;
	size_t largest;
	bool in_loop; /* a batch ran in the loop's thread */
	unsigned delay_us;
};

struct job {
	struct worker_job job;
	struct work *work;
	unsigned number, run_as, done_as;
};

static void work_run(struct worker_job *jobs, size_t count, void *ctx)
{
	struct work *work = ctx;
	struct worker_job *at;
	size_t seen = 0;

	work->batches++;
	if (count > work->largest)
		work->largest = count;
	if (pthread_equal(pthread_self(), work->loop_thread))
		work->in_loop = true;
	for (at = jobs; at; at = at->next) {
		struct job *job = container_of(at, struct job, job);

		job->run_as = work->run++;
		seen++;
	}
	assert_int_equal(seen, count);
	if (work->delay_us)
		usleep(work->delay_us);
}

static void work_done(struct worker_job *at)
{
	struct job *job = container_of(at, struct job, job);
	struct work *work = job->work;

	assert_true(pthread_equal(pthread_self(), work->loop_thread));
	job->done_as = work->done++;
	if (work->resubmit > 0) {
		work->resubmit--;
		worker_submit(work->worker, at);
	} else if (worker_pending(work->worker) == 0) {
		loop_stop(work->loop);
	}
}

static void work_start(struct work *work, size_t batch_max)
{
	memset(work, 0, sizeof(*work));
	work->loop = loop_new(NULL);
	work->loop_thread = pthread_self();
	work->worker = worker_new(work->loop, "test", 1, batch_max, work_run,
				  work, NULL);
	assert_non_null(work->worker);
}

static void submit(struct work *work, struct job *jobs, unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++) {
		memset(&jobs[i], 0, sizeof(jobs[i]));
		jobs[i].job.done = work_done;
		jobs[i].work = work;
		jobs[i].number = i;
		worker_submit(work->worker, &jobs[i].job);
	}
	assert_int_equal(worker_pending(work->worker), count);
	assert_int_equal(work->done, 0); /* not inside the call */
}

static void test_order(void **state)
{
	static struct job jobs[JOBS];
	struct work work;
	unsigned i;

	(void)state;
	work_start(&work, 64);
	work.delay_us = 200;
	submit(&work, jobs, JOBS);
	world_run(work.loop);
	assert_int_equal(work.done, JOBS);
	for (i = 0; i < JOBS; i++) {
		assert_int_equal(jobs[i].run_as, i);
		assert_int_equal(jobs[i].done_as, i);
	}
	assert_false(work.in_loop);
	assert_int_equal(work.largest, 64);
	assert_in_range(work.batches, JOBS / 64, JOBS / 2);
	worker_free(&work.worker);
	assert_null(work.worker);
	loop_free(&work.loop);
}

static void test_free_finishes(void **state)
{
	static struct job jobs[JOBS];
	struct work work;

	(void)state;
	work_start(&work, 7);
	work.resubmit = 10;
	submit(&work, jobs, 100);
	worker_free(&work.worker);
	assert_int_equal(work.done, 110);
	loop_free(&work.loop);
}

static void test_free_idle(void **state)
{
	struct work work;

	(void)state;
	work_start(&work, 1);
	worker_free(&work.worker);
	worker_free(&work.worker);
	loop_free(&work.loop);
}

static pthread_mutex_t several_lock = PTHREAD_MUTEX_INITIALIZER;

static void several_run(struct worker_job *jobs, size_t count, void *ctx)
{
	struct work *work = ctx;

	(void)jobs;
	pthread_mutex_lock(&several_lock);
	work->run += (unsigned)count;
	pthread_mutex_unlock(&several_lock);
}

static void test_several_threads(void **state)
{
	static struct job jobs[JOBS];
	struct work work = { .loop = loop_new(NULL),
			     .loop_thread = pthread_self() };

	(void)state;
	work.worker = worker_new(work.loop, "several", 3, 2, several_run, &work,
				 NULL);
	submit(&work, jobs, JOBS);
	world_run(work.loop);
	assert_int_equal(work.run, JOBS);
	assert_int_equal(work.done, JOBS);
	worker_free(&work.worker);
	loop_free(&work.loop);
}

struct retirement {
	struct work work;
	struct job jobs[5];
	unsigned retired;
};

/* Its jobs do not know the worker any more. */
static void job_of_retired_done(struct worker_job *at)
{
	container_of(at, struct job, job)->work->done++;
}

static void on_retired(void *ctx)
{
	struct retirement *r = ctx;

	assert_int_equal(r->work.done, 5);
	r->retired++;
	if (r->work.loop != NULL) /* not from loop_free() */
		loop_stop(r->work.loop);
}

static void retire(struct retirement *r)
{
	memset(r, 0, sizeof(*r));
	work_start(&r->work, 1);
	r->work.delay_us = 20000;
	submit(&r->work, r->jobs, 5);
	for (unsigned i = 0; i < 5; i++)
		r->jobs[i].job.done = job_of_retired_done;
	worker_retire(&r->work.worker, on_retired, r);
	assert_null(r->work.worker);
	assert_int_equal(r->retired, 0);
	assert_int_equal(r->work.done, 0); /* nobody has waited */
}

static void test_retire(void **state)
{
	struct retirement r;

	(void)state;
	retire(&r);
	world_run(r.work.loop);
	assert_int_equal(r.retired, 1);
	loop_free(&r.work.loop);
}

static void test_retire_at_the_end(void **state)
{
	struct retirement r;

	(void)state;
	retire(&r);
	loop_free(&r.work.loop);
	assert_int_equal(r.retired, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_free_finishes),
		cmocka_unit_test(test_free_idle),
		cmocka_unit_test(test_several_threads),
		cmocka_unit_test(test_retire),
		cmocka_unit_test(test_retire_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
