/* SPDX-License-Identifier: Apache-2.0
 *
 * Items come and go: XEP-0060 sections 7.1 (publish, with the conditions of
 * 7.1.5), 7.2 (retract) and 8.5 (purge).
 */
#include <string.h>

#include "sm/modules/pep.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* Items of one request. */
#define BATCH_MAX 100

/* The submitted form of that type in <publish-options/> or <configure/>. */
static const struct element *options_form(const struct element *action,
					  const char *name)
{
	const struct element *options =
		element_child(action->parent, name, NULL);
	const struct element *form =
		options != NULL ? element_child(options, "x", NS_DATA_FORMS) :
				  NULL;

	return form;
}

/* -- publishing ------------------------------------------------------------ */

static void drop_oldest(struct pep_change *change, struct pubsub_node *node)
{
	while (node->item_count > pubsub_item_limit(node)) {
		pep_change_drop(change, node->name, node->items->id);
		pubsub_item_remove(node, node->items);
	}
}

void pep_change_publish(struct pep_change *change, struct pubsub_node *node,
			const char *id, const struct element *item,
			const struct jid *publisher)
{
	struct stanza *copy = stanza_new("item", NS_PUBSUB_EVENT);
	const struct element *payload =
		item != NULL ? element_first(item) : NULL;
	struct user *user = pep_change_user(change);
	struct element *event, *items;
	struct stanza *message;

	element_set_attr(copy->root, "id", id);
	element_set_attr(copy->root, "publisher", jid_bare(publisher));
	if (payload != NULL)
		element_add_copy(copy->root, payload);
	/* With room for none, or only for those that it has, nothing stays. */
	if (pubsub_item_limit(node) > 0) {
		pep_change_put(change, node->name, id, copy->root);
		pubsub_item_put(node, id);
		drop_oldest(change, node);
	}
	message = pep_event_new(user, node, &event);
	items = element_add(event, "items", NULL);
	element_set_attr(items, "node", node->name);
	if (pubsub_is_set(node, PUBSUB_DELIVER_PAYLOADS))
		element_add_copy(items, copy->root);
	else
		element_set_attr(element_add(items, "item", NULL), "id", id);
	pep_change_tell(change, node->name, message);
	stanza_free(&copy);
}

/* XEP-0060 section 7.1.3; true: the request was answered. */
static bool refuse_items(struct iq_call *call, const struct element *publish)
{
	const struct element *item = element_child(publish, "item", NULL);
	size_t count = 0;

	if (item == NULL) {
		pep_error(call, STANZA_BAD_REQUEST, "item-required", NULL);
		return true;
	}
	for (; item != NULL; item = element_next_same(item)) {
		const struct element *payload = element_first(item);
		const char *id = element_attr(item, "id");
		struct buf xml = { 0 };
		size_t len;

		element_write(item, &xml);
		len = xml.len;
		buf_free(&xml);
		if (payload == NULL)
			pep_error(call, STANZA_BAD_REQUEST, "payload-required",
				  NULL);
		else if (element_next(payload) != NULL)
			pep_error(call, STANZA_BAD_REQUEST, "invalid-payload",
				  NULL);
		else if (len > (size_t)call->sm->options->document_max)
			pep_error(call, STANZA_NOT_ACCEPTABLE,
				  "payload-too-big", NULL);
		else if (id != NULL && *id != '\0' && !pubsub_is_name(id))
			iq_error(call, STANZA_NOT_ACCEPTABLE,
				 "No item can have such an id");
		else if (++count > BATCH_MAX)
			pep_error(call, STANZA_NOT_ALLOWED,
				  "max-items-exceeded", NULL);
		else
			continue;
		return true;
	}
	return false;
}

/* The node, new if need be; NULL: the request was answered, and the change
 * was cancelled. */
static struct pubsub_node *publish_node(struct iq_call *call,
					struct pep_change **change,
					const char *name,
					const struct element *form)
{
	struct pubsub_node *node = pubsub_find(pep_of(call->user)->nodes, name);
	const char *bad = NULL;
	bool full;

	if (node != NULL) {
		if (form == NULL || pubsub_config_matches(node, form))
			return node;
		pep_change_cancel(change);
		pep_error(call, STANZA_CONFLICT, "precondition-not-met", NULL);
		return NULL;
	}
	node = pep_node_new(call->user, name, form, &bad);
	/* What we do not have cannot be met by a new node either. */
	if (node != NULL && (form == NULL || pubsub_config_matches(node, form)))
		return node;
	full = node == NULL && bad == NULL;
	pep_change_cancel(change);
	if (!full)
		pep_error(call, STANZA_CONFLICT, "precondition-not-met", NULL);
	else
		iq_error(call, STANZA_RESOURCE_CONSTRAINT,
			 "There is no room for more nodes");
	return NULL;
}

static void publish_items(struct iq_call *call, struct pep_change *change,
			  struct pubsub_node *node,
			  const struct element *publish)
{
	const struct element *item = element_child(publish, "item", NULL);
	struct stanza *reply = iq_result_new(call);
	struct element *list = element_add(
		element_add(reply->root, "pubsub", NS_PUBSUB), "publish", NULL);

	element_set_attr(list, "node", node->name);
	for (; item != NULL; item = element_next_same(item)) {
		const char *id = element_attr(item, "id");
		char made[20];

		if (id == NULL || *id == '\0') {
			loop_random_hex(call->sm->loop, made, 16);
			id = made;
		}
		element_set_attr(element_add(list, "item", NULL), "id", id);
		pep_change_publish(change, node, id, item, call->from);
	}
	call->sm->stats.pep_published++;
	pep_change_commit(change, reply);
}

void pep_publish(struct iq_call *call, const struct element *publish)
{
	const char *name = element_attr(publish, "node");
	const struct element *form = options_form(publish, "publish-options");
	struct pubsub_node *node;
	struct pep_change *change;

	if (!pubsub_is_name(name)) {
		pep_error(call, STANZA_BAD_REQUEST, "nodeid-required", NULL);
		return;
	}
	if (!pep_is_owner(call)) {
		node = pep_node(call, publish);
		if (node == NULL)
			return;
		if (!pubsub_may_publish(call->user, node, call->from)) {
			iq_error(call, STANZA_FORBIDDEN, NULL);
			return;
		}
	}
	if (refuse_items(call, publish))
		return;
	change = pep_change_new(call->user, call);
	node = publish_node(call, &change, name, form);
	if (node != NULL)
		publish_items(call, change, node, publish);
}

/* -- retracting ------------------------------------------------------------ */

static bool is_true(const char *text)
{
	return str_equal(text, "true") || str_equal(text, "1");
}

void pep_retract(struct iq_call *call, const struct element *retract)
{
	const struct element *item = element_child(retract, "item", NULL);
	struct pubsub_node *node = pep_node(call, retract);
	struct element *event, *items;
	struct pep_change *change;
	struct stanza *message;

	if (node == NULL)
		return;
	if (!pubsub_may_publish(call->user, node, call->from)) {
		iq_error(call, STANZA_FORBIDDEN, NULL);
		return;
	}
	if (item == NULL || element_attr(item, "id") == NULL) {
		pep_error(call, STANZA_BAD_REQUEST, "item-required", NULL);
		return;
	}
	change = pep_change_new(call->user, call);
	message = pep_event_new(call->user, node, &event);
	items = element_add(event, "items", NULL);
	element_set_attr(items, "node", node->name);
	for (; item != NULL; item = element_next_same(item)) {
		const char *id = element_attr(item, "id");
		struct pubsub_item *found =
			id != NULL ? pubsub_item_find(node, id) : NULL;

		if (found == NULL) {
			stanza_free(&message);
			pep_change_cancel(&change);
			iq_error(call, STANZA_ITEM_NOT_FOUND, NULL);
			return;
		}
		pep_change_drop(change, node->name, id);
		element_set_attr(element_add(items, "retract", NULL), "id", id);
		pubsub_item_remove(node, found);
	}
	if (is_true(element_attr(retract, "notify")) ||
	    pubsub_is_set(node, PUBSUB_NOTIFY_RETRACT))
		pep_change_tell(change, node->name, message);
	else
		stanza_free(&message);
	pep_change_commit(change, iq_result_new(call));
}

void pep_purge(struct iq_call *call, const struct element *purge)
{
	struct pubsub_node *node = pep_node(call, purge);
	struct pep_change *change;
	struct element *event;
	struct stanza *message;

	if (node == NULL)
		return;
	change = pep_change_new(call->user, call);
	while (node->items != NULL) {
		pep_change_drop(change, node->name, node->items->id);
		pubsub_item_remove(node, node->items);
	}
	message = pep_event_new(call->user, node, &event);
	element_set_attr(element_add(event, "purge", NULL), "node",
			 node->name);
	if (pubsub_is_set(node, PUBSUB_NOTIFY_RETRACT))
		pep_change_tell(change, node->name, message);
	else
		stanza_free(&message);
	pep_change_commit(change, iq_result_new(call));
}
