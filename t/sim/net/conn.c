/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections over simulated TCP, with the states, time-outs and order of
 * callbacks of util/net/conn.c.
 */
#include "util/net/conn.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "t/sim/net/conn_sim.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"

#define CONN_CONNECT_MS	  10000
#define CONN_HANDSHAKE_MS 30000
#define CONN_CLOSE_MS	  5000
#define CONN_LINGER_MS	  1000
#define CONN_WRITE_MS	  60000
#define CONN_BLOCK	  65536 /* of one read */
#define HELLO_MAX	  512

static void on_timer(struct timer *timer);
static void on_flush(struct deferred *flush);
static void on_task(struct deferred *task);

/* -- life ------------------------------------------------------------------- */

static struct conn *conn_new(struct loop *loop)
{
	struct conn *conn = mem_new(struct conn);

	conn->loop = loop;
	conn->write_timeout = CONN_WRITE_MS;
	DL_APPEND(loop->conns, conn);
	loop->world->conns++;
	return conn;
}

void conn_unready(struct conn *conn)
{
	if (!conn->is_ready)
		return;
	DL_DELETE2(conn->loop->ready, conn, prev_ready, next_ready);
	conn->is_ready = false;
}

static void look_soon(struct conn *conn)
{
	struct loop *loop = conn->loop;

	if (conn->is_ready || loop->dead || conn->state == CONN_CLOSED)
		return;
	conn->is_ready = true;
	DL_APPEND2(loop->ready, conn, prev_ready, next_ready);
	loop_wake(loop);
}

void conn_tcp_ready(struct conn *conn)
{
	look_soon(conn);
}

static void conn_free(struct conn *conn)
{
	struct loop *loop = conn->loop;

	conn_unready(conn);
	timer_stop(&conn->timer);
	timer_stop(&conn->rate_timer);
	loop_flush_cancel(loop, &conn->flush);
	loop_next_turn_cancel(loop, &conn->task);
	DL_DELETE(loop->conns, conn);
	loop->world->conns--;
	tls_context_unref(&conn->tls);
	buf_free(&conn->out);
	buf_free(&conn->handshake);
	mem_free(conn->tls_host);
	mem_free(conn->reason);
	mem_free(conn);
}

static void flush_soon(struct conn *conn)
{
	if (conn->state != CONN_CLOSED)
		loop_flush_later(conn->loop, &conn->flush, on_flush);
}

static void on_gone(struct deferred *task)
{
	struct conn *conn = container_of(task, struct conn, task);

	if (conn->handlers)
		conn->handlers->closed(conn, conn->reason, conn->ctx);
	conn_free(conn);
}

static void detach(struct conn *conn, bool silent)
{
	if (!conn->end)
		return;
	world_note(conn->loop->world, conn->end->tcp->number, 1);
	tcp_close(conn->end, silent);
	conn->end = NULL;
}

static void conn_shut(struct conn *conn)
{
	if (conn->state == CONN_CLOSED)
		return;
	conn->state = CONN_CLOSED;
	conn->above = false;
	timer_stop(&conn->timer);
	timer_stop(&conn->rate_timer);
	conn_unready(conn);
	loop_flush_cancel(conn->loop, &conn->flush);
	loop_next_turn_cancel(conn->loop, &conn->task);
	detach(conn, false);
	loop_next_turn(conn->loop, &conn->task, on_gone);
}

static void conn_finish(struct conn *conn, const char *reason)
{
	if (conn->state != CONN_CLOSED && !conn->reason)
		conn->reason = mem_strdup(reason);
	conn_shut(conn);
}

static void conn_end(struct conn *conn, const char *reason)
{
	if (conn->state >= CONN_ENDING)
		return;
	if (conn->state != CONN_OPEN) {
		conn_shut(conn);
		return;
	}
	conn->reason = mem_strdup(reason);
	conn->state = CONN_ENDING;
	conn->above = false;
	loop_next_turn_cancel(conn->loop, &conn->task);
	timer_start(&conn->timer, conn->loop, CONN_CLOSE_MS, on_timer);
	flush_soon(conn);
}

void conn_close(struct conn *conn)
{
	conn_end(conn, NULL);
}

void conn_abort(struct conn *conn, const char *reason)
{
	conn_finish(conn, reason);
}

void conn_kill(struct conn *conn, bool silent)
{
	detach(conn, silent);
}

bool conn_is_open(const struct conn *conn)
{
	return conn->state <= CONN_OPEN;
}

void conn_drop(struct conn *conn)
{
	detach(conn, false);
	conn_free(conn);
}

/* -- making ----------------------------------------------------------------- */

/* "10.0.0.1:5222": -1 when there is no such host. */
static int find_host(struct world *world, const char *address,
		     struct sim_host **host, unsigned *port)
{
	const char *colon = strrchr(address, ':');
	uint64_t number;
	char *name;

	if (!colon || str_to_u64(colon + 1, 1, 65535, &number) < 0)
		return -1;
	name = mem_strndup(address, (size_t)(colon - address));
	*host = host_find(world, name);
	*port = (unsigned)number;
	mem_free(name);
	return *host ? 0 : -1;
}

struct conn *conn_connect(struct loop *loop, const char *address,
			  const struct conn_handlers *handlers, void *ctx)
{
	struct conn *conn = conn_new(loop);
	struct sim_host *host;
	unsigned port;

	conn->handlers = handlers;
	conn->ctx = ctx;
	conn->state = CONN_CONNECTING;
	if (loop->dead || find_host(loop->world, address, &host, &port) < 0) {
		conn_finish(conn, "there is no such host");
		return conn;
	}
	str_copy(conn->peer, sizeof(conn->peer), host->address);
	conn->end = tcp_connect(loop->host, conn, host, port);
	timer_start(&conn->timer, loop, CONN_CONNECT_MS, on_timer);
	return conn;
}

struct conn *conn_accepted(struct loop *loop, struct tcp_end *end)
{
	struct conn *conn = conn_new(loop);

	conn->state = CONN_OPEN;
	conn->end = end;
	conn->connected_told = true;
	end->conn = conn;
	str_copy(conn->peer, sizeof(conn->peer), tcp_peer(end)->host->address);
	return conn;
}

void conn_set_handlers(struct conn *conn, const struct conn_handlers *handlers,
		       void *ctx)
{
	conn->handlers = handlers;
	conn->ctx = ctx;
	look_soon(conn);
}

/* -- writing ---------------------------------------------------------------- */

void conn_write(struct conn *conn, const void *bytes, size_t len)
{
	if (conn->state > CONN_OPEN || len == 0)
		return;
	buf_add(&conn->out, bytes, len);
	if (conn->out.len > conn->loop->queued_max)
		conn->loop->queued_max = conn->out.len;
	if (conn->high_water && conn->out.len > conn->high_water)
		conn->above = true;
	flush_soon(conn);
}

void conn_write_str(struct conn *conn, const char *text)
{
	conn_write(conn, text, strlen(text));
}

size_t conn_queued(const struct conn *conn)
{
	return conn->out.len;
}

void conn_set_high_water(struct conn *conn, size_t bytes)
{
	conn->high_water = bytes;
	if (bytes == 0)
		conn->above = false;
	else if (conn->out.len > bytes)
		conn->above = true;
	if (conn->above)
		flush_soon(conn);
}

bool conn_above_high_water(const struct conn *conn)
{
	return conn->above;
}

static void watch_write(struct conn *conn)
{
	if (conn->state != CONN_OPEN ||
	    (conn->tls_state != TLS_NONE && conn->tls_state != TLS_READY))
		return;
	if (conn->out.len == 0 || conn->write_timeout == 0) {
		timer_stop(&conn->timer);
		return;
	}
	if (timer_running(&conn->timer) && conn->write_left == conn->out.len)
		return;
	conn->write_left = conn->out.len;
	conn->write_moved_at = loop_now(conn->loop);
	timer_start(&conn->timer, conn->loop, conn->write_timeout / 4 + 1,
		    on_timer);
}

void conn_set_write_timeout(struct conn *conn, uint64_t ms)
{
	conn->write_timeout = ms;
	watch_write(conn);
}

static bool may_send(const struct conn *conn)
{
	return conn->end && conn->state != CONN_CONNECTING &&
	       (conn->tls_state == TLS_NONE || conn->tls_state == TLS_READY);
}

static void begin_tls(struct conn *conn)
{
	struct buf hello = { 0 };

	conn->tls_state = TLS_SHAKING;
	timer_start(&conn->timer, conn->loop, CONN_HANDSHAKE_MS, on_timer);
	if (conn->tls_client) {
		buf_addf(&hello, "\x16hello %s %s\n",
			 conn->tls_host ? conn->tls_host : "-",
			 tls_alpn(conn->tls) ? tls_alpn(conn->tls) : "-");
		tcp_send(conn->end, buf_data(&hello), hello.len);
		buf_free(&hello);
	}
	look_soon(conn);
}

static bool has_drained(const struct conn *conn)
{
	return conn->above && conn->out.len * 4 < conn->high_water;
}

static void end_step(struct conn *conn)
{
	if (conn->ended) {
		conn_shut(conn);
		return;
	}
	if (conn->out.len > 0 && may_send(conn))
		return;
	tcp_send_fin(conn->end);
	conn->state = CONN_LINGERING;
	timer_start(&conn->timer, conn->loop, CONN_LINGER_MS, on_timer);
}

static void on_flush(struct deferred *flush)
{
	struct conn *conn = container_of(flush, struct conn, flush);

	if (conn->state == CONN_CONNECTING || !conn->end)
		return;
	/* What was written before it still goes out in the clear. */
	if (conn->out.len > 0 && may_send(conn)) {
		size_t n = tcp_send(conn->end, buf_data(&conn->out),
				    conn->out.len);

		buf_consume(&conn->out, n);
		if (conn->out.len == 0)
			buf_free(&conn->out);
	}
	if (conn->tls_state == TLS_FRESH && conn->state == CONN_OPEN)
		begin_tls(conn);
	watch_write(conn);
	if (conn->state == CONN_ENDING)
		end_step(conn);
	if (conn->state == CONN_OPEN && has_drained(conn))
		loop_next_turn(conn->loop, &conn->task, on_task);
}

static void on_task(struct deferred *task)
{
	struct conn *conn = container_of(task, struct conn, task);

	if (has_drained(conn)) {
		conn->above = false;
		if (conn->handlers && conn->handlers->drained)
			conn->handlers->drained(conn, conn->ctx);
	}
}

/* -- reading ---------------------------------------------------------------- */

static void rate_fill(struct conn *conn)
{
	uint64_t now = loop_now(conn->loop);
	uint64_t added = (now - conn->filled_at) * conn->rate / 1000;

	if (added == 0)
		return;
	conn->filled_at = now;
	if ((int64_t)conn->burst - conn->tokens <= (int64_t)added)
		conn->tokens = (int64_t)conn->burst;
	else
		conn->tokens += (int64_t)added;
}

static void on_rate(struct timer *timer)
{
	look_soon(container_of(timer, struct conn, rate_timer));
}

void conn_set_rate(struct conn *conn, uint64_t per_second, uint64_t burst)
{
	conn->rate = per_second;
	conn->burst = burst ? burst : 1;
	conn->tokens = (int64_t)conn->burst;
	conn->filled_at = loop_now(conn->loop);
}

void conn_pause(struct conn *conn)
{
	conn->paused = true;
}

void conn_resume(struct conn *conn)
{
	if (!conn->paused)
		return;
	conn->paused = false;
	look_soon(conn);
}

/* How much of what is there one read gives: all of it, or a part. */
static size_t read_size(struct conn *conn)
{
	size_t len = conn->end->received.len;

	if (len > CONN_BLOCK)
		len = CONN_BLOCK;
	if (len > 1 && rng_chance(&conn->loop->rng, 20))
		len = rng_range(&conn->loop->rng, 1, len);
	if (conn->rate == 0)
		return len;
	rate_fill(conn);
	if (conn->tokens > 0)
		return len < (size_t)conn->tokens ? len
						  : (size_t)conn->tokens;
	timer_start(&conn->rate_timer, conn->loop,
		    (uint64_t)(1 - conn->tokens) * 1000 / conn->rate + 50,
		    on_rate);
	return 0;
}

static void peer_ended(struct conn *conn)
{
	conn->ended = true;
	if (conn->state == CONN_LINGERING)
		conn_shut(conn);
	else if (conn->state == CONN_ENDING)
		flush_soon(conn);
	else if (conn->tls_state == TLS_FRESH || conn->tls_state == TLS_SHAKING)
		conn_end(conn, "TLS handshake: the peer closed");
	else
		conn_end(conn, NULL);
}

static void secured(struct conn *conn)
{
	conn->tls_state = TLS_READY;
	timer_stop(&conn->timer);
	buf_free(&conn->handshake);
	flush_soon(conn);
	if (conn->handlers && conn->handlers->secured)
		conn->handlers->secured(conn, conn->ctx);
}

/* The peer's whole line is there. */
static void shake_hands(struct conn *conn)
{
	char *line = mem_strndup(buf_data(&conn->handshake),
				 conn->handshake.len - 1);
	const char *wanted = tls_alpn(conn->tls);
	char *space = strrchr(line, ' ');
	char answer[64] = "\x16ready -\n";
	bool ok = str_starts(line, conn->tls_client ? "\x16ready "
						    : "\x16hello ") &&
		  space;

	if (ok && !conn->tls_client && space > line + 7) {
		conn->tls_host = str_starts(line + 7, "- ")
					 ? NULL
					 : mem_strndup(line + 7,
						       (size_t)(space - line -
								7));
		conn->alpn = wanted && str_equal(space + 1, wanted);
		ok = !wanted || conn->alpn || str_equal(space + 1, "-");
		if (ok)
			tcp_send(conn->end, answer, strlen(answer));
	}
	mem_free(line);
	if (ok)
		secured(conn);
	else
		conn_finish(conn, "TLS handshake: not understood");
}

static void read_handshake(struct conn *conn)
{
	while (conn->end->received.len > 0 &&
	       conn->tls_state == TLS_SHAKING && conn->state == CONN_OPEN) {
		char c = *buf_data(&conn->end->received);

		tcp_consume(conn->end, 1);
		buf_add_char(&conn->handshake, c);
		if (conn->handshake.len > HELLO_MAX ||
		    *buf_data(&conn->handshake) != '\x16')
			conn_finish(conn, "TLS handshake: not understood");
		else if (c == '\n')
			shake_hands(conn);
		if (conn->state == CONN_CLOSED)
			return;
	}
}

static void read_data(struct conn *conn)
{
	size_t len = read_size(conn);
	char *block;

	if (len == 0)
		return;
	if (conn->rate)
		conn->tokens -= (int64_t)len;
	block = mem_dup(buf_data(&conn->end->received), len);
	tcp_consume(conn->end, len);
	conn->handlers->data(conn, block, len, conn->ctx);
	mem_free(block);
}

static void look_at_input(struct conn *conn)
{
	struct tcp_end *end = conn->end;

	if (conn->state == CONN_ENDING || conn->state == CONN_LINGERING) {
		tcp_consume(end, end->received.len);
	} else if (conn->tls_state == TLS_FRESH) {
		return; /* begin_tls() will look */
	} else if (end->received.len > 0) {
		if (conn->tls_state == TLS_SHAKING)
			read_handshake(conn);
		else if (!conn->paused && conn->handlers &&
			 !timer_running(&conn->rate_timer))
			read_data(conn);
		if (conn->state == CONN_OPEN && end->received.len > 0 &&
		    !conn->paused && !timer_running(&conn->rate_timer))
			look_soon(conn);
	}
	if (conn->state == CONN_CLOSED || end->received.len > 0 ||
	    (conn->paused && conn->state == CONN_OPEN))
		return;
	if (end->reset)
		conn_finish(conn, "read: connection reset by peer");
	else if (end->fin && !conn->ended)
		peer_ended(conn);
}

void conn_look(struct conn *conn)
{
	if (conn->state == CONN_CLOSED || !conn->end)
		return;
	if (conn->state == CONN_CONNECTING) {
		if (conn->end->reset) {
			conn_finish(conn, "connect: connection refused");
			return;
		}
		if (!conn->end->connected)
			return;
		timer_stop(&conn->timer);
		conn->state = CONN_OPEN;
		flush_soon(conn);
		look_soon(conn);
		if (conn->handlers->connected)
			conn->handlers->connected(conn, conn->ctx);
		return;
	}
	if (conn->out.len > 0 && conn->end->reset) {
		conn_finish(conn, "write: broken pipe");
		return;
	}
	if (conn->out.len > 0)
		flush_soon(conn);
	look_at_input(conn);
}

static void on_timer(struct timer *timer)
{
	struct conn *conn = container_of(timer, struct conn, timer);

	switch (conn->state) {
	case CONN_CONNECTING:
		conn_finish(conn, "connect: time-out");
		break;
	case CONN_OPEN:
		if (conn->tls_state == TLS_SHAKING) {
			conn_finish(conn, "TLS handshake time-out");
		} else if (conn->out.len > 0) {
			if (conn->out.len != conn->write_left) {
				watch_write(conn);
			} else if (loop_now(conn->loop) -
					   conn->write_moved_at >=
				   conn->write_timeout) {
				conn_finish(conn, "write time-out");
			} else {
				timer_start(&conn->timer, conn->loop,
					    conn->write_timeout / 4 + 1,
					    on_timer);
			}
		}
		break;
	default:
		conn_shut(conn);
	}
}

/* -- TLS -------------------------------------------------------------------- */

void conn_start_tls(struct conn *conn, struct tls_context *context,
		    const char *host)
{
	if (conn->state > CONN_OPEN)
		return;
	conn->tls = tls_context_ref(context);
	conn->tls_client = tls_is_client(context);
	conn->tls_host = mem_strdup(host);
	conn->tls_state = TLS_FRESH;
	/* What was written before goes out first, in the clear. */
	if (conn->out.len > 0 && conn->end && conn->state == CONN_OPEN)
		buf_consume(&conn->out,
			    tcp_send(conn->end, buf_data(&conn->out),
				     conn->out.len));
	flush_soon(conn);
}

bool conn_is_secure(const struct conn *conn)
{
	return conn->tls_state == TLS_READY;
}

const char *conn_tls_version(const struct conn *conn)
{
	return conn_is_secure(conn) ? "TLSv1.3" : NULL;
}

void conn_tls_cipher(const struct conn *conn, char *to, size_t size)
{
	str_copy(to, size,
		 conn_is_secure(conn) ? "TLS_AES_256_GCM_SHA384" : "");
}

const char *conn_tls_host(const struct conn *conn)
{
	return conn_is_secure(conn) ? conn->tls_host : NULL;
}

bool conn_tls_alpn_matched(const struct conn *conn)
{
	return conn_is_secure(conn) && conn->alpn;
}

int conn_channel_binding(const struct conn *conn, enum binding binding,
			 unsigned char *to, size_t size)
{
	(void)conn;
	(void)binding;
	(void)to;
	(void)size;
	return -1;
}

bool conn_peer_verified(const struct conn *conn)
{
	(void)conn;
	return false;
}

void conn_peer_names(const struct conn *conn,
		     void (*name)(const char *name, void *ctx), void *ctx)
{
	(void)conn;
	(void)name;
	(void)ctx;
}

void conn_peer_address(const struct conn *conn, char to[ADDRESS_MAX])
{
	str_copy(to, ADDRESS_MAX, conn->peer);
}

unsigned conn_peer_port(const struct conn *conn)
{
	(void)conn;
	return 0;
}

void conn_peer_network(const struct conn *conn, char to[ADDRESS_MAX])
{
	str_copy(to, ADDRESS_MAX, conn->peer);
}
