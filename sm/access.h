/* SPDX-License-Identifier: Apache-2.0
 *
 * Access rules (util/role/access.h) for what users of this sm send and get.
 */
#ifndef SM_ACCESS_H
#define SM_ACCESS_H

#include "sm/sm.h"
#include "util/role/access.h"

/* With the own account, with the own server: no rule is about these. */
bool sm_access_is_own(const struct sm *sm, const struct jid *from,
		      const struct jid *to);

/* Fills a query but for what the stanza is. `trust`: of the stream that it
 * came in on; TRUST_TRUSTED for what did not come from another server. */
void sm_access_query(struct sm *sm, struct access_query *query,
		     const struct jid *from, const struct jid *to,
		     enum trust trust);

/* After rules and domains were read: says so when rules name groups, and no
 * directory tells who is in one. */
void sm_access_loaded(const struct sm *sm);

/* Whether a stanza may go on; if not, it has been counted and logged, and its
 * sender told as the rule says. `need`: what the stream that it leaves on
 * must have reached, or -1. */
bool sm_access_pass(struct sm *sm, const struct stanza *stanza,
		    const struct jid *from, const struct jid *to,
		    enum trust trust, int *need);

/* Whether a client may ask for a subscription, or grant one; if not, the same.
 * Before anything is noted in the roster. True for all other stanzas. */
bool sm_access_subscribe(struct sm *sm, const struct stanza *stanza);

#endif
