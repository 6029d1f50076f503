/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a connection: making, settings, and the one way out. How bytes
 * move is in conn_io.c and conn_tls.c.
 */
#include "util/net/conn.h"

#include <assert.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "util/base/mem.h"
#include "util/base/table.h"
#include "util/net/conn_uv.h"

#define KEEPALIVE_SECONDS	300 /* enough for NATs, sparing to radios */
#define KEEPALIVE_PROBE_SECONDS 60
#define KEEPALIVE_PROBES	5

struct conn *conn_new(struct loop *loop)
{
	struct conn *conn = mem_new(struct conn);

	conn->loop = loop;
	conn->write_timeout = CONN_WRITE_MS;
	DL_APPEND(loop->conns, conn);
	return conn;
}

static void conn_free(struct conn *conn)
{
	if (conn->prev)
		DL_DELETE(conn->loop->conns, conn);
	assert(!conn->write);
	conn_tls_free(conn);
	conn_rate_free(conn);
	connecting_free(conn);
	buf_free(&conn->out);
	buf_free(&conn->wire);
	mem_free(conn->reason);
	mem_free(conn);
}

void conn_set_state(struct conn *conn, enum conn_state state)
{
	assert(state >= conn->state && conn->state != CONN_CLOSED);
	conn->state = (unsigned char)state;
}

void conn_flush_soon(struct conn *conn)
{
	if (conn->state != CONN_CLOSED)
		loop_flush_later(conn->loop, &conn->flush, conn_flush_run);
}

void conn_gone(struct conn *conn)
{
	if (conn->handlers)
		conn->handlers->closed(conn, conn->reason, conn->ctx);
	conn_free(conn);
}

static void conn_on_close(uv_handle_t *handle)
{
	conn_gone(handle->data);
}

static void conn_gone_run(struct deferred *task)
{
	conn_gone(container_of(task, struct conn, task));
}

/* The one way to CLOSED. `closed` is called by the close callback of the
 * handle, or in the next turn when there is none. */
static void conn_shut(struct conn *conn)
{
	if (conn->state == CONN_CLOSED)
		return;
	conn->unsent += conn_queued(conn);
	conn_set_state(conn, CONN_CLOSED);
	timer_stop(&conn->timer);
	conn_rate_free(conn);
	loop_flush_cancel(conn->loop, &conn->flush);
	loop_next_turn_cancel(conn->loop, &conn->task);
	if (!conn->has_handle)
		loop_next_turn(conn->loop, &conn->task, conn_gone_run);
	else if (!uv_is_closing(&conn->handle.any))
		uv_close(&conn->handle.any, conn_on_close);
}

void conn_finish(struct conn *conn, const char *format, ...)
{
	va_list args;

	if (conn->state != CONN_CLOSED && format && !conn->reason) {
		struct buf text = { 0 };

		va_start(args, format);
		buf_vaddf(&text, format, args);
		va_end(args);
		conn->reason = buf_take(&text);
	}
	conn_shut(conn);
}

void conn_end(struct conn *conn, const char *reason)
{
	if (conn->state >= CONN_ENDING)
		return;
	if (conn->state != CONN_OPEN) {
		conn_shut(conn);
		return;
	}
	conn->reason = mem_strdup(reason);
	conn_set_state(conn, CONN_ENDING);
	conn->above = false;
	loop_next_turn_cancel(conn->loop, &conn->task);
	timer_start(&conn->timer, conn->loop, CONN_CLOSE_MS, conn_timer_run);
	conn_flush_soon(conn);
}

void conn_close(struct conn *conn)
{
	conn_end(conn, NULL);
}

void conn_abort(struct conn *conn, const char *reason)
{
	if (reason)
		conn_finish(conn, "%s", reason);
	else
		conn_shut(conn);
}

void conn_drop(struct conn *conn)
{
	DL_DELETE(conn->loop->conns, conn);
	conn->prev = NULL; /* in no list */
	conn->handlers = NULL;
	conn_shut(conn);
}

static void set_option(int fd, int level, int name, int value)
{
	/* What fails here costs comfort, not correctness. */
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

void conn_tune(struct conn *conn)
{
	uv_os_fd_t fd;

	if (conn->handle.any.type != UV_TCP)
		return;
	uv_tcp_nodelay(&conn->handle.tcp, 1);
	/* Not by libuv: it probes each second, and ten seconds without radio
	 * must not end a session. */
	if (uv_fileno(&conn->handle.any, &fd) < 0)
		return;
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_SECONDS);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_PROBE_SECONDS);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
}

struct conn *conn_accepted(struct loop *loop, int fd,
			   const struct sockaddr *from)
{
	struct conn *conn = conn_new(loop);
	int status;

	conn_set_state(conn, CONN_OPEN);
	if (from->sa_family == AF_UNIX) {
		uv_pipe_init(&loop->uv, &conn->handle.pipe, 0);
		status = uv_pipe_open(&conn->handle.pipe, fd);
	} else {
		uv_tcp_init(&loop->uv, &conn->handle.tcp);
		status = uv_tcp_open(&conn->handle.tcp, fd);
	}
	conn->handle.any.data = conn;
	conn->has_handle = true;
	peer_set(&conn->peer, from);
	if (status < 0) {
		close(fd);
		conn_finish(conn, "accept: %s", uv_strerror(status));
	} else {
		conn_tune(conn);
	}
	return conn;
}

void conn_set_handlers(struct conn *conn, const struct conn_handlers *handlers,
		       void *ctx)
{
	conn->handlers = handlers;
	conn->ctx = ctx;
	if (conn->state == CONN_OPEN)
		conn_flush_soon(conn);
}

void conn_write(struct conn *conn, const void *bytes, size_t len)
{
	if (conn->state > CONN_OPEN || len == 0)
		return;
	buf_add(&conn->out, bytes, len);
	if (conn->high_water && conn_queued(conn) > conn->high_water)
		conn->above = true;
	conn_flush_soon(conn);
}

void conn_write_str(struct conn *conn, const char *text)
{
	conn_write(conn, text, strlen(text));
}

size_t conn_queued(const struct conn *conn)
{
	if (conn->state == CONN_CLOSED)
		return conn->unsent;
	return conn->out.len + conn->wire.len + conn_write_size(conn);
}

void conn_set_high_water(struct conn *conn, size_t bytes)
{
	conn->high_water = bytes;
	if (bytes == 0)
		conn->above = false;
	else if (conn_queued(conn) > bytes)
		conn->above = true;
	if (conn->above)
		conn_flush_soon(conn); /* which sees whether it is over */
}

bool conn_above_high_water(const struct conn *conn)
{
	return conn->above;
}

void conn_set_write_timeout(struct conn *conn, uint64_t ms)
{
	conn->write_timeout = ms;
	conn_watch_write(conn);
}

void conn_pause(struct conn *conn)
{
	conn->paused = true;
	conn_update_reading(conn);
}

void conn_resume(struct conn *conn)
{
	if (!conn->paused)
		return;
	conn->paused = false;
	if (conn->state == CONN_OPEN && conn_tls_waiting(conn))
		loop_next_turn(conn->loop, &conn->task, conn_task_run);
	else
		conn_update_reading(conn);
}

void conn_peer_address(const struct conn *conn, char to[ADDRESS_MAX])
{
	peer_format(&conn->peer, false, to);
}

unsigned conn_peer_port(const struct conn *conn)
{
	return conn->peer.port;
}

void conn_peer_network(const struct conn *conn, char to[ADDRESS_MAX])
{
	peer_format(&conn->peer, true, to);
}
