/* SPDX-License-Identifier: Apache-2.0
 *
 * A small HTTP server for the metrics of a role, on libmicrohttpd, driven by
 * our loop (no thread of its own).
 */
#ifndef UTIL_NET_HTTP_H
#define UTIL_NET_HTTP_H

#include "util/base/buf.h"
#include "util/net/loop.h"

struct http_server;

/* Answers GET `path`: appends the body to `body`, sets *type (default
 * "text/plain; charset=utf-8"), returns the status, 200 or 404. */
typedef int http_get_fn(const char *path, struct buf *body, const char **type,
			void *ctx);

/* Listens on a numeric "ADDRESS:PORT". At most 16 connections, 10 s each. */
struct http_server *http_server_open(struct loop *loop, const char *address,
				     http_get_fn *get, void *ctx,
				     struct error *err);
unsigned http_server_port(const struct http_server *server);
void http_server_close(struct http_server **server);

#endif
