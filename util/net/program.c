/* SPDX-License-Identifier: Apache-2.0
 *
 * A child with nothing of ours but its standard error, which is a pipe.
 */
#include "util/net/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The first line of what comes until the end; false: it takes too long. */
static bool read_line(int fd, int ms, struct error *err)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	char words[sizeof(err->text)], rest[512];
	size_t len = 0;
	ssize_t got;

	do {
		size_t room = sizeof(words) - 1 - len;

		if (poll(&wait, 1, ms) <= 0)
			return false;
		got = room > 0 ? read(fd, words + len, room)
			       : read(fd, rest, sizeof(rest));
		if (got > 0 && room > 0)
			len += (size_t)got;
	} while (got > 0);
	words[len] = '\0';
	words[strcspn(words, "\n")] = '\0';
	if (*words)
		error_set(err, "%s", words);
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

static int wait_for(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

int program_run(char *const argv[], int ms, struct error *err)
{
	int ends[2], rc, status = -1;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(err, "no pipe: %s", strerror(errno));
	rc = spawn(argv, ends[1], &pid);
	close(ends[1]);
	if (rc != 0) {
		error_set(err, "cannot run %s: %s", argv[0], strerror(rc));
	} else {
		error_set(err, "%s fails, and does not say why", argv[0]);
		if (!read_line(ends[0], ms, err)) {
			error_set(err, "%s takes too long", argv[0]);
			kill(pid, SIGKILL);
		}
		status = wait_for(pid);
	}
	close(ends[0]);
	return status == 0 ? 0 : -1;
}
