/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of one connection with another server: reading, the parsing of
 * elements, time-outs, and the ends that it can come to.
 */
#include "s2s/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "s2s/incoming.h"
#include "s2s/local.h"
#include "s2s/management.h"
#include "s2s/outgoing.h"
#include "s2s/relay.h"
#include "s2s/remote.h"
#include "s2s/trust.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/jid.h"

#define INCOMING_IDLE 4 /* times the idle time of outgoing ones */
#define CLOSE_WAIT 2000 /* ms for the peer's end tag (section 4.4) */
#define DIALBACK_NS " xmlns:db='" NS_DIALBACK "'"

static const char *const state_names[] = {
	[S2S_HANDSHAKE] = "handshake", [S2S_HEADER] = "header",
	[S2S_FEATURES] = "features",   [S2S_PROCEED] = "proceed",
	[S2S_JUDGE] = "judging",
	[S2S_AUTH] = "authenticating", [S2S_RESUME] = "resuming",
	[S2S_READY] = "ready",
	[S2S_CLOSING] = "closing",
};

const char *s2s_state_name(enum s2s_state state)
{
	return state_names[state];
}

/* -- reading, and not ----------------------------------------------------- */

static void update_reading(struct s2s_stream *s)
{
	bool pause = s->blocked && s->state != S2S_CLOSING;

	if (pause == s->paused || s->ended)
		return;
	s->paused = pause;
	if (pause)
		conn_pause(s->conn);
	else
		conn_resume(s->conn);
}

void s2s_stream_block(struct s2s_stream *s)
{
	if (s->blocked)
		return;
	s->blocked = true;
	DL_APPEND(s->s2s->blocked, s);
	update_reading(s);
}

void s2s_stream_unblock(struct s2s_stream *s)
{
	if (!s->blocked)
		return;
	s->blocked = false;
	DL_DELETE(s->s2s->blocked, s);
	update_reading(s);
}

/* -- the end -------------------------------------------------------------- */

static void on_timer(struct timer *timer);

/* The last call to the connection: only on_closed() still comes. */
static void end(struct s2s_stream *s, const char *abort_reason)
{
	if (s->ended)
		return;
	s->ended = true;
	timer_stop(&s->timer);
	if (abort_reason)
		conn_abort(s->conn, abort_reason);
	else
		conn_close(s->conn);
}

static void begin_closing(struct s2s_stream *s, const char *reason)
{
	stream_write_end(&s->s2s->out);
	s2s_stream_flush(s);
	s2s_stream_unblock(s);
	s2s_stream_set_state(s, S2S_CLOSING);
	s2s_remotes_leave(s, reason, false);
}

static void answer_header(struct s2s_stream *s)
{
	if (s->incoming)
		s2s_stream_header(s, s->local, s->remote);
}

void s2s_stream_fail(struct s2s_stream *s, enum stream_error condition,
		     const char *text)
{
	struct s2s *s2s = s->s2s;
	const char *word = stream_error_condition(condition);
	char address[ADDRESS_MAX];

	if (s->state == S2S_CLOSING)
		return;
	conn_peer_address(s->conn, address);
	s2s->stats.errors[condition]++;
	log_info(s2s->log, "stream.error", LOG_N("stream", s->serial),
		 LOG_S("direction", s->incoming ? "in" : "out"),
		 LOG_S("local", s->local), LOG_S("remote", s->remote),
		 LOG_S("condition", word), LOG_S("text", text),
		 LOG_S("state", state_names[s->state]),
		 LOG_S("address", address));
	if (s->state == S2S_HANDSHAKE) {
		/* Nothing can be said while TLS is not there. */
		s2s_stream_set_state(s, S2S_CLOSING);
		s2s_remotes_leave(s, text ? text : word, false);
		end(s, word);
		return;
	}
	answer_header(s);
	s2s_management_part(s);
	stream_write_error(&s2s->out, condition, text);
	begin_closing(s, text ? text : word);
	end(s, NULL);
}

void s2s_stream_close(struct s2s_stream *s, const char *reason)
{
	if (s->state == S2S_CLOSING)
		return;
	answer_header(s);
	s2s_management_part(s);
	begin_closing(s, reason);
	if (!s->ended)
		timer_start(&s->timer, s->s2s->loop, CLOSE_WAIT, on_timer);
}

void s2s_stream_abort(struct s2s_stream *s, const char *reason)
{
	end(s, reason);
}

void s2s_stream_replace(struct s2s_stream *s)
{
	s2s_remotes_leave(s, "it was resumed elsewhere", true);
	s2s_stream_fail(s, STREAM_CONFLICT, "it was resumed elsewhere");
}

static void forget_namespaces(struct s2s_stream *s)
{
	if (s->has_ns)
		stream_ns_free(&s->ns);
	s->has_ns = false;
}

static void stream_free(struct s2s_stream *s)
{
	struct s2s *s2s = s->s2s;

	s->ended = true;
	timer_stop(&s->timer);
	s2s_stream_unblock(s);
	frame_free(&s->frame);
	forget_namespaces(s);
	s2s_grants_free(&s->grants);
	admission_release(&s->admission);
	HASH_DEL(s2s->streams, s);
	s2s_dane_free(&s->dane);
	mem_free(s->peer_id);
	mem_free(s->lacks);
	mem_free(s->local);
	mem_free(s->remote);
	mem_free(s);
}

static void on_closed(struct conn *conn, const char *reason, void *ctx)
{
	struct s2s_stream *s = ctx;
	struct s2s *s2s = s->s2s;

	(void)conn;
	log_info(s2s->log, "stream.closed", LOG_N("stream", s->serial),
		 LOG_S("direction", s->incoming ? "in" : "out"),
		 LOG_S("local", s->local), LOG_S("remote", s->remote),
		 LOG_S("reason", reason));
	s->ended = true;
	s->state = S2S_CLOSING;
	s2s_remotes_leave(s, reason ? reason : "the connection was closed",
			  true);
	stream_free(s);
	s2s_check_stopped(s2s);
}

void s2s_streams_drop(struct s2s *s2s)
{
	struct s2s_stream *s, *next;

	HASH_ITER(hh, s2s->streams, s, next)
		stream_free(s);
}

/* -- time ----------------------------------------------------------------- */

static void watch_idle(struct s2s_stream *s)
{
	struct s2s *s2s = s->s2s;
	uint64_t limit = (uint64_t)s2s->config->idle_timeout;
	uint64_t idle = loop_now(s2s->loop) - s->used;

	/* Better it is closed by who sends: nothing is on its way then. */
	if (s->incoming)
		limit *= INCOMING_IDLE;

	if (idle >= limit)
		s2s_stream_close(s, "nothing to say");
	else
		timer_start(&s->timer, s2s->loop, limit - idle, on_timer);
}

static void on_timer(struct timer *timer)
{
	struct s2s_stream *s = container_of(timer, struct s2s_stream, timer);

	if (s->state == S2S_CLOSING)
		end(s, NULL);
	else if (s->state == S2S_READY && (!s->incoming || s->grants))
		watch_idle(s);
	else
		s2s_stream_fail(s, STREAM_CONNECTION_TIMEOUT,
				"it took too long to authenticate");
}

void s2s_stream_set_state(struct s2s_stream *s, enum s2s_state state)
{
	s->state = (uint8_t)state;
	if (state == S2S_READY && !s->incoming && !s->ended) {
		s->used = loop_now(s->s2s->loop);
		watch_idle(s);
	}
	if (state == S2S_CLOSING)
		admission_authenticated(&s->admission);
	update_reading(s);
}

/* -- grants --------------------------------------------------------------- */

void s2s_grants_free(struct s2s_grant **grants)
{
	struct s2s_grant *grant, *next;

	LL_FOREACH_SAFE(*grants, grant, next) {
		mem_free(grant->local);
		mem_free(grant->remote);
		mem_free(grant->lacks);
		mem_free(grant);
	}
	*grants = NULL;
}

static struct s2s_grant *find_grant(struct s2s_grant *list, const char *local,
				    const char *remote)
{
	struct s2s_grant *grant;

	LL_FOREACH(list, grant) {
		if (str_equal(grant->local, local) &&
		    str_equal(grant->remote, remote))
			return grant;
	}
	return NULL;
}

void s2s_stream_grant(struct s2s_stream *s, const char *local,
		      const char *remote, enum trust level, const char *lacks)
{
	struct s2s *s2s = s->s2s;
	struct s2s_grant *grant = find_grant(s->grants, local, remote);
	char address[ADDRESS_MAX];

	if (!grant) {
		grant = mem_new(struct s2s_grant);
		grant->local = mem_strdup(local);
		grant->remote = mem_strdup(remote);
		LL_APPEND(s->grants, grant);
	}
	grant->level = level;
	mem_free(grant->lacks);
	grant->lacks = lacks ? mem_strdup(lacks) : NULL;
	s2s_trust_trial(s2s, S2S_IN, local, remote, level, lacks);
	s2s->stats.reached[S2S_IN][level]++;
	conn_peer_address(s->conn, address);
	log_info(s2s->log, "stream.authenticated", LOG_N("stream", s->serial),
		 LOG_S("direction", "in"), LOG_S("local", local),
		 LOG_S("remote", remote), LOG_S("trust", trust_names[level]),
		 LOG_S("tls", conn_tls_version(s->conn)),
		 LOG_S("address", address));
	admission_authenticated(&s->admission);
	s->frame.limits = &s2s->after;
	s->used = loop_now(s2s->loop);
	watch_idle(s);
	/* After EXTERNAL the stream begins anew first. */
	if (!s->external)
		s2s_remote_encouraged(s2s, local, remote, s);
}

const struct s2s_grant *s2s_stream_granted(const struct s2s_stream *s,
					   const char *local,
					   const char *remote)
{
	return find_grant(s->grants, local, remote);
}

void s2s_grants_move(struct s2s_grant **to, struct s2s_grant **from)
{
	struct s2s_grant *grant, *next;

	LL_FOREACH_SAFE(*from, grant, next) {
		if (find_grant(*to, grant->local, grant->remote))
			continue;
		LL_DELETE(*from, grant);
		LL_APPEND(*to, grant);
	}
	s2s_grants_free(from);
}

enum trust s2s_stream_level(const struct s2s_stream *s)
{
	const struct s2s_grant *grant;

	if (!s->incoming)
		return s->level;
	grant = s2s_stream_granted(s, s->local, s->remote);
	return grant ? grant->level : TRUST_PERMISSIVE;
}

/* -- reading -------------------------------------------------------------- */

static void take_element(struct s2s_stream *s, const char *bytes, size_t len)
{
	struct error err;
	struct stanza *stanza;

	if (!s->has_ns) {
		s2s_stream_fail(s, STREAM_NOT_WELL_FORMED, NULL);
		return;
	}
	stanza = stanza_parse(s->s2s->parser, &s->ns, bytes, len, &err);
	if (!stanza) {
		s2s_stream_fail(s, stream_error_of_bytes(bytes, len), err.text);
		return;
	}
	if (s->incoming)
		s2s_incoming_element(s, stanza);
	else
		s2s_outgoing_element(s, stanza);
	stanza_free(&stanza);
}

/* Section 4.8: the names and namespaces of the header itself. */
static bool check_header(struct s2s_stream *s, const struct element *header,
			 const char *bytes, size_t len)
{
	static const char start[] = "<stream:";

	if (!str_equal(header->ns, NS_STREAM))
		s2s_stream_fail(s, STREAM_INVALID_NAMESPACE,
				"the header is in an unknown namespace");
	else if (len < sizeof(start) || memcmp(bytes, start, 8) != 0)
		s2s_stream_fail(s, STREAM_BAD_NAMESPACE_PREFIX,
				"the prefix of the header must be stream");
	else if (!str_equal(header->name, "stream"))
		s2s_stream_fail(s, STREAM_BAD_FORMAT,
				"this is no stream header");
	else if (!str_equal(s->ns.content, NS_SERVER))
		s2s_stream_fail(s, STREAM_INVALID_NAMESPACE,
				"the content namespace must be jabber:server");
	else
		return true;
	return false;
}

static void take_header(struct s2s_stream *s, const char *bytes, size_t len)
{
	struct error err;
	struct stanza *stanza;

	forget_namespaces(s);
	stanza = stanza_parse_header(s->s2s->parser, bytes, len, &s->ns, &err);
	if (!stanza) {
		s2s_stream_fail(s, stream_error_of_bytes(bytes, len), err.text);
		return;
	}
	s->has_ns = true;
	if (check_header(s, stanza->root, bytes, len)) {
		if (s->incoming)
			s2s_incoming_header(s, stanza->root);
		else
			s2s_outgoing_header(s, stanza->root);
	}
	stanza_free(&stanza);
}

/* After our end tag, until the peer's: what was on its way still counts
 * (RFC 6120 section 4.4), but nothing is negotiated any more. Where the peer
 * waits for acknowledgements, none can be given now: it sends it again. */
static void take_late(struct s2s_stream *s, const char *bytes, size_t len)
{
	struct stanza *stanza =
		s->has_ns && !s->managed && (s->grants || s->bidi) ?
			stanza_parse(s->s2s->parser, &s->ns, bytes, len, NULL) :
			NULL;

	if (stanza && s2s_relay_is_stanza(stanza->root))
		s2s_relay_stanza(s, stanza);
	stanza_free(&stanza);
}

static bool on_frame(enum frame_kind kind, const char *bytes, size_t len,
		     void *ctx)
{
	struct s2s_stream *s = ctx;

	if (s->state == S2S_CLOSING) {
		if (kind == FRAME_END)
			end(s, NULL);
		else if (kind == FRAME_ELEMENT && !s->ended)
			take_late(s, bytes, len);
		return true;
	}
	switch (kind) {
	case FRAME_HEADER:
		take_header(s, bytes, len);
		break;
	case FRAME_ELEMENT:
		take_element(s, bytes, len);
		break;
	case FRAME_WHITESPACE:
		break;
	case FRAME_END:
		s2s_stream_close(s, "closed by the peer");
		end(s, NULL);
		break;
	}
	/* After <starttls/> or <proceed/> the rest of the input is not to be
	 * looked at: it came in the clear. */
	return s->state != S2S_HANDSHAKE;
}

static void on_data(struct conn *conn, const char *bytes, size_t len, void *ctx)
{
	struct s2s_stream *s = ctx;
	enum frame_error error;

	(void)conn;
	s->s2s->stats.bytes[S2S_IN] += len;
	error = frame_push(&s->frame, bytes, len, on_frame, s);
	if (error != FRAME_OK)
		s2s_stream_fail(s, stream_error_of_frame(error), s->frame.reason);
}

static void on_secured(struct conn *conn, void *ctx)
{
	struct s2s_stream *s = ctx;

	(void)conn;
	if (s->state != S2S_HANDSHAKE)
		return;
	s2s_stream_set_state(s, S2S_HEADER);
	if (!s->incoming)
		s2s_stream_header(s, s->local, s->remote);
}

static void on_drained(struct conn *conn, void *ctx)
{
	struct s2s_stream *s = ctx;

	(void)conn;
	s2s_remotes_flush(s);
}

static const struct conn_handlers handlers = {
	.secured = on_secured,
	.data = on_data,
	.drained = on_drained,
	.closed = on_closed,
};

/* -- the rest ------------------------------------------------------------- */

struct s2s_stream *s2s_stream_new(struct s2s *s2s, struct conn *conn,
				  bool incoming, bool direct)
{
	const struct s2s_config *config = s2s->config;
	struct s2s_stream *s = mem_new(struct s2s_stream);

	s->s2s = s2s;
	s->conn = conn;
	s->serial = ++s2s->last_serial;
	s->incoming = incoming;
	s->direct = direct;
	s->used = loop_now(s2s->loop);
	frame_init(&s->frame, incoming ? &s2s->before : &s2s->after);
	HASH_ADD(hh, s2s->streams, serial, sizeof(s->serial), s);
	s->state = direct ? S2S_HANDSHAKE : S2S_HEADER;
	conn_set_handlers(conn, &handlers, s);
	conn_set_high_water(conn, (size_t)config->write_queue);
	conn_set_write_timeout(conn, (uint64_t)config->write_timeout);
	if (incoming) {
		conn_set_rate(conn, (uint64_t)config->rate,
			      (uint64_t)config->burst);
		timer_start(&s->timer, s2s->loop,
			    (uint64_t)config->auth_timeout, on_timer);
	}
	return s;
}

void s2s_stream_accept(struct conn *conn, const struct admission *admission,
		       bool direct, void *ctx)
{
	struct s2s *s2s = ctx;
	struct s2s_stream *s = s2s_stream_new(s2s, conn, true, direct);
	char address[ADDRESS_MAX];

	s->admission = *admission;
	conn_peer_address(conn, address);
	log_debug(s2s->log, "stream.accepted", LOG_N("stream", s->serial),
		  LOG_S("address", address));
	if (direct)
		conn_start_tls(conn, s2s->direct, NULL);
}

void s2s_stream_restart(struct s2s_stream *s)
{
	frame_reset(&s->frame);
	s->header_sent = false;
	s->id[0] = '\0';
}

void s2s_stream_write(struct s2s_stream *s, const char *bytes, size_t len)
{
	if (s->ended)
		return;
	s->s2s->stats.bytes[S2S_OUT] += len;
	conn_write(s->conn, bytes, len);
}

void s2s_stream_flush(struct s2s_stream *s)
{
	struct buf *out = &s->s2s->out;

	s2s_stream_write(s, buf_data(out), out->len);
	buf_clear(out, S2S_OUT_KEEP);
}

void s2s_stream_header(struct s2s_stream *s, const char *from, const char *to)
{
	struct stream_header header = {
		.content_ns = NS_SERVER,
		.from = from,
		.to = to,
		.version = "1.0",
		.extra = DIALBACK_NS,
	};
	struct buf out = { 0 };

	if (s->header_sent)
		return;
	if (s->incoming) {
		loop_random_hex(s->s2s->loop, s->id, sizeof(s->id) - 1);
		header.id = s->id;
	}
	s->header_sent = true;
	/* Not in s2s->out: an answer may be half-way in there. */
	stream_write_header(&out, &header);
	s2s_stream_write(s, buf_data(&out), out.len);
	buf_free(&out);
}

struct s2s_stream *s2s_stream_find(struct s2s *s2s, uint64_t serial)
{
	struct s2s_stream *s;

	HASH_FIND(hh, s2s->streams, &serial, sizeof(serial), s);
	return s && s->state != S2S_CLOSING ? s : NULL;
}
