/* SPDX-License-Identifier: Apache-2.0
 *
 * What a run has found: the invariants that were violated, in order.
 */
#ifndef T_SIM_VERDICT_H
#define T_SIM_VERDICT_H

#include "t/sim/net/world.h"
#include "util/base/buf.h"

#define VERDICT_SHOWN 20 /* the others are counted only */

struct verdict {
	struct world *world;
	unsigned violations;
	struct buf *text; /* of the first of them, a line each */
};

/* An invariant does not hold: its name, and what was seen. */
void verdict_fail(struct verdict *verdict, const char *invariant,
		  const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
