/* SPDX-License-Identifier: Apache-2.0
 *
 * XEP-0030: what the server and its accounts can do, which is what the loaded
 * modules say; and who else is here. The hash over it (XEP-0115) is made in
 * disco_caps.c.
 */
#include "sm/modules/disco.h"

#include <string.h>

#include "sm/roster.h"
#include "util/base/mem.h"
#include "util/base/str.h"

static void add_identity(struct element *query, const char *category,
			 const char *type, const char *name)
{
	struct element *identity = element_add(query, "identity", NULL);

	element_set_attr(identity, "category", category);
	element_set_attr(identity, "type", type);
	if (name != NULL)
		element_set_attr(identity, "name", name);
}

static bool has_feature(const struct element *query, const char *var)
{
	const struct element *feature = element_child(query, "feature", NULL);

	for (; feature != NULL; feature = element_next_same(feature)) {
		if (str_equal(element_attr(feature, "var"), var))
			return true;
	}
	return false;
}

static void add_features(struct element *query, const char *const *features)
{
	for (; features != NULL && *features != NULL; features++) {
		if (!has_feature(query, *features))
			element_set_attr(element_add(query, "feature", NULL),
					 "var", *features);
	}
}

void disco_server_info(struct sm *sm, struct sm_domain *domain,
		       struct element *query)
{
	add_identity(query, "server", "im", "Chappe");
	for (size_t i = 0; i < sm->module_count; i++)
		add_features(query, sm->modules[i]->features);
	for (size_t i = 0; i < sm->module_count; i++) {
		if (sm->modules[i]->disco_info != NULL)
			sm->modules[i]->disco_info(sm, domain, query);
	}
}

/* A result with the query and the node that was asked for. */
static struct stanza *reply_new(const struct iq_call *call,
				struct element **query)
{
	struct stanza *reply = iq_result_new(call);
	const char *node = element_attr(call->query, "node");

	*query = element_add(reply->root, "query", call->query->ns);
	if (node != NULL)
		element_set_attr(*query, "node", node);
	return reply;
}

/* No node, or the one of the entity capabilities: "ANY#HASH". */
static bool is_server_node(struct iq_call *call)
{
	const char *node = element_attr(call->query, "node");
	const char *hash;

	if (node == NULL || *node == '\0')
		return true;
	hash = strrchr(node, '#');
	return hash != NULL &&
	       str_equal(hash + 1, disco_caps_ver(call->sm, call->domain));
}

static void server_info(struct iq_call *call)
{
	struct element *query;
	struct stanza *reply;

	if (!is_server_node(call)) {
		iq_error(call, STANZA_ITEM_NOT_FOUND, NULL);
		return;
	}
	reply = reply_new(call, &query);
	disco_server_info(call->sm, call->domain, query);
	iq_reply(call, reply);
}

/* -- the server's items: components that are linked, below the domain ----- */

struct items {
	struct element *query;
	const char *domain;
};

static void add_component(const char *name, const struct member *list,
			  size_t count, void *ctx)
{
	struct items *items = ctx;
	size_t length = strlen(name), domain_length = strlen(items->domain);

	if (count == 0 || !str_equal(list[0].kind, "component") ||
	    length <= domain_length + 1 || !str_ends(name, items->domain) ||
	    name[length - domain_length - 1] != '.')
		return;
	element_set_attr(element_add(items->query, "item", NULL), "jid", name);
}

static void server_items(struct iq_call *call)
{
	struct items items = { .domain = call->domain->name };
	const char *node = element_attr(call->query, "node");
	struct stanza *reply;

	if (node != NULL && *node != '\0') {
		iq_error(call, STANZA_ITEM_NOT_FOUND, NULL);
		return;
	}
	reply = reply_new(call, &items.query);
	members_each(link_members(call->sm->link), add_component, &items);
	iq_reply(call, reply);
}

/* -- accounts ------------------------------------------------------------ */

/* A module that has such a node answers, to whom it thinks right. */
static bool is_of_module(struct iq_call *call)
{
	const char *node = element_attr(call->query, "node");
	struct sm *sm = call->sm;

	if (node == NULL || *node == '\0' ||
	    !str_equal(call->query->ns, NS_DISCO_INFO))
		return false;
	for (size_t i = 0; i < sm->module_count; i++) {
		if (sm->modules[i]->account_node != NULL &&
		    sm->modules[i]->account_node(call, node))
			return true;
	}
	return false;
}

/* XEP-0030 section 8: only those may ask who may see the user's presence. */
static bool refuse_stranger(struct iq_call *call)
{
	const char *node = element_attr(call->query, "node");

	if (is_of_module(call))
		return true;
	if (!roster_may_see(call->user, call->from)) {
		iq_error(call, STANZA_SERVICE_UNAVAILABLE, NULL);
		return true;
	}
	if (node != NULL && *node != '\0') {
		iq_error(call, STANZA_ITEM_NOT_FOUND, NULL);
		return true;
	}
	return false;
}

static void account_info(struct iq_call *call)
{
	struct element *query;
	struct stanza *reply;

	if (refuse_stranger(call))
		return;
	reply = reply_new(call, &query);
	add_identity(query, "account", "registered", NULL);
	for (size_t i = 0; i < call->sm->module_count; i++)
		add_features(query, call->sm->modules[i]->account_features);
	for (size_t i = 0; i < call->sm->module_count; i++) {
		if (call->sm->modules[i]->account_info != NULL)
			call->sm->modules[i]->account_info(call->user, query);
	}
	iq_reply(call, reply);
}

/* The resources that are available. */
static void account_items(struct iq_call *call)
{
	struct session *session;
	struct element *query;
	struct stanza *reply;

	if (refuse_stranger(call))
		return;
	reply = reply_new(call, &query);
	DL_FOREACH(call->user->sessions, session) {
		if (session->available)
			element_set_attr(element_add(query, "item", NULL),
					 "jid", jid_full(session->jid));
	}
	for (size_t i = 0; i < call->sm->module_count; i++) {
		if (call->sm->modules[i]->account_items != NULL)
			call->sm->modules[i]->account_items(
				call->user, call->from, query);
	}
	iq_reply(call, reply);
}

static const char *const disco_features[] = { NS_DISCO_INFO, NS_DISCO_ITEMS,
					      NS_CAPS, NULL };
static const char *const account_features[] = { NS_DISCO_INFO, NS_DISCO_ITEMS,
						NULL };

static const struct iq_handler disco_iq[] = {
	{ IQ_GET, TO_SERVER, NS_DISCO_INFO, "query", server_info },
	{ IQ_GET, TO_SERVER, NS_DISCO_ITEMS, "query", server_items },
	{ IQ_GET, TO_OWN_ACCOUNT | TO_ACCOUNT, NS_DISCO_INFO, "query",
	  account_info },
	{ IQ_GET, TO_OWN_ACCOUNT | TO_ACCOUNT, NS_DISCO_ITEMS, "query",
	  account_items },
	{ 0 },
};

const struct sm_module sm_module_disco = {
	.name = "disco",
	.features = disco_features,
	.account_features = account_features,
	.iq = disco_iq,
	.data_size = sizeof(struct disco_hash *),
	.stop = disco_caps_stop,
};
