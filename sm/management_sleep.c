/* SPDX-License-Identifier: Apache-2.0
 *
 * A managed session without a connection (XEP-0198 section 5): what has not
 * been acknowledged is stored, since no second process holds it any longer,
 * and waits, here as well, for the client to come back. When the session ends
 * it goes elsewhere. Also the session's part of the snapshot.
 */
#include "sm/management.h"
#include "sm/modules/csi.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sm/copies.h"
#include "sm/offline.h"
#include "sm/peer.h"
#include "sm/route.h"
#include "sm/stamp.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define NUMBER_MAX 24

/* -- asleep ---------------------------------------------------------------- */

void management_store(struct session *session, struct unacked *unacked,
		      struct work *work)
{
	struct management *m = session->management;
	struct offline_held held = {
		.id = m->id,
		.number = unacked->number,
		.origin = unacked->origin,
		.stamp = unacked->stamp,
	};
	struct stanza *stanza;

	if (!unacked->lasting || unacked->stored ||
	    copies_other(session->user, unacked->origin))
		return;
	stanza = stanza_parse(session->sm->parser, &stream_ns_client,
			      unacked->xml, unacked->len, NULL);
	if (stanza == NULL)
		return;
	unacked->stored = offline_hold(session->user, stanza, &held, work);
	if (unacked->stored)
		m->stored = true;
	stanza_free(&stanza);
}

void management_store_copies(struct user *user, const char *origin,
			     struct work *work)
{
	struct session *session;
	struct unacked *unacked;

	DL_FOREACH(user->sessions, session) {
		if (session_is_awake(session))
			continue;
		LL_FOREACH(session->management->queue, unacked) {
			if (unacked->origin != NULL &&
			    str_equal(unacked->origin, origin))
				management_store(session, unacked, work);
		}
	}
}

static void time_out(struct timer *timer)
{
	struct management *m = container_of(timer, struct management, timer);

	session_end(m->session, "the client did not come back");
}

void management_sleep(struct session *session, const char *reason,
		      struct work *work)
{
	struct sm *sm = session->sm;
	struct management *m = session->management;
	struct unacked *unacked;

	log_info(sm->log, "session.asleep", LOG_S("session", session->id),
		 LOG_S("jid", jid_full(session->jid)),
		 LOG_S("reason", reason), LOG_N("unacked", m->count));
	loop_defer_cancel(sm->loop, &session->snapshot_deferred);
	session->snapshot_due = false;
	session->c2s = NULL;
	peer_release(&session->peer);
	waking_free(m);
	m->asleep = true;
	offline_asleep(session);
	csi_asleep(session);
	m->asked = false;
	m->behind = false;
	if (!m->overflow)
		timer_start(&m->timer, sm->loop, m->max, time_out);
	/* Stored in the order in which they were sent. */
	LL_FOREACH(m->queue, unacked)
		management_store(session, unacked,
				 unacked->work != NULL ? unacked->work : work);
	LL_FOREACH(m->queue, unacked)
		work_release(&unacked->work);
}

/* The time at which it was sent first, in the name of its domain. */
static void stamp_own_delay(struct sm *sm, struct stanza *stanza, int64_t time)
{
	const char *text = element_attr(stanza->root, "to");
	struct jid *to = text != NULL ? jid_parse(text) : NULL;

	if (to != NULL && sm_domain(sm, jid_domain(to)) != NULL)
		stamp_delay(stanza, jid_domain(to), time);
	jid_free(&to);
}

/* -- the end --------------------------------------------------------------- */

struct unacked *management_take(struct session *session, bool *stored)
{
	struct management *m = session->management;
	struct unacked *queue = m != NULL ? m->queue : NULL;
	struct unacked *unacked;

	*stored = m != NULL && m->stored;
	if (m == NULL)
		return NULL;
	LL_FOREACH(queue, unacked)
		unacked->owner = NULL;
	m->queue = m->queue_last = NULL;
	return queue;
}

void unacked_leave(struct sm *sm, struct unacked *unacked, struct work *work)
{
	struct stanza *stanza;

	if (unacked->left || unacked->stored || unacked->delivered ||
	    sm->link == NULL)
		return;
	unacked->left = true;
	stanza = stanza_parse(sm->parser, &stream_ns_client, unacked->xml,
			      unacked->len, NULL);
	if (stanza == NULL)
		return;
	if (stanza_kind(stanza) == 0)
		stamp_own_delay(sm, stanza, unacked->stamp);
	route_leftover(sm, stanza, unacked->origin,
		       unacked->work != NULL ? unacked->work : work);
}

void management_leave(struct sm *sm, struct user *user,
		      struct unacked *queue, bool stored, struct work *work)
{
	struct unacked *next;

	for (; queue != NULL; queue = next) {
		next = queue->next;
		/* The c2s may have had it, but not its client. */
		queue->delivered = false;
		unacked_leave(sm, queue, work);
		queue->left = true;
		work_release(&queue->work);
		if (queue->links == 0)
			mem_free(queue);
	}
	/* Now it is for anybody. */
	if (stored)
		offline_offer(user);
}

/* -- the snapshot ---------------------------------------------------------- */

void management_write(const struct session *session, struct element *root)
{
	const struct management *m = session->management;
	struct element *element;
	char text[NUMBER_MAX];

	if (m == NULL)
		return;
	element = element_add(root, "management", NULL);
	element_set_attr(element, "id", m->id);
	snprintf(text, sizeof(text), "%" PRIu64, m->max);
	element_set_attr(element, "max", text);
	snprintf(text, sizeof(text), "%" PRIu64, m->base);
	element_set_attr(element, "base", text);
	snprintf(text, sizeof(text), "%" PRIu32, m->handled);
	element_set_attr(element, "handled", text);
	if (m->resumable)
		element_set_attr(element, "resumable", "true");
}

void management_describe(const struct session *session,
			 struct element *element)
{
	const struct management *m = session->management;
	struct sm *sm = session->sm;
	const struct unacked *unacked;
	struct element *child;
	char text[NUMBER_MAX];

	snprintf(text, sizeof(text), "%" PRIu64, m->sent);
	element_set_attr(element, "sent", text);
	snprintf(text, sizeof(text), "%" PRIu64, m->acked);
	element_set_attr(element, "acked", text);
	LL_FOREACH(m->queue, unacked) {
		child = element_add(element, "unacked", NULL);
		element_set_attr(child, "origin", unacked->origin);
		if (unacked->stored)
			element_set_attr(child, "stored", "true");
		element_add_parsed(child, sm->parser, unacked->xml,
				   unacked->len);
	}
}

static int get(const struct element *element, const char *name,
	       uint64_t max, uint64_t *value)
{
	const char *text = element_attr(element, name);

	return text != NULL ? str_to_u64(text, 0, max, value) : -1;
}

int management_read(struct session *session, const struct element *root)
{
	const struct element *element = element_child(root, "management", NULL);
	const char *id;
	struct management *m;
	uint64_t max, base, handled;

	if (element == NULL)
		return 0;
	id = element_attr(element, "id");
	if (id == NULL || strlen(id) != MANAGEMENT_ID ||
	    get(element, "max", UINT32_MAX, &max) != 0 ||
	    get(element, "base", UINT64_MAX, &base) != 0 ||
	    get(element, "handled", UINT32_MAX, &handled) != 0)
		return -1;
	m = management_new(session);
	str_copy(m->id, sizeof(m->id), id);
	m->max = max;
	m->base = base;
	m->handled = (uint32_t)handled;
	m->resumable = element_attr(element, "resumable") != NULL;
	return 0;
}

static void read_seen(struct management *m, const char *text)
{
	char digits[17] = { 0 };
	size_t len = strlen(text);
	char *end;

	for (size_t at = 0; at + 16 <= len; at += 16) {
		memcpy(digits, text + at, 16);
		management_saw(m, strtoull(digits, &end, 16));
	}
}

static void read_unacked(struct session *session, const struct element *child)
{
	struct management *m = session->management;
	const struct element *element = element_first(child);
	const char *origin = element_attr(child, "origin");
	struct stanza *stanza;
	struct unacked *unacked;

	if (element == NULL)
		return;
	stanza = stanza_from_element(element);
	if (stanza_kind(stanza) >= 0) {
		unacked = management_add(session, stanza, origin);
		unacked->delivered = true;
		unacked->stored = element_attr(child, "stored") != NULL;
		m->stored |= unacked->stored;
		if (origin != NULL)
			management_saw(m, management_hash(origin));
	}
	stanza_free(&stanza);
}

void management_restore(struct session *session, const struct element *element)
{
	struct management *m = session->management;
	const struct element *child;
	uint64_t done, sent, acked;

	/* What is behind it comes again, though it was here before. */
	if (get(element, "done", UINT64_MAX, &done) == 0)
		session->last_origin = done;
	if (m == NULL || get(element, "sent", UINT64_MAX, &sent) != 0 ||
	    get(element, "acked", UINT64_MAX, &acked) != 0)
		return;
	m->sent = m->acked = acked;
	child = element_child(element, "unacked", NULL);
	for (; child != NULL; child = element_next_same(child))
		read_unacked(session, child);
	/* They should agree; what the c2s has written counts. */
	m->sent = sent;
	child = element_child(element, "seen", NULL);
	if (child != NULL)
		read_seen(m, element_text(child));
}
