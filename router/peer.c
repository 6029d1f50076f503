/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of one connection. It ends in three ways: by peer_fail() with a
 * stream error, by the peer's end tag, or because the connection broke; all
 * of them go through detach().
 */
#include "router/peer.h"

#include <assert.h>
#include <string.h>

#include "router/component.h"
#include "router/control.h"
#include "router/handshake.h"
#include "router/names.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/ns.h"

static bool is_handshake(enum peer_state state)
{
	return state == PEER_HEADER || state == PEER_HANDSHAKE;
}

bool peer_is_link(const struct peer *peer)
{
	return peer->state == PEER_ROLE || peer->state == PEER_UP;
}

void peer_set_state(struct peer *peer, enum peer_state state)
{
	assert(peer->state != PEER_CLOSING);
	if (is_handshake(peer->state) && !is_handshake(state))
		peer->router->handshakes--;
	peer->state = state;
}

struct peer *peer_find(const struct router *router, const char *name)
{
	struct peer *peer;

	HASH_FIND_STR(router->links, name, peer);
	return peer && peer->state == PEER_UP ? peer : NULL;
}

/* -- waiting for slow ones ------------------------------------------------- */

void peer_block(struct peer *sender, struct peer *target)
{
	if (sender->blocked_on || sender->state == PEER_CLOSING ||
	    target->state == PEER_CLOSING)
		return;
	sender->blocked_on = target;
	DL_APPEND2(target->blocked, sender, blocked_prev, blocked_next);
	conn_pause(sender->conn);
	sender->router->stats.blocked++;
	log_debug(sender->router->log, "link.blocked",
		  LOG_S("name", sender->name), LOG_S("by", target->name));
}

static void unblock(struct peer *sender)
{
	struct peer *target = sender->blocked_on;

	if (!target)
		return;
	DL_DELETE2(target->blocked, sender, blocked_prev, blocked_next);
	sender->blocked_on = NULL;
	/* The silence was ours. */
	sender->heard_at = loop_now(sender->router->loop);
	sender->ping_id[0] = '\0';
	conn_resume(sender->conn);
}

static void unblock_all(struct peer *target)
{
	while (target->blocked)
		unblock(target->blocked);
}

static void on_slow(struct timer *timer)
{
	struct peer *peer = container_of(timer, struct peer, slow);

	if (!peer->blocked && !conn_above_high_water(peer->conn))
		return;
	peer->router->stats.slow++;
	peer_fail(peer, STREAM_POLICY_VIOLATION, "link too slow");
}

void peer_write(struct peer *peer, const char *bytes, size_t len)
{
	if (peer->state == PEER_CLOSING)
		return;
	conn_write(peer->conn, bytes, len);
	if (conn_above_high_water(peer->conn) && !timer_running(&peer->slow))
		timer_start(&peer->slow, peer->router->loop,
			    (uint64_t)peer->router->options->slow_timeout,
			    on_slow);
}

/* -- the end --------------------------------------------------------------- */

static void log_end(const struct peer *peer, bool was_link, const char *reason)
{
	struct log *log = peer->router->log;

	if (was_link)
		log_at(log, peer_log_level(peer), "link.down",
		       LOG_S("name", peer->name),
		       LOG_S("kind", link_kind_name(peer->kind)),
		       LOG_S("address", peer->address),
		       LOG_S("reason", reason));
	else
		/* A role looks every second whether a drain is over. */
		log_at(log,
		       drain_is_on(&peer->router->drain) ? LOG_LEVEL_DEBUG
							 : LOG_LEVEL_WARNING,
		       "link.refused", LOG_S("name", peer->asked),
		       LOG_S("address", peer->address),
		       LOG_S("reason", reason));
}

/* Takes the peer out of everything that knows it but router->peers, and lets
 * those go on who waited for it. */
static void detach(struct peer *peer, const char *reason)
{
	struct router *router = peer->router;
	struct peer *contender = peer->contender;
	bool was_link = peer_is_link(peer);

	log_end(peer, was_link, reason);
	peer_set_state(peer, PEER_CLOSING);
	timer_stop(&peer->timer);
	timer_stop(&peer->slow);
	if (was_link) {
		HASH_DEL(router->links, peer);
		names_remove_all(peer);
	}
	unblock(peer);
	unblock_all(peer);
	if (peer->incumbent)
		peer->incumbent->contender = NULL;
	peer->incumbent = NULL;
	peer->contender = NULL;
	if (!contender)
		return;
	contender->incumbent = NULL;
	handshake_claim(contender);
}

void peer_greet(struct peer *peer)
{
	struct stream_header header = {
		.content_ns = NS_COMPONENT,
		.from = peer->asked,
		.id = peer->id,
		.extra = peer->has_prefix ? " xmlns:link='" NS_LINK "'" : NULL,
	};
	struct buf text = { 0 };

	if (peer->greeted)
		return;
	peer->greeted = true;
	stream_write_header(&text, &header);
	peer_write(peer, buf_data(&text), text.len);
	buf_free(&text);
}

/* The last words: `error` or, without text, only the end of the stream. */
static void finish(struct peer *peer, const struct buf *last_words,
		   const char *reason)
{
	peer_greet(peer);
	conn_write(peer->conn, buf_data(last_words), last_words->len);
	detach(peer, reason);
	conn_close(peer->conn);
}

void peer_fail(struct peer *peer, enum stream_error error, const char *text)
{
	struct buf last_words = { 0 };
	struct error reason;

	if (peer->state == PEER_CLOSING)
		return;
	if (error != STREAM_SYSTEM_SHUTDOWN)
		peer->router->stats.failed++;
	if (error == STREAM_NOT_AUTHORIZED || error == STREAM_HOST_UNKNOWN)
		peer->router->stats.refused++;
	error_set(&reason, "%s", stream_error_condition(error));
	if (text)
		error_set(&reason, "%s: %s", stream_error_condition(error),
			  text);
	stream_write_error(&last_words, error, text);
	stream_write_end(&last_words);
	finish(peer, &last_words, reason.text);
	buf_free(&last_words);
}

static void peer_free(struct peer *peer)
{
	struct router *router = peer->router;

	DL_DELETE(router->peers, peer);
	frame_free(&peer->frame);
	stream_ns_free(&peer->ns);
	mem_free(peer->asked);
	mem_free(peer->name);
	mem_free(peer->software);
	for (size_t i = 0; i < peer->refused_count; i++)
		mem_free(peer->refused[i]);
	mem_free(peer->refused);
	mem_free(peer);
}

/* -- whether it lives ------------------------------------------------------ */

void peer_ping(struct peer *peer)
{
	struct router *router = peer->router;
	struct buf text = { 0 };

	if (!peer->ping_id[0])
		loop_random_hex(router->loop, peer->ping_id, EPOCH_DIGITS);
	if (peer->kind == LINK_COMPONENT) {
		buf_add_str(&text, "<iq type='get'");
		buf_add_attr(&text, "id", peer->ping_id);
		buf_add_attr(&text, "from", router->env->instance);
		buf_add_attr(&text, "to", peer->name);
		buf_add_str(&text, "><ping xmlns='" NS_PING "'/></iq>");
	} else {
		buf_add_str(&text, "<link:ping");
		buf_add_attr(&text, "id", peer->ping_id);
		buf_add_str(&text, "/>");
	}
	peer_write(peer, buf_data(&text), text.len);
	buf_free(&text);
}

void peer_answered(struct peer *peer, const char *ping_id)
{
	struct peer *contender = peer->contender;

	if (!peer->ping_id[0] || !str_equal(peer->ping_id, ping_id))
		return;
	peer->ping_id[0] = '\0';
	if (contender)
		peer_fail(contender, STREAM_CONFLICT,
			  "another link has this name, and it lives");
}

static void on_silence(struct timer *timer)
{
	struct peer *peer = container_of(timer, struct peer, timer);
	uint64_t interval = (uint64_t)peer->router->options->ping_interval;
	uint64_t silent = loop_now(peer->router->loop) - peer->heard_at;

	if (peer->blocked_on || silent < interval) {
		/* It lives, or it is we who do not listen. */
		timer_start(timer, peer->router->loop,
			    peer->blocked_on ? interval : interval - silent,
			    on_silence);
		return;
	}
	if (silent >= 2 * interval) {
		peer_fail(peer, STREAM_CONNECTION_TIMEOUT,
			  "no answer to a ping");
		return;
	}
	peer_ping(peer);
	timer_start(timer, peer->router->loop, 2 * interval - silent,
		    on_silence);
}

void peer_watch_silence(struct peer *peer)
{
	timer_start(&peer->timer, peer->router->loop,
		    (uint64_t)peer->router->options->ping_interval,
		    on_silence);
}

/* -- bytes ----------------------------------------------------------------- */

static void on_element(struct peer *peer, const char *bytes, size_t len)
{
	switch (peer->state) {
	case PEER_HEADER:
	case PEER_CLOSING:
		break;
	case PEER_HANDSHAKE:
		handshake_answer(peer, bytes, len);
		break;
	case PEER_CONTENDER:
		peer_fail(peer, STREAM_NOT_AUTHORIZED,
			  "the handshake is not over");
		break;
	case PEER_ROLE:
	case PEER_UP:
		if (peer->kind == LINK_COMPONENT)
			component_element(peer, bytes, len);
		else
			control_element(peer, bytes, len);
		break;
	}
}

static bool on_piece(enum frame_kind kind, const char *bytes, size_t len,
		     void *ctx)
{
	struct buf last_words = { 0 };
	struct peer *peer = ctx;

	switch (kind) {
	case FRAME_HEADER:
		handshake_header(peer, bytes, len);
		break;
	case FRAME_ELEMENT:
		on_element(peer, bytes, len);
		break;
	case FRAME_WHITESPACE:
		break;
	case FRAME_END:
		stream_write_end(&last_words);
		finish(peer, &last_words, "ended by the link");
		buf_free(&last_words);
		break;
	}
	return peer->state != PEER_CLOSING;
}

static void on_data(struct conn *conn, const char *bytes, size_t len, void *ctx)
{
	struct peer *peer = ctx;
	enum frame_error error;

	(void)conn;
	if (peer->state == PEER_CLOSING)
		return;
	peer->heard_at = loop_now(peer->router->loop);
	error = frame_push(&peer->frame, bytes, len, on_piece, peer);
	if (error != FRAME_OK)
		peer_fail(peer, stream_error_of_frame(error), peer->frame.reason);
}

static void on_drained(struct conn *conn, void *ctx)
{
	struct peer *peer = ctx;

	(void)conn;
	timer_stop(&peer->slow);
	unblock_all(peer);
}

static void on_closed(struct conn *conn, const char *reason, void *ctx)
{
	struct peer *peer = ctx;
	struct router *router = peer->router;

	(void)conn;
	if (peer->state != PEER_CLOSING)
		detach(peer, reason ? reason : "closed by the link");
	peer_free(peer);
	router_check_stopped(router);
}

static const struct conn_handlers peer_handlers = {
	.data = on_data,
	.drained = on_drained,
	.closed = on_closed,
};

/* -- accepting ------------------------------------------------------------- */

static void evict_oldest(struct router *router)
{
	struct peer *peer;

	DL_FOREACH(router->peers, peer) {
		if (!is_handshake(peer->state))
			continue;
		router->stats.evicted++;
		peer_fail(peer, STREAM_RESOURCE_CONSTRAINT,
			  "too many connections without a handshake");
		return;
	}
}

void peer_accept(struct router *router, struct conn *conn,
		 struct tls_context *tls)
{
	struct peer *peer = mem_new(struct peer);

	router->stats.accepted++;
	if (router->handshakes >= (size_t)router->options->max_handshakes)
		evict_oldest(router);
	peer->router = router;
	peer->conn = conn;
	peer->state = PEER_HEADER;
	peer->heard_at = loop_now(router->loop);
	router->handshakes++;
	DL_APPEND(router->peers, peer);
	loop_random_hex(router->loop, peer->id, STREAM_ID_DIGITS);
	conn_peer_address(conn, peer->address);
	conn_set_handlers(conn, &peer_handlers, peer);
	handshake_start(peer);
	if (tls)
		conn_start_tls(conn, tls, NULL);
}

static void ignore_data(struct conn *conn, const char *bytes, size_t len,
			void *ctx)
{
	(void)conn;
	(void)bytes;
	(void)len;
	(void)ctx;
}

static void ignore_closed(struct conn *conn, const char *reason, void *ctx)
{
	(void)conn;
	(void)reason;
	(void)ctx;
}

static const struct conn_handlers no_handlers = {
	.data = ignore_data,
	.closed = ignore_closed,
};

void peer_drop(struct peer *peer)
{
	struct router *router = peer->router;

	timer_stop(&peer->timer);
	timer_stop(&peer->slow);
	if (peer_is_link(peer))
		HASH_DEL(router->links, peer);
	mem_free(peer->names);
	peer->names = NULL;
	conn_set_handlers(peer->conn, &no_handlers, NULL);
	conn_abort(peer->conn, "the router ends");
	peer_free(peer);
}
