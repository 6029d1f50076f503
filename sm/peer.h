/* SPDX-License-Identifier: Apache-2.0
 *
 * The processes of c2s that hold sessions here, by name and epoch, and
 * whether they are there.
 *
 *   HERE --(nobody of that name)--> AWAY --(after a moment)--> its sessions end
 *     ^                              |
 *     +------(the same epoch)--------+
 *   HERE or AWAY --(another epoch)--> its sessions end
 */
#ifndef SM_PEER_H
#define SM_PEER_H

#include "sm/sm.h"

struct peer {
	struct sm *sm;
	char *name;
	char *epoch;
	bool away;
	unsigned uses; /* by sessions and openings */
	struct timer gone;
	struct peer *prev, *next;
};

/* The process that sent the envelope, used once more. */
struct peer *peer_use(struct sm *sm, const char *name, const char *epoch);
void peer_release(struct peer **peer);

/* Of the process; NULL: it has not said, or there is no peer. */
const char *peer_epoch(const struct peer *peer);

/* The members of this name (NULL: of all) have changed. */
void peers_update(struct sm *sm, const char *name);

/* It could not be reached. */
void peer_missed(struct peer *peer);

/* It is not waited for any longer; its sessions end at the next turn. */
void peer_expire(struct peer *peer);

#endif
