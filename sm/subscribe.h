/* SPDX-License-Identifier: Apache-2.0
 *
 * Subscription stanzas at work (RFC 6121 section 3): what the state machine
 * (sm/subscription.h) says is stored, routed, delivered, answered.
 */
#ifndef SM_SUBSCRIBE_H
#define SM_SUBSCRIBE_H

#include "sm/route.h"
#include "sm/subscription.h"

/* A session's stanza of one of the four types. Takes the stanza. */
void subscribe_outbound(struct session *session, struct stanza *stanza,
			enum subscription_event event, const char *origin,
			struct work *work);

/* A contact's stanza, for a user with an account. Does not take the task. */
void subscribe_inbound(struct task *task, enum subscription_event event);

/* Tells a contact that all between the two is over: for an item that is
 * removed (section 2.5), or an account. The roster is not changed. */
void subscribe_cancel_all(struct user *user, const struct roster_item *item,
			  struct work *work);

/* Requests that the user has not answered, to a resource that became
 * available (section 3.1.3). */
void subscribe_deliver_pending(struct session *session);

#endif
