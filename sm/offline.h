/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether stored messages are on their way to a client, so that newer ones
 * must queue up behind them (sm/modules/offline.c).
 */
#ifndef SM_OFFLINE_H
#define SM_OFFLINE_H

#include "sm/session.h"

/* The session that is being sent what is stored for the user; NULL: none. What
 * comes for it meanwhile goes behind that. */
struct session *offline_flooded(const struct user *user);

/* What is told of a message of a session that is asleep. */
struct offline_held {
	const char *id;	  /* of its stream management */
	uint64_t number;  /* to that client */
	const char *origin; /* may be NULL */
	int64_t stamp;
};

/* Stores a message of a session that is asleep: for its client, which gets it
 * from memory when it comes back, and for anybody else if it does not. False
 * when it cannot be kept. `work` is held until it is durable. */
bool offline_hold(struct user *user, struct stanza *stanza,
		  const struct offline_held *held, struct work *work);

/* Nothing is sent to it any more. */
void offline_asleep(struct session *session);

/* Such a session is awake again, or has ended: what is stored goes on its
 * way, to this session, or to any that takes messages. */
void offline_collect(struct session *session);
void offline_offer(struct user *user);

#endif
