/* SPDX-License-Identifier: Apache-2.0
 *
 * A program that runs beside us, of which we have the standard input and
 * output. Its standard error is ours.
 */
#ifndef UTIL_NET_PROCESS_H
#define UTIL_NET_PROCESS_H

#include <stddef.h>

#include "util/base/error.h"
#include "util/net/loop.h"

struct process;

/* Callbacks come from the loop, never from inside a call of this header. */
struct process_handlers {
	/* What it wrote; valid during the call. */
	void (*data)(struct process *process, const char *bytes, size_t len,
		     void *ctx);
	/* It has ended, or closed its output: the last callback, and the last
	 * that is heard of it. `reason` is a sentence for the log. */
	void (*ended)(struct process *process, const char *reason, void *ctx);
};

/* Starts argv[0] (a path, or looked up in PATH) with these arguments, the
 * environment, user and folder of ours. NULL with err. */
struct process *process_start(struct loop *loop, char *const argv[],
			      const struct process_handlers *handlers,
			      void *ctx, struct error *err);

/* The bytes are copied, and wiped when they are written. */
void process_write(struct process *process, const void *bytes, size_t len);

/* Closes its input and asks it to end (SIGTERM); after two seconds, or with
 * the end of the loop, it is killed. There are no more callbacks. NULL inside
 * is allowed. */
void process_free(struct process **process);

#endif
