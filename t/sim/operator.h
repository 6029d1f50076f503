/* SPDX-License-Identifier: Apache-2.0
 *
 * The operator of a simulated deployment: an admin link that drains roles, and
 * asks them for their sessions.
 */
#ifndef T_SIM_OPERATOR_H
#define T_SIM_OPERATOR_H

#include "t/sim/sim.h"

struct operator;

struct operator *operator_new(struct sim *sim);
void operator_free(struct operator **operator);

/* Asks all sms (or c2s) for their sessions; what comes is collected. */
void operator_ask_sessions(struct operator *operator, enum sim_role kind);

/* How often the full JID was listed; how many rows came in all. */
unsigned operator_sessions_of(const struct operator *operator,
			      const char *jid);
unsigned operator_rows(const struct operator *operator);
/* Answers that are still missing. */
unsigned operator_waiting(const struct operator *operator);
/* The i-th row's JID, NULL: no more. */
const char *operator_row(const struct operator *operator, unsigned i);

/* Sends one command without arguments, or with one; the answer is logged, and
 * before operator_ask_sessions() not waited for. */
void operator_command(struct operator *operator, const char *at,
		      const char *command, const char *argument,
		      const char *value);

#endif
