/* SPDX-License-Identifier: Apache-2.0
 *
 * Where an iq goes (RFC 6120 section 10, RFC 6121 section 8.5): to a session,
 * or to the handler that a module has bound to its kind, target, namespace
 * and element. An account that does not exist and one that has nothing to say
 * to the sender answer alike, so that nobody can find out which there are.
 */
#include "sm/iq.h"

#include <assert.h>

#include "sm/modules.h"
#include "sm/roster.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* A call and what only this file sees of it. */
struct call {
	struct iq_call iq;
	struct work *work;
	bool kept;  /* on the heap, with copies, and in the list */
	bool ended; /* answered, or replaced by the copy that iq_keep() made */
	struct jid *from, *to;
	struct call *prev, *next;
};

/* -- answers ------------------------------------------------------------- */

static struct call *call_of(const struct iq_call *iq)
{
	return container_of(iq, struct call, iq);
}

static struct call **kept_calls(const struct sm *sm)
{
	return module_data(sm, &sm_module_iq);
}

static void kept_free(struct call *call)
{
	struct stanza *stanza = (struct stanza *)call->iq.stanza;

	DL_DELETE(*kept_calls(call->iq.sm), call);
	if (call->iq.user != NULL)
		user_unpin(call->iq.user);
	work_release(&call->work);
	jid_free(&call->from);
	jid_free(&call->to);
	stanza_free(&stanza);
	mem_free(call);
}

struct work *iq_work(const struct iq_call *call)
{
	return call_of(call)->work;
}

struct stanza *iq_result_new(const struct iq_call *call)
{
	return stanza_result_new(call->stanza);
}

void iq_reply(struct iq_call *iq, struct stanza *reply)
{
	struct call *call = call_of(iq);

	assert(!call->ended);
	call->ended = true;
	if (iq->session != NULL) {
		/* With the request it would be asked again, with the answer
		 * alone nobody would know. */
		session_deliver(iq->session, reply, NULL, call->work);
		stanza_free(&reply);
	} else {
		route_stanza(iq->sm, reply, NULL, call->work);
	}
	if (call->kept)
		kept_free(call);
}

void iq_result(struct iq_call *call)
{
	iq_reply(call, iq_result_new(call));
}

void iq_error(struct iq_call *call, enum stanza_error error, const char *text)
{
	struct stanza *answer = stanza_error_new(call->stanza, error, text);

	call->sm->stats.errors_sent++;
	route_log_error(call->sm, answer, error, text);
	iq_reply(call, answer);
}

struct iq_call *iq_keep(struct iq_call *iq)
{
	struct call *old = call_of(iq);
	struct call *call = mem_new(struct call);
	struct stanza *stanza = stanza_copy(iq->stanza);

	assert(!old->kept && !old->ended);
	old->ended = true;
	call->iq = *iq;
	call->kept = true;
	call->work = work_hold(old->work);
	call->from = jid_copy(iq->from);
	call->to = jid_copy(iq->to);
	call->iq.from = call->from;
	call->iq.to = call->to;
	call->iq.stanza = stanza;
	call->iq.query = element_first(stanza->root);
	if (iq->user != NULL)
		user_pin(iq->user);
	DL_APPEND(*kept_calls(iq->sm), call);
	return &call->iq;
}

static void session_closed(struct session *session)
{
	struct call *call;

	DL_FOREACH(*kept_calls(session->sm), call) {
		if (call->iq.session == session)
			call->iq.session = NULL;
	}
}

/* -- handlers ------------------------------------------------------------ */

static const struct iq_handler *find_handler(const struct sm *sm,
					     const struct element *query,
					     bool is_set, enum iq_target target)
{
	unsigned kind = is_set ? IQ_SET : IQ_GET;

	for (size_t i = 0; i < sm->module_count; i++) {
		const struct iq_handler *row = sm->modules[i]->iq;

		for (; row != NULL && row->kind != 0; row++) {
			if ((row->kind & kind) && (row->targets & target) &&
			    str_equal(row->ns, query->ns) &&
			    (row->name == NULL ||
			     str_equal(row->name, query->name)))
				return row;
		}
	}
	return NULL;
}

/* True for get and set; `bad`: it is none of the four, or not well made. */
static bool is_request(const struct stanza *stanza, bool *is_set, bool *bad)
{
	const char *type = element_attr(stanza->root, "type");
	const struct element *query = element_first(stanza->root);

	*is_set = str_equal(type, "set");
	*bad = false;
	if (*is_set || str_equal(type, "get")) {
		/* RFC 6120 section 8.2.3. */
		*bad = query == NULL || element_next(query) != NULL ||
		       element_attr(stanza->root, "id") == NULL;
		return true;
	}
	*bad = !str_equal(type, "result") && !str_equal(type, "error");
	return *bad;
}

static void call_handler(struct task *task, struct sm *sm,
			 enum iq_target target, struct session *session,
			 bool is_set)
{
	const struct element *query = element_first(task->stanza->root);
	const struct iq_handler *handler =
		find_handler(sm, query, is_set, target);
	struct call call = {
		.iq = { .sm = sm,
			.domain = task->domain,
			.user = task->user,
			.session = session,
			.stanza = task->stanza,
			.query = query,
			.from = task->from,
			.to = task->to,
			.is_set = is_set },
		.work = task->work,
	};

	if (handler == NULL)
		iq_error(&call.iq, STANZA_SERVICE_UNAVAILABLE, NULL);
	else
		handler->handle(&call.iq);
	assert(call.ended);
}

/* -- where it goes ------------------------------------------------------- */

/* XEP-0012 section 3: the idle time of a resource is as private as its
 * presence. */
static bool leaks_presence(const struct task *task)
{
	const struct element *query = element_first(task->stanza->root);

	return query != NULL && str_equal(query->ns, NS_LAST) &&
	       !roster_may_see(task->user, task->from);
}

static void to_resource(struct task *task, bool request)
{
	struct user *user = task->user;
	struct session *session =
		session_by_resource(user, jid_resource(task->to));

	if (session != NULL && !(request && leaks_presence(task)))
		session_deliver(session, task->stanza, task->origin,
				task->work);
	else if (request)
		route_error(user->sm, task->stanza, STANZA_SERVICE_UNAVAILABLE,
			    NULL);
	else
		log_debug(user->sm->log, "iq.dropped",
			  LOG_S("from", jid_full(task->from)),
			  LOG_S("to", jid_full(task->to)));
}

void iq_to_user(struct task *task)
{
	struct user *user = task->user;
	struct session *session = NULL;
	enum iq_target target = TO_ACCOUNT;
	bool is_set, bad;
	bool request = is_request(task->stanza, &is_set, &bad);

	if (bad) {
		route_error(user->sm, task->stanza, STANZA_BAD_REQUEST, NULL);
		return;
	}
	if (jid_is_full(task->to)) {
		to_resource(task, request);
		return;
	}
	/* Answers to what the server asked for an account, such as a push. */
	if (!request)
		return;
	if (jid_same_bare(task->from, user->jid)) {
		target = TO_OWN_ACCOUNT;
		if (jid_is_full(task->from))
			session = session_by_resource(user,
						      jid_resource(task->from));
		/* Nobody is there any more who would read the answer. */
		if (session == NULL)
			return;
	}
	if (!user->has_account)
		route_error(user->sm, task->stanza, STANZA_SERVICE_UNAVAILABLE,
			    NULL);
	else
		call_handler(task, user->sm, target, session, is_set);
}

void iq_to_server(struct task *task)
{
	struct sm *sm = task->sm;
	struct user *sender;
	struct session *session = NULL;
	bool is_set, bad;
	bool request = is_request(task->stanza, &is_set, &bad);

	if (bad)
		route_error(sm, task->stanza, STANZA_BAD_REQUEST, NULL);
	if (bad || !request)
		return;
	if (!jid_is_domain(task->to)) {
		route_error(sm, task->stanza, STANZA_SERVICE_UNAVAILABLE, NULL);
		return;
	}
	sender = user_find(sm, jid_bare(task->from));
	if (sender != NULL && jid_is_full(task->from))
		session = session_by_resource(sender, jid_resource(task->from));
	call_handler(task, sm, TO_SERVER, session, is_set);
}

/* Its data is the list of calls that are kept. */
const struct sm_module sm_module_iq = {
	.name = "iq",
	.data_size = sizeof(struct call *),
	.session_closed = session_closed,
};
