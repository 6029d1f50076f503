/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions (docs/link.md section 6): binding a resource (RFC 6120 section 7)
 * opens one at the user's sm. How it gets from there to another one is in
 * c2s/move.c.
 */
#include "c2s/session.h"

#include <string.h>

#include "c2s/flight.h"
#include "c2s/management.h"
#include "c2s/move.h"
#include "c2s/negotiate.h"
#include "c2s/relay.h"
#include "c2s/tail.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/ns.h"

/* -- begin and end -------------------------------------------------------- */

void c2s_session_new(struct stream *s, const char *bare, const char *ticket)
{
	s->session = mem_new(struct session);
	s->session->bare = mem_strdup(bare);
	s->session->ticket = mem_strdup(ticket);
}

void c2s_session_add_jid(const struct session *session, struct buf *to)
{
	buf_add_str(to, session->bare);
	if (session->resource) {
		buf_add_char(to, '/');
		buf_add_str(to, session->resource);
	}
}

/* What `open` and `reopen` have in common. */
static void add_facts(struct stream *s, struct buf *out)
{
	char address[ADDRESS_MAX];

	conn_peer_address(s->conn, address);
	buf_add_attr(out, "jid", s->session->bare);
	buf_add_attr(out, "ticket", s->session->ticket);
	buf_add_attr(out, "address", address);
	buf_add_attr(out, "tls", conn_tls_version(s->conn));
}

void c2s_session_add_all(struct stream *s, struct buf *out)
{
	struct session *session = s->session;

	add_facts(s, out);
	buf_add_attr(out, "resource", session->resource);
	buf_addf(out, " done='%llu'",
		 (unsigned long long)c2s_move_done(session));
	if (session->generation)
		buf_addf(out, " generation='%u'", session->generation);
	if (s->tail && s->tail->managed)
		buf_addf(out, " sent='%llu' acked='%llu'",
			 (unsigned long long)s->tail->sent,
			 (unsigned long long)s->tail->acked);
	buf_add_char(out, '>');
	if (session->snapshot)
		buf_add_str(out, session->snapshot);
	tail_describe(s, out);
}

/* The owner hears of the end with all that is known of the session: when it
 * is gone, or has let go of it, whoever serves the user next does what is left
 * to do. A managed session that was cut goes to sleep there. */
static void tell_owner(struct stream *s, const char *reason, bool cut)
{
	struct session *session = s->session;
	struct buf *out = &s->c2s->out;

	if (!session->owner || session->dismissed)
		return;
	buf_add_str(out, "<link:closed");
	buf_add_attr(out, "reason", reason);
	if (cut)
		buf_add_attr(out, "cut", "true");
	if (session->open) {
		c2s_session_add_all(s, out);
		buf_add_str(out, "</link:closed>");
	} else {
		buf_add_str(out, "/>");
	}
	relay_closed(s);
}

static void log_closed(struct stream *s, const char *reason)
{
	struct session *session = s->session;
	int64_t seconds =
		(loop_time_us(s->c2s->loop) - session->since) / 1000000;
	struct buf jid = { 0 };

	c2s_session_add_jid(session, &jid);
	log_info(s->c2s->log, "session.closed", LOG_S("session", s->id),
		 LOG_S("jid", buf_data(&jid)), LOG_S("reason", reason),
		 LOG_N("seconds", seconds),
		 LOG_N("stanzas-in", session->number),
		 LOG_N("stanzas-out", session->stanzas_out));
	buf_free(&jid);
}

void c2s_session_end(struct stream *s, const char *reason, bool cut)
{
	struct session *session = s->session;

	if (!session)
		return;
	c2s_move_end(s);
	tell_owner(s, reason, cut);
	if (session->open) {
		log_closed(s, reason);
		s->c2s->sessions--;
	}
	c2s_move_forget(session);
	flight_leave(session);
	mem_free(session->bare);
	mem_free(session->resource);
	mem_free_secret(session->ticket);
	mem_free(session->snapshot);
	mem_free(session->owner);
	mem_free(session->resume);
	mem_free(session->enable);
	seen_clear(&session->seen);
	mem_free(session);
	s->session = NULL;
}

/* -- answers to an iq ----------------------------------------------------- */

static const char *error_type(const char *type)
{
	static const char *const types[] = { "auth", "cancel", "continue",
					     "modify", "wait" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (str_equal(type, types[i]))
			return types[i];
	}
	return "cancel";
}

void c2s_session_iq_error(struct stream *s, const char *id, const char *type,
			  const char *condition, const char *text)
{
	struct buf *out = &s->c2s->out;

	buf_add_str(out, "<iq type='error'");
	buf_add_attr(out, "id", id);
	buf_addf(out, "><error type='%s'><%s xmlns='" NS_STANZA_ERRORS "'/>",
		 error_type(type), condition);
	if (text) {
		buf_add_str(out, "<text xmlns='" NS_STANZA_ERRORS
				 "' xml:lang='en'>");
		buf_add_xml_text(out, text, strlen(text));
		buf_add_str(out, "</text>");
	}
	buf_add_str(out, "</error></iq>");
	stream_flush_out(s);
}

static void iq_result(struct stream *s, const char *id)
{
	struct buf *out = &s->c2s->out;

	buf_add_str(out, "<iq type='result'");
	buf_add_attr(out, "id", id);
	buf_add_str(out, "/>");
	stream_flush_out(s);
}

/* -- opening -------------------------------------------------------------- */

void c2s_session_open_failed(struct stream *s)
{
	mem_free(s->session->owner);
	s->session->owner = NULL;
	if (s->session->resume) {
		c2s_management_refused(s, NULL);
		return;
	}
	c2s_session_iq_error(s, s->negotiation->iq_id, "wait",
			     "internal-server-error",
			     "sessions are not possible at the moment");
	stream_set_state(s, STATE_AUTHENTICATED);
}

bool c2s_session_ask(struct stream *s, const char *element)
{
	struct buf *out = &s->c2s->out;
	const struct member *owner = c2s_owner_now(s);

	if (!owner)
		return false;
	c2s_owner_set(s->session, owner);
	buf_add_str(out, element);
	add_facts(s, out);
	buf_add_attr(out, "stream", s->negotiation->id);
	buf_add_attr(out, "lang", s->negotiation->lang);
	return true;
}

static void bind_resource(struct stream *s, const struct element *iq,
		 const struct element *element)
{
	struct buf *out = &s->c2s->out;
	const char *resource = element_child_text(element, "resource", NULL);

	mem_free(s->negotiation->iq_id);
	s->negotiation->iq_id = mem_strdup(element_attr(iq, "id"));
	if (!c2s_session_ask(s, "<link:open")) {
		c2s_session_open_failed(s);
		return;
	}
	if (resource && *resource)
		buf_add_attr(out, "resource", resource);
	buf_add_str(out, "/>");
	c2s_session_opening(s);
}

void c2s_session_opening(struct stream *s)
{
	stream_set_state(s, STATE_OPENING);
	if (relay_to_owner(s) == LINK_NO_ROUTE)
		c2s_session_open_failed(s);
}

bool c2s_session_iq(struct stream *s, const struct element *iq)
{
	const struct element *element = element_first(iq);
	const char *id = element_attr(iq, "id");

	if (!str_equal(element_attr(iq, "type"), "set") || !element)
		return false;
	if (element_is(element, "bind", NS_BIND)) {
		if (s->state == STATE_OPEN)
			c2s_session_iq_error(s, id, "cancel", "not-allowed",
					     "a resource is bound already");
		else
			bind_resource(s, iq, element);
		return true;
	}
	if (element_is(element, "session", NS_SESSION) &&
	    s->state == STATE_OPEN) {
		iq_result(s, id);
		return true;
	}
	return false;
}

static void answer_bind(struct stream *s)
{
	struct buf *out = &s->c2s->out;
	struct buf jid = { 0 };

	c2s_session_add_jid(s->session, &jid);
	buf_add_str(out, "<iq type='result'");
	buf_add_attr(out, "id", s->negotiation->iq_id);
	buf_add_str(out, "><bind xmlns='" NS_BIND "'><jid>");
	buf_add_xml_text(out, buf_data(&jid), jid.len);
	buf_add_str(out, "</jid></bind></iq>");
	stream_flush_out(s);
	buf_free(&jid);
}

static void log_opened(struct stream *s)
{
	char address[ADDRESS_MAX];
	struct buf jid = { 0 };

	c2s_session_add_jid(s->session, &jid);
	conn_peer_address(s->conn, address);
	log_info(s->c2s->log, "session.open", LOG_S("session", s->id),
		 LOG_S("jid", buf_data(&jid)), LOG_S("address", address),
		 LOG_N("port", conn_peer_port(s->conn)),
		 LOG_S("tls", conn_tls_version(s->conn)),
		 LOG_S("sm", s->session->owner));
	buf_free(&jid);
}

static void open_first(struct stream *s, const char *resource)
{
	struct session *session = s->session;

	session->resource = mem_strdup(resource);
	session->open = true;
	session->since = loop_time_us(s->c2s->loop);
	s->c2s->sessions++;
	if (!session->resume)
		answer_bind(s);
	log_opened(s);
	stream_set_state(s, STATE_OPEN);
	/* It may have become another's while it was being opened. */
	if (c2s_owner_now(s) && !c2s_owner_is(session, c2s_owner_now(s)))
		c2s_move_begin(s);
}

/* -- controls from the sm ------------------------------------------------- */

void c2s_session_opened(struct stream *s, const struct envelope *envelope,
			const struct element *element)
{
	const char *jid = element_attr(element, "jid");
	const char *resource = jid ? strchr(jid, '/') : NULL;
	struct session *session = s->session;

	if (!c2s_from_owner(s, envelope))
		return;
	if (s->state == STATE_OPENING && resource) {
		if (session->resume)
			c2s_management_resumed(s, element);
		open_first(s, resource + 1);
	} else if (s->state == STATE_OPENING) {
		c2s_session_open_failed(s);
	} else if (s->state == STATE_RECOVERING) {
		c2s_move_opened(s, element);
	}
}

/* A stanza error condition is a word; what is none is not passed on. */
const char *c2s_stanza_condition(const char *word)
{
	if (word && *word &&
	    strspn(word, "abcdefghijklmnopqrstuvwxyz-") == strlen(word))
		return word;
	return "internal-server-error";
}

void c2s_session_refused(struct stream *s, const struct envelope *envelope,
			 const struct element *element)
{
	const char *condition = element_attr(element, "condition");
	enum stream_error error;

	if (!c2s_from_owner(s, envelope))
		return;
	if (s->state == STATE_RECOVERING) {
		s->session->dismissed = true;
		if (!condition || stream_error_parse(condition, &error) < 0)
			error = STREAM_RESET;
		stream_fail(s, error, element_attr(element, "text"));
		return;
	}
	if (s->state != STATE_OPENING)
		return;
	mem_free(s->session->owner);
	s->session->owner = NULL;
	if (s->session->resume) {
		c2s_management_refused(s, element);
		return;
	}
	c2s_session_iq_error(
		s, s->negotiation->iq_id, element_attr(element, "type"),
		c2s_stanza_condition(condition), element_attr(element, "text"));
	stream_set_state(s, STATE_AUTHENTICATED);
}

void c2s_session_snapshot(struct stream *s, const struct envelope *envelope,
			  const struct element *element)
{
	const char *text = element_text(element);

	/* An sm that has just taken the session over knows better than one
	 * that is losing it. */
	if (!c2s_from_owner(s, envelope))
		return;
	mem_free(s->session->snapshot);
	s->session->snapshot = mem_strdup(text);
}

void c2s_session_close(struct stream *s, const struct envelope *envelope,
		       const struct element *element)
{
	const char *condition = element_attr(element, "condition");
	bool answer = str_equal(element->name, "closed");
	enum stream_error error = STREAM_RESET;

	if (!c2s_from_owner(s, envelope))
		return;
	s->session->dismissed = true;
	if (condition && stream_error_parse(condition, &error) < 0)
		error = STREAM_UNDEFINED_CONDITION;
	if (condition || answer)
		stream_fail(s, error, element_attr(element, "text"));
	else
		stream_close(s, "closed by the sm");
}
