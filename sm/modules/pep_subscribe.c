/* SPDX-License-Identifier: Apache-2.0
 *
 * Explicit subscriptions: XEP-0060 sections 6.1, 6.2, 5.6 and 8.8. Those by
 * presence (XEP-0163 section 4) need none.
 */
#include <string.h>

#include "sm/modules/pep.h"
#include "util/base/mem.h"
#include "util/base/str.h"

static void add_subscription(struct element *parent, const char *node,
			     const char *jid, int state)
{
	struct element *child = element_add(parent, "subscription", NULL);

	if (node != NULL)
		element_set_attr(child, "node", node);
	element_set_attr(child, "jid", jid);
	element_set_attr(child, "subscription",
			 pubsub_subscription_name(state));
}

/* The JID that is to be subscribed; NULL: the request was answered. It is the
 * sender's, bare or full. */
static struct jid *subscriber(struct iq_call *call,
			      const struct element *action)
{
	const char *text = element_attr(action, "jid");
	struct jid *jid = text != NULL ? jid_parse(text) : NULL;

	if (jid != NULL && jid_same_bare(jid, call->from) &&
	    (!jid_is_full(jid) || jid_equal(jid, call->from)))
		return jid;
	pep_error(call, STANZA_BAD_REQUEST, jid ? "invalid-jid" : "jid-required",
		  NULL);
	jid_free(&jid);
	return NULL;
}

/* A message about a subscription, to its JID (sections 6.1.4 and 8.8.2.1). */
static void tell_subscriber(struct pep_change *change,
			    const struct pubsub_node *node, const char *jid,
			    int state)
{
	struct element *event;
	struct stanza *message =
		pep_event_new(pep_change_user(change), node, &event);

	element_set_attr(message->root, "to", jid);
	add_subscription(event, node->name, jid, state);
	pep_change_send(change, message);
}

/* Section 6.1.3: who has to be approved waits for the owner. */
static int state_for(const struct iq_call *call,
		     const struct pubsub_node *node,
		     enum pubsub_denial *denial)
{
	*denial = pubsub_may_read(call->user, node, call->from);
	if (*denial == PUBSUB_ALLOWED)
		return PUBSUB_SUBSCRIBED;
	return *denial == PUBSUB_DENIED_UNSUBSCRIBED ? PUBSUB_PENDING : 0;
}

static void subscribe(struct iq_call *call, struct pubsub_node *node,
		      const char *jid, int state)
{
	struct pep_change *change = pep_change_new(call->user, call);
	struct user *user = call->user;
	struct stanza *reply = iq_result_new(call);
	bool last = state == PUBSUB_SUBSCRIBED &&
		    !str_equal(pubsub_option(node, PUBSUB_SEND_LAST), "never");
	char *name;

	if (pubsub_peer_set(&node->subscriptions, jid, state) != 0) {
		stanza_free(&reply);
		pep_change_cancel(&change);
		pep_error(call, STANZA_POLICY_VIOLATION,
			  "too-many-subscriptions", NULL);
		return;
	}
	add_subscription(element_add(reply->root, "pubsub", NS_PUBSUB),
			 node->name, jid, state);
	name = mem_strdup(node->name);
	pep_change_commit(change, reply);
	node = pubsub_find(pep_of(user)->nodes, name);
	if (last && node != NULL)
		pep_send_last_of(user, node, jid);
	mem_free(name);
}

void pep_subscribe(struct iq_call *call, const struct element *action)
{
	const char *name = element_attr(action, "node");
	struct pubsub_node *node =
		name ? pubsub_find(pep_of(call->user)->nodes, name) : NULL;
	enum pubsub_denial denial;
	struct jid *jid;
	int state;

	if (node == NULL) {
		/* Answers as is right for this sender. */
		pep_node(call, action);
		return;
	}
	jid = subscriber(call, action);
	if (jid == NULL)
		return;
	state = state_for(call, node, &denial);
	if (state == 0)
		pep_deny(call, denial);
	else
		subscribe(call, node, jid_full(jid), state);
	jid_free(&jid);
}

void pep_unsubscribe(struct iq_call *call, const struct element *action)
{
	const char *name = element_attr(action, "node");
	struct pubsub_node *node =
		name ? pubsub_find(pep_of(call->user)->nodes, name) : NULL;
	struct pep_change *change;
	struct jid *jid;

	if (node == NULL) {
		pep_node(call, action);
		return;
	}
	jid = subscriber(call, action);
	if (jid == NULL)
		return;
	if (pubsub_peer_state(node->subscriptions, jid_full(jid)) == 0) {
		pep_error(call, STANZA_UNEXPECTED_REQUEST, "not-subscribed",
			  NULL);
	} else {
		change = pep_change_new(call->user, call);
		pubsub_peer_set(&node->subscriptions, jid_full(jid), 0);
		pep_change_commit(change, iq_result_new(call));
	}
	jid_free(&jid);
}

/* -- lists ----------------------------------------------------------------- */

static bool is_senders(const struct iq_call *call, const char *text)
{
	struct jid *jid = jid_parse(text);
	bool same = jid != NULL && jid_same_bare(jid, call->from);

	jid_free(&jid);
	return same;
}

void pep_subscriptions_own(struct iq_call *call, const struct element *action)
{
	const char *only = element_attr(action, "node");
	const struct pubsub_node *node, *next;
	struct stanza *reply = iq_result_new(call);
	struct element *list =
		element_add(element_add(reply->root, "pubsub", NS_PUBSUB),
			    "subscriptions", NULL);

	HASH_ITER(hh, pep_of(call->user)->nodes, node, next) {
		const struct pubsub_peer *peer;

		if (only != NULL && !str_equal(only, node->name))
			continue;
		LL_FOREACH(node->subscriptions, peer) {
			if (is_senders(call, peer->jid))
				add_subscription(list, node->name, peer->jid,
						 peer->state);
		}
	}
	iq_reply(call, reply);
}

void pep_subscriptions_get(struct iq_call *call, const struct element *action)
{
	struct pubsub_node *node = pep_node(call, action);
	const struct pubsub_peer *peer;
	struct element *list;
	struct stanza *reply;

	if (node == NULL)
		return;
	reply = iq_result_new(call);
	list = element_add(element_add(reply->root, "pubsub", NS_PUBSUB_OWNER),
			   "subscriptions", NULL);
	element_set_attr(list, "node", node->name);
	LL_FOREACH(node->subscriptions, peer)
		add_subscription(list, NULL, peer->jid, peer->state);
	iq_reply(call, reply);
}

/* Section 8.8.2: approves, removes, or adds. */
static int set_subscription(struct pep_change *change,
			    struct pubsub_node *node, const struct element *row)
{
	int state = pubsub_subscription_parse(element_attr(row,
							   "subscription"));
	const char *text = element_attr(row, "jid");
	struct jid *jid = text != NULL ? jid_parse(text) : NULL;
	int result = -1;

	if (jid != NULL && state >= 0)
		result = pubsub_peer_set(&node->subscriptions, jid_full(jid),
					 state);
	if (result == 0)
		tell_subscriber(change, node, jid_full(jid), state);
	jid_free(&jid);
	return result;
}

void pep_subscriptions_set(struct iq_call *call, const struct element *action)
{
	const struct element *row =
		element_child(action, "subscription", NULL);
	struct pubsub_node *node = pep_node(call, action);
	struct pep_change *change;

	if (node == NULL)
		return;
	change = pep_change_new(call->user, call);
	for (; row != NULL; row = element_next_same(row)) {
		if (set_subscription(change, node, row) == 0)
			continue;
		pep_change_cancel(&change);
		iq_error(call, STANZA_NOT_ACCEPTABLE, NULL);
		return;
	}
	pep_change_commit(change, iq_result_new(call));
}
