/* SPDX-License-Identifier: Apache-2.0
 *
 * The ends of sessions: closed by the client's side, by ours, with the whole
 * c2s, or without anybody noticing because another sm has taken over.
 */
#include "sm/session.h"

#include <string.h>

#include "sm/management.h"
#include "sm/module.h"
#include "sm/peer.h"
#include "sm/route.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* Out of all lists; the user stays. */
static void session_unlink(struct session *session)
{
	struct sm *sm = session->sm;
	struct user *user = session->user;

	HASH_DEL(sm->sessions, session);
	sm->session_count--;
	DL_DELETE(user->sessions, session);
	user->session_count--;
	loop_defer_cancel(sm->loop, &session->snapshot_deferred);
	loop_defer_cancel(sm->loop, &session->progress);
}

static void free_module_data(struct session *session, size_t i)
{
	const struct sm_module *module = session->sm->modules[i];

	if (module->session_freed != NULL)
		module->session_freed(session);
	mem_free(session->module_data[i]);
}

static void session_free(struct session *session)
{
	struct sm *sm = session->sm;
	struct directed *directed, *next;
	struct stale *stale, *next_stale;
	struct held *held;

	while ((held = session->held) != NULL) {
		session->held = held->next;
		work_release(&held->work);
		mem_free(held);
	}
	management_free(&session->management);
	works_orphan(session);
	LL_FOREACH_SAFE(session->directed, directed, next)
		mem_free(directed);
	LL_FOREACH_SAFE(session->stale, stale, next_stale)
		mem_free(stale);
	for (size_t i = 0; i < sm->module_count; i++)
		free_module_data(session, i);
	mem_free(session->module_data);
	stanza_free(&session->presence);
	peer_release(&session->peer);
	jid_free(&session->jid);
	mem_free(session->id);
	mem_free(session->address);
	mem_free(session->tls);
	mem_free(session->lang);
	mem_free(session);
}

void session_forget(struct session *session)
{
	session_unlink(session);
	session_free(session);
}

/* What the client did not get, in order, once the session is no longer one
 * that it could be sent to. */
static void held_leave(struct sm *sm, struct held *held, struct work *work)
{
	while (held != NULL) {
		struct held *next = held->next;
		struct stanza *stanza =
			stanza_parse(sm->parser, &stream_ns_client, held->xml,
				     held->len, NULL);

		if (stanza != NULL)
			route_leftover(sm, stanza, held->origin,
				       held->work != NULL ? held->work : work);
		work_release(&held->work);
		mem_free(held);
		held = next;
	}
}

static void run_closed_hooks(struct session *session)
{
	struct sm *sm = session->sm;

	for (size_t i = 0; i < sm->module_count; i++) {
		if (sm->modules[i]->session_closed != NULL)
			sm->modules[i]->session_closed(session);
	}
}

void session_end(struct session *session, const char *reason)
{
	session_end_with(session, reason, NULL);
}

void session_cut(struct session *session, const char *reason,
		 struct work *work)
{
	struct management *m = session->management;

	if (m != NULL && m->resumable && !m->overflow && !session->ending)
		management_sleep(session, reason, work);
	else
		session_end_with(session, reason, work);
}

void session_end_with(struct session *session, const char *reason,
		      struct work *work)
{
	struct sm *sm = session->sm;
	struct user *user = session->user;
	struct unacked *queue;
	struct held *held;
	bool stored;

	if (session->ending)
		return;
	session->ending = true;
	log_info(sm->log, "session.closed", LOG_S("sid", session->id),
		 LOG_S("jid", jid_full(session->jid)),
		 LOG_S("reason", reason));
	user_pin(user);
	if (session->management != NULL)
		management_remember(session);
	run_closed_hooks(session);
	presence_session_closed(session);
	session_unlink(session);
	held = session->held;
	session->held = NULL;
	queue = management_take(session, &stored);
	session_free(session);
	held_leave(sm, held, work);
	management_leave(sm, user, queue, stored, work);
	user_unpin(user);
}

void session_release(struct session *session)
{
	struct sm *sm = session->sm;
	struct user *user = session->user;

	log_info(sm->log, "session.moved", LOG_S("sid", session->id),
		 LOG_S("jid", jid_full(session->jid)));
	session->ending = true;
	user_pin(user);
	run_closed_hooks(session);
	session_unlink(session);
	session_free(session);
	user_unpin(user);
}

void session_kick(struct session *session, enum stream_error condition,
		  const char *text)
{
	struct sm *sm = session->sm;
	struct stanza *control;

	if (session->ending)
		return;
	control = sm_control_new("close");
	element_set_attr(control->root, "condition",
			 stream_error_condition(condition));
	element_set_attr(control->root, "text", text);
	if (session->c2s != NULL)
		sm_send_control(sm, session->c2s, session->id, control);
	stanza_free(&control);
	session_end(session, stream_error_condition(condition));
}

void session_c2s_gone(struct sm *sm, struct peer *peer)
{
	struct session *session, *next;

	openings_cancel(sm, NULL, peer);
	HASH_ITER(hh, sm->sessions, session, next) {
		if (session->peer == peer)
			session_cut(session, "c2s is gone", NULL);
	}
}
