/* SPDX-License-Identifier: Apache-2.0
 *
 * Making an outgoing connection: looking the name up in libuv's threads, then
 * trying each address in turn. Ends in CONN_OPEN or in conn_finish().
 */
#include <string.h>

#include "util/base/mem.h"
#include "util/net/conn_uv.h"

struct connecting {
	struct conn *conn; /* NULL: given up while the lookup was running */
	struct address address;
	char *text; /* as the owner gave it, for the messages */
	uv_getaddrinfo_t lookup;
	bool looking;
	struct addrinfo *found; /* what the lookup gave, to be freed */
	struct addrinfo numeric;
	const struct addrinfo *next; /* to be tried */
	uv_connect_t request;
	int error; /* of the last address that was tried */
};

static void connecting_release(struct connecting *connecting)
{
	if (connecting->found)
		uv_freeaddrinfo(connecting->found);
	mem_free(connecting->text);
	mem_free(connecting);
}

void connecting_free(struct conn *conn)
{
	struct connecting *connecting = conn->connecting;

	conn->connecting = NULL;
	if (!connecting)
		return;
	if (!connecting->looking) {
		connecting_release(connecting);
		return;
	}
	connecting->conn = NULL; /* the lookup's callback releases it */
	uv_cancel((uv_req_t *)&connecting->lookup);
}

static void connecting_try(struct conn *conn);

static void connecting_on_close(uv_handle_t *handle)
{
	struct conn *conn = handle->data;

	conn->has_handle = false;
	if (conn->state == CONN_CLOSED)
		conn_gone(conn);
	else
		connecting_try(conn);
}

/* This address failed: the next one, with a fresh handle. */
static void connecting_failed(struct conn *conn, int error)
{
	timer_stop(&conn->timer);
	conn->connecting->error = error;
	if (!uv_is_closing(&conn->handle.any))
		uv_close(&conn->handle.any, connecting_on_close);
}

void connecting_timed_out(struct conn *conn)
{
	connecting_failed(conn, UV_ETIMEDOUT);
}

static void connecting_done(struct conn *conn)
{
	struct sockaddr_storage peer = { .ss_family = AF_UNIX };
	int len = sizeof(peer);

	connecting_free(conn);
	timer_stop(&conn->timer);
	conn_set_state(conn, CONN_OPEN);
	if (conn->handle.any.type == UV_TCP)
		uv_tcp_getpeername(&conn->handle.tcp, (struct sockaddr *)&peer,
				   &len);
	peer_set(&conn->peer, (const struct sockaddr *)&peer);
	conn_tune(conn);
	conn_flush_soon(conn);
	if (conn->handlers->connected)
		conn->handlers->connected(conn, conn->ctx);
}

static void connecting_on_connect(uv_connect_t *request, int status)
{
	struct conn *conn = request->handle->data;

	if (conn->state == CONN_CLOSED || uv_is_closing(&conn->handle.any))
		return;
	if (status < 0)
		connecting_failed(conn, status);
	else
		connecting_done(conn);
}

static void connecting_try(struct conn *conn)
{
	struct connecting *connecting = conn->connecting;
	const struct addrinfo *to = connecting->next;
	int status = 0;

	if (!to) {
		conn_finish(conn, "connect to %s: %s", connecting->text,
			    uv_strerror(connecting->error));
		return;
	}
	connecting->next = to->ai_next;
	memset(&conn->handle, 0, sizeof(conn->handle));
	if (to->ai_family == AF_UNIX)
		uv_pipe_init(&conn->loop->uv, &conn->handle.pipe, 0);
	else
		uv_tcp_init(&conn->loop->uv, &conn->handle.tcp);
	conn->handle.any.data = conn;
	conn->has_handle = true;
	if (to->ai_family == AF_UNIX)
		uv_pipe_connect(&connecting->request, &conn->handle.pipe,
				connecting->address.socket.un.sun_path,
				connecting_on_connect);
	else
		status = uv_tcp_connect(&connecting->request, &conn->handle.tcp,
					to->ai_addr, connecting_on_connect);
	if (status < 0)
		connecting_failed(conn, status);
	else
		timer_start(&conn->timer, conn->loop, CONN_CONNECT_MS,
			    conn_timer_run);
}

static void connecting_on_lookup(uv_getaddrinfo_t *lookup, int status,
				 struct addrinfo *found)
{
	struct connecting *connecting =
		container_of(lookup, struct connecting, lookup);
	struct conn *conn = connecting->conn;

	connecting->looking = false;
	connecting->found = found;
	if (!conn) {
		connecting_release(connecting);
		return;
	}
	if (conn->state == CONN_CLOSED)
		return; /* conn_gone() is under way and releases it */
	timer_stop(&conn->timer);
	if (status < 0) {
		conn_finish(conn, "look up %s: %s", connecting->address.host,
			    uv_strerror(status));
		return;
	}
	connecting->next = found;
	connecting->error = UV_EADDRNOTAVAIL;
	conn_set_state(conn, CONN_CONNECTING);
	connecting_try(conn);
}

static void connecting_look_up(struct conn *conn)
{
	struct connecting *connecting = conn->connecting;
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_ADDRCONFIG };
	struct buf port = { 0 };
	int status;

	buf_addf(&port, "%u", connecting->address.port);
	status = uv_getaddrinfo(&conn->loop->uv, &connecting->lookup,
				connecting_on_lookup, connecting->address.host,
				buf_data(&port), &hints);
	buf_free(&port);
	if (status < 0) {
		conn_finish(conn, "look up %s: %s", connecting->address.host,
			    uv_strerror(status));
		return;
	}
	connecting->looking = true;
	timer_start(&conn->timer, conn->loop, CONN_LOOKUP_MS, conn_timer_run);
}

struct conn *conn_connect(struct loop *loop, const char *address,
			  const struct conn_handlers *handlers, void *ctx)
{
	struct conn *conn = conn_new(loop);
	struct connecting *connecting = mem_new(struct connecting);
	struct error err;

	conn->handlers = handlers;
	conn->ctx = ctx;
	conn->connecting = connecting;
	connecting->conn = conn;
	connecting->text = mem_strdup(address);
	if (address_parse(&connecting->address, address, &err) < 0) {
		conn_finish(conn, "%s", err.text);
	} else if (connecting->address.any) {
		conn_finish(conn, "%s: not an address to connect to", address);
	} else if (connecting->address.family == AF_UNSPEC) {
		connecting_look_up(conn);
	} else {
		connecting->numeric.ai_family = connecting->address.family;
		connecting->numeric.ai_addr =
			&connecting->address.socket.generic;
		connecting->next = &connecting->numeric;
		conn_set_state(conn, CONN_CONNECTING);
		connecting_try(conn);
	}
	return conn;
}
