/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the roster share: its data of a user, and the steps of a
 * change.
 */
#ifndef SM_ROSTER_PRIVATE_H
#define SM_ROSTER_PRIVATE_H

#include "sm/user.h"

struct roster_write; /* sm/roster.c */

/* A contact that was changed here, newest first (sm/roster_sync.c). */
struct changed {
	struct changed *next;
	uint64_t at; /* loop_now() */
	char jid[];
};

struct roster_data {
	struct roster_write *writes; /* not confirmed by the storage */
	struct changed *changed;
};

struct roster_data *roster_data_of(const struct user *user);

/* Memory: the contact is the item; a NULL jid in it: there is none. `jid` is
 * not the contact's own. */
void roster_restore(struct user *user, const char *jid,
		    const struct roster_item *item);

/* RFC 6121 section 2.1.6: to one session, or to all that are interested; a NULL
 * jid in the item: the contact is gone. */
void roster_push_to(struct session *session, const char *jid,
		    const struct roster_item *item, uint64_t version);
void roster_push(struct user *user, const char *jid,
		 const struct roster_item *item, uint64_t version);

void roster_note_changed(struct user *user, const char *jid);
void roster_unloaded(struct user *user);

#endif
