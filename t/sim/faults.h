/* SPDX-License-Identifier: Apache-2.0
 *
 * The faults of a run: drawn from its seed, one after the other, each mended
 * after a while.
 */
#ifndef T_SIM_FAULTS_H
#define T_SIM_FAULTS_H

#include "t/sim/sim.h"

enum fault {
	FAULT_KILL = 1 << 0,	/* SIGKILL, and a start later */
	FAULT_HOST = 1 << 1,	/* a host dies without a word, and boots */
	FAULT_RESTART = 1 << 2, /* SIGTERM, and a start */
	FAULT_PAUSE = 1 << 3,	/* SIGSTOP, SIGCONT */
	FAULT_CUT = 1 << 4,	/* a partition between two processes */
	FAULT_SLOW = 1 << 5,	/* a path with latency or little bandwidth */
	FAULT_CLIENT = 1 << 6,	/* a client's network, or the client, dies */
	FAULT_STORAGE = 1 << 7, /* an outage, or a slow database */
	FAULT_RELOAD = 1 << 8,	/* SIGHUP */
	FAULT_SCALE = 1 << 9,	/* processes come for the first time, or go
				   for good */
	FAULT_STRANGER = 1 << 10, /* somebody uninvited connects */
	FAULT_ALL = (1 << 11) - 1,
	FAULT_FLAP = 1 << 11 /* a process comes and goes every second */
};

struct faults;

struct faults *faults_start(struct sim *sim);
/* Mends everything; no more faults. */
void faults_end(struct sim *sim);

#endif
