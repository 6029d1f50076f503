/* SPDX-License-Identifier: Apache-2.0
 *
 * Watching a descriptor that belongs to a library which reads and writes it
 * itself (libpq, libldap). Our own connections are conns, not this.
 */
#ifndef UTIL_NET_WATCH_H
#define UTIL_NET_WATCH_H

#include <stdint.h>

#include "util/net/loop.h"

struct watch;

/* What to wait for, and what came. */
#define WATCH_READ 1u
#define WATCH_WRITE 2u

/* The descriptor can be read, or written, or has failed: then all that was
 * waited for is reported, and the library finds out the rest. Runs again in
 * the next turn while that stays so. */
typedef void watch_cb(struct watch *watch, unsigned events, void *ctx);

/* Starts watching for `events`. The descriptor must not have another watch,
 * and must stay open until watch_stop(). NULL when it cannot be watched. */
struct watch *watch_start(struct loop *loop, int fd, unsigned events,
			  watch_cb *cb, void *ctx, struct error *err);

/* Changes what is waited for; 0: nothing for now. */
void watch_set(struct watch *watch, unsigned events);

/* Blocks until the descriptor is ready for one of `events`, for at most `ms`
 * milliseconds, and says for which, 0 for none: for the end of a process,
 * when the loop runs no more. Calls nothing. */
unsigned watch_wait(struct watch *watch, unsigned events, unsigned ms);

/* No callback runs any more; the descriptor may be closed. NULL inside is
 * allowed. */
void watch_stop(struct watch **watch);

#endif
