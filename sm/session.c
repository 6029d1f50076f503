/* SPDX-License-Identifier: Apache-2.0
 *
 * Running sessions: stanzas from and to the client. Opening is in
 * session_open.c, ending in session_end.c.
 */
#include "sm/session.h"

#include <string.h>

#include "sm/handover.h"
#include "sm/management.h"
#include "sm/module.h"
#include "sm/peer.h"
#include "sm/route.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* Stanzas that wait for a c2s which is away, for one session. */
#define HELD_MAX 500

struct session *session_find(struct sm *sm, const char *id)
{
	struct session *session = NULL;

	if (id != NULL)
		HASH_FIND_STR(sm->sessions, id, session);
	return session;
}

struct session *session_by_resource(const struct user *user,
				    const char *resource)
{
	struct session *session;

	DL_FOREACH(user->sessions, session) {
		if (str_equal(jid_resource(session->jid), resource))
			return session;
	}
	return NULL;
}

/* -- from the client ------------------------------------------------------- */

static void session_closed(struct sm *sm, const struct envelope *envelope,
			   const struct stanza *control, struct work *work)
{
	struct session *session = session_find(sm, envelope->session);
	const char *reason = element_attr(control->root, "reason");

	openings_cancel(sm, envelope->session, NULL);
	if (session == NULL) {
		/* We may be the ones to take it over. */
		if (element_attr(control->root, "ticket") != NULL)
			session_open(sm, envelope, control, work);
		return;
	}
	if (!str_equal(session->c2s, envelope->from)) {
		log_warning(sm->log, "session.foreign",
			    LOG_S("sid", session->id),
			    LOG_S("from", envelope->from));
		return;
	}
	if (reason == NULL)
		reason = "closed";
	if (element_attr(control->root, "cut") != NULL)
		session_cut(session, reason, work);
	else
		session_end_with(session, reason, work);
}

/* The c2s could not write it any more. The stream is over, or will be in a
 * moment; a managed session has its own list of what was not received. */
static void session_returned(struct sm *sm, const struct envelope *envelope,
			     const struct stanza *control, struct work *work)
{
	const struct element *element = element_first(control->root);
	struct session *session = session_find(sm, envelope->session);
	struct stanza *stanza;

	if (element == NULL)
		return;
	/* Of a session that has moved on, what is left here is out of date. */
	if (session != NULL && str_equal(session->c2s, envelope->from) &&
	    element_attr(control->root, "moved") != NULL)
		session_release(session);
	else if (session != NULL && str_equal(session->c2s, envelope->from))
		session_end_with(session, "the stream has ended", work);
	stanza = stanza_from_element(element);
	if (stanza_kind(stanza) >= 0)
		route_leftover(sm, stanza,
			       element_attr(control->root, "origin"), work);
	else
		stanza_free(&stanza);
}

void session_control(struct sm *sm, const struct envelope *envelope,
		     const struct stanza *control, struct work *work)
{
	const char *name = control->root->name;

	if (envelope->session == NULL)
		return;
	if (str_equal(name, "closed"))
		session_closed(sm, envelope, control, work);
	else if (str_equal(name, "returned"))
		session_returned(sm, envelope, control, work);
	else if (str_equal(name, "release"))
		handover_release(sm, envelope, control);
	else
		/* Done, or begun in memory, when this returns: after a crash
		 * the c2s begins again. */
		session_open(sm, envelope, control, work);
}

uint64_t session_origin_number(const struct session *session,
			       const char *origin)
{
	size_t len = strlen(session->id);
	uint64_t number = 0;

	if (origin == NULL || !str_starts(origin, session->id) ||
	    origin[len] != '/' ||
	    str_to_u64(origin + len + 1, 1, UINT64_MAX, &number) != 0)
		return 0;
	return number;
}

/* The session is not known here: the c2s opens it again and then repeats the
 * stanza, which travels back for that. It is not acknowledged before it is
 * there: whoever hears that nothing is under way any more has them all. */
static void session_lost(struct sm *sm, const struct envelope *envelope,
			 struct work *work)
{
	struct stanza *refused = envelope_parse(envelope, sm->parser, NULL);
	struct stanza *control = sm_control_new("lost");
	struct envelope back = { .at = envelope->from,
				 .receiver_epoch = envelope->epoch,
				 .session = envelope->session,
				 .control = true,
				 .token = work_token(work) };

	sm->stats.sessions_lost++;
	log_info(sm->log, "session.lost", LOG_S("sid", envelope->session),
		 LOG_S("jid", envelope->to));
	element_set_attr(control->root, "jid", envelope->to);
	element_set_attr(control->root, "origin", envelope->origin);
	if (refused != NULL)
		element_add_copy(control->root, refused->root);
	stanza_free(&refused);
	buf_clear(&sm->out, 65536);
	stanza_write(control, &sm->out);
	stanza_free(&control);
	back.payload = buf_data(&sm->out);
	back.payload_len = sm->out.len;
	if (sm->link != NULL && link_send(sm->link, &back) == LINK_SENT)
		work_hold(work);
}

void session_envelope(struct sm *sm, const struct envelope *envelope,
		      struct work *work)
{
	struct session *session = session_find(sm, envelope->session);
	struct stanza *stanza;
	struct error err;
	uint64_t number;

	if (session == NULL) {
		session_lost(sm, envelope, work);
		return;
	}
	if (!str_equal(session->c2s, envelope->from)) {
		log_warning(sm->log, "session.foreign",
			    LOG_S("sid", session->id),
			    LOG_S("from", envelope->from));
		return;
	}
	number = session_origin_number(session, envelope->origin);
	if (number != 0 && number <= session->last_origin) {
		sm->stats.repeats++;
		work_join(session, number, work);
		return;
	}
	stanza = envelope_parse(envelope, sm->parser, &err);
	if (stanza == NULL) {
		log_warning(sm->log, "session.malformed",
			    LOG_S("sid", session->id),
			    LOG_S("reason", err.text));
		session_kick(session, STREAM_NOT_WELL_FORMED, NULL);
		return;
	}
	if (number != 0) {
		session->last_origin = number;
		work_of_session(work, session, number);
	}
	session_received(session, stanza, envelope->origin, work);
}

/* RFC 6120 section 8.1.2.1: absent, or the client's own bare or full JID. */
static bool from_is_own(const struct session *session, const char *from)
{
	struct jid *jid;
	bool own;

	if (from == NULL || str_equal(from, jid_full(session->jid)) ||
	    str_equal(from, jid_bare(session->jid)))
		return true;
	jid = jid_parse(from);
	own = jid != NULL && (jid_equal(jid, session->jid) ||
			      jid_equal(jid, session->user->jid));
	jid_free(&jid);
	return own;
}

void session_received(struct session *session, struct stanza *stanza,
		      const char *origin, struct work *work)
{
	struct sm *sm = session->sm;
	int kind = stanza_kind(stanza);

	if (kind < 0) {
		stanza_free(&stanza);
		session_kick(session, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
		return;
	}
	if (!from_is_own(session, element_attr(stanza->root, "from"))) {
		stanza_free(&stanza);
		session_kick(session, STREAM_INVALID_FROM, NULL);
		return;
	}
	sm->stats.stanzas_in[kind]++;
	element_set_attr(stanza->root, "from", jid_full(session->jid));
	/* RFC 6120 section 8.1.5. */
	if (session->lang != NULL &&
	    element_attr_ns(stanza->root, NS_XML, "lang") == NULL)
		element_add_lang(stanza->root, session->lang);
	route_from_session(session, stanza, origin, work);
}

/* -- to the client --------------------------------------------------------- */

static void session_hold(struct session *session, const char *xml, size_t len,
			 const char *origin, struct work *work)
{
	size_t origin_len = origin != NULL ? strlen(origin) + 1 : 0;
	struct held *held = mem_alloc(sizeof(*held) + len + 1 + origin_len);

	if (origin != NULL)
		held->origin = memcpy(held->xml + len + 1, origin, origin_len);

	held->work = work_hold(work);
	held->len = len;
	memcpy(held->xml, xml, len);
	if (session->held_last != NULL)
		session->held_last->next = held;
	else
		session->held = held;
	session->held_last = held;
	session->held_count++;
	/* It is not worth waiting for any longer: ends all of its sessions,
	 * but not inside this call. */
	if (session->held_count == HELD_MAX)
		peer_expire(session->peer);
}

static enum link_sent session_transmit(struct session *session,
				       const char *xml, size_t len,
				       const char *origin, struct work *work)
{
	enum link_sent sent;
	struct envelope envelope = {
		.at = session->c2s,
		.receiver_epoch = peer_epoch(session->peer),
		.session = session->id,
		.origin = origin,
		.payload = xml,
		.payload_len = len,
		.token = work_token(work),
	};

	if (session->sm->link == NULL)
		return LINK_NO_ROUTE;
	sent = link_send(session->sm->link, &envelope);
	if (sent == LINK_SENT)
		work_hold(work);
	return sent;
}

bool session_is_awake(const struct session *session)
{
	return session->management == NULL || !session->management->asleep;
}

void session_send(struct session *session, const struct stanza *stanza)
{
	session_deliver(session, stanza, NULL, NULL);
}

/* True: a module sends it when it is time. */
static bool comes_later(struct session *session, const struct stanza *stanza)
{
	struct sm *sm = session->sm;

	for (size_t i = 0; i < sm->module_count; i++) {
		if (sm->modules[i]->deliver != NULL &&
		    sm->modules[i]->deliver(session, stanza) == DONE)
			return true;
	}
	return false;
}

void session_deliver(struct session *session, const struct stanza *stanza,
		     const char *origin, struct work *work)
{
	struct sm *sm = session->sm;
	int kind = stanza_kind(stanza);

	if (comes_later(session, stanza))
		return;
	if (kind >= 0)
		sm->stats.stanzas_out[kind]++;
	if (session->management != NULL) {
		management_send(session, stanza, origin, work);
		return;
	}
	buf_clear(&sm->out, 65536);
	stanza_write(stanza, &sm->out);
	if (session->held == NULL &&
	    session_transmit(session, buf_data(&sm->out), sm->out.len, origin,
			     work) == LINK_SENT)
		return;
	peer_missed(session->peer);
	session_hold(session, buf_data(&sm->out), sm->out.len, origin, work);
}

void session_flush_held(struct session *session)
{
	struct held *held;

	while ((held = session->held) != NULL) {
		if (session_transmit(session, held->xml, held->len,
				     held->origin, held->work) != LINK_SENT) {
			peer_missed(session->peer);
			return;
		}
		session->held = held->next;
		if (session->held == NULL)
			session->held_last = NULL;
		session->held_count--;
		work_release(&held->work);
		mem_free(held);
	}
	if (session->management != NULL)
		management_flush(session, false);
}

void session_answer(struct sm *sm, const char *c2s, const char *id,
		    struct stanza *control)
{
	if (c2s != NULL)
		sm_send_control(sm, c2s, id, control);
	stanza_free(&control);
}

void session_tell(struct session *session, struct stanza *control)
{
	session_tell_with(session, control, NULL);
}

void session_tell_with(struct session *session, struct stanza *control,
		       struct work *work)
{
	struct sm *sm = session->sm;
	struct envelope envelope = { .at = session->c2s,
				     .receiver_epoch =
					     peer_epoch(session->peer),
				     .session = session->id,
				     .control = true,
				     .token = work_token(work) };

	if (session->c2s != NULL && sm->link != NULL) {
		buf_clear(&sm->out, 65536);
		stanza_write(control, &sm->out);
		envelope.payload = buf_data(&sm->out);
		envelope.payload_len = sm->out.len;
		if (link_send(sm->link, &envelope) == LINK_SENT)
			work_hold(work);
		else
			peer_missed(session->peer);
	}
	stanza_free(&control);
}
