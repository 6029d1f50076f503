/* SPDX-License-Identifier: Apache-2.0
 *
 * XEP-0191: the requests for a user's list of blocked addresses, and what is
 * stopped by it; reports of spam and abuse (XEP-0377) that come with them.
 * The list itself is in sm/blocklist.c.
 *
 * Changes of a user's list are written one after the other: each is made of
 * the list that the one before has left.
 */
#include "sm/blocklist.h"

#include <stdio.h>
#include <string.h>

#include "sm/modules.h"
#include "sm/presence.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define ERRORS_NS "urn:xmpp:blocking:errors"
#define REPORTING_NS "urn:xmpp:reporting:1"
#define SPAM "urn:xmpp:reporting:spam"
#define ABUSE "urn:xmpp:reporting:abuse"
#define SNAPSHOT_NS "urn:chappe:snapshot:blocking"

#define DOCUMENT "blocklist" /* a line for each address */

/* A request to change the list that waits for those before it. */
struct change {
	struct user *user;
	struct iq_call *call;
	struct change *next;
};

struct blocking {
	struct change *changes; /* the first is being written */
};

struct interest {
	bool asked; /* for the list: it is told of changes */
};

static struct blocking *blocking_of(const struct user *user)
{
	return module_user_data(user, &sm_module_blocking);
}

static struct interest *interest_of(const struct session *session)
{
	return module_session_data(session, &sm_module_blocking);
}

/* -- the list as it is stored ---------------------------------------------- */

static void document_loaded(struct user *user, const char *data, size_t len)
{
	const char *end = data + len, *line, *next;

	blocklist_clear(user);
	for (line = data; line < end; line = next + 1) {
		char *jid;

		next = memchr(line, '\n', (size_t)(end - line));
		if (next == NULL)
			next = end;
		jid = mem_strndup(line, (size_t)(next - line));
		if (*jid != '\0')
			blocklist_add(user, jid);
		mem_free(jid);
	}
}

/* The addresses that a request names, prepared, NULL-terminated; NULL: one of
 * them is none. */
static char **read_items(const struct element *query)
{
	const struct element *item = element_child(query, "item", NULL);
	char **jids = mem_calloc(1, sizeof(*jids));
	size_t count = 0;

	for (; item != NULL; item = element_next_same(item)) {
		const char *text = element_attr(item, "jid");
		struct jid *jid = text != NULL ? jid_parse(text) : NULL;

		if (jid == NULL) {
			for (size_t i = 0; i < count; i++)
				mem_free(jids[i]);
			mem_free(jids);
			return NULL;
		}
		jids = mem_realloc(jids, count + 2, sizeof(*jids));
		jids[count++] = mem_strdup(jid_full(jid));
		jids[count] = NULL;
		jid_free(&jid);
	}
	return jids;
}

static void items_free(char **jids)
{
	for (char **jid = jids; *jid != NULL; jid++)
		mem_free(*jid);
	mem_free(jids);
}

static bool contains(char *const *jids, const char *jid)
{
	for (; *jids != NULL; jids++) {
		if (str_equal(*jids, jid))
			return true;
	}
	return false;
}

static bool is_block(const struct iq_call *call)
{
	return str_equal(call->query->name, "block");
}

/* The list as it will be. */
static void write_list(const struct user *user, bool block, char *const *jids,
		       struct buf *to)
{
	const struct blocked *blocked, *next;
	bool all = !block && *jids == NULL;

	HASH_ITER(hh, user->blocklist, blocked, next) {
		if (!all && (block || !contains(jids, blocked->jid)))
			buf_addf(to, "%s\n", blocked->jid);
	}
	for (; block && *jids != NULL; jids++) {
		HASH_FIND_STR(user->blocklist, *jids, blocked);
		if (blocked == NULL)
			buf_addf(to, "%s\n", *jids);
	}
}

/* -- taking effect --------------------------------------------------------- */

/* XEP-0191 section 3.3: who asked for the list hears of the change. */
static void push(const struct iq_call *call)
{
	struct user *user = call->user;
	struct stanza *iq = stanza_new("iq", NS_CLIENT);
	struct element *change =
		element_add(iq->root, call->query->name, NS_BLOCKING);
	const struct element *item = element_child(call->query, "item", NULL);
	struct session *session;
	char id[24] = "push-";

	loop_random_hex(user->sm->loop, id + 5, 16);
	element_set_attr(iq->root, "id", id);
	element_set_attr(iq->root, "type", "set");
	for (; item != NULL; item = element_next_same(item))
		element_set_attr(element_add(change, "item", NULL), "jid",
				 element_attr(item, "jid"));
	DL_FOREACH(user->sessions, session) {
		if (!interest_of(session)->asked)
			continue;
		element_set_attr(iq->root, "to", jid_full(session->jid));
		session_send(session, iq);
	}
	stanza_free(&iq);
}

static void apply(struct user *user, bool block, char *const *jids)
{
	if (!block && *jids == NULL)
		blocklist_clear(user);
	for (; *jids != NULL; jids++) {
		if (block)
			blocklist_add(user, *jids);
		else
			blocklist_remove(user, *jids);
	}
}

static void probe(struct user *user, const char *jid)
{
	struct session *session;

	DL_FOREACH(user->sessions, session) {
		if (session->available)
			route_stanza(user->sm,
				     presence_new(jid_full(session->jid), jid,
						  "probe"),
				     NULL, NULL);
	}
}

/* Contacts that hear of us no more, or again; `before`: who was blocked. */
static void show(struct user *user, const struct contact *contact, bool before)
{
	const char *jid = contact->item.jid;
	bool now = blocklist_has_text(user, jid);

	if (now == before)
		return;
	if (contact->item.subscription & SUBSCRIPTION_FROM) {
		if (now)
			presence_send_unavailable(user, jid, NULL);
		else
			presence_send_current(user, jid, NULL);
	}
	/* What came meanwhile was not delivered. */
	if (!now && (contact->item.subscription & SUBSCRIPTION_TO))
		probe(user, jid);
}

/* Those who got directed presence and no other. */
static void end_directed(struct session *session)
{
	struct directed *directed, *next;

	LL_FOREACH_SAFE(session->directed, directed, next) {
		struct stanza *end;

		if (!blocklist_has_text(session->user, directed->jid))
			continue;
		end = presence_new(jid_full(session->jid), directed->jid,
				   "unavailable");
		presence_directed_forget(session, directed->jid);
		route_stanza(session->sm, end, NULL, NULL);
	}
}

static void change_list(struct user *user, bool block, char *const *jids)
{
	size_t count = HASH_COUNT(user->roster), i = 0;
	bool *before = mem_calloc(count + 1, sizeof(*before));
	struct contact *contact, *next;
	struct session *session;

	HASH_ITER(hh, user->roster, contact, next)
		before[i++] = blocklist_has_text(user, contact->item.jid);
	apply(user, block, jids);
	i = 0;
	HASH_ITER(hh, user->roster, contact, next)
		show(user, contact, before[i++]);
	DL_FOREACH(user->sessions, session)
		end_directed(session);
	mem_free(before);
}

/* -- requests -------------------------------------------------------------- */

static void changes_go_on(struct user *user);

static void changed(const struct storage_result *result, void *ctx)
{
	struct change *change = ctx;
	struct iq_call *call = change->call;
	struct user *user = change->user;
	char **jids;

	LL_DELETE(blocking_of(user)->changes, change);
	mem_free(change);
	if (result->status == STORAGE_OK) {
		jids = read_items(call->query);
		change_list(user, is_block(call), jids);
		items_free(jids);
		push(call);
		iq_result(call);
	} else {
		iq_error(call, STANZA_INTERNAL_SERVER_ERROR, NULL);
	}
	changes_go_on(user);
	user_unpin(user);
}

static void refuse(struct change *change, enum stanza_error error,
		   const char *text)
{
	struct user *user = change->user;

	LL_DELETE(blocking_of(user)->changes, change);
	iq_error(change->call, error, text);
	mem_free(change);
	changes_go_on(user);
	user_unpin(user);
}

/* Writes the first, if there is one. */
static void changes_go_on(struct user *user)
{
	struct change *change = blocking_of(user)->changes;
	struct buf list = { .len = 0 };
	char **jids;

	if (change == NULL)
		return;
	jids = read_items(change->call->query);
	write_list(user, is_block(change->call), jids, &list);
	items_free(jids);
	if (list.len > (size_t)user->sm->options->document_max) {
		buf_free(&list);
		refuse(change, STANZA_RESOURCE_CONSTRAINT,
		       "The list would become too long");
		return;
	}
	storage_document_put(user->domain->storage, jid_bare(user->jid),
			     STORAGE_KIND_ACTIVE, DOCUMENT,
			     list.len > 0 ? buf_data(&list) : NULL, list.len,
			     changed, change);
	buf_free(&list);
}

/* XEP-0377 section 4. What a client makes of the reasons that we do not know
 * is its own affair. */
static void note_reports(const struct iq_call *call)
{
	const struct element *item = element_child(call->query, "item", NULL);

	for (; item != NULL; item = element_next_same(item)) {
		const struct element *report =
			element_child(item, "report", REPORTING_NS);
		const char *reason =
			report != NULL ? element_attr(report, "reason") : NULL;

		if (reason == NULL)
			continue;
		if (str_equal(reason, SPAM))
			call->sm->stats.reports_spam++;
		else if (str_equal(reason, ABUSE))
			call->sm->stats.reports_abuse++;
		else
			continue;
		log_notice(call->sm->log, "blocking.report",
			   LOG_S("user", jid_bare(call->user->jid)),
			   LOG_S("jid", element_attr(item, "jid")),
			   LOG_S("reason", reason));
	}
}

static void blocking_set(struct iq_call *call)
{
	struct blocking *blocking = blocking_of(call->user);
	char **jids = read_items(call->query);
	struct change *change;
	bool first = blocking->changes == NULL;

	if (jids == NULL) {
		iq_error(call, STANZA_JID_MALFORMED, NULL);
		return;
	}
	if (is_block(call) && *jids == NULL) {
		iq_error(call, STANZA_BAD_REQUEST, "Name whom to block");
		items_free(jids);
		return;
	}
	items_free(jids);
	note_reports(call);
	change = mem_new(struct change);
	change->user = call->user;
	change->call = iq_keep(call);
	user_pin(change->user);
	LL_APPEND(blocking->changes, change);
	if (first)
		changes_go_on(change->user);
}

static void blocking_get(struct iq_call *call)
{
	struct stanza *reply = iq_result_new(call);
	struct element *list =
		element_add(reply->root, "blocklist", NS_BLOCKING);
	const struct blocked *blocked, *next;

	HASH_ITER(hh, call->user->blocklist, blocked, next)
		element_set_attr(element_add(list, "item", NULL), "jid",
				 blocked->jid);
	if (call->session != NULL && !interest_of(call->session)->asked) {
		interest_of(call->session)->asked = true;
		session_changed(call->session);
	}
	iq_reply(call, reply);
}

/* -- what is stopped ------------------------------------------------------- */

/* XEP-0191 section 3.3: not a word to presence, nor to answers. */
static enum verdict incoming(struct task *task)
{
	if (!blocklist_has(task->user, task->from))
		return PASS;
	log_debug(task->sm->log, "blocking.stopped",
		  LOG_S("user", jid_bare(task->user->jid)),
		  LOG_S("from", jid_full(task->from)));
	if (stanza_kind(task->stanza) != 1)
		route_error(task->sm, task->stanza, STANZA_SERVICE_UNAVAILABLE,
			    NULL);
	return DONE;
}

static enum verdict outgoing(struct session *session, struct stanza *stanza,
			     struct work *work)
{
	const char *to = element_attr(stanza->root, "to");
	struct element *error;
	struct stanza *answer;

	(void)work;
	if (to == NULL || !blocklist_has_text(session->user, to))
		return PASS;
	if (!stanza_may_answer(stanza))
		return DONE;
	answer = stanza_error_new(stanza, STANZA_NOT_ACCEPTABLE, NULL);
	error = element_child(answer->root, "error", NULL);
	/* Sending it again in other words would not help. */
	element_set_attr(error, "type", "cancel");
	element_add(error, "blocked", ERRORS_NS);
	session->sm->stats.errors_sent++;
	session_send(session, answer);
	stanza_free(&answer);
	return DONE;
}

/* -- the module ------------------------------------------------------------ */

static void session_save(const struct session *session,
			 struct element *snapshot)
{
	if (interest_of(session)->asked)
		element_add(snapshot, "blocking", SNAPSHOT_NS);
}

static void session_restore(struct session *session,
			    const struct element *snapshot)
{
	interest_of(session)->asked =
		element_child(snapshot, "blocking", SNAPSHOT_NS) != NULL;
}

static void user_unloaded(struct user *user)
{
	blocklist_clear(user);
}

static const char *const blocking_features[] = {
	NS_BLOCKING, REPORTING_NS, SPAM, ABUSE, NULL
};

static const struct iq_handler blocking_iq[] = {
	{ IQ_GET, TO_OWN_ACCOUNT, NS_BLOCKING, "blocklist", blocking_get },
	{ IQ_SET, TO_OWN_ACCOUNT, NS_BLOCKING, "block", blocking_set },
	{ IQ_SET, TO_OWN_ACCOUNT, NS_BLOCKING, "unblock", blocking_set },
	{ 0 },
};

const struct sm_module sm_module_blocking = {
	.name = "blocking",
	.features = blocking_features,
	.iq = blocking_iq,
	.user_size = sizeof(struct blocking),
	.session_size = sizeof(struct interest),
	.document = DOCUMENT,
	.document_loaded = document_loaded,
	.user_unloaded = user_unloaded,
	.session_save = session_save,
	.session_restore = session_restore,
	.incoming = incoming,
	.outgoing = outgoing,
};
