/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread beside the loop for what must block (a database file, a slow key
 * derivation). Jobs run in the order of submission, in batches of all that is
 * waiting, so that a writer can commit them as a group.
 */
#ifndef UTIL_NET_WORKER_H
#define UTIL_NET_WORKER_H

#include <stdbool.h>
#include <stddef.h>

#include "util/net/loop.h"

struct worker;

/* Embedded in the request it stands for. */
struct worker_job {
	/* On the loop, exactly once, after the batch it was in was run. */
	void (*done)(struct worker_job *job);
	struct worker_job *next;
};

/* Runs in the thread: works on all jobs of the list (linked by next, in the
 * order of submission, `count` of them). Touches nothing of the loop's. */
typedef void worker_batch_fn(struct worker_job *jobs, size_t count, void *ctx);

/* Starts `threads` threads (1 keeps the order; several for independent
 * computations). A batch holds at most `batch_max` jobs. */
struct worker *worker_new(struct loop *loop, const char *name,
			  unsigned threads, size_t batch_max,
			  worker_batch_fn *run, void *ctx, struct error *err);

/* From the loop. The job stays the caller's and lives until `done`. */
void worker_submit(struct worker *worker, struct worker_job *job);

/* Jobs submitted whose `done` has not run. */
size_t worker_pending(const struct worker *worker);

/* Runs what is waiting to its end, blocking, calls every `done` that is
 * outstanding, and joins the threads: for the end of a process. */
void worker_free(struct worker **worker);

/* For while the loop goes on: the threads end when they have run what they
 * have, without anybody waiting for them, or with loop_free(). Then
 * `retired` runs on the loop, once, at the latest inside of loop_free(). There
 * must be jobs pending. */
void worker_retire(struct worker **worker, void (*retired)(void *ctx),
		   void *ctx);

#endif
