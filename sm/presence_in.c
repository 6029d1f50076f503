/* SPDX-License-Identifier: Apache-2.0
 *
 * Presence that comes for a user (RFC 6121 sections 4.3.2, 4.6 and 8.5):
 * probes are answered, the rest is delivered.
 */
#include "sm/presence.h"

#include "sm/roster.h"
#include "sm/subscribe.h"
#include "util/base/str.h"

static void answer_probe(struct task *task)
{
	struct user *user = task->user;
	const char *to = jid_full(task->from);
	struct session *session;
	bool any = false;

	if (!user->has_account || !roster_may_see(user, task->from)) {
		route_stanza(
			user->sm,
			presence_new(jid_bare(task->to), to, "unsubscribed"),
			NULL, task->work);
		return;
	}
	DL_FOREACH(user->sessions, session) {
		struct stanza *copy;

		if (!session->available)
			continue;
		/* A probe of one resource is answered for that one. */
		if (jid_is_full(task->to) && !jid_equal(task->to, session->jid))
			continue;
		any = true;
		copy = stanza_copy(session->presence);
		element_set_attr(copy->root, "to", to);
		route_stanza(user->sm, copy, NULL, task->work);
	}
	if (!any)
		route_stanza(
			user->sm,
			presence_new(jid_full(task->to), to, "unavailable"),
			NULL, task->work);
}

/* RFC 6121 section 8.5: a bare JID means all available resources; a full one
 * a session that is there, which need not have sent presence (it may be
 * entering a room). */
static void deliver(struct task *task)
{
	struct user *user = task->user;
	struct session *session;

	if (!jid_is_full(task->to)) {
		DL_FOREACH(user->sessions, session) {
			if (session->available)
				session_deliver(session, task->stanza,
						task->origin, task->work);
		}
		return;
	}
	session = session_by_resource(user, jid_resource(task->to));
	if (session == NULL)
		return;
	if (str_equal(element_attr(task->stanza->root, "type"), "error"))
		presence_directed_forget(session, jid_full(task->from));
	session_deliver(session, task->stanza, task->origin, task->work);
}

void presence_to_user(struct task *task)
{
	const char *type = element_attr(task->stanza->root, "type");
	enum subscription_event event;

	if (str_equal(type, "probe")) {
		answer_probe(task);
	} else if (subscription_event_parse(type, &event) == 0) {
		/* Section 3.1.3: a request to nobody is ignored in silence, as
		 * one that is never answered. */
		if (task->user->has_account)
			subscribe_inbound(task, event);
	} else if (type == NULL || str_equal(type, "unavailable") ||
		   str_equal(type, "error")) {
		deliver(task);
	} else {
		route_error(task->user->sm, task->stanza, STANZA_BAD_REQUEST,
			    NULL);
	}
}
