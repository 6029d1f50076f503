/* SPDX-License-Identifier: Apache-2.0
 *
 * What must be true when a run has calmed down.
 */
#ifndef T_SIM_JUDGE_H
#define T_SIM_JUDGE_H

#include "t/sim/sim.h"

/* Compares sessions, presence and rosters on all sides. Each takes some
 * virtual time: `wait` us at most. */
void judge_views(struct sim *sim, uint64_t wait);

/* Sends probes, and sees that they and all before them have arrived. */
void judge_flow(struct sim *sim, uint64_t wait);

/* After everything was stopped: nothing is left. */
void judge_remains(struct sim *sim);

#endif
