/* SPDX-License-Identifier: Apache-2.0
 *
 * The way back of a client into its session (XEP-0198 section 5), over any
 * c2s: waits until what came over the old connection is done with, so that
 * the client hears exactly what it need not send again.
 */
#include "sm/management.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sm/offline.h"
#include "sm/peer.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define PATIENCE   10000 /* ms for what the old connection left to be done */
#define NUMBER_MAX 24
#define ENDED_MAX  4

/* A resumption that waits. */
struct waking {
	uint32_t h;
	struct timer timer;
	struct session *session;
};

/* -- sessions that ended --------------------------------------------------- */

struct ended {
	unsigned at;
	struct {
		char id[MANAGEMENT_ID + 1];
		uint32_t h;
	} list[ENDED_MAX];
};

void management_remember(struct session *session)
{
	struct user *user = session->user;
	struct ended *ended = user->ended;

	if (ended == NULL)
		ended = user->ended = mem_new(struct ended);
	str_copy(ended->list[ended->at].id, MANAGEMENT_ID + 1,
		 session->management->id);
	ended->list[ended->at].h = management_handled(session);
	ended->at = (ended->at + 1) % ENDED_MAX;
}

bool management_ended(const struct user *user, const char *id, uint32_t *h)
{
	for (size_t i = 0; user->ended != NULL && i < ENDED_MAX; i++) {
		if (!str_equal(user->ended->list[i].id, id))
			continue;
		*h = user->ended->list[i].h;
		return *id != '\0';
	}
	return false;
}

struct session *management_find(const struct user *user, const char *id)
{
	struct session *session;

	DL_FOREACH(user->sessions, session) {
		if (session->management != NULL &&
		    session->management->resumable &&
		    str_equal(session->management->id, id))
			return session;
	}
	return NULL;
}

/* -- waking up ------------------------------------------------------------- */

static void tell_resumed(struct session *session, uint32_t handled)
{
	struct management *m = session->management;
	struct stanza *control = sm_control_new("opened");
	char text[NUMBER_MAX];

	element_set_attr(control->root, "jid", jid_full(session->jid));
	element_set_attr(control->root, "resumed", m->id);
	snprintf(text, sizeof(text), "%" PRIu32, handled);
	element_set_attr(control->root, "h", text);
	snprintf(text, sizeof(text), "%" PRIu64, m->acked);
	element_set_attr(control->root, "acked", text);
	session_tell(session, control);
}

static void wake(struct session *session)
{
	struct management *m = session->management;
	uint32_t handled = management_handled(session);
	struct unacked *unacked;
	uint64_t number;

	/* What the client says was checked when it came. */
	if (management_number(m, m->waking->h, &number))
		management_acked(m, number);
	waking_free(m);
	/* Another stream counts from 0. */
	works_orphan(session);
	m->handled = handled;
	m->base = 0;
	session->last_origin = 0;
	session->generation = 0;
	m->asleep = false;
	log_info(session->sm->log, "session.resumed", LOG_S("sid", session->id),
		 LOG_S("jid", jid_full(session->jid)),
		 LOG_S("c2s", session->c2s), LOG_N("h", handled),
		 LOG_N("unacked", m->count));
	snapshot_send(session);
	tell_resumed(session, handled);
	LL_FOREACH(m->queue, unacked)
		unacked->delivered = false;
	management_flush(session, true);
	/* What was stored meanwhile is on its way now, or comes behind. */
	if (m->stored)
		offline_collect(session);
	m->stored = false;
}

static void waking_late(struct timer *timer)
{
	struct waking *waking = container_of(timer, struct waking, timer);

	log_notice(waking->session->sm->log, "session.resumed-early",
		   LOG_S("sid", waking->session->id));
	wake(waking->session);
}

void waking_progress(struct session *session)
{
	if (session->works == NULL)
		wake(session);
}

void waking_free(struct management *m)
{
	if (m->waking == NULL)
		return;
	timer_stop(&m->waking->timer);
	mem_free(m->waking);
	m->waking = NULL;
}

/* The stream that is there still must not be mistaken for this one. */
static void leave_old(struct session *session)
{
	struct sm *sm = session->sm;
	struct stanza *control;

	if (session->c2s == NULL)
		return;
	control = sm_control_new("close");
	element_set_attr(control->root, "condition",
			 stream_error_condition(STREAM_CONFLICT));
	element_set_attr(control->root, "text", "the stream was resumed");
	sm_send_control(sm, session->c2s, session->id, control);
	stanza_free(&control);
	peer_release(&session->peer);
}

void management_resume(struct session *session, struct comeback *back)
{
	struct sm *sm = session->sm;
	struct management *m = session->management;

	leave_old(session);
	/* Until it wakes it sleeps, or two who write to each other would each
	 * wait for the other to take what is held for him. */
	if (!m->asleep)
		management_sleep(session, "resumed", NULL);
	HASH_DEL(sm->sessions, session);
	mem_free(session->id);
	session->id = mem_strdup(back->id);
	HASH_ADD_KEYPTR(hh, sm->sessions, session->id, strlen(session->id),
			session);
	session->peer = back->peer;
	session->c2s = back->peer->name;
	mem_free(session->address);
	mem_free(session->tls);
	mem_free(session->lang);
	session->address = back->address;
	session->tls = back->tls;
	session->lang = back->lang;
	if (!m->overflow)
		timer_stop(&m->timer);
	m->asked = false;
	waking_free(m);
	m->waking = mem_new(struct waking);
	m->waking->session = session;
	m->waking->h = back->h;
	timer_start(&m->waking->timer, sm->loop, PATIENCE, waking_late);
	waking_progress(session);
}
