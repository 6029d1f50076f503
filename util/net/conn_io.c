/* SPDX-License-Identifier: Apache-2.0
 *
 * How the bytes of a connection move: reading through the loop's one buffer,
 * writing at the end of the turn, and the time-outs and limits on both. What
 * TLS does to the bytes is in conn_tls.c.
 */
#include <sys/socket.h>

#include "util/base/mem.h"
#include "util/net/conn_uv.h"

#define WIRE_KEEP 262144 /* of the loop's buffer, which all share */

struct conn_write {
	uv_write_t req;
	struct conn *conn;
	struct buf bytes;
};

/* ---- reading ---- */

bool conn_wants_data(const struct conn *conn)
{
	return conn->state == CONN_OPEN && !conn->paused && conn->handlers;
}

void conn_deliver(struct conn *conn, const char *bytes, size_t len)
{
	conn->handlers->data(conn, bytes, len, conn->ctx);
}

void conn_peer_ended(struct conn *conn, const char *reason)
{
	conn->ended = true;
	conn_end(conn, reason);
}

static void conn_rate_timer(struct timer *timer)
{
	struct conn_rate *rate = container_of(timer, struct conn_rate, timer);

	conn_update_reading(rate->conn);
}

static void conn_rate_fill(struct conn_rate *rate)
{
	uint64_t now = loop_now(rate->conn->loop);
	uint64_t ms = now - rate->filled_at;
	uint64_t missing = (uint64_t)((int64_t)rate->burst - rate->tokens);

	uint64_t added;

	/* An idle hour must not overflow the product. */
	if (ms > missing * 1000 / rate->per_second) {
		rate->tokens = (int64_t)rate->burst;
		rate->filled_at = now;
		return;
	}
	/* Only the time that made whole bytes is used up: a low rate would
	 * come to nothing otherwise, when it is asked for often. */
	added = ms * rate->per_second / 1000;
	rate->tokens += (int64_t)added;
	rate->filled_at +=
		(added * 1000 + rate->per_second - 1) / rate->per_second;
}

/* Takes what was read; in debt, reading waits until a twentieth of a second's
 * worth (or the burst) can be read again, so that it is not done in crumbs. */
static void conn_rate_take(struct conn_rate *rate, size_t len)
{
	uint64_t target = rate->per_second / 20 + 1;
	uint64_t wait;

	if (target > rate->burst)
		target = rate->burst;
	conn_rate_fill(rate);
	rate->tokens -= (int64_t)len;
	if (rate->tokens > 0)
		return;
	wait = ((uint64_t)((int64_t)target - rate->tokens) * 1000 +
		rate->per_second - 1) /
	       rate->per_second;
	timer_start(&rate->timer, rate->conn->loop, wait, conn_rate_timer);
	conn_update_reading(rate->conn);
}

void conn_rate_free(struct conn *conn)
{
	if (!conn->rate)
		return;
	timer_stop(&conn->rate->timer);
	mem_free(conn->rate);
	conn->rate = NULL;
}

void conn_set_rate(struct conn *conn, uint64_t per_second, uint64_t burst)
{
	struct conn_rate *rate;

	if (conn->state == CONN_CLOSED)
		return;
	conn_rate_free(conn);
	if (per_second > 0) {
		rate = conn->rate = mem_new(struct conn_rate);
		rate->conn = conn;
		rate->per_second = per_second;
		rate->burst = burst > 0 ? burst : 1;
		rate->tokens = (int64_t)rate->burst;
		rate->filled_at = loop_now(conn->loop);
	}
	if (conn->state == CONN_OPEN)
		conn_flush_soon(conn); /* it may have been held back */
}

static void conn_on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct conn *conn = handle->data;
	size_t len = LOOP_BLOCK_SIZE;

	(void)suggested;
	if (conn->rate && conn->state == CONN_OPEN) {
		conn_rate_fill(conn->rate);
		if (conn->rate->tokens < (int64_t)len)
			len = conn->rate->tokens > 0
				      ? (size_t)conn->rate->tokens
				      : 1;
	}
	*buf = uv_buf_init(conn->loop->block, (unsigned)len);
}

static void conn_read_failed(struct conn *conn, int status)
{
	uv_read_stop(&conn->handle.stream);
	conn->reading = false;
	conn->ended = true;
	if (conn->state == CONN_LINGERING) {
		conn_abort(conn, NULL);
	} else if (conn->state == CONN_ENDING) {
		conn_flush_soon(conn);
	} else if (conn->tls && !conn_tls_ready(conn)) {
		conn_peer_ended(conn, "TLS handshake: the peer closed");
	} else if (status == UV_EOF) {
		/* Under TLS also when no good-bye came before: many clients
		 * say none, and XMPP has its own (RFC 6120 section 4.4). */
		conn_peer_ended(conn, NULL);
	} else {
		conn_finish(conn, "read: %s", uv_strerror(status));
	}
}

static void conn_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct conn *conn = stream->data;

	if (n == 0)
		return;
	if (n < 0) {
		conn_read_failed(conn, (int)n);
		return;
	}
	if (conn->state != CONN_OPEN) {
		conn->discarded += (size_t)n;
		if (conn->discarded > CONN_LINGER_BYTES)
			conn_abort(conn, NULL);
		return;
	}
	if (conn->rate)
		conn_rate_take(conn->rate, (size_t)n);
	if (conn->tls)
		conn_tls_read(conn, buf->base, (size_t)n);
	else if (conn_wants_data(conn))
		conn_deliver(conn, buf->base, (size_t)n);
}

/* A closing connection is read as well: closing a socket that holds unread
 * bytes resets it, and the peer might lose our last words. */
static bool conn_should_read(const struct conn *conn)
{
	if (conn->ended || !conn->has_handle)
		return false;
	if (conn->state == CONN_ENDING || conn->state == CONN_LINGERING)
		return true;
	if (conn->state != CONN_OPEN || !conn->handlers)
		return false;
	if (conn->rate && timer_running(&conn->rate->timer))
		return false;
	if (conn->tls && !conn_tls_ready(conn))
		return true; /* a pause does not stop a handshake */
	return !conn->paused && !conn_tls_waiting(conn);
}

void conn_update_reading(struct conn *conn)
{
	bool should = conn_should_read(conn);
	int status;

	if (should == conn->reading || conn->state == CONN_CLOSED)
		return;
	conn->reading = should;
	if (!should) {
		uv_read_stop(&conn->handle.stream);
		return;
	}
	status = uv_read_start(&conn->handle.stream, conn_on_alloc,
			       conn_on_read);
	if (status < 0)
		conn_finish(conn, "read: %s", uv_strerror(status));
}

/* ---- writing ---- */

size_t conn_write_size(const struct conn *conn)
{
	return conn->write
		       ? uv_stream_get_write_queue_size(&conn->handle.stream)
		       : 0;
}

void conn_watch_write(struct conn *conn)
{
	if (conn->state != CONN_OPEN || (conn->tls && !conn_tls_ready(conn)))
		return; /* another time-out is running */
	if (!conn->write || conn->write_timeout == 0) {
		timer_stop(&conn->timer);
		return;
	}
	conn->write_left = conn_write_size(conn);
	conn->write_moved_at = loop_now(conn->loop);
	timer_start(&conn->timer, conn->loop, conn->write_timeout / 4 + 1,
		    conn_timer_run);
}

static void conn_look_at_write(struct conn *conn)
{
	size_t left = conn_write_size(conn);
	uint64_t now = loop_now(conn->loop);

	if (left != conn->write_left) {
		conn->write_left = left;
		conn->write_moved_at = now;
	} else if (now - conn->write_moved_at >= conn->write_timeout) {
		conn_finish(conn, "write time-out");
		return;
	}
	timer_start(&conn->timer, conn->loop, conn->write_timeout / 4 + 1,
		    conn_timer_run);
}

static void conn_write_failed(struct conn *conn, int status)
{
	/* After the peer's end nothing else was to be expected. */
	if (conn->ended)
		conn_abort(conn, NULL);
	else
		conn_finish(conn, "write: %s", uv_strerror(status));
}

static void conn_on_write(uv_write_t *req, int status)
{
	struct conn_write *write = req->data;
	struct conn *conn = write->conn;

	conn->write = NULL;
	if (status < 0 && conn->state != CONN_CLOSED)
		conn->unsent += write->bytes.len;
	buf_free(&write->bytes);
	mem_free(write);
	if (conn->state == CONN_CLOSED)
		return;
	if (status < 0) {
		conn_write_failed(conn, status);
		return;
	}
	conn_watch_write(conn);
	conn_flush_soon(conn);
}

/* Leaves `from`, which the kernel did not take now, to libuv. */
static void conn_write_rest(struct conn *conn, struct buf *from)
{
	struct conn_write *write = mem_new(struct conn_write);
	uv_buf_t part;
	int status;

	if (from == &conn->loop->wire) {
		buf_add(&write->bytes, buf_data(from), from->len);
		buf_clear(from, WIRE_KEEP);
	} else {
		write->bytes = *from;
		*from = (struct buf){ 0 };
	}
	write->conn = conn;
	write->req.data = write;
	conn->write = write;
	part = uv_buf_init((char *)buf_data(&write->bytes),
			   (unsigned)write->bytes.len);
	status = uv_write(&write->req, &conn->handle.stream, &part, 1,
			  conn_on_write);
	if (status < 0) {
		conn->write = NULL;
		buf_free(&write->bytes);
		mem_free(write);
		conn_write_failed(conn, status);
		return;
	}
	conn_watch_write(conn);
}

/* The next bytes for the wire, NULL when there are none at the moment. */
static struct buf *conn_next_bytes(struct conn *conn)
{
	if (conn->wire.len > 0)
		return &conn->wire;
	if (conn->tls && !conn_tls_ready(conn)) {
		/* A handshake that will not be finished takes along what was
		 * to be said under it. */
		if (conn->state != CONN_OPEN)
			buf_clear(&conn->out, 0);
		return NULL;
	}
	if (conn->out.len > 0) {
		if (!conn->tls)
			return &conn->out;
		return conn_tls_seal(conn) == 0 ? &conn->loop->wire : NULL;
	}
	if (conn->state == CONN_ENDING && conn_tls_bye(conn))
		return &conn->wire;
	return NULL;
}

static void conn_send(struct conn *conn)
{
	struct buf *from;
	uv_buf_t part;
	int n;

	while (!conn->write && (from = conn_next_bytes(conn))) {
		part = uv_buf_init((char *)buf_data(from), (unsigned)from->len);
		n = uv_try_write(&conn->handle.stream, &part, 1);
		if (n < 0 && n != UV_EAGAIN) {
			conn->unsent += from->len;
			buf_clear(from,
				  from == &conn->loop->wire ? WIRE_KEEP : 0);
			conn_write_failed(conn, n);
			return;
		}
		if (n > 0)
			buf_consume(from, (size_t)n);
		if (from->len > 0)
			conn_write_rest(conn, from);
		else
			buf_clear(from,
				  from == &conn->loop->wire ? WIRE_KEEP : 0);
	}
}

/* ENDING: all was sent, or the peer will not take more. */
static void conn_end_step(struct conn *conn)
{
	uv_os_fd_t fd;

	if (conn->ended) {
		conn_abort(conn, NULL);
		return;
	}
	if (conn->write)
		return;
	if (uv_fileno(&conn->handle.any, &fd) < 0 ||
	    shutdown(fd, SHUT_WR) < 0) {
		conn_abort(conn, NULL);
		return;
	}
	conn_set_state(conn, CONN_LINGERING);
	timer_start(&conn->timer, conn->loop, CONN_LINGER_MS, conn_timer_run);
}

static bool conn_has_drained(const struct conn *conn)
{
	return conn->above && conn_queued(conn) * 4 < conn->high_water;
}

void conn_flush_run(struct deferred *flush)
{
	struct conn *conn = container_of(flush, struct conn, flush);

	if (conn->state < CONN_OPEN)
		return;
	if (conn->tls)
		conn_tls_begin(conn);
	if (conn->state == CONN_OPEN || conn->state == CONN_ENDING)
		conn_send(conn);
	if (conn->state == CONN_ENDING)
		conn_end_step(conn);
	if (conn->state == CONN_OPEN && conn_has_drained(conn))
		loop_next_turn(conn->loop, &conn->task, conn_task_run);
	conn_update_reading(conn);
}

/* What needs a callback, but came up where none may be made. */
void conn_task_run(struct deferred *task)
{
	struct conn *conn = container_of(task, struct conn, task);

	if (conn_has_drained(conn)) {
		conn->above = false;
		if (conn->handlers && conn->handlers->drained)
			conn->handlers->drained(conn, conn->ctx);
	}
	if (conn->state == CONN_OPEN && conn_tls_waiting(conn))
		conn_tls_read(conn, NULL, 0);
	if (conn->state == CONN_OPEN)
		conn_update_reading(conn);
}

void conn_timer_run(struct timer *timer)
{
	struct conn *conn = container_of(timer, struct conn, timer);

	switch ((enum conn_state)conn->state) {
	case CONN_RESOLVING:
		conn_finish(conn, "name lookup time-out");
		break;
	case CONN_CONNECTING:
		connecting_timed_out(conn);
		break;
	case CONN_OPEN:
		if (conn->tls && !conn_tls_ready(conn))
			conn_finish(conn, "TLS handshake time-out");
		else if (conn->write)
			conn_look_at_write(conn);
		break;
	default:
		conn_abort(conn, NULL);
	}
}
