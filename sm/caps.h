/* SPDX-License-Identifier: Apache-2.0
 *
 * What clients want to be notified of, by their entity capabilities
 * (XEP-0115): the features NODE+notify of the disco#info that has the hash in
 * their presence. Each hash is asked for once, verified (section 5.4), and
 * shared by all who present it.
 */
#ifndef SM_CAPS_H
#define SM_CAPS_H

#include "sm/route.h"

struct caps;

/* One client that is present, as a user sees it. */
struct caps_holder {
	struct user *user;
	struct caps *caps;
	char *jid;   /* full */
	bool owed;   /* gets the last items once it is known what it wants */
	bool fresh;  /* one of ours, whose presence did not come yet */
	bool asked;  /* and gave no good answer */
	struct caps_holder *prev, *next; /* of the same hash */
	UT_hash_handle hh;		 /* of the user, by jid */
};

/* Finds or makes the entry for the hash in a presence; the holder is linked to
 * it until caps_leave(). False: there is no hash that we can verify, or no
 * room. */
bool caps_join(struct caps_holder *holder, const struct stanza *presence);
void caps_leave(struct caps_holder *holder);

/* Whether the holder's hash is the one in this presence. */
bool caps_is_same(const struct caps_holder *holder,
		  const struct stanza *presence);

/* Whether it is known; asks if it is not, and nobody is being asked. */
bool caps_need(struct caps_holder *holder);
bool caps_wants(const struct caps_holder *holder, const char *node);

/* An answer to the account that may be one to us: true when it was. */
bool caps_answered(struct task *task);

void caps_stop(struct sm *sm);

#endif
