/* SPDX-License-Identifier: Apache-2.0
 *
 * The book of all messages: who sent what, what was acknowledged, who got it,
 * how often and in which order.
 *
 * Words: a *session* is one bound resource of a client, through all its
 * resumptions; a message is *accepted* when XEP-0198 acknowledged it to its
 * sender.
 */
#ifndef T_SIM_LEDGER_H
#define T_SIM_LEDGER_H

#include "t/sim/verdict.h"

struct ledger;

/* What an account can do, which decides what it was promised. */
struct ledger_account {
	bool managed; /* all its clients use stream management */
};

struct ledger_totals {
	uint64_t sent, accepted, received, bounced, lost_unaccepted, repeats;
	uint64_t slowest; /* us from a sender to a client that was online */
};

/* `strict`: no process ever fails, so nothing may come to an account again
 * after a client had it for certain. */
struct ledger *ledger_new(struct verdict *verdict, unsigned accounts,
			  bool strict);
void ledger_free(struct ledger **ledger);
void ledger_set_managed(struct ledger *ledger, unsigned account, bool managed);

/* A session begins; its number, from 1. */
unsigned ledger_session(struct ledger *ledger, unsigned account, bool managed);

/* Whether its client is connected now: what was delivered on a connection
 * that broke may be counted as undelivered by the server. */
void ledger_session_connected(struct ledger *ledger, unsigned session,
			      bool connected);

/* The client drops what its session may still hold: what was delivered to it
 * and not acknowledged comes again elsewhere. `clean`: with a good-bye. */
void ledger_session_over(struct ledger *ledger, unsigned session, bool clean);

/* A message from a session to an account; its number, from 1. */
unsigned ledger_sent(struct ledger *ledger, unsigned session, const char *from,
		     unsigned to_account);
void ledger_accepted(struct ledger *ledger, unsigned message);

/* `from` and `number` as they came; `delayed`: with a time stamp. */
void ledger_received(struct ledger *ledger, unsigned session,
		     unsigned number, const char *from, bool delayed);
void ledger_bounced(struct ledger *ledger, unsigned session, unsigned number);

/* Messages sent from now on must arrive, whatever their senders can do: the
 * faults are over. Probes go to each session of the account. */
void ledger_calm(struct ledger *ledger);

/* At the end: what is owed. */
void ledger_check(struct ledger *ledger);
void ledger_totals(const struct ledger *ledger, struct ledger_totals *totals);

#endif
