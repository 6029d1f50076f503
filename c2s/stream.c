/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of one client's connection: reading, the dispatch of elements by
 * namespace and name, time-outs, and the ends that it can come to. What the
 * elements mean is not decided here.
 */
#include "c2s/stream.h"

#include <string.h>

#include "c2s/domain.h"
#include "c2s/management.h"
#include "c2s/move.h"
#include "c2s/negotiate.h"
#include "c2s/relay.h"
#include "c2s/sasl.h"
#include "c2s/session.h"
#include "c2s/tail.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/ns.h"

#define OUT_KEEP       16384 /* bytes of c2s->out that stay allocated */
#define CLOSE_WAIT     2000  /* ms for the peer's end tag (section 4.4) */
#define RECOVER_FIRST  100   /* ms before a lost owner is looked for again */
#define SESSION_DIGITS 24

#define RFC6120_URN    "urn:ietf:params:xml:ns:xmpp-"

/* -- states --------------------------------------------------------------- */

static const struct {
	const char *name;
	bool paused; /* it is an sm's turn */
} states[] = {
	[STATE_CLEAR_HEADER] = { "clear-header", false },
	[STATE_CLEAR] = { "clear", false },
	[STATE_HANDSHAKE] = { "handshake", false },
	[STATE_SECURE_HEADER] = { "secure-header", false },
	[STATE_WAITING] = { "waiting", true },
	[STATE_SECURE] = { "secure", false },
	[STATE_SASL_WAIT] = { "sasl-wait", true },
	[STATE_SASL] = { "sasl", false },
	[STATE_REGISTERING] = { "registering", true },
	[STATE_AUTH_HEADER] = { "authenticated-header", false },
	[STATE_AUTHENTICATED] = { "authenticated", false },
	[STATE_OPENING] = { "opening", true },
	[STATE_OPEN] = { "open", false },
	[STATE_RECOVERING] = { "recovering", true },
	[STATE_CLOSING] = { "closing", false },
};

_Static_assert(STATE_COUNT <= C2S_STATES, "c2s_stats.states is too small");

const char *stream_state_name(enum stream_state state)
{
	return states[state].name;
}

/* -- pieces that were read while paused ----------------------------------- */

/* At most what one read of the connection held: it stops reading then. */
struct piece {
	struct piece *next;
	enum frame_kind kind;
	size_t len;
	char bytes[];
};

struct backlog {
	struct deferred deferred;
	struct stream *stream;
	struct piece *pieces;
};

static void backlog_add(struct stream *s, enum frame_kind kind,
			const char *bytes, size_t len)
{
	struct piece *piece = mem_alloc(sizeof(*piece) + len);

	piece->kind = kind;
	piece->len = len;
	if (len > 0)
		memcpy(piece->bytes, bytes, len);
	if (!s->backlog) {
		s->backlog = mem_new(struct backlog);
		s->backlog->stream = s;
	}
	LL_APPEND(s->backlog->pieces, piece);
}

static void backlog_free(struct stream *s)
{
	struct piece *piece, *next;

	if (!s->backlog)
		return;
	loop_defer_cancel(s->c2s->loop, &s->backlog->deferred);
	LL_FOREACH_SAFE(s->backlog->pieces, piece, next)
		mem_free(piece);
	mem_free(s->backlog);
	s->backlog = NULL;
}

static bool take_piece(struct stream *s, enum frame_kind kind,
		       const char *bytes, size_t len);

static bool wants_pause(const struct stream *s)
{
	return states[s->state].paused ||
	       (s->blocked && s->state == STATE_OPEN);
}

static void resume(struct stream *s)
{
	s->paused = false;
	if (!s->ended)
		conn_resume(s->conn);
}

static void backlog_run(struct deferred *deferred)
{
	struct backlog *backlog =
		container_of(deferred, struct backlog, deferred);
	struct stream *s = backlog->stream;
	struct piece *piece;

	while (!wants_pause(s) && s->state != STATE_CLOSING &&
	       (piece = backlog->pieces) != NULL) {
		LL_DELETE(backlog->pieces, piece);
		take_piece(s, piece->kind, piece->bytes, piece->len);
		mem_free(piece);
	}
	if (!wants_pause(s)) {
		backlog_free(s);
		resume(s);
	}
}

/* Makes reading follow the state. What is in the backlog comes first. */
static void update_reading(struct stream *s)
{
	if (wants_pause(s)) {
		if (!s->paused && !s->ended)
			conn_pause(s->conn);
		s->paused = true;
	} else if (s->paused && s->backlog) {
		loop_defer(s->c2s->loop, &s->backlog->deferred, backlog_run);
	} else if (s->paused) {
		resume(s);
	}
}

/* -- the end -------------------------------------------------------------- */

static void on_timer(struct timer *timer);

/* The last call to the connection: only on_closed() still comes. */
static void end(struct stream *s, const char *abort_reason)
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

static void begin_closing(struct stream *s, const char *reason, bool cut)
{
	stream_write_end(&s->c2s->out);
	stream_flush_out(s);
	stream_unblock(s);
	c2s_session_end(s, reason, cut);
	stream_set_state(s, STATE_CLOSING);
}

void stream_fail(struct stream *s, enum stream_error condition,
		 const char *text)
{
	stream_fail_extra(s, condition, text, NULL);
}

void stream_cut(struct stream *s, const char *reason)
{
	end(s, reason);
}

/* Ends for which the client has done nothing: it may resume its session. */
static bool is_cut(enum stream_error condition)
{
	return condition == STREAM_CONNECTION_TIMEOUT ||
	       condition == STREAM_SEE_OTHER_HOST ||
	       condition == STREAM_SYSTEM_SHUTDOWN;
}

static void add_error(struct buf *to, enum stream_error condition,
		      const char *text, const char *extra)
{
	static const char end_tag[] = "</stream:error>";
	struct buf error = { 0 };

	if (!extra) {
		stream_write_error(to, condition, text);
		return;
	}
	stream_write_error(&error, condition, text);
	buf_add(to, buf_data(&error), error.len - (sizeof(end_tag) - 1));
	buf_add_str(to, extra);
	buf_add_str(to, end_tag);
	buf_free(&error);
}

void stream_fail_extra(struct stream *s, enum stream_error condition,
		       const char *text, const char *extra)
{
	struct c2s *c2s = s->c2s;
	const char *word = stream_error_condition(condition);
	char address[ADDRESS_MAX];

	if (s->state == STATE_CLOSING)
		return;
	conn_peer_address(s->conn, address);
	c2s->stats.errors[condition]++;
	log_info(c2s->log, "stream.error", LOG_S("session", s->id),
		 LOG_S("condition", word), LOG_S("text", text),
		 LOG_S("state", states[s->state].name),
		 LOG_S("address", address),
		 LOG_N("port", conn_peer_port(s->conn)));
	if (s->state == STATE_HANDSHAKE) {
		/* Nothing can be said while TLS is not there. */
		stream_set_state(s, STATE_CLOSING);
		end(s, word);
		return;
	}
	negotiate_answer_header(s, NULL);
	add_error(&c2s->out, condition, text, extra);
	begin_closing(s, word, is_cut(condition));
	end(s, NULL);
}

void stream_close(struct stream *s, const char *reason)
{
	if (s->state == STATE_CLOSING)
		return;
	negotiate_answer_header(s, NULL);
	begin_closing(s, reason, false);
	if (!s->ended)
		timer_start(&s->timer, s->c2s->loop, CLOSE_WAIT, on_timer);
}

static void negotiation_free(struct negotiation **negotiation)
{
	struct negotiation *n = *negotiation;

	if (!n)
		return;
	mem_free(n->lang);
	mem_free(n->sm);
	mem_free(n->mechanism);
	mem_free(n->iq_id);
	mem_free(n);
	*negotiation = NULL;
}

static void forget_namespaces(struct stream *s)
{
	if (s->ns)
		stream_ns_free(s->ns);
	mem_free(s->ns);
	s->ns = NULL;
	mem_free(s->namespaces);
	s->namespaces = NULL;
}

static void stream_free(struct stream *s, const char *reason)
{
	struct c2s *c2s = s->c2s;

	s->ended = true;
	c2s_session_end(s, reason, true);
	tail_return(s);
	tail_free(s);
	timer_stop(&s->timer);
	stream_unblock(s);
	backlog_free(s);
	frame_free(&s->frame);
	forget_namespaces(s);
	negotiation_free(&s->negotiation);
	c2s_domain_set(s, NULL);
	admission_release(&s->admission);
	c2s->stats.states[s->state]--;
	HASH_DEL(c2s->streams, s);
	mem_free(s);
}

static void log_tls_failure(const struct stream *s, const char *reason)
{
	char address[ADDRESS_MAX];

	conn_peer_address(s->conn, address);
	log_info(s->c2s->log, "tls.failed", LOG_S("session", s->id),
		 LOG_S("address", address),
		 LOG_N("port", conn_peer_port(s->conn)),
		 LOG_S("domain", s->domain ? s->domain->name : NULL),
		 LOG_S("reason", reason ? reason : "connection closed"));
}

static void on_closed(struct conn *conn, const char *reason, void *ctx)
{
	struct stream *s = ctx;
	struct c2s *c2s = s->c2s;

	(void)conn;
	/* A client that cannot, or a certificate that it does not take, is not
	 * seen anywhere else. */
	if (s->state == STATE_HANDSHAKE)
		log_tls_failure(s, reason);
	log_debug(c2s->log, "stream.closed", LOG_S("session", s->id),
		  LOG_S("reason", reason));
	stream_free(s, reason ? reason : "connection closed");
	c2s_check_stopped(c2s);
}

void streams_drop(struct c2s *c2s)
{
	struct stream *s, *next;

	HASH_ITER(hh, c2s->streams, s, next)
		stream_free(s, "the process ends");
}

/* -- time ----------------------------------------------------------------- */

/* Half of the time without a byte: a space shows whether the peer is still
 * there, or lets TCP find out that it is not. */
static void check_idle(struct stream *s)
{
	struct c2s *c2s = s->c2s;
	uint64_t limit = (uint64_t)c2s->config->idle_timeout;
	uint64_t idle = loop_now(c2s->loop) - s->heard;

	if (limit == 0)
		return;
	if (idle >= limit && !s->paused) {
		stream_fail(s, STREAM_CONNECTION_TIMEOUT, "no sign of life");
		return;
	}
	if (idle >= limit / 2) {
		stream_write(s, " ", 1);
		timer_start(&s->timer, c2s->loop,
			    idle < limit ? limit - idle : limit / 2 + 1,
			    on_timer);
		return;
	}
	timer_start(&s->timer, c2s->loop, limit / 2 - idle + 1, on_timer);
}

static void watch_idle(struct stream *s)
{
	s->heard = loop_now(s->c2s->loop);
	timer_stop(&s->timer);
	check_idle(s);
}

void stream_retry_later(struct stream *s, uint64_t ms)
{
	if (s->state == STATE_RECOVERING && !s->ended)
		timer_start(&s->timer, s->c2s->loop, ms, on_timer);
}

static void on_timer(struct timer *timer)
{
	struct stream *s = container_of(timer, struct stream, timer);

	switch ((enum stream_state)s->state) {
	case STATE_CLOSING:
		end(s, NULL);
		break;
	case STATE_OPEN:
		check_idle(s);
		break;
	case STATE_RECOVERING:
		c2s_move_retry(s);
		break;
	case STATE_WAITING:
		stream_fail(s, STREAM_REMOTE_CONNECTION_FAILED,
			    "log-in is not possible at the moment");
		break;
	default:
		stream_fail(s, STREAM_CONNECTION_TIMEOUT,
			    "it took too long to log in");
		break;
	}
}

void stream_set_state(struct stream *s, enum stream_state state)
{
	struct c2s *c2s = s->c2s;

	c2s->stats.states[s->state]--;
	s->state = state;
	c2s->stats.states[state]++;
	if (state == STATE_OPEN) {
		admission_authenticated(&s->admission);
		negotiation_free(&s->negotiation);
		if (!s->ended)
			watch_idle(s);
	} else if (state == STATE_RECOVERING) {
		stream_retry_later(s, RECOVER_FIRST);
	}
	update_reading(s);
}

/* -- elements ------------------------------------------------------------- */

struct input {
	const char *bytes;
	size_t len;
	enum stanza_kind kind;
};

typedef void take_fn(struct stream *s, const struct input *input);

/* For those few elements whose content matters here. */
static void with_tree(struct stream *s, const struct input *input,
		      void (*take)(struct stream *s,
				   const struct element *element))
{
	struct error err;
	struct stanza *stanza =
		stanza_parse(s->c2s->parser, stream_namespaces(s), input->bytes,
			     input->len, &err);

	if (!stanza) {
		stream_fail(s, stream_error_of_bytes(input->bytes, input->len),
			    err.text);
		return;
	}
	take(s, stanza->root);
	stanza_free(&stanza);
}

static void take_starttls(struct stream *s, const struct input *input)
{
	(void)input;
	negotiate_starttls(s);
}

static void take_auth(struct stream *s, const struct input *input)
{
	with_tree(s, input, c2s_sasl_auth);
}

static void take_response(struct stream *s, const struct input *input)
{
	with_tree(s, input, c2s_sasl_response);
}

static void take_abort(struct stream *s, const struct input *input)
{
	with_tree(s, input, c2s_sasl_abort);
}

static void take_management(struct stream *s, const struct input *input)
{
	if (s->state == STATE_OPEN)
		c2s_management_input(s, input->bytes, input->len);
	else
		with_tree(s, input, c2s_management_refuse);
}

static void take_resume(struct stream *s, const struct input *input)
{
	if (s->state == STATE_AUTHENTICATED)
		with_tree(s, input, c2s_management_resume);
	else
		take_management(s, input);
}

static void take_a(struct stream *s, const struct input *input)
{
	if (s->state == STATE_OPEN)
		with_tree(s, input, c2s_management_acked);
	if (s->state != STATE_CLOSING)
		take_management(s, input);
}

/* XEP-0352: has no answer, so there is nothing to refuse it with. */
static void take_state(struct stream *s, const struct input *input)
{
	if (s->state == STATE_OPEN)
		c2s_management_state(s, input->bytes, input->len);
	else
		stream_fail(s, STREAM_NOT_AUTHORIZED,
			    "a state needs a bound resource");
}

static void take_bind(struct stream *s, const struct element *iq)
{
	if (!c2s_session_iq(s, iq))
		stream_fail(s, STREAM_NOT_AUTHORIZED,
			    "stanzas need a bound resource");
}

/* Binding twice, and the old session request, are answered here. What does
 * not even mention such a namespace is not looked into. */
static bool is_for_us(struct stream *s, const struct input *input)
{
	struct stanza *stanza;
	struct error err;
	bool done;

	if (!memmem(input->bytes, input->len, RFC6120_URN,
		    sizeof(RFC6120_URN) - 1))
		return false;
	stanza = stanza_parse(s->c2s->parser, stream_namespaces(s),
			      input->bytes, input->len, &err);
	done = stanza && c2s_session_iq(s, stanza->root);
	stanza_free(&stanza);
	return done;
}

static void take_stanza(struct stream *s, const struct input *input)
{
	bool iq = input->kind == KIND_IQ;

	if (s->state == STATE_OPEN) {
		if (iq && is_for_us(s, input))
			s->session->number++; /* XEP-0198 counts it */
		else
			relay_stanza(s, input->kind, input->bytes, input->len);
	} else if (s->state == STATE_AUTHENTICATED && iq) {
		with_tree(s, input, take_bind);
	} else if (s->state == STATE_SECURE && iq) {
		with_tree(s, input, negotiate_register);
	} else {
		stream_fail(s, STREAM_NOT_AUTHORIZED,
			    "stanzas need a log-in and a bound resource");
	}
}

/* Everything that a client may send at the top level of its stream. */
static const struct {
	const char *ns, *name;
	enum stanza_kind kind;
	take_fn *take;
} inputs[] = {
	{ NS_CLIENT, "message", KIND_MESSAGE, take_stanza },
	{ NS_CLIENT, "presence", KIND_PRESENCE, take_stanza },
	{ NS_CLIENT, "iq", KIND_IQ, take_stanza },
	{ NS_TLS, "starttls", KIND_COUNT, take_starttls },
	{ NS_SASL, "auth", KIND_COUNT, take_auth },
	{ NS_SASL, "response", KIND_COUNT, take_response },
	{ NS_SASL, "abort", KIND_COUNT, take_abort },
	{ NS_SM, "a", KIND_COUNT, take_a },
	{ NS_SM, "r", KIND_COUNT, take_management },
	{ NS_SM, "enable", KIND_COUNT, take_management },
	{ NS_SM, "resume", KIND_COUNT, take_resume },
	{ NS_CSI, "active", KIND_COUNT, take_state },
	{ NS_CSI, "inactive", KIND_COUNT, take_state },
};

static void take_element(struct stream *s, const char *bytes, size_t len)
{
	struct input input = { .bytes = bytes, .len = len };
	const char *name, *ns;
	struct error err;

	if (stanza_check(s->c2s->parser, stream_namespaces(s), bytes, len,
			 &name, &ns, &err) < 0) {
		stream_fail(s, stream_error_of_bytes(bytes, len), err.text);
		return;
	}
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		if (str_equal(name, inputs[i].name) &&
		    str_equal(ns, inputs[i].ns)) {
			input.kind = inputs[i].kind;
			inputs[i].take(s, &input);
			return;
		}
	}
	stream_fail(s, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
}

/* -- reading -------------------------------------------------------------- */

static bool take_piece(struct stream *s, enum frame_kind kind,
		       const char *bytes, size_t len)
{
	switch (kind) {
	case FRAME_HEADER:
		negotiate_header(s, bytes, len);
		break;
	case FRAME_ELEMENT:
		take_element(s, bytes, len);
		break;
	case FRAME_WHITESPACE:
		break;
	case FRAME_END:
		stream_close(s, "closed by the client");
		end(s, NULL);
		break;
	}
	/* After <starttls/> the rest of the input is not to be looked at. */
	return s->state != STATE_HANDSHAKE;
}

static bool on_frame(enum frame_kind kind, const char *bytes, size_t len,
		     void *ctx)
{
	struct stream *s = ctx;

	if (s->state == STATE_CLOSING) {
		if (kind == FRAME_END)
			end(s, NULL);
		return true;
	}
	if (s->paused) {
		if (kind != FRAME_WHITESPACE)
			backlog_add(s, kind, bytes, len);
		return true;
	}
	return take_piece(s, kind, bytes, len);
}

static void on_data(struct conn *conn, const char *bytes, size_t len, void *ctx)
{
	struct stream *s = ctx;
	enum frame_error error;

	(void)conn;
	s->heard = loop_now(s->c2s->loop);
	s->c2s->stats.bytes_in += len;
	error = frame_push(&s->frame, bytes, len, on_frame, s);
	if (error != FRAME_OK)
		stream_fail(s, stream_error_of_frame(error), s->frame.reason);
}

static void on_secured(struct conn *conn, void *ctx)
{
	struct stream *s = ctx;

	(void)conn;
	if (s->state == STATE_HANDSHAKE)
		stream_set_state(s, STATE_SECURE_HEADER);
}

static const struct conn_handlers stream_handlers = {
	.secured = on_secured,
	.data = on_data,
	.closed = on_closed,
};

/* -- the rest ------------------------------------------------------------- */

void stream_accept(struct conn *conn, const struct admission *admission,
		   bool direct, void *ctx)
{
	struct c2s *c2s = ctx;
	const char *instance = link_name(c2s->link);
	size_t len = strlen(instance);
	struct stream *s = mem_alloc(sizeof(*s) + len + 1 + SESSION_DIGITS + 1);
	char address[ADDRESS_MAX];

	s->c2s = c2s;
	s->conn = conn;
	s->admission = *admission;
	memcpy(s->id, instance, len);
	s->id[len] = '.';
	loop_random_hex(c2s->loop, s->id + len + 1, SESSION_DIGITS);
	s->negotiation = mem_new(struct negotiation);
	s->heard = loop_now(c2s->loop);
	frame_init(&s->frame, &c2s->before);
	HASH_ADD_KEYPTR(hh, c2s->streams, s->id, strlen(s->id), s);
	s->state = direct ? STATE_HANDSHAKE : STATE_CLEAR_HEADER;
	c2s->stats.states[s->state]++;
	conn_set_handlers(conn, &stream_handlers, s);
	conn_set_rate(conn, (uint64_t)c2s->config->rate,
		      (uint64_t)c2s->config->burst);
	conn_set_write_timeout(conn, (uint64_t)c2s->config->write_timeout);
	timer_start(&s->timer, c2s->loop, (uint64_t)c2s->config->auth_timeout,
		    on_timer);
	conn_peer_address(conn, address);
	log_debug(c2s->log, "stream.accepted", LOG_S("session", s->id),
		  LOG_S("address", address),
		  LOG_N("port", conn_peer_port(conn)));
	if (direct)
		conn_start_tls(conn, c2s->direct, NULL);
}

void stream_restart(struct stream *s)
{
	frame_reset(&s->frame);
	forget_namespaces(s);
	s->header_sent = false;
}

void stream_block(struct stream *s)
{
	if (s->blocked)
		return;
	s->blocked = true;
	DL_APPEND(s->c2s->blocked, s);
	update_reading(s);
}

void stream_unblock(struct stream *s)
{
	if (!s->blocked)
		return;
	s->blocked = false;
	DL_DELETE(s->c2s->blocked, s);
	update_reading(s);
}

void stream_write(struct stream *s, const char *bytes, size_t len)
{
	struct c2s *c2s = s->c2s;

	if (s->ended)
		return;
	c2s->stats.bytes_out += len;
	if (s->tail)
		s->tail->written += len;
	conn_write(s->conn, bytes, len);
	/* It does not read: an error would only join the queue. The rest is
	 * done by on_closed(). */
	if (conn_queued(s->conn) > (size_t)c2s->config->write_queue)
		end(s, "the client does not read");
}

void stream_flush_out(struct stream *s)
{
	struct buf *out = &s->c2s->out;

	stream_write(s, buf_data(out), out->len);
	buf_clear(out, OUT_KEEP);
}

const struct stream_ns *stream_namespaces(const struct stream *s)
{
	return s->ns ? s->ns : &stream_ns_client;
}

struct stream *stream_find(struct c2s *c2s, const char *id)
{
	struct stream *s;

	HASH_FIND_STR(c2s->streams, id, s);
	return s;
}
