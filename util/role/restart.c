/* SPDX-License-Identifier: Apache-2.0
 *
 * See the header. The check is a run of the program as it is on the disk now,
 * which may be a later version than ours.
 */
#include "util/role/restart.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/base/mem.h"
#include "util/net/timer.h"
#include "util/net/worker.h"

/* The check reads a file or two. */
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

/* -- in the thread --------------------------------------------------------- */

/* What the program says on its standard error; false: it takes too long. */
static bool read_words(int fd, struct error *why)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	char words[sizeof(why->text)];
	size_t len = 0;
	ssize_t got = 1;

	while (got > 0) {
		if (poll(&wait, 1, CHECK_MS) <= 0)
			return false;
		got = read(fd, words + len, sizeof(words) - 1 - len);
		if (got > 0)
			len += (size_t)got;
		if (len == sizeof(words) - 1)
			break;
	}
	words[len] = '\0';
	words[strcspn(words, "\n")] = '\0';
	if (*words)
		error_set(why, "%s", words);
	return true;
}

static int spawn(char *const argv[], int to, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	int rc;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, to, STDERR_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null",
					 O_WRONLY, 0);
	rc = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

static void check(struct worker_job *jobs, size_t count, void *ctx)
{
	struct restart *restart = ctx;
	int ends[2], status = 0, rc;
	pid_t pid;

	(void)jobs;
	(void)count;
	restart->failed = true;
	error_set(&restart->why, "its program refuses to start");
	if (pipe2(ends, O_CLOEXEC) < 0) {
		error_set(&restart->why, "no pipe: %s", strerror(errno));
		return;
	}
	rc = spawn(restart->argv, ends[1], &pid);
	close(ends[1]);
	if (rc != 0) {
		error_set(&restart->why, "cannot run %s: %s", restart->argv[0],
			  strerror(rc));
	} else {
		if (!read_words(ends[0], &restart->why))
			kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		restart->failed = status != 0;
	}
	close(ends[0]);
}

/* -- on the loop ----------------------------------------------------------- */

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
