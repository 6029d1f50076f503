/* SPDX-License-Identifier: Apache-2.0
 *
 * Draining (docs/cluster.md): a role gives its work to others of its kind and
 * stays up, idle, until it is restarted or taken back. What the work is, the
 * role says; the course of it is the same for all.
 */
#ifndef UTIL_ROLE_DRAIN_H
#define UTIL_ROLE_DRAIN_H

#include "util/base/buf.h"
#include "util/base/error.h"
#include "util/base/log.h"
#include "util/net/timer.h"

struct drain_ops {
	/* 0, or -1 with a sentence: there is nobody to take the work over. An
	 * operator may insist. */
	int (*may)(void *role, struct error *err);
	/* Takes nothing new from here on, and lets go of what it has. */
	void (*begin)(void *role);
	/* Now and then, until it is drained; NULL: nothing to do. */
	void (*step)(void *role);
	/* Takes work as before. */
	void (*end)(void *role);
	/* How much is still to be done, in things of any kind; 0: nothing. */
	size_t (*left)(void *role);
};

/*
 *   NONE --drain--> RUNNING --nothing left for a moment--> DONE
 *     ^----------------+----------------undrain--------------+
 */
enum drain_state { DRAIN_NONE, DRAIN_RUNNING, DRAIN_DONE };

struct drain {
	const struct drain_ops *ops;
	struct loop *loop;
	struct log *log;
	void *role;
	enum drain_state state;
	uint64_t began, quiet_since; /* loop_now(); quiet 0: it is not */
	struct timer timer;
};

void drain_init(struct drain *drain, const struct drain_ops *ops,
		struct loop *loop, struct log *log, void *role);

/* 0, or -1 when ops->may() refuses, unless `force`. Harmless when it has begun
 * before. */
int drain_begin(struct drain *drain, bool force, struct error *err);

/* The operator takes it back. Harmless when there is nothing to take back. */
void drain_end(struct drain *drain);

/* At the end of the role. */
void drain_stop(struct drain *drain);

/* Whether new work is refused. */
static inline bool drain_is_on(const struct drain *drain)
{
	return drain->state != DRAIN_NONE;
}

/* "running", "draining", "drained". */
const char *drain_state_name(const struct drain *drain);

/* For role->metrics. */
void drain_metrics(const struct drain *drain, struct buf *to);

#endif
