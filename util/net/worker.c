/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads beside the loop. One queue goes to them, one list comes back; both
 * change hands under one lock, which is never held while anything runs.
 */
#include "util/net/worker.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"
#include "util/net/loop_uv.h"

struct job_list {
	struct worker_job *first;
	struct worker_job **end;
};

struct worker {
	uv_async_t async;
	char name[16]; /* as the kernel shows it */
	unsigned thread_count;
	uv_thread_t *threads;
	size_t batch_max;
	worker_batch_fn *run;
	void *ctx;
	size_t pending;	 /* of the loop alone */
	uv_mutex_t lock; /* guards the rest */
	uv_cond_t work;	 /* something waits, or stopping */
	uv_cond_t ready; /* something is done */
	struct job_list waiting;
	struct job_list done;
	bool stopping;
	struct loop *loop;
	/* Of one that is retired, and in loop->retired. */
	void (*retired)(void *ctx);
	void *retired_ctx;
	struct worker *prev, *next;
};

static void jobs_init(struct job_list *list)
{
	list->first = NULL;
	list->end = &list->first;
}

/* Takes up to `max` jobs off the front. */
static struct worker_job *jobs_take(struct job_list *list, size_t max,
				    size_t *count)
{
	struct worker_job *first = list->first;
	struct worker_job **end = &list->first;

	for (*count = 0; *end && *count < max; ++*count)
		end = &(*end)->next;
	list->first = *end;
	*end = NULL;
	if (!list->first)
		list->end = &list->first;
	return first;
}

static void jobs_add(struct job_list *list, struct worker_job *jobs)
{
	*list->end = jobs;
	while (*list->end)
		list->end = &(*list->end)->next;
}

static void worker_thread(void *arg)
{
	struct worker *worker = arg;
	struct worker_job *jobs;
	size_t count;

	pthread_setname_np(pthread_self(), worker->name);
	uv_mutex_lock(&worker->lock);
	for (;;) {
		while (!worker->waiting.first && !worker->stopping)
			uv_cond_wait(&worker->work, &worker->lock);
		if (!worker->waiting.first)
			break;
		jobs = jobs_take(&worker->waiting, worker->batch_max, &count);
		uv_mutex_unlock(&worker->lock);
		worker->run(jobs, count, worker->ctx);
		uv_mutex_lock(&worker->lock);
		jobs_add(&worker->done, jobs);
		uv_cond_signal(&worker->ready);
		uv_async_send(&worker->async);
	}
	uv_mutex_unlock(&worker->lock);
}

static void worker_finish(struct worker *worker, struct worker_job *jobs)
{
	struct worker_job *job;

	while ((job = jobs)) {
		jobs = job->next;
		job->next = NULL;
		worker->pending--;
		job->done(job);
	}
}

static void worker_on_async(uv_async_t *async)
{
	struct worker *worker = async->data;
	struct worker_job *jobs;
	size_t count;

	uv_mutex_lock(&worker->lock);
	jobs = jobs_take(&worker->done, SIZE_MAX, &count);
	uv_mutex_unlock(&worker->lock);
	worker_finish(worker, jobs);
	if (worker->retired != NULL && worker->pending == 0)
		worker_free(&worker);
}

static void worker_on_close(uv_handle_t *handle)
{
	struct worker *worker = handle->data;

	uv_mutex_destroy(&worker->lock);
	uv_cond_destroy(&worker->work);
	uv_cond_destroy(&worker->ready);
	mem_free(worker->threads);
	mem_free(worker);
}

static void worker_stop(struct worker *worker)
{
	unsigned i;

	uv_mutex_lock(&worker->lock);
	worker->stopping = true;
	uv_cond_broadcast(&worker->work);
	uv_mutex_unlock(&worker->lock);
	for (i = 0; i < worker->thread_count; i++)
		uv_thread_join(&worker->threads[i]);
	uv_close((uv_handle_t *)&worker->async, worker_on_close);
}

/* Signals are the loop's: the threads are born with all of them blocked. */
static int worker_start(struct worker *worker, unsigned threads)
{
	sigset_t all, old;
	int status = 0;

	worker->threads = mem_calloc(threads, sizeof(uv_thread_t));
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (status == 0 && worker->thread_count < threads) {
		status =
			uv_thread_create(&worker->threads[worker->thread_count],
					 worker_thread, worker);
		if (status == 0)
			worker->thread_count++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return status;
}

struct worker *worker_new(struct loop *loop, const char *name, unsigned threads,
			  size_t batch_max, worker_batch_fn *run, void *ctx,
			  struct error *err)
{
	struct worker *worker = mem_new(struct worker);
	int status;

	assert(threads > 0 && batch_max > 0);
	str_copy(worker->name, sizeof(worker->name), name);
	worker->batch_max = batch_max;
	worker->run = run;
	worker->ctx = ctx;
	worker->loop = loop;
	jobs_init(&worker->waiting);
	jobs_init(&worker->done);
	status = uv_async_init(&loop->uv, &worker->async, worker_on_async);
	if (status < 0) {
		error_set(err, "worker %s: %s", name, uv_strerror(status));
		mem_free(worker);
		return NULL;
	}
	worker->async.data = worker;
	uv_mutex_init(&worker->lock);
	uv_cond_init(&worker->work);
	uv_cond_init(&worker->ready);
	status = worker_start(worker, threads);
	if (status < 0) {
		error_set(err, "worker %s: %s", name, uv_strerror(status));
		worker_stop(worker);
		return NULL;
	}
	return worker;
}

void worker_submit(struct worker *worker, struct worker_job *job)
{
	job->next = NULL;
	worker->pending++;
	uv_mutex_lock(&worker->lock);
	jobs_add(&worker->waiting, job);
	uv_cond_signal(&worker->work);
	uv_mutex_unlock(&worker->lock);
}

size_t worker_pending(const struct worker *worker)
{
	return worker->pending;
}

void worker_free(struct worker **worker_ptr)
{
	struct worker *worker = *worker_ptr;
	struct worker_job *jobs;
	size_t count;

	if (!worker)
		return;
	/* What a `done` submits is still run. */
	while (worker->pending > 0) {
		uv_mutex_lock(&worker->lock);
		while (!worker->done.first)
			uv_cond_wait(&worker->ready, &worker->lock);
		jobs = jobs_take(&worker->done, SIZE_MAX, &count);
		uv_mutex_unlock(&worker->lock);
		worker_finish(worker, jobs);
	}
	*worker_ptr = NULL;
	if (worker->retired != NULL) {
		DL_DELETE(worker->loop->retired, worker);
		worker->retired(worker->retired_ctx);
	}
	worker_stop(worker);
}

void worker_retire(struct worker **worker_ptr, void (*retired)(void *ctx),
		   void *ctx)
{
	struct worker *worker = *worker_ptr;

	assert(worker->pending > 0);
	*worker_ptr = NULL;
	worker->retired = retired;
	worker->retired_ctx = ctx;
	DL_APPEND(worker->loop->retired, worker);
}
