/* SPDX-License-Identifier: Apache-2.0
 *
 * The state machine of presence subscriptions (RFC 6121 section 3 and
 * appendix A) as one table, without any effects: sm/subscribe.c acts on it.
 *
 * Glossary: *pending out*: we asked and were not answered; *pending in*: the
 * contact asked and was not answered; *outbound*: from our user to a contact.
 */
#ifndef SM_SUBSCRIPTION_H
#define SM_SUBSCRIPTION_H

#include "storage/storage.h"

/* The nine states of RFC 6121 appendix A.1. */
enum subscription_state {
	STATE_NONE,
	STATE_NONE_OUT,
	STATE_NONE_IN,
	STATE_NONE_OUT_IN,
	STATE_TO,
	STATE_TO_IN,
	STATE_FROM,
	STATE_FROM_OUT,
	STATE_BOTH,
	STATE_COUNT
};

enum subscription_event {
	EVENT_SUBSCRIBE,
	EVENT_UNSUBSCRIBE,
	EVENT_SUBSCRIBED,
	EVENT_UNSUBSCRIBED,
	EVENT_COUNT
};

enum subscription_action {
	ACTION_IGNORE,
	ACTION_PASS,	  /* outbound: route; inbound: deliver */
	ACTION_APPROVE,	  /* outbound: remember the pre-approval (3.4) */
	ACTION_UNAPPROVE, /* outbound: forget one */
	ACTION_REPLY	  /* inbound: answer `subscribed` for the user */
};

struct subscription_step {
	enum subscription_action action;
	enum subscription_state next;
	bool push; /* the visible roster item changes */
};

/* What a user's own stanza does. */
const struct subscription_step *
subscription_outbound(enum subscription_state state,
		      enum subscription_event event);

/* What a contact's stanza does; `approved` as in the roster item. */
const struct subscription_step *
subscription_inbound(enum subscription_state state,
		     enum subscription_event event, bool approved);

/* The event that a presence type means; -1 when it is none of the four. */
int subscription_event_parse(const char *type, enum subscription_event *event);
const char *subscription_event_type(enum subscription_event event);

/* The state of a roster item, and the reverse: sets `subscription` and `ask`;
 * `request` is dropped when the new state has no pending in. */
enum subscription_state subscription_state_of(const struct roster_item *item);
void subscription_state_apply(struct roster_item *item,
			      enum subscription_state state);

/* Whether the contact sees the user, whether the user sees the contact. */
bool subscription_has_from(enum subscription_state state);
bool subscription_has_to(enum subscription_state state);

/* "none", "to", "from", "both". */
const char *subscription_text(enum subscription subscription);

#endif
