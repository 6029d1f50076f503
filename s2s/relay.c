/* SPDX-License-Identifier: Apache-2.0
 *
 * Stanzas from streams to roles, and from roles to streams.
 */
#include "s2s/relay.h"

#include <stdio.h>
#include <string.h>

#include "s2s/access.h"
#include "s2s/local.h"
#include "s2s/management.h"
#include "s2s/remote.h"
#include "s2s/trust.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/jid.h"

#define MISTYPED_MAX 200 /* bytes of an address in an error text */

static const struct link_receipt no_receipt = { .n = 0 };

bool s2s_relay_is_stanza(const struct element *root)
{
	return element_is(root, "message", NS_CLIENT) ||
	       element_is(root, "presence", NS_CLIENT) ||
	       element_is(root, "iq", NS_CLIENT);
}

/* -- errors --------------------------------------------------------------- */

/* To a role of ours, by the address of the stanza. */
static enum link_sent send_home(struct s2s *s2s, const struct stanza *stanza,
				const char *to, const char *trust,
				uint64_t token)
{
	struct envelope envelope = { .to = to, .trust = trust, .token = token };
	enum link_sent sent;

	if (!s2s->link)
		return LINK_NO_ROUTE;
	stanza_write(stanza, &s2s->out);
	envelope.payload = buf_data(&s2s->out);
	envelope.payload_len = s2s->out.len;
	sent = link_send(s2s->link, &envelope);
	buf_clear(&s2s->out, S2S_OUT_KEEP);
	return sent;
}

static void log_returned(struct s2s *s2s, const struct stanza *stanza,
			 enum stanza_error condition, const char *text)
{
	log_info(s2s->log, "stanza.returned",
		 LOG_S("stanza", stanza->root->name),
		 LOG_S("from", element_attr(stanza->root, "from")),
		 LOG_S("to", element_attr(stanza->root, "to")),
		 LOG_S("condition", stanza_error_condition(condition)),
		 LOG_S("text", text));
}

/* Answers a stanza of ours. Takes the answer. */
static void answer_home(struct s2s *s2s, struct stanza *answer)
{
	const char *to = element_attr(answer->root, "to");

	if (to)
		send_home(s2s, answer, to, NULL, 0);
	stanza_free(&answer);
}

static void bounce_stanza(struct s2s *s2s, const struct stanza *stanza,
			  enum stanza_error condition, const char *text)
{
	s2s->stats.bounced++;
	log_returned(s2s, stanza, condition, text);
	if (stanza_may_answer(stanza))
		answer_home(s2s, stanza_error_new(stanza, condition, text));
}

void s2s_relay_done(struct s2s *s2s, struct link_receipt receipt)
{
	if (receipt.n > 0 && s2s->link)
		link_processed(s2s->link, receipt);
}

void s2s_relay_bounce(struct s2s *s2s, const char *bytes, size_t len,
		      enum stanza_error condition, const char *text,
		      struct link_receipt receipt)
{
	struct stanza *stanza = stanza_parse(
		s2s->link_parser, &stream_ns_client, bytes, len, NULL);

	if (stanza)
		bounce_stanza(s2s, stanza, condition, text);
	stanza_free(&stanza);
	s2s_relay_done(s2s, receipt);
}

/* Answers what a remote domain sent. Takes the answer. */
static void answer_abroad(struct s2s *s2s, struct stanza *answer)
{
	struct jid *from = jid_parse(element_attr(answer->root, "from"));
	struct jid *to = jid_parse(element_attr(answer->root, "to"));
	struct buf bytes = { 0 };

	if (from && to) {
		stanza_write(answer, &bytes);
		s2s_remote_send(s2s, jid_domain(from), jid_domain(to),
				buf_data(&bytes), bytes.len, -1, no_receipt);
	}
	buf_free(&bytes);
	jid_free(&from);
	jid_free(&to);
	stanza_free(&answer);
}

/* What a remote domain sent, and nobody here takes. */
static void return_abroad(struct s2s *s2s, const struct stanza *stanza,
			  enum stanza_error condition, const char *text)
{
	log_returned(s2s, stanza, condition, text);
	if (stanza_may_answer(stanza))
		answer_abroad(s2s, stanza_error_new(stanza, condition, text));
}

/* What a rule denies, to whoever sent it. */
static void deny(struct s2s *s2s, const struct stanza *stanza,
		 const struct s2s_decision *decision, bool abroad)
{
	bool may = decision->access == S2S_ACCESS_REFUSE ||
		   (decision->access == S2S_ACCESS_ANSWER &&
		    stanza_may_answer(stanza));
	struct stanza *answer;

	if (!may)
		return;
	answer = decision->access == S2S_ACCESS_REFUSE
			 ? s2s_access_refusal(stanza)
			 : stanza_error_new(stanza, decision->error,
					    decision->text);
	if (abroad)
		answer_abroad(s2s, answer);
	else
		answer_home(s2s, answer);
}

/* -- from streams --------------------------------------------------------- */

/* The trust with which the stream may carry this pair; -1: not at all. An
 * incoming stream that has shown a certificate may speak to all our domains
 * that want no more than that. */
static int trust_for(const struct s2s_stream *s, const char *local,
		     const char *remote)
{
	const struct s2s_grant *grant = s2s_stream_granted(s, local, remote);

	if (!s->incoming)
		return s->bidi && str_equal(local, s->local) &&
				       str_equal(remote, s->remote)
			       ? (int)s->level
			       : -1;
	if (grant)
		return (int)grant->level;
	LL_FOREACH(s->grants, grant) {
		if (str_equal(grant->remote, remote) &&
		    grant->level == TRUST_TRUSTED &&
		    !s2s_policy(s->s2s, local, remote).refuse)
			return TRUST_TRUSTED;
	}
	return -1;
}

static void deliver(struct s2s_stream *s, const struct stanza *stanza,
		    const struct jid *from, const struct jid *to,
		    enum trust level)
{
	struct s2s *s2s = s->s2s;
	uint64_t token = s2s_management_token(s);
	struct s2s_decision decision;
	const char *at;

	s->stanzas++;
	s->used = loop_now(s2s->loop);
	s2s->stats.stanzas[S2S_IN]++;
	decision = s2s_access_in(s2s, stanza, from, to, level);
	if (decision.access != S2S_ACCESS_PASS) {
		deny(s2s, stanza, &decision, true);
		s2s_management_handled(s2s, token);
		return;
	}
	if (send_home(s2s, stanza, jid_full(to), trust_names[level],
		      token) == LINK_NO_ROUTE) {
		return_abroad(s2s, stanza, STANZA_INTERNAL_SERVER_ERROR,
			      "nobody serves this domain at the moment");
		s2s_management_handled(s2s, token);
		return;
	}
	at = link_owner(s2s->link, jid_full(to));
	if (at && link_congested(s2s->link, at))
		s2s_stream_block(s);
}

static void judge(struct s2s_stream *s, struct stanza *stanza,
		  const struct jid *from, const struct jid *to)
{
	struct s2s *s2s = s->s2s;
	int level = trust_for(s, jid_domain(to), jid_domain(from));

	if (level >= 0 && s2s_local_is(s2s, jid_domain(to))) {
		element_set_attr(stanza->root, "from", jid_full(from));
		element_set_attr(stanza->root, "to", jid_full(to));
		deliver(s, stanza, from, to, (enum trust)level);
		return;
	}
	s2s->stats.forged++;
	log_warning(s2s->log, "stanza.forged", LOG_N("stream", s->serial),
		    LOG_S("from", jid_full(from)), LOG_S("to", jid_full(to)));
	if (!s2s_local_is(s2s, jid_domain(to)))
		s2s_stream_fail(s, STREAM_HOST_UNKNOWN,
				"the stanza is to a domain not served here");
	else if (s->incoming && !s->grants)
		s2s_stream_fail(s, STREAM_NOT_AUTHORIZED,
				"stanzas need authentication");
	else
		s2s_stream_fail(s, STREAM_INVALID_FROM,
				"the stanza is from a domain that was not "
				"authenticated for this one");
}

/* The peer's user mistyped an address of ours; the stream is not to blame. The
 * error comes from the domain, since from the address it cannot. */
static void return_mistyped(struct s2s_stream *s, const struct stanza *stanza,
			    const struct jid *from, const char *to)
{
	size_t len = strcspn(to, "/");
	const char *at = memchr(to, '@', len);
	const char *start = at ? at + 1 : to;
	char *name = mem_strndup(start, len - (size_t)(start - to));
	char *local = jid_prepare_domain(name);
	char text[MISTYPED_MAX + 32];

	log_info(s->s2s->log, "stanza.malformed", LOG_N("stream", s->serial),
		 LOG_S("to", to));
	if (local && s2s_local_is(s->s2s, local) &&
	    trust_for(s, local, jid_domain(from)) >= 0) {
		snprintf(text, sizeof(text), "\"%.*s\" is no address",
			 MISTYPED_MAX, to);
		element_set_attr(stanza->root, "to", local);
		return_abroad(s->s2s, stanza, STANZA_JID_MALFORMED, text);
	}
	mem_free(local);
	mem_free(name);
}

void s2s_relay_stanza(struct s2s_stream *s, struct stanza *stanza)
{
	const char *from_text = element_attr(stanza->root, "from");
	const char *to_text = element_attr(stanza->root, "to");
	struct jid *from = from_text ? jid_parse(from_text) : NULL;
	struct jid *to = to_text ? jid_parse(to_text) : NULL;

	if (!s2s_relay_is_stanza(stanza->root))
		s2s_stream_fail(s, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
	else if (!s2s_management_received(s))
		log_debug(s->s2s->log, "stanza.repeated",
			  LOG_N("stream", s->serial));
	else if (!from_text || !to_text)
		s2s_stream_fail(s, STREAM_IMPROPER_ADDRESSING,
				"a stanza needs from and to");
	else if (!from)
		s2s_stream_fail(s, STREAM_INVALID_FROM, NULL);
	else if (!to && (s->grants || s->bidi))
		return_mistyped(s, stanza, from, to_text);
	else if (!to)
		s2s_stream_fail(s, STREAM_IMPROPER_ADDRESSING, NULL);
	else
		judge(s, stanza, from, to);
	jid_free(&from);
	jid_free(&to);
}

/* -- from the link -------------------------------------------------------- */

/* Under jabber:server the bytes mean the same as under jabber:client, unless
 * they name one of them or use prefixes of the client's stream. */
static bool may_pass(const struct envelope *envelope)
{
	static const char content[] = "jabber:client";
	static const char server[] = "jabber:server";

	return !envelope->namespaces &&
	       !memmem(envelope->payload, envelope->payload_len, content,
		       sizeof(content) - 1) &&
	       !memmem(envelope->payload, envelope->payload_len, server,
		       sizeof(server) - 1);
}

static void send_abroad(struct s2s *s2s, const struct envelope *envelope,
			const struct stanza *stanza, const char *local,
			const char *remote, int need,
			struct link_receipt receipt)
{
	struct buf bytes = { 0 };

	if (may_pass(envelope)) {
		s2s_remote_send(s2s, local, remote, envelope->payload,
				envelope->payload_len, need, receipt);
		return;
	}
	stanza_write(stanza, &bytes);
	s2s_remote_send(s2s, local, remote, buf_data(&bytes), bytes.len, need,
			receipt);
	buf_free(&bytes);
}

static void take(struct s2s *s2s, const struct envelope *envelope,
		 const struct stanza *stanza, struct link_receipt receipt)
{
	const char *from_text = element_attr(stanza->root, "from");
	const char *to_text = element_attr(stanza->root, "to");
	struct jid *from = from_text ? jid_parse(from_text) : NULL;
	struct jid *to = to_text ? jid_parse(to_text) : NULL;
	struct s2s_decision decision;
	bool sent = false;

	if (from && to_text && !to) {
		bounce_stanza(s2s, stanza, STANZA_JID_MALFORMED,
			      "the address is malformed");
	} else if (!from || !to || !s2s_local_is(s2s, jid_domain(from))) {
		log_warning(s2s->log, "stanza.foreign",
			    LOG_S("link", envelope->from),
			    LOG_S("from", from_text), LOG_S("to", to_text));
	} else if (s2s_local_is(s2s, jid_domain(to))) {
		/* Ours, and nobody serves it: not to be looked for outside. */
		bounce_stanza(s2s, stanza, STANZA_SERVICE_UNAVAILABLE,
			      "nobody serves this domain at the moment");
	} else {
		decision = s2s_access_out(s2s, envelope, stanza, from, to);
		sent = decision.access == S2S_ACCESS_PASS;
		if (sent)
			send_abroad(s2s, envelope, stanza, jid_domain(from),
				    jid_domain(to), decision.need, receipt);
		else
			deny(s2s, stanza, &decision, false);
	}
	if (!sent)
		link_processed(s2s->link, receipt);
	jid_free(&from);
	jid_free(&to);
}

static void on_received(struct link *link, const struct envelope *envelope,
			struct link_receipt receipt, void *ctx)
{
	struct s2s *s2s = ctx;
	struct error err = { .text = "not a stanza" };
	struct stanza *stanza = NULL;

	/* What is not acknowledged is sent to somebody else when we are
	 * gone. */
	if (s2s->stopping)
		return;
	if (!envelope->control)
		stanza = envelope_parse(envelope, s2s->link_parser, &err);
	if (stanza && s2s_relay_is_stanza(stanza->root)) {
		take(s2s, envelope, stanza, receipt);
	} else {
		log_warning(s2s->log, "relay.bad-envelope",
			    LOG_S("from", envelope->from),
			    LOG_S("error", err.text));
		link_processed(link, receipt);
	}
	stanza_free(&stanza);
}

static void on_undelivered(struct link *link, const struct envelope *envelope,
			   const char *reason, void *ctx)
{
	struct s2s *s2s = ctx;
	struct stanza *stanza =
		envelope_parse(envelope, s2s->link_parser, NULL);

	(void)link;
	log_info(s2s->log, "relay.undelivered", LOG_S("to", envelope->to),
		 LOG_S("at", envelope->at), LOG_S("reason", reason));
	/* Errors for our own users have no trust. */
	if (stanza && envelope->trust)
		return_abroad(s2s, stanza, STANZA_INTERNAL_SERVER_ERROR,
			      reason);
	stanza_free(&stanza);
	s2s_management_handled(s2s, envelope->token);
}

static void on_delivered(struct link *link, uint64_t token, void *ctx)
{
	(void)link;
	s2s_management_handled(ctx, token);
}

static void on_drained(struct link *link, const char *at, void *ctx)
{
	struct s2s *s2s = ctx;
	struct s2s_stream *s, *next;

	(void)link;
	(void)at;
	DL_FOREACH_SAFE(s2s->blocked, s, next)
		s2s_stream_unblock(s);
}

const struct link_handlers s2s_relay_handlers = {
	.received = on_received,
	.delivered = on_delivered,
	.undelivered = on_undelivered,
	.drained = on_drained,
	.command = s2s_command,
};
