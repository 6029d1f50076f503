/* SPDX-License-Identifier: Apache-2.0
 *
 * See the header. The check is a run of the program as it is on the disk now,
 * which may be a later version than ours.
 */
#include "util/role/restart.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "util/base/mem.h"
#include "util/net/program.h"
#include "util/net/timer.h"
#include "util/net/worker.h"

/* Without a word of the program; it reads a file or two. */
#define CHECK_MS 10000

struct restart {
	struct worker *worker;
	struct worker_job job;
	char **argv; /* with -t; the words are the caller's */
	restart_checked_cb *checked;
	void *ctx;
	bool failed;
	struct error why;
	bool freed; /* nobody wants to know any more */
};

static void check(struct worker_job *jobs, size_t count, void *ctx)
{
	struct restart *restart = ctx;

	(void)jobs;
	(void)count;
	restart->failed = program_run(restart->argv, CHECK_MS,
				      &restart->why) < 0;
}

static void on_checked(struct worker_job *job)
{
	struct restart *restart = container_of(job, struct restart, job);

	if (!restart->freed)
		restart->checked(restart->ctx,
				 restart->failed ? &restart->why : NULL);
}

struct restart *restart_check(struct loop *loop, char *const argv[],
			      restart_checked_cb *checked, void *ctx,
			      struct error *err)
{
	struct restart *restart = mem_new(struct restart);
	size_t count = 0;

	restart->worker = worker_new(loop, "restart", 1, 1, check, restart,
				     err);
	if (!restart->worker) {
		mem_free(restart);
		return NULL;
	}
	while (argv[count])
		count++;
	restart->argv = mem_calloc(count + 2, sizeof(*restart->argv));
	memcpy(restart->argv, argv, count * sizeof(*argv));
	restart->argv[count] = (char *)(uintptr_t)"-t";
	restart->checked = checked;
	restart->ctx = ctx;
	restart->job.done = on_checked;
	worker_submit(restart->worker, &restart->job);
	return restart;
}

void restart_free(struct restart **restart_ptr)
{
	struct restart *restart = *restart_ptr;

	*restart_ptr = NULL;
	if (!restart)
		return;
	restart->freed = true;
	worker_free(&restart->worker);
	mem_free(restart->argv);
	mem_free(restart);
}

void restart_now(char *const argv[], struct error *err)
{
	/* Libraries may have left something that would last for ever. */
	close_range(STDERR_FILENO + 1, ~0U, 0);
	execvp(argv[0], argv);
	error_set(err, "cannot run %s: %s", argv[0], strerror(errno));
}
