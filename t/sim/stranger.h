/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections from whoever has no business here: half log-ins and garbage at
 * a c2s; wrong secrets, taken names and newer versions at a router.
 */
#ifndef T_SIM_STRANGER_H
#define T_SIM_STRANGER_H

#include "t/sim/sim.h"

struct strangers;

struct strangers *strangers_new(struct sim *sim);
void strangers_free(struct strangers **strangers);

/* One more of them, of a kind that the numbers decide; it goes away by itself
 * in less than a minute. */
void strangers_come(struct strangers *strangers);

#endif
