/* SPDX-License-Identifier: Apache-2.0
 *
 * Whom a user does not want to hear of, nor to be seen by (XEP-0191). Kept in
 * memory with the user; sm/modules/blocking.c is the protocol and what stores
 * it.
 */
#ifndef SM_BLOCKLIST_H
#define SM_BLOCKLIST_H

#include "sm/user.h"

struct blocked {
	UT_hash_handle hh;
	char jid[]; /* prepared: full, bare, domain/resource, domain */
};

/* Whether the list says so of this address, by any of the four forms
 * (XEP-0191 section 5). Never of the user's own account, nor of the server
 * itself. */
bool blocklist_has(const struct user *user, const struct jid *jid);

/* The same of a prepared address as text. */
bool blocklist_has_text(const struct user *user, const char *jid);

/* `jid` is prepared. False: it was there, or was not. */
bool blocklist_add(struct user *user, const char *jid);
bool blocklist_remove(struct user *user, const char *jid);
void blocklist_clear(struct user *user);

#endif
