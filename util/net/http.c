/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP server of the metrics: libmicrohttpd does HTTP and its sockets,
 * our loop polls its epoll descriptor and keeps its time-outs.
 */
#include "util/net/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/net/address.h"
#include "util/net/loop_uv.h"

#define HTTP_CONNECTIONS 16u
#define HTTP_SECONDS	 10u

struct http_server {
	struct loop *loop;
	struct MHD_Daemon *daemon;
	uv_poll_t poll;
	struct timer timer;
	http_get_fn *get;
	void *ctx;
};

static enum MHD_Result http_respond(struct MHD_Connection *connection,
				    int status, const char *type,
				    const void *bytes, size_t len)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	response = MHD_create_response_from_buffer(len, (void *)bytes,
						   MHD_RESPMEM_MUST_COPY);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	result = MHD_queue_response(connection, (unsigned)status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result http_on_request(void *ctx,
				       struct MHD_Connection *connection,
				       const char *url, const char *method,
				       const char *version, const char *upload,
				       size_t *upload_len, void **request)
{
	static const char plain[] = "text/plain; charset=utf-8";
	struct http_server *server = ctx;
	struct buf body = { 0 };
	const char *type = plain;
	enum MHD_Result result;
	int status;

	(void)version;
	(void)upload;
	(void)upload_len;
	(void)request;
	if (!str_equal(method, MHD_HTTP_METHOD_GET) &&
	    !str_equal(method, MHD_HTTP_METHOD_HEAD))
		return http_respond(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
				    plain, "", 0);
	status = server->get(url, &body, &type, server->ctx);
	result = http_respond(connection, status, type, buf_data(&body),
			      body.len);
	buf_free(&body);
	return result;
}

static void http_run(struct http_server *server);

static void http_on_timer(struct timer *timer)
{
	http_run(container_of(timer, struct http_server, timer));
}

static void http_run(struct http_server *server)
{
	MHD_UNSIGNED_LONG_LONG ms;

	MHD_run(server->daemon);
	if (MHD_get_timeout(server->daemon, &ms) == MHD_YES)
		timer_start(&server->timer, server->loop, ms, http_on_timer);
	else
		timer_stop(&server->timer);
}

static void http_on_poll(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	http_run(poll->data);
}

static struct MHD_Daemon *http_start(struct http_server *server,
				     const struct address *address)
{
	unsigned flags = MHD_USE_EPOLL;

	if (address->family == AF_INET6)
		flags |= address->any ? MHD_USE_DUAL_STACK : MHD_USE_IPv6;
	errno = 0;
	return MHD_start_daemon(flags, address->port, NULL, NULL,
				http_on_request, server, MHD_OPTION_SOCK_ADDR,
				&address->socket.generic,
				MHD_OPTION_CONNECTION_LIMIT, HTTP_CONNECTIONS,
				MHD_OPTION_CONNECTION_TIMEOUT, HTTP_SECONDS,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				(size_t)16384, MHD_OPTION_END);
}

struct http_server *http_server_open(struct loop *loop, const char *address,
				     http_get_fn *get, void *ctx,
				     struct error *err)
{
	struct http_server *server = mem_new(struct http_server);
	const union MHD_DaemonInfo *info;
	struct address where;

	server->loop = loop;
	server->get = get;
	server->ctx = ctx;
	if (address_parse(&where, address, err) < 0)
		goto fail;
	if (where.family != AF_INET && where.family != AF_INET6) {
		error_set(err, "%s: not a numeric address", address);
		goto fail;
	}
	server->daemon = http_start(server, &where);
	if (!server->daemon) {
		error_set(err, "listen on %s: %s", address,
			  errno ? strerror(errno) : "no HTTP server");
		goto fail;
	}
	info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	uv_poll_init(&loop->uv, &server->poll, info->epoll_fd);
	server->poll.data = server;
	uv_poll_start(&server->poll, UV_READABLE, http_on_poll);
	return server;
fail:
	mem_free(server);
	return NULL;
}

unsigned http_server_port(const struct http_server *server)
{
	return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)
		->port;
}

static void http_on_close(uv_handle_t *handle)
{
	mem_free(handle->data);
}

void http_server_close(struct http_server **server_ptr)
{
	struct http_server *server = *server_ptr;

	*server_ptr = NULL;
	if (!server)
		return;
	timer_stop(&server->timer);
	uv_close((uv_handle_t *)&server->poll, http_on_close);
	MHD_stop_daemon(server->daemon);
}
