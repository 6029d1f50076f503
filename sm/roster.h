/* SPDX-License-Identifier: Apache-2.0
 *
 * Changes of a user's roster (RFC 6121 section 2): memory at once, storage
 * behind, the push and the completion when the write is durable. When the
 * write fails, memory becomes again what it was, and interested clients are
 * told.
 */
#ifndef SM_ROSTER_H
#define SM_ROSTER_H

#include "sm/user.h"

struct session;

/* Bytes of a name or a group, and groups of an item. */
#define ROSTER_NAME_MAX	  1023
#define ROSTER_GROUPS_MAX 100

/* From the loop, once; `ok` false: the storage did not take it. */
typedef void roster_done_cb(struct user *user, bool ok, void *ctx);

/* Puts a copy of the item in the place of the contact's. `push`: interested
 * resources hear of it (only if it is listed). The user is pinned and the work
 * held until it is done. `done` may be NULL. */
void roster_put(struct user *user, const struct roster_item *item, bool push,
		struct work *work, roster_done_cb *done, void *ctx);
void roster_remove(struct user *user, const char *jid, bool push,
		   struct work *work, roster_done_cb *done, void *ctx);

/* Tells interested resources what a contact looks like who may be there by a
 * group only. `last`: their rosters are complete then. */
void roster_push_mate(struct user *user, const char *jid, bool last);

/* The version of the roster that the client sees (RFC 6121 section 2.6): of
 * the own items, and of what is shared. */
#define ROSTER_VERSION_MAX 48
void roster_version(const struct user *user, char text[ROSTER_VERSION_MAX]);
/* All changes go to the storage now, in order: the user leaves. */
void roster_flush(struct user *user);

/* Adds <stale jid=''/> to a snapshot for each contact that is being changed. */
void roster_add_stale(const struct user *user, struct element *root);

/* To a session that has come from another sm: what it may have missed. */
void roster_push_missed(struct session *session);

/* Such a one comes, and the user is here already: what another sm has stored is
 * read, and pushed. */
void roster_refresh(struct user *user);

/* At the end of the process, before the users go. */
void rosters_unload(struct sm *sm);

/* Adds <item/> to a query. */
void roster_write_item(struct element *query, const struct roster_item *item);

/* Items that the client sees; room for one more of them. */
size_t roster_count(const struct user *user);
bool roster_has_room(const struct user *user);

/* Whether that JID sees the user's presence: the user, or a contact with
 * "from" or "both". */
bool roster_may_see(const struct user *user, const struct jid *jid);

#endif
