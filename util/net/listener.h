/* SPDX-License-Identifier: Apache-2.0
 *
 * A socket that accepts connections.
 */
#ifndef UTIL_NET_LISTENER_H
#define UTIL_NET_LISTENER_H

#include "util/net/conn.h"

struct listener;

/* Takes an accepted connection: sets its handlers, or closes it. */
typedef void listener_accept_cb(struct listener *listener, struct conn *conn,
				void *ctx);

/* Listens on "ADDRESS:PORT", "[IPv6]:PORT" or "unix:/PATH" (numeric addresses;
 * "*:PORT" is both families; port 0 picks one). TCP sockets set SO_REUSEADDR;
 * a port that somebody listens on is refused. A stale Unix socket is replaced,
 * and gets `mode` (as chmod; 0: 0600). When descriptors run out it waits a
 * moment and goes on accepting. */
struct listener *listener_open(struct loop *loop, const char *address,
			       unsigned mode, listener_accept_cb *accept,
			       void *ctx, struct error *err);

/* The same with SO_REUSEPORT: processes that all ask for it share a port, and
 * its connections. */
struct listener *listener_open_shared(struct loop *loop, const char *address,
				      unsigned mode,
				      listener_accept_cb *accept, void *ctx,
				      struct error *err);

/* The port really used, for tests with port 0. */
unsigned listener_port(const struct listener *listener);

/* Stops accepting, removes a Unix socket, frees. */
void listener_close(struct listener **listener);

#endif
