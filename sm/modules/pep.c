/* SPDX-License-Identifier: Apache-2.0
 *
 * XEP-0163: each account is a pubsub service (XEP-0060) of its own. Here are
 * the module and the queue of its requests; pep.h says where the rest is.
 */
#include "sm/modules/pep.h"

#include "sm/roster.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define DOCUMENT "pep" /* the nodes, under STORAGE_KIND_ACTIVE */

/* Requests of an account that wait for a change. */
#define WAITING_MAX 1000

struct pep_waiting {
	struct iq_call *call;
	struct pep_waiting *prev, *next;
};

struct pep *pep_of(const struct user *user)
{
	return module_user_data(user, &sm_module_pep);
}

bool pep_is_owner(const struct iq_call *call)
{
	return jid_same_bare(call->from, call->user->jid);
}

/* -- errors ---------------------------------------------------------------- */

void pep_error(struct iq_call *call, enum stanza_error error,
	       const char *condition, const char *feature)
{
	struct stanza *answer = stanza_error_new(call->stanza, error, NULL);
	struct element *child =
		element_child(answer->root, "error", NULL);

	if (condition != NULL) {
		child = element_add(child, condition, NS_PUBSUB_ERRORS);
		if (feature != NULL)
			element_set_attr(child, "feature", feature);
	}
	call->sm->stats.errors_sent++;
	route_log_error(call->sm, answer, error, condition);
	iq_reply(call, answer);
}

void pep_deny(struct iq_call *call, enum pubsub_denial denial)
{
	static const struct {
		enum stanza_error error;
		const char *condition;
	} rows[] = {
		[PUBSUB_DENIED_OUTCAST] = { STANZA_FORBIDDEN, NULL },
		[PUBSUB_DENIED_PRESENCE] = { STANZA_NOT_AUTHORIZED,
					     "presence-subscription-required" },
		[PUBSUB_DENIED_GROUP] = { STANZA_NOT_AUTHORIZED,
					  "not-in-roster-group" },
		[PUBSUB_DENIED_CLOSED] = { STANZA_NOT_ALLOWED, "closed-node" },
		[PUBSUB_DENIED_UNSUBSCRIBED] = { STANZA_NOT_AUTHORIZED,
						 "not-subscribed" },
	};

	pep_error(call, rows[denial].error, rows[denial].condition, NULL);
}

struct pubsub_node *pep_node(struct iq_call *call,
			     const struct element *action)
{
	const char *name = element_attr(action, "node");
	struct pubsub_node *node;
	enum pubsub_denial denial;

	if (name == NULL) {
		pep_error(call, STANZA_BAD_REQUEST, "nodeid-required", NULL);
		return NULL;
	}
	node = pubsub_find(pep_of(call->user)->nodes, name);
	if (node == NULL) {
		/* Strangers do not find out whether there is an account. */
		iq_error(call,
			 roster_may_see(call->user, call->from) ?
				 STANZA_ITEM_NOT_FOUND :
				 STANZA_SERVICE_UNAVAILABLE,
			 NULL);
		return NULL;
	}
	denial = pubsub_may_read(call->user, node, call->from);
	if (denial != PUBSUB_ALLOWED) {
		pep_deny(call, denial);
		return NULL;
	}
	return node;
}

/* -- requests -------------------------------------------------------------- */

static const struct action {
	const char *ns, *name;
	bool set, owner;
	pep_action_fn *run;
} actions[] = {
	{ NS_PUBSUB, "items", false, false, pep_items },
	{ NS_PUBSUB, "affiliations", false, false, pep_affiliations_own },
	{ NS_PUBSUB, "subscriptions", false, false, pep_subscriptions_own },
	{ NS_PUBSUB, "publish", true, false, pep_publish },
	{ NS_PUBSUB, "retract", true, false, pep_retract },
	{ NS_PUBSUB, "create", true, true, pep_create },
	{ NS_PUBSUB, "subscribe", true, false, pep_subscribe },
	{ NS_PUBSUB, "unsubscribe", true, false, pep_unsubscribe },
	{ NS_PUBSUB_OWNER, "configure", false, true, pep_configure_get },
	{ NS_PUBSUB_OWNER, "configure", true, true, pep_configure_set },
	{ NS_PUBSUB_OWNER, "default", false, true, pep_default },
	{ NS_PUBSUB_OWNER, "delete", true, true, pep_delete },
	{ NS_PUBSUB_OWNER, "purge", true, true, pep_purge },
	{ NS_PUBSUB_OWNER, "affiliations", false, true, pep_affiliations_get },
	{ NS_PUBSUB_OWNER, "affiliations", true, true, pep_affiliations_set },
	{ NS_PUBSUB_OWNER, "subscriptions", false, true,
	  pep_subscriptions_get },
	{ NS_PUBSUB_OWNER, "subscriptions", true, true,
	  pep_subscriptions_set },
	{ NULL, NULL, false, false, NULL },
};

static const struct action *find_action(const struct iq_call *call,
					const struct element *child)
{
	const struct action *action = actions;

	while (action->run != NULL &&
	       !(str_equal(action->ns, call->query->ns) &&
		 str_equal(action->name, child->name) &&
		 action->set == call->is_set))
		action++;
	return action->run != NULL ? action : NULL;
}

static void run(struct iq_call *call)
{
	const struct element *child = element_first(call->query);
	const struct action *action =
		child != NULL ? find_action(call, child) : NULL;

	if (child == NULL)
		iq_error(call, STANZA_BAD_REQUEST, NULL);
	else if (action == NULL)
		pep_error(call, STANZA_FEATURE_NOT_IMPLEMENTED, "unsupported",
			  str_equal(child->name, "options") ?
				  "subscription-options" :
				  NULL);
	else if (action->owner && !pep_is_owner(call))
		iq_error(call, STANZA_FORBIDDEN, NULL);
	else
		action->run(call, child);
}

void pep_go_on(struct user *user)
{
	struct pep *pep = pep_of(user);
	struct pep_waiting *waiting;

	user_pin(user);
	while (pep->change == NULL && (waiting = pep->waiting) != NULL) {
		struct iq_call *call = waiting->call;

		DL_DELETE(pep->waiting, waiting);
		pep->waiting_count--;
		mem_free(waiting);
		run(call);
	}
	user_unpin(user);
}

static void request(struct iq_call *call)
{
	struct pep *pep = pep_of(call->user);
	struct pep_waiting *waiting;

	if (pep->waiting_count >= WAITING_MAX) {
		iq_error(call, STANZA_RESOURCE_CONSTRAINT,
			 "Too many requests wait for this account");
		return;
	}
	waiting = mem_new(struct pep_waiting);
	waiting->call = iq_keep(call);
	DL_APPEND(pep->waiting, waiting);
	pep->waiting_count++;
	pep_go_on(waiting->call->user);
}

/* -- the module ------------------------------------------------------------ */

static void document_loaded(struct user *user, const char *data, size_t len)
{
	struct pep *pep = pep_of(user);

	pubsub_clear(&pep->nodes);
	if (len > 0 &&
	    pubsub_read(&pep->nodes, user->sm->parser, data, len) != 0)
		log_error(user->sm->log, "pep.unreadable",
			  LOG_S("user", jid_bare(user->jid)));
}

static void user_unloaded(struct user *user)
{
	struct pep *pep = pep_of(user);

	while (pep->holders != NULL)
		pep_holder_gone(user, pep->holders->jid);
	pubsub_clear(&pep->nodes);
}

static enum verdict incoming(struct task *task)
{
	int kind = stanza_kind(task->stanza);

	if (kind == 1) {
		pep_presence(task);
	} else if (kind == 2 && !jid_is_full(task->to) &&
		   caps_answered(task)) {
		return DONE;
	}
	return PASS;
}

static void session_closed(struct session *session)
{
	pep_holder_gone(session->user, jid_full(session->jid));
}

static void account_info(struct user *user, struct element *query)
{
	struct element *identity = element_add(query, "identity", NULL);

	(void)user;
	element_set_attr(identity, "category", "pubsub");
	element_set_attr(identity, "type", "pep");
}

static void account_items(struct user *user, const struct jid *asker,
			  struct element *query)
{
	const struct pubsub_node *node, *next;

	HASH_ITER(hh, pep_of(user)->nodes, node, next) {
		struct element *item;
		const char *title = pubsub_option(node, PUBSUB_TITLE);

		if (pubsub_may_read(user, node, asker) != PUBSUB_ALLOWED)
			continue;
		item = element_add(query, "item", NULL);
		element_set_attr(item, "jid", jid_bare(user->jid));
		element_set_attr(item, "node", node->name);
		if (*title != '\0')
			element_set_attr(item, "name", title);
	}
}

/* XEP-0060 sections 5.3 and 5.4. */
static bool account_node(struct iq_call *call, const char *name)
{
	struct pubsub_node *node = pubsub_find(pep_of(call->user)->nodes, name);
	struct element *query, *identity;
	struct stanza *reply;

	if (node == NULL || pubsub_may_read(call->user, node, call->from) !=
				    PUBSUB_ALLOWED)
		return false;
	reply = iq_result_new(call);
	query = element_add(reply->root, "query", NS_DISCO_INFO);
	element_set_attr(query, "node", name);
	identity = element_add(query, "identity", NULL);
	element_set_attr(identity, "category", "pubsub");
	element_set_attr(identity, "type", "leaf");
	element_set_attr(element_add(query, "feature", NULL), "var",
			 NS_PUBSUB);
	pubsub_config_form(node, NS_PUBSUB "#meta-data", query);
	iq_reply(call, reply);
	return true;
}

#define FEATURE(name) NS_PUBSUB "#" name

static const char *const pep_features[] = {
	NS_PUBSUB,
	FEATURE("access-authorize"),
	FEATURE("access-open"),
	FEATURE("access-presence"),
	FEATURE("access-roster"),
	FEATURE("access-whitelist"),
	FEATURE("auto-create"),
	FEATURE("auto-subscribe"),
	FEATURE("config-node"),
	FEATURE("config-node-max"),
	FEATURE("create-and-configure"),
	FEATURE("create-nodes"),
	FEATURE("delete-items"),
	FEATURE("delete-nodes"),
	FEATURE("filtered-notifications"),
	FEATURE("instant-nodes"),
	FEATURE("item-ids"),
	FEATURE("last-published"),
	FEATURE("manage-subscriptions"),
	FEATURE("member-affiliation"),
	FEATURE("modify-affiliations"),
	FEATURE("multi-items"),
	FEATURE("outcast-affiliation"),
	FEATURE("persistent-items"),
	FEATURE("presence-notifications"),
	FEATURE("presence-subscribe"),
	FEATURE("publish"),
	FEATURE("publish-options"),
	FEATURE("publisher-affiliation"),
	FEATURE("purge-nodes"),
	FEATURE("retract-items"),
	FEATURE("retrieve-affiliations"),
	FEATURE("retrieve-default"),
	FEATURE("retrieve-items"),
	FEATURE("retrieve-subscriptions"),
	FEATURE("subscribe"),
	NULL
};

static const struct iq_handler pep_iq[] = {
	{ IQ_GET_SET, TO_OWN_ACCOUNT | TO_ACCOUNT, NS_PUBSUB, "pubsub",
	  request },
	{ IQ_GET_SET, TO_OWN_ACCOUNT | TO_ACCOUNT, NS_PUBSUB_OWNER, "pubsub",
	  request },
	{ 0 },
};

const struct sm_module sm_module_pep = {
	.name = "pep",
	.account_features = pep_features,
	.account_info = account_info,
	.account_items = account_items,
	.account_node = account_node,
	.iq = pep_iq,
	.user_size = sizeof(struct pep),
	.document = DOCUMENT,
	.document_loaded = document_loaded,
	.user_unloaded = user_unloaded,
	.session_ready = pep_session_ready,
	.session_closed = session_closed,
	.incoming = incoming,
};
