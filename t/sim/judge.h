/* SPDX-License-Identifier: Apache-2.0
 *
 * What must be true when a run has calmed down.
 */
#ifndef T_SIM_JUDGE_H
#define T_SIM_JUDGE_H

#include "t/sim/sim.h"

/* Sends probes, gives them `flow` us, and compares sessions, presence and
 * rosters on all sides; then closes the ledger. */
void judge_run(struct sim *sim, uint64_t flow);

/* After everything was stopped: nothing is left. */
void judge_remains(struct sim *sim);

#endif
