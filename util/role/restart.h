/* SPDX-License-Identifier: Apache-2.0
 *
 * A process that starts again puts itself in its own place (execve(2)): it keeps
 * its process id, so systemd, an init script and quickstart all find it where it
 * was, and an upgraded program is taken up. First the program is asked whether
 * it would start: a wrong configuration must not end what runs.
 */
#ifndef UTIL_ROLE_RESTART_H
#define UTIL_ROLE_RESTART_H

#include "util/base/error.h"
#include "util/net/loop.h"

struct restart;

/* `refused`: why it would not start; NULL: it would. */
typedef void restart_checked_cb(void *ctx, const struct error *refused);

/* Runs `argv` with -t in a thread; `checked` comes from the loop, once, unless
 * restart_free() comes first. NULL with err. */
struct restart *restart_check(struct loop *loop, char *const argv[],
			      restart_checked_cb *checked, void *ctx,
			      struct error *err);

/* Not inside `checked`. Waits for the thread. */
void restart_free(struct restart **restart);

/* Replaces the process; returns only when that fails. Nothing of it may be open
 * any more but the standard files. */
void restart_now(char *const argv[], struct error *err);

#endif
