/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the streams and the link: stanzas go both ways as the bytes that
 * came in, controls find their handler by name.
 */
#include "c2s/relay.h"

#include <stdio.h>
#include <string.h>

#include "c2s/domain.h"
#include "c2s/flight.h"
#include "c2s/management.h"
#include "c2s/move.h"
#include "c2s/negotiate.h"
#include "c2s/sasl.h"
#include "c2s/session.h"
#include "c2s/tail.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/ns.h"

#define OUT_KEEP   16384
#define ORIGIN_MAX 160

/* -- to the sm ------------------------------------------------------------ */

static enum link_sent send_out(struct c2s *c2s, struct envelope *envelope)
{
	enum link_sent sent;

	envelope->control = true;
	envelope->payload = buf_data(&c2s->out);
	envelope->payload_len = c2s->out.len;
	sent = link_send(c2s->link, envelope);
	buf_clear(&c2s->out, OUT_KEEP);
	return sent;
}

enum link_sent relay_control(struct c2s *c2s, const char *at, const char *to,
			     const char *session)
{
	struct envelope envelope = { .at = at, .to = to, .session = session };

	return send_out(c2s, &envelope);
}

/* To that process alone: another one under its name knows nothing of what the
 * one before has done. */
static struct envelope to_owner(const struct stream *s)
{
	const struct session *session = s->session;

	return (struct envelope){
		.at = session->owner,
		.receiver_epoch = *session->epoch ? session->epoch : NULL,
		.to = session->bare,
		.session = s->id,
	};
}

enum link_sent relay_to_owner(struct stream *s)
{
	struct envelope envelope = to_owner(s);

	return send_out(s->c2s, &envelope);
}

void relay_closed(struct stream *s)
{
	struct c2s *c2s = s->c2s;
	struct envelope envelope = to_owner(s);

	envelope.control = true;
	envelope.payload = buf_data(&c2s->out);
	envelope.payload_len = c2s->out.len;
	if (link_send(c2s->link, &envelope) == LINK_NO_ROUTE) {
		envelope.at = envelope.receiver_epoch = NULL;
		link_send(c2s->link, &envelope);
	}
	buf_clear(&c2s->out, OUT_KEEP);
}

/* A stanza, or another element when so many stanzas have gone. */
static enum link_sent relay_bytes(struct stream *s, uint64_t number,
				  const char *bytes, size_t len, bool control)
{
	char origin[ORIGIN_MAX];
	struct envelope envelope = to_owner(s);
	enum link_sent sent;

	envelope.origin = origin;
	envelope.namespaces = s->namespaces;
	envelope.control = control;
	envelope.payload = bytes;
	envelope.payload_len = len;
	envelope.token = control ? 0 : flight_begin(s);
	snprintf(origin, sizeof(origin), "%s/%llu", s->id,
		 (unsigned long long)number);
	sent = link_send(s->c2s->link, &envelope);
	if (sent == LINK_NO_ROUTE && !control)
		flight_undo(envelope.token);
	return sent;
}

enum link_sent relay_element(struct stream *s, uint64_t number,
			     const char *bytes, size_t len)
{
	return relay_bytes(s, number, bytes, len, true);
}

enum link_sent relay_send(struct stream *s, uint64_t number, const char *bytes,
			  size_t len)
{
	return relay_bytes(s, number, bytes, len, false);
}

void relay_stanza(struct stream *s, enum stanza_kind kind, const char *bytes,
		  size_t len)
{
	struct session *session = s->session;

	session->number++;
	s->c2s->stats.stanzas_in[kind]++;
	if (s->state == STATE_RECOVERING) {
		c2s_move_hold(session, session->number, bytes, len);
	} else if (relay_send(s, session->number, bytes, len) ==
		   LINK_NO_ROUTE) {
		c2s_move_hold(session, session->number, bytes, len);
		c2s_move_begin(s);
	} else if (link_congested(s->c2s->link, session->owner)) {
		stream_block(s);
	}
}

/* The sm still has a session whose stream has ended here. */
static void say_closed(struct c2s *c2s, const struct envelope *envelope)
{
	if (!envelope->session)
		return;
	buf_add_str(&c2s->out, "<link:closed reason='no such session'/>");
	relay_control(c2s, envelope->from, NULL, envelope->session);
}

/* A stanza for a session whose stream has ended. One with a number is of a
 * managed session: the sm has it still. `moved`: the session has, to another
 * sm. */
static void give_back(struct c2s *c2s, const struct envelope *envelope,
		      bool moved)
{
	struct envelope back = {
		.at = envelope->from,
		.session = envelope->session,
		.namespaces = envelope->namespaces,
		.control = true,
	};

	if (!envelope->session)
		return;
	if (tail_is_numbered(envelope) && !moved) {
		say_closed(c2s, envelope);
		return;
	}
	buf_add_str(&c2s->out, "<link:returned");
	if (moved)
		buf_add_attr(&c2s->out, "moved", "true");
	if (tail_origin(envelope))
		buf_add_attr(&c2s->out, "origin", tail_origin(envelope));
	buf_add_char(&c2s->out, '>');
	buf_add(&c2s->out, envelope->payload, envelope->payload_len);
	buf_add_str(&c2s->out, "</link:returned>");
	back.payload = buf_data(&c2s->out);
	back.payload_len = c2s->out.len;
	link_send(c2s->link, &back);
	buf_clear(&c2s->out, OUT_KEEP);
}

/* -- stanzas from the sm -------------------------------------------------- */

/* The owner, or the one that it was a moment ago. */
static bool is_from_sm(const struct stream *s, const struct envelope *envelope)
{
	const struct member *list;
	size_t count;

	if (str_equal(envelope->from, s->session->owner))
		return true;
	list = members_get(link_members(s->c2s->link), envelope->from, &count);
	return list && count == 1 && str_equal(list[0].kind, "sm");
}

/* Of a stanza without prefix, by its first letter. */
static enum stanza_kind guess_kind(const char *bytes, size_t len)
{
	if (len > 1 && bytes[1] == 'm')
		return KIND_MESSAGE;
	return len > 1 && bytes[1] == 'p' ? KIND_PRESENCE : KIND_IQ;
}

/* Prefixes that the stream of this client does not declare: the one case in
 * which a stanza is built anew. */
static bool write_rebuilt(struct stream *s, const struct envelope *envelope)
{
	struct envelope rebuilt = *envelope;
	bool written;
	struct buf bytes = { 0 };
	struct error err;
	struct stanza *stanza =
		envelope_parse(envelope, s->c2s->link_parser, &err);

	if (!stanza) {
		log_error(s->c2s->log, "relay.bad-stanza",
			  LOG_S("session", s->id),
			  LOG_S("from", envelope->from),
			  LOG_S("error", err.text));
		return true;
	}
	stanza_write(stanza, &bytes);
	rebuilt.payload = buf_data(&bytes);
	rebuilt.payload_len = bytes.len;
	written = tail_write(s, &rebuilt);
	buf_free(&bytes);
	stanza_free(&stanza);
	return written;
}

static void take_stanza(struct stream *s, const struct envelope *envelope)
{
	bool written;

	if (!is_from_sm(s, envelope)) {
		log_warning(s->c2s->log, "relay.not-owner",
			    LOG_S("session", s->id),
			    LOG_S("from", envelope->from));
		return;
	}
	s->session->stanzas_out++;
	s->c2s->stats.stanzas_out[guess_kind(envelope->payload,
					     envelope->payload_len)]++;
	if (envelope->namespaces)
		written = write_rebuilt(s, envelope);
	else
		written = tail_write(s, envelope);
	if (!written)
		give_back(s->c2s, envelope, true);
}

/* -- controls from the sm ------------------------------------------------- */

static const struct {
	const char *name;
	void (*take)(struct stream *s, const struct envelope *envelope,
		     const struct element *element);
} controls[] = {
	{ "challenge", c2s_sasl_challenge },
	{ "failure", c2s_sasl_failure },
	{ "success", c2s_sasl_success },
	{ "registered", negotiate_registered },
	{ "opened", c2s_session_opened },
	{ "refused", c2s_session_refused },
	{ "snapshot", c2s_session_snapshot },
	{ "close", c2s_session_close },
	{ "closed", c2s_session_close },
	{ "lost", c2s_move_lost },
	{ "released", c2s_move_released },
	{ "managed", c2s_management_enabled },
};

static void take_control(struct c2s *c2s, const struct envelope *envelope,
			 const struct element *element)
{
	struct stream *s =
		envelope->session ? stream_find(c2s, envelope->session) : NULL;

	if (element_is(element, "mechanisms", NS_LINK)) {
		c2s_domain_mechanisms(c2s, envelope, element);
		return;
	}
	if (!s || s->state == STATE_CLOSING) {
		if (element_is(element, "opened", NS_LINK))
			say_closed(c2s, envelope);
		return;
	}
	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++) {
		if (element_is(element, controls[i].name, NS_LINK)) {
			controls[i].take(s, envelope, element);
			return;
		}
	}
	log_warning(c2s->log, "relay.unknown-control",
		    LOG_S("session", envelope->session),
		    LOG_S("from", envelope->from),
		    LOG_S("name", element->name));
}

static void parse_control(struct c2s *c2s, const struct envelope *envelope)
{
	struct error err;
	struct stanza *stanza =
		envelope_parse(envelope, c2s->link_parser, &err);

	if (!stanza) {
		log_error(c2s->log, "relay.bad-control",
			  LOG_S("from", envelope->from),
			  LOG_S("error", err.text));
		return;
	}
	take_control(c2s, envelope, stanza->root);
	stanza_free(&stanza);
}

static void on_received(struct link *link, const struct envelope *envelope,
			struct link_receipt receipt, void *ctx)
{
	struct c2s *c2s = ctx;
	struct stream *s;

	if (envelope->control) {
		parse_control(c2s, envelope);
	} else {
		s = envelope->session ? stream_find(c2s, envelope->session)
				      : NULL;
		if (s && s->session && s->session->open)
			take_stanza(s, envelope);
		else
			give_back(c2s, envelope, false);
	}
	link_processed(link, receipt);
}

/* -- the state of the link ------------------------------------------------ */

static bool is_for_owner(const struct stream *s,
			 const struct envelope *envelope)
{
	return str_equal(envelope->at, s->session->owner) &&
	       str_equal(envelope->receiver_epoch ? envelope->receiver_epoch
						  : "",
			 s->session->epoch);
}

/* What came back was for one sm that is gone. By the state of the stream it
 * is clear what that means. */
static void control_undelivered(struct stream *s,
				const struct envelope *envelope)
{
	switch ((enum stream_state)s->state) {
	case STATE_SASL_WAIT:
		if (str_equal(envelope->at, s->negotiation->sm))
			c2s_sasl_sm_gone(s);
		break;
	case STATE_REGISTERING:
		if (str_equal(envelope->at, s->negotiation->sm))
			negotiate_register_failed(s);
		break;
	case STATE_OPENING:
		if (is_for_owner(s, envelope))
			c2s_session_open_failed(s);
		break;
	case STATE_RECOVERING:
		if (is_for_owner(s, envelope))
			c2s_move_undelivered(s);
		break;
	default:
		break;
	}
}

/* The end of a session is everybody's business who serves the user. */
static bool pass_on_closed(struct c2s *c2s, const struct envelope *envelope)
{
	static const char start[] = "<link:closed";
	struct envelope next = *envelope;

	if (!envelope->control || !envelope->at || !envelope->to ||
	    envelope->payload_len < sizeof(start) ||
	    memcmp(envelope->payload, start, sizeof(start) - 1) != 0)
		return false;
	next.at = next.receiver_epoch = NULL;
	link_send(c2s->link, &next);
	return true;
}

static void stanza_undelivered(struct stream *s,
			       const struct envelope *envelope)
{
	const char *slash =
		envelope->origin ? strrchr(envelope->origin, '/') : NULL;
	uint64_t number;

	if (s->session && s->session->open && slash &&
	    str_to_u64(slash + 1, 1, UINT64_MAX, &number) == 0)
		c2s_move_returned(s, number, envelope->payload,
				  envelope->payload_len);
}

static void on_undelivered(struct link *link, const struct envelope *envelope,
			   const char *reason, void *ctx)
{
	struct c2s *c2s = ctx;
	struct stream *s =
		envelope->session ? stream_find(c2s, envelope->session) : NULL;

	(void)link;
	log_debug(c2s->log, "relay.undelivered",
		  LOG_S("session", envelope->session),
		  LOG_S("at", envelope->at), LOG_S("reason", reason));
	if (!pass_on_closed(c2s, envelope) && s && s->state != STATE_CLOSING) {
		if (envelope->control)
			control_undelivered(s, envelope);
		else
			stanza_undelivered(s, envelope);
	}
	flight_end(c2s, envelope->token);
}

static void on_delivered(struct link *link, uint64_t token, void *ctx)
{
	(void)link;
	flight_end(ctx, token);
}

static void on_members(struct link *link, const char *name, void *ctx)
{
	(void)link;
	c2s_domain_members(ctx, name);
}

static void on_drained(struct link *link, const char *at, void *ctx)
{
	struct c2s *c2s = ctx;
	struct stream *s, *next;

	(void)link;
	DL_FOREACH_SAFE(c2s->blocked, s, next) {
		if (!s->session || str_equal(s->session->owner, at))
			stream_unblock(s);
	}
}

const struct link_handlers relay_handlers = {
	.received = on_received,
	.delivered = on_delivered,
	.undelivered = on_undelivered,
	.members = on_members,
	.drained = on_drained,
	.command = c2s_command,
};
