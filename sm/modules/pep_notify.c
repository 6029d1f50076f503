/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is told of a node: the owner's clients and those of contacts who may see
 * it, when their capabilities say NODE+notify (XEP-0163 section 4), and who
 * has subscribed (XEP-0060 section 6.1).
 */
#include <string.h>

#include "sm/modules/pep.h"
#include "sm/roster.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* Clients of contacts that a user remembers. */
#define HOLDERS_MAX 5000

#define KIND_ITEM "pep"

struct stanza *pep_event_new(const struct user *user,
			     const struct pubsub_node *node,
			     struct element **event)
{
	struct stanza *message = stanza_new("message", NS_CLIENT);
	const char *type = pubsub_option(node, PUBSUB_NOTIFICATION_TYPE);
	char id[20];

	loop_random_hex(user->sm->loop, id, 16);
	element_set_attr(message->root, "from", jid_bare(user->jid));
	element_set_attr(message->root, "id", id);
	element_set_attr(message->root, "type",
			 str_equal(type, "normal") ? NULL : type);
	*event = element_add(message->root, "event", NS_PUBSUB_EVENT);
	return message;
}

static void send_copy(struct user *user, const struct stanza *event,
		      const char *to)
{
	struct stanza *copy = stanza_copy(event);

	element_set_attr(copy->root, "to", to);
	user->sm->stats.pep_notified++;
	route_stanza(user->sm, copy, NULL, NULL);
}

/* -- notifications --------------------------------------------------------- */

static bool may_see(const struct user *user, const struct pubsub_node *node,
		    const char *text)
{
	struct jid *jid = jid_parse(text);
	bool may = jid != NULL &&
		   pubsub_may_read(user, node, jid) == PUBSUB_ALLOWED;

	jid_free(&jid);
	return may;
}

/* Who has subscribed as well hears of it that way. */
static bool is_subscribed(const struct pubsub_node *node, const char *text)
{
	struct jid *jid = jid_parse(text);
	bool is = jid != NULL &&
		  (pubsub_peer_state(node->subscriptions, text) ==
			   PUBSUB_SUBSCRIBED ||
		   pubsub_peer_state(node->subscriptions, jid_bare(jid)) ==
			   PUBSUB_SUBSCRIBED);

	jid_free(&jid);
	return is;
}

void pep_notify(struct user *user, const struct pubsub_node *node,
		const struct stanza *event)
{
	struct caps_holder *holder, *next;
	const struct pubsub_peer *peer;

	if (!pubsub_is_set(node, PUBSUB_DELIVER_NOTIFICATIONS))
		return;
	HASH_ITER(hh, pep_of(user)->holders, holder, next) {
		if (!caps_need(holder)) {
			/* It is being asked what it wants. */
			holder->owed = true;
			continue;
		}
		if (caps_wants(holder, node->name) &&
		    may_see(user, node, holder->jid) &&
		    !is_subscribed(node, holder->jid))
			send_copy(user, event, holder->jid);
	}
	LL_FOREACH(node->subscriptions, peer) {
		if (peer->state == PUBSUB_SUBSCRIBED &&
		    may_see(user, node, peer->jid))
			send_copy(user, event, peer->jid);
	}
}

/* -- the last item --------------------------------------------------------- */

struct last {
	struct user *user; /* pinned */
	char *node, *to;
};

static void got_last(const struct storage_result *result, void *ctx)
{
	struct last *last = ctx;
	struct user *user = last->user;
	const struct pubsub_node *node =
		pubsub_find(pep_of(user)->nodes, last->node);
	struct element *event, *items;
	struct stanza *message;

	if (result->status == STORAGE_OK && node != NULL) {
		message = pep_event_new(user, node, &event);
		items = element_add(event, "items", NULL);
		element_set_attr(items, "node", node->name);
		if (element_add_parsed(items, user->sm->parser, result->data,
				       result->data_len) != NULL)
			send_copy(user, message, last->to);
		stanza_free(&message);
	}
	mem_free(last->node);
	mem_free(last->to);
	mem_free(last);
	user_unpin(user);
}

void pep_send_last_of(struct user *user, const struct pubsub_node *node,
		      const char *to)
{
	const struct pubsub_item *item = pubsub_item_last(node);
	struct last *last;
	char *key;

	if (item == NULL || !pubsub_is_set(node, PUBSUB_DELIVER_NOTIFICATIONS))
		return;
	last = mem_new(struct last);
	last->user = user;
	last->node = mem_strdup(node->name);
	last->to = mem_strdup(to);
	user_pin(user);
	key = pubsub_item_key(node->name, item->id);
	storage_document_get(user->domain->storage, jid_bare(user->jid),
			     KIND_ITEM, key, got_last, last);
	mem_free(key);
}

void pep_send_last(struct caps_holder *holder)
{
	struct user *user = holder->user;
	const struct pubsub_node *node, *next;

	HASH_ITER(hh, pep_of(user)->nodes, node, next) {
		if (str_equal(pubsub_option(node, PUBSUB_SEND_LAST),
			      "on_sub_and_presence") &&
		    caps_wants(holder, node->name) &&
		    may_see(user, node, holder->jid))
			pep_send_last_of(user, node, holder->jid);
	}
}

/* -- who is there ---------------------------------------------------------- */

void pep_holder_gone(struct user *user, const char *jid)
{
	struct pep *pep = pep_of(user);
	struct caps_holder *holder;

	HASH_FIND_STR(pep->holders, jid, holder);
	if (holder == NULL)
		return;
	caps_leave(holder);
	HASH_DEL(pep->holders, holder);
	mem_free(holder->jid);
	mem_free(holder);
}

static void greet(struct caps_holder *holder)
{
	holder->fresh = false;
	if (caps_need(holder))
		pep_send_last(holder);
	else
		holder->owed = true;
}

/* `last`: the client may not have the last items. */
static void holder_here(struct user *user, const char *jid,
			const struct stanza *presence, bool last)
{
	struct pep *pep = pep_of(user);
	struct caps_holder *holder;

	HASH_FIND_STR(pep->holders, jid, holder);
	if (holder != NULL && caps_is_same(holder, presence)) {
		if (holder->fresh && last)
			greet(holder);
		return;
	}
	pep_holder_gone(user, jid);
	if (HASH_COUNT(pep->holders) >= HOLDERS_MAX)
		return;
	holder = mem_new(struct caps_holder);
	holder->user = user;
	if (!caps_join(holder, presence)) {
		mem_free(holder);
		return;
	}
	holder->jid = mem_strdup(jid);
	HASH_ADD_KEYPTR(hh, pep->holders, holder->jid, strlen(holder->jid),
			holder);
	if (last)
		greet(holder);
	else
		caps_need(holder);
}

/* A contact whom we see may see us one day; whether that is so is asked at each
 * notification. */
static bool is_known(const struct user *user, const struct jid *jid)
{
	const struct contact *contact = user_contact(user, jid_bare(jid));

	return (contact != NULL &&
		contact->item.subscription != SUBSCRIPTION_NONE) ||
	       roster_may_see(user, jid);
}

/* A client that has just come sends its presence to the account; what comes
 * to one of our clients is the answer to its probe, from somebody who was there
 * before and has had the last items. */
void pep_presence(struct task *task)
{
	struct user *user = task->user;
	const char *type = element_attr(task->stanza->root, "type");

	if (!jid_is_full(task->from))
		return;
	if (type != NULL) {
		if (str_equal(type, "unavailable") || str_equal(type, "error"))
			pep_holder_gone(user, jid_full(task->from));
		return;
	}
	if (user->has_account && is_known(user, task->from))
		holder_here(user, jid_full(task->from), task->stanza,
			    !jid_is_full(task->to) ||
				    jid_equal(task->from, task->to));
}

void pep_session_ready(struct session *session)
{
	struct caps_holder *holder;

	holder_here(session->user, jid_full(session->jid), session->presence,
		    false);
	HASH_FIND_STR(pep_of(session->user)->holders, jid_full(session->jid),
		      holder);
	/* Its own presence is on its way to it, unless it was restored. */
	if (holder != NULL)
		holder->fresh = true;
}
