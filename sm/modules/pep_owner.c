/* SPDX-License-Identifier: Apache-2.0
 *
 * What the owner does with nodes: XEP-0060 sections 8.1 to 8.4 and 8.9.
 */
#include <string.h>

#include "sm/modules/pep.h"
#include "util/base/mem.h"
#include "util/base/str.h"

struct pubsub_node *pep_node_new(struct user *user, const char *name,
				 const struct element *form, const char **bad)
{
	struct pep *pep = pep_of(user);
	struct pubsub_node *node;

	*bad = NULL;
	if (HASH_COUNT(pep->nodes) >= PUBSUB_NODES_MAX)
		return NULL;
	node = pubsub_add(&pep->nodes, name);
	if (form == NULL || pubsub_config_read(&node->config, form, bad) == 0)
		return node;
	pubsub_take(&pep->nodes, node);
	pubsub_node_free(&node);
	return NULL;
}

static void refuse_form(struct iq_call *call, const char *bad)
{
	char *text = mem_printf("%s cannot have that value", bad);

	iq_error(call, STANZA_NOT_ACCEPTABLE, text);
	mem_free(text);
}

void pep_create(struct iq_call *call, const struct element *create)
{
	const struct element *configure =
		element_child(call->query, "configure", NULL);
	const struct element *form =
		configure ? element_child(configure, "x", NS_DATA_FORMS) : NULL;
	const char *name = element_attr(create, "node"), *bad;
	struct pep_change *change;
	struct pubsub_node *node;
	struct stanza *reply;
	char made[20];

	if (name == NULL || *name == '\0') {
		loop_random_hex(call->sm->loop, made, 16);
		name = made;
	}
	if (!pubsub_is_name(name)) {
		iq_error(call, STANZA_NOT_ACCEPTABLE,
			 "No node can have such a name");
		return;
	}
	if (pubsub_find(pep_of(call->user)->nodes, name) != NULL) {
		iq_error(call, STANZA_CONFLICT, NULL);
		return;
	}
	change = pep_change_new(call->user, call);
	node = pep_node_new(call->user, name, form, &bad);
	if (node == NULL) {
		pep_change_cancel(&change);
		if (bad != NULL)
			refuse_form(call, bad);
		else
			iq_error(call, STANZA_RESOURCE_CONSTRAINT,
				 "There is no room for more nodes");
		return;
	}
	reply = iq_result_new(call);
	element_set_attr(element_add(element_add(reply->root, "pubsub",
						 NS_PUBSUB),
				     "create", NULL),
			 "node", name);
	pep_change_commit(change, reply);
}

/* -- configuration --------------------------------------------------------- */

void pep_configure_get(struct iq_call *call, const struct element *configure)
{
	struct pubsub_node *node = pep_node(call, configure);
	struct element *child;
	struct stanza *reply;

	if (node == NULL)
		return;
	reply = iq_result_new(call);
	child = element_add(element_add(reply->root, "pubsub", NS_PUBSUB_OWNER),
			    "configure", NULL);
	element_set_attr(child, "node", node->name);
	pubsub_config_form(node, NS_PUBSUB "#node_config", child);
	iq_reply(call, reply);
}

void pep_default(struct iq_call *call, const struct element *action)
{
	struct stanza *reply = iq_result_new(call);

	(void)action;
	pubsub_config_form(NULL, NS_PUBSUB "#node_config",
			   element_add(element_add(reply->root, "pubsub",
						   NS_PUBSUB_OWNER),
				       "default", NULL));
	iq_reply(call, reply);
}

static void tell_configured(struct pep_change *change,
			    const struct pubsub_node *node)
{
	struct element *event;
	struct stanza *message;

	if (!pubsub_is_set(node, PUBSUB_NOTIFY_CONFIG))
		return;
	message = pep_event_new(pep_change_user(change), node, &event);
	element_set_attr(element_add(event, "configuration", NULL), "node",
			 node->name);
	pep_change_tell(change, node->name, message);
}

void pep_configure_set(struct iq_call *call, const struct element *configure)
{
	const struct element *form =
		element_child(configure, "x", NS_DATA_FORMS);
	struct pubsub_node *node = pep_node(call, configure);
	struct pep_change *change;
	const char *bad;

	if (node == NULL)
		return;
	if (form == NULL) {
		iq_error(call, STANZA_BAD_REQUEST, NULL);
		return;
	}
	/* XEP-0060 section 8.2.5: all stays as it is. */
	if (str_equal(element_attr(form, "type"), "cancel")) {
		iq_result(call);
		return;
	}
	change = pep_change_new(call->user, call);
	if (pubsub_config_read(&node->config, form, &bad) != 0) {
		pep_change_cancel(&change);
		refuse_form(call, bad);
		return;
	}
	while (node->item_count > pubsub_item_limit(node)) {
		pep_change_drop(change, node->name, node->items->id);
		pubsub_item_remove(node, node->items);
	}
	tell_configured(change, node);
	pep_change_commit(change, iq_result_new(call));
}

void pep_delete(struct iq_call *call, const struct element *action)
{
	struct pubsub_node *node = pep_node(call, action);
	const struct pubsub_item *item;
	struct pep_change *change;
	struct element *event;
	struct stanza *message;

	if (node == NULL)
		return;
	change = pep_change_new(call->user, call);
	DL_FOREACH(node->items, item)
		pep_change_drop(change, node->name, item->id);
	if (pubsub_is_set(node, PUBSUB_NOTIFY_DELETE)) {
		message = pep_event_new(call->user, node, &event);
		element_set_attr(element_add(event, "delete", NULL), "node",
				 node->name);
		pep_change_tell(change, node->name, message);
	}
	pep_change_bury(change, node);
	pep_change_commit(change, iq_result_new(call));
}

/* -- affiliations ---------------------------------------------------------- */

static void add_affiliation(struct element *list, const char *name,
			    const char *value, int affiliation)
{
	struct element *child = element_add(list, "affiliation", NULL);

	element_set_attr(child, name, value);
	element_set_attr(child, "affiliation",
			 pubsub_affiliation_name(
				 (enum pubsub_affiliation)affiliation));
}

void pep_affiliations_get(struct iq_call *call, const struct element *action)
{
	struct pubsub_node *node = pep_node(call, action);
	const struct pubsub_peer *peer;
	struct element *list;
	struct stanza *reply;

	if (node == NULL)
		return;
	reply = iq_result_new(call);
	list = element_add(element_add(reply->root, "pubsub", NS_PUBSUB_OWNER),
			   "affiliations", NULL);
	element_set_attr(list, "node", node->name);
	add_affiliation(list, "jid", jid_bare(call->user->jid), PUBSUB_OWNER);
	LL_FOREACH(node->affiliations, peer)
		add_affiliation(list, "jid", peer->jid, peer->state);
	iq_reply(call, reply);
}

/* 0; or -1: it cannot be. The account itself is the one owner, always. */
static int set_affiliation(const struct iq_call *call,
			   struct pubsub_node *node, const struct element *row)
{
	int affiliation =
		pubsub_affiliation_parse(element_attr(row, "affiliation"));
	const char *text = element_attr(row, "jid");
	struct jid *jid = text != NULL ? jid_parse(text) : NULL;
	bool own = jid != NULL && jid_same_bare(jid, call->user->jid);
	int result = -1;

	if (jid != NULL && affiliation >= 0 &&
	    own == (affiliation == PUBSUB_OWNER))
		result = own ? 0 :
			       pubsub_peer_set(&node->affiliations,
					       jid_bare(jid), affiliation);
	if (result == 0 && affiliation == PUBSUB_OUTCAST)
		pubsub_peer_set(&node->subscriptions, jid_bare(jid), 0);
	jid_free(&jid);
	return result;
}

void pep_affiliations_set(struct iq_call *call, const struct element *action)
{
	const struct element *row = element_child(action, "affiliation", NULL);
	struct pubsub_node *node = pep_node(call, action);
	struct pep_change *change;

	if (node == NULL)
		return;
	change = pep_change_new(call->user, call);
	for (; row != NULL; row = element_next_same(row)) {
		if (set_affiliation(call, node, row) == 0)
			continue;
		pep_change_cancel(&change);
		iq_error(call, STANZA_NOT_ACCEPTABLE, NULL);
		return;
	}
	pep_change_commit(change, iq_result_new(call));
}

/* XEP-0060 section 5.7: those of the sender. */
void pep_affiliations_own(struct iq_call *call, const struct element *action)
{
	const char *only = element_attr(action, "node");
	const struct pubsub_node *node, *next;
	struct stanza *reply = iq_result_new(call);
	struct element *list =
		element_add(element_add(reply->root, "pubsub", NS_PUBSUB),
			    "affiliations", NULL);

	HASH_ITER(hh, pep_of(call->user)->nodes, node, next) {
		int affiliation =
			pep_is_owner(call) ?
				PUBSUB_OWNER :
				pubsub_peer_state(node->affiliations,
						  jid_bare(call->from));

		if (affiliation != PUBSUB_NONE &&
		    (only == NULL || str_equal(only, node->name)))
			add_affiliation(list, "node", node->name, affiliation);
	}
	iq_reply(call, reply);
}
