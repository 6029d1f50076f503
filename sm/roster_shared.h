/* SPDX-License-Identifier: Apache-2.0
 *
 * Contacts whom nobody has added: members of a group that is shared
 * (storage/people.h) have each other in their rosters, with a subscription of
 * both ways that neither can end. They are never stored; what a user adds to
 * one of them (a name, groups) is an item of the user's own, and shown
 * together with what the group says.
 *
 * Glossary: a *mate* is a member of a shared group that the user is in, too.
 */
#ifndef SM_ROSTER_SHARED_H
#define SM_ROSTER_SHARED_H

#include "sm/people.h"
#include "sm/user.h"

struct iq_call;

/* Whether the bare JID is a mate's. */
bool roster_is_mate(const struct user *user, const char *jid);

/* What the user's client is to see of a contact, own item or mate or both; to
 * be cleared. False: nothing, the item has no JID. */
bool roster_effective(const struct user *user, const char *jid,
		      struct roster_item *item);

/* Removes from the item the groups that the mate is in anyway. */
void roster_strip_shared(const struct user *user, struct roster_item *item);

/* Calls back for each mate, once. */
typedef void roster_mate_cb(struct user *user, struct people_person *mate,
			    void *ctx);
void roster_each_mate(struct user *user, roster_mate_cb *each, void *ctx);

/* What is shared with the user now, as a number; 0: nothing. */
uint64_t roster_shared_digest(const struct user *user);

/* Whether a mate can hear anything: has a session here, or may have one at
 * another sm. */
bool roster_mate_hears(const struct user *user, const char *mate);

/* Presence or a probe from a mate, for somebody of ours without a session:
 * nothing is to be done, and nobody has to be loaded for it. */
bool roster_is_unheard(struct sm *sm, const struct sm_domain *domain,
		       const struct stanza *stanza, const struct jid *from,
		       const struct jid *to);

/* -- sm/roster_sharing.c: changes, told to clients in pieces --------------- */

void roster_shared_changed(struct sm_domain *domain,
			   struct people_group *group,
			   struct people_members *before,
			   struct people_members *after);
void roster_shared_renamed(struct sm_domain *domain,
			   struct people_person *person);
void roster_shared_ready(struct sm_domain *domain);

/* Whether a roster should be asked for a little later, as it is not known yet
 * who is in which group. Then `later` is called with the call, kept. */
bool roster_shared_wait(struct iq_call *call,
			void (*later)(struct iq_call *call));

/* Forgets what is not told yet; who waits is answered. */
void roster_shared_stop(struct sm_domain *domain);

#endif
