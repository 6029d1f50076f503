/* SPDX-License-Identifier: Apache-2.0
 *
 * There are no programs in the simulated world.
 */
#include "util/net/process.h"

struct process *process_start(struct loop *loop, char *const argv[],
			      const struct process_handlers *handlers,
			      void *ctx, struct error *err)
{
	(void)loop;
	(void)handlers;
	(void)ctx;
	error_set(err, "%s: no programs run here", argv[0]);
	return NULL;
}

void process_write(struct process *process, const void *bytes, size_t len)
{
	(void)process;
	(void)bytes;
	(void)len;
}

void process_free(struct process **process)
{
	*process = NULL;
}
