/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions (docs/link.md section 6): binding a resource (RFC 6120 section 7)
 * opens one at the user's sm. When that sm is lost the client's stream stays,
 * what it sends is held, and the session is opened again at the new owner,
 * from the snapshot that the old one has left here.
 */
#include "c2s/session.h"

#include <string.h>

#include "c2s/domain.h"
#include "c2s/management.h"
#include "c2s/negotiate.h"
#include "c2s/relay.h"
#include "c2s/tail.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/ns.h"

#define RETRY	    1000  /* ms between looks for an owner */
#define REOPEN_WAIT 10000 /* ms that an sm has to answer */

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

static void held_free(struct session *session)
{
	struct held *held, *next;

	LL_FOREACH_SAFE(session->held, held, next)
		mem_free(held);
	session->held = NULL;
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

/* All that an sm must know to go on with a session that it does not know: the
 * rest of the attributes, and the content. */
static void add_state(struct stream *s, struct buf *out)
{
	const struct session *session = s->session;

	buf_addf(out, " done='%llu'", (unsigned long long)session->done);
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

/* Stanzas from this number on were not dealt with: they are here. */
static void note_done(struct session *session)
{
	session->done =
		session->held ? session->held->number - 1 : session->number;
}

/* A managed session lives on without us: whoever serves the user, now or
 * next, gets all that is known of it, and takes it over from there. */
static void tell_cut(struct stream *s, const char *reason)
{
	struct session *session = s->session;
	struct buf *out = &s->c2s->out;

	note_done(session);
	buf_add_str(out, "<link:closed cut='true'");
	buf_add_attr(out, "reason", reason);
	add_facts(s, out);
	buf_add_attr(out, "resource", session->resource);
	add_state(s, out);
	buf_add_str(out, "</link:closed>");
	relay_control(s->c2s, NULL, session->bare, s->id);
}

static void tell_owner(struct stream *s, const char *reason, bool cut)
{
	struct buf *out = &s->c2s->out;

	if (!s->session->owner)
		return;
	if (cut && s->session->open && s->tail && s->tail->managed) {
		tell_cut(s, reason);
		return;
	}
	buf_add_str(out, "<link:closed");
	buf_add_attr(out, "reason", reason);
	if (cut)
		buf_add_attr(out, "cut", "true");
	buf_add_str(out, "/>");
	relay_control(s->c2s, s->session->owner, s->session->bare, s->id);
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

/* The domain counts those that have not got to their new owners. */
static void set_moving(struct stream *s, bool moving)
{
	if (!s->session || s->session->moving == moving)
		return;
	s->session->moving = moving;
	c2s_domain_moving(s->c2s, s->domain, moving);
}

void c2s_session_end(struct stream *s, const char *reason, bool cut)
{
	struct session *session = s->session;

	if (!session)
		return;
	set_moving(s, false);
	tell_owner(s, reason, cut);
	if (session->open) {
		log_closed(s, reason);
		s->c2s->sessions--;
	}
	held_free(session);
	mem_free(session->bare);
	mem_free(session->resource);
	mem_free_secret(session->ticket);
	mem_free(session->snapshot);
	mem_free(session->owner);
	mem_free(session->resume);
	mem_free(session->enable);
	mem_free(session->seen);
	mem_free(session);
	s->session = NULL;
}

static void set_owner(struct session *session, const char *name,
		      const char *epoch)
{
	char *copy = mem_strdup(name);

	mem_free(session->owner);
	session->owner = copy;
	str_copy(session->epoch, sizeof(session->epoch), epoch ? epoch : "");
}

/* Who serves the user now, NULL: nobody. */
static const struct member *owner_now(const struct stream *s)
{
	return members_route(link_members(s->c2s->link), s->session->bare);
}

static bool owner_is(const struct session *session, const struct member *member)
{
	return member && str_equal(member->name, session->owner) &&
	       str_equal(member->epoch ? member->epoch : "", session->epoch);
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
	const struct member *owner = owner_now(s);

	if (!owner)
		return false;
	set_owner(s->session, owner->name, owner->epoch);
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
	if (relay_control(s->c2s, s->session->owner, s->session->bare, s->id) ==
	    LINK_NO_ROUTE)
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
	if (owner_now(s) && !owner_is(session, owner_now(s)))
		c2s_session_recover(s);
}

/* -- recovering ----------------------------------------------------------- */

void c2s_session_hold(struct session *session, uint64_t number,
		      const char *bytes, size_t len)
{
	struct held **at = &session->held;
	struct held *held;

	while (*at && (*at)->number < number)
		at = &(*at)->next;
	if (*at && (*at)->number == number)
		return;
	held = mem_alloc(sizeof(*held) + len);
	held->number = number;
	held->len = len;
	memcpy(held->bytes, bytes, len);
	held->next = *at;
	*at = held;
}

/* Sends what was held, in order; false: not all of it could go. */
static bool send_held(struct stream *s)
{
	struct session *session = s->session;
	struct held *held;

	while ((held = session->held) != NULL) {
		if (relay_send(s, held->number, held->bytes, held->len) ==
		    LINK_NO_ROUTE)
			return false;
		session->held = held->next;
		mem_free(held);
	}
	return true;
}

static void finish_recovery(struct stream *s)
{
	struct session *session = s->session;

	session->reopening = false;
	session->lost = false;
	set_moving(s, false);
	if (!send_held(s))
		return; /* the timer runs */
	c2s_management_again(s);
	stream_set_state(s, STATE_OPEN);
	if (link_congested(s->c2s->link, session->owner))
		stream_block(s);
}

static void reopen(struct stream *s, const struct member *owner)
{
	struct session *session = s->session;
	struct buf *out = &s->c2s->out;

	note_done(session);
	/* Asking the same one twice must not make two of it. */
	if (!owner_is(session, owner) || session->released)
		session->generation++;
	set_owner(session, owner->name, owner->epoch);
	session->lost = true; /* to this one, until it says otherwise */
	session->reopening = true;
	session->releasing = session->released = false;
	log_info(s->c2s->log, "session.reopen", LOG_S("session", s->id),
		 LOG_S("sm", owner->name));
	buf_add_str(out, "<link:reopen");
	add_facts(s, out);
	buf_add_attr(out, "resource", session->resource);
	add_state(s, out);
	buf_add_str(out, "</link:reopen>");
	if (relay_control(s->c2s, session->owner, session->bare, s->id) ==
	    LINK_NO_ROUTE)
		session->reopening = false;
	else
		set_moving(s, false);
}

/* The process that has the session still lives. */
static bool owner_lives(const struct stream *s)
{
	const struct session *session = s->session;
	size_t count;
	const struct member *list = members_get(link_members(s->c2s->link),
						session->owner, &count);

	for (size_t i = 0; i < count; i++) {
		if (str_equal(list[i].name, session->owner))
			return str_equal(list[i].epoch, session->epoch);
	}
	return false;
}

/* The owner lives, but another one serves the user now. It finishes what it
 * has begun, and what it has written is durable, before the new one reads. */
static void release(struct stream *s)
{
	struct session *session = s->session;

	if (session->releasing)
		return;
	buf_add_str(&s->c2s->out, "<link:release");
	buf_add_attr(&s->c2s->out, "jid", session->bare);
	buf_add_str(&s->c2s->out, "/>");
	session->releasing =
		relay_control(s->c2s, session->owner, session->bare, s->id) !=
		LINK_NO_ROUTE;
}

/* One attempt; the timer of STATE_RECOVERING brings the next. */
static void recover(struct stream *s)
{
	struct session *session = s->session;
	const struct member *owner = owner_now(s);

	if (!owner)
		return;
	if (!owner_is(session, owner) && !session->released &&
	    !session->reopening && owner_lives(s))
		release(s);
	else if (!owner_is(session, owner) || session->released)
		reopen(s, owner);
	else if (!session->lost)
		finish_recovery(s);
	else if (!session->reopening)
		reopen(s, owner);
}

void c2s_session_recover(struct stream *s)
{
	if (s->state == STATE_RECOVERING)
		return;
	s->session->recovering = loop_now(s->c2s->loop);
	set_moving(s, true);
	stream_set_state(s, STATE_RECOVERING);
	log_debug(s->c2s->log, "session.waits", LOG_S("session", s->id),
		  LOG_S("sm", s->session->owner));
}

void c2s_session_retry(struct stream *s)
{
	struct c2s *c2s = s->c2s;
	uint64_t waited = loop_now(c2s->loop) - s->session->recovering;

	if (waited >= (uint64_t)c2s->config->recover_timeout) {
		stream_fail(s, STREAM_INTERNAL_SERVER_ERROR,
			    "the session could not be recovered");
		return;
	}
	/* No answer to the last attempt: ask again, which does no harm. */
	s->session->reopening = false;
	recover(s);
	if (s->state == STATE_RECOVERING)
		stream_retry_later(s,
				   s->session->reopening ? REOPEN_WAIT : RETRY);
}

void c2s_session_members(struct stream *s)
{
	if (s->state == STATE_OPEN && !owner_is(s->session, owner_now(s)))
		c2s_session_recover(s);
	else if (s->state == STATE_OPENING && !owner_lives(s))
		c2s_session_open_failed(s);
	if (s->state == STATE_RECOVERING && !owner_is(s->session, owner_now(s)))
		set_moving(s, true);
	/* Not at once: what is undelivered comes back meanwhile. */
	if (s->state == STATE_RECOVERING &&
	    !(s->session->reopening && owner_is(s->session, owner_now(s))))
		stream_retry_later(s, 0);
}

/* -- controls from the sm ------------------------------------------------- */

static bool from_owner(const struct stream *s, const struct envelope *envelope)
{
	return s->session && str_equal(envelope->from, s->session->owner);
}

void c2s_session_opened(struct stream *s, const struct envelope *envelope,
			const struct element *element)
{
	const char *jid = element_attr(element, "jid");
	const char *resource = jid ? strchr(jid, '/') : NULL;
	struct session *session = s->session;

	if (!from_owner(s, envelope))
		return;
	if (envelope->epoch)
		str_copy(session->epoch, sizeof(session->epoch),
			 envelope->epoch);
	if (s->state == STATE_OPENING && resource) {
		if (session->resume)
			c2s_management_resumed(s, element);
		open_first(s, resource + 1);
	} else if (s->state == STATE_OPENING) {
		c2s_session_open_failed(s);
	} else if (s->state == STATE_RECOVERING && session->reopening) {
		s->c2s->stats.recovered++;
		finish_recovery(s);
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

	if (!from_owner(s, envelope))
		return;
	if (s->state == STATE_RECOVERING) {
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
	if (!from_owner(s, envelope))
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

	if (!from_owner(s, envelope))
		return;
	if (condition && stream_error_parse(condition, &error) < 0)
		error = STREAM_UNDEFINED_CONDITION;
	if (condition || answer)
		stream_fail(s, error, element_attr(element, "text"));
	else
		stream_close(s, "closed by the sm");
}

/* The stanza that the sm could not take came back with its number. */
static void take_back(struct stream *s, const struct element *element)
{
	const char *origin = element_attr(element, "origin");
	const char *slash = origin ? strrchr(origin, '/') : NULL;
	const struct element *stanza = element_first(element);
	struct buf bytes = { 0 };
	uint64_t number;

	if (!stanza || !slash ||
	    str_to_u64(slash + 1, 1, s->session->number, &number) < 0)
		return;
	element_write(stanza, &bytes);
	c2s_session_hold(s->session, number, buf_data(&bytes), bytes.len);
	buf_free(&bytes);
}

void c2s_session_released(struct stream *s, const struct envelope *envelope,
			  const struct element *element)
{
	struct session *session = s->session;

	(void)element;
	if (!from_owner(s, envelope) || !session->releasing ||
	    s->state != STATE_RECOVERING)
		return;
	/* From here on nothing that it was sent comes back to us. */
	note_done(session);
	session->releasing = false;
	session->released = true;
	stream_retry_later(s, 0);
}

void c2s_session_lost(struct stream *s, const struct envelope *envelope,
		      const struct element *element)
{
	struct session *session = s->session;
	bool by_owner = from_owner(s, envelope);

	if (!session || !session->open)
		return;
	take_back(s, element);
	if (s->state == STATE_OPEN) {
		session->lost = by_owner;
		c2s_session_recover(s);
	} else if (by_owner && session->reopening &&
		   !element_attr(element, "origin")) {
		/* It does not serve the user any more: the members will say
		 * who does. */
		session->reopening = false;
		stream_retry_later(s, RETRY);
	}
}
