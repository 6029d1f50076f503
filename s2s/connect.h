/* SPDX-License-Identifier: Apache-2.0
 *
 * From the name of a domain to a connection with a server of it: SRV records
 * (RFC 6120 section 3.2, XEP-0368), addresses, and several attempts at a time
 * (RFC 8305).
 */
#ifndef S2S_CONNECT_H
#define S2S_CONNECT_H

#include "s2s/dane.h"
#include "s2s/s2s.h"
#include "util/net/conn.h"

struct s2s_connect;

struct s2s_connected {
	struct conn *conn; /* NULL: there is none, and `why` says why */
	bool direct;	   /* TLS comes first */
	struct s2s_dane *dane; /* of this server; taken over; NULL: none */
	const char *why;   /* a part of a sentence: "connection refused" */
	bool absent;	   /* there is no such server, as far as DNS knows */
	bool final;	   /* it will not be better soon */
};

/* Never inside s2s_connect_start() or s2s_connect_next(). Whoever is called
 * takes over the connection with conn_set_handlers() at once. */
typedef void s2s_connect_cb(const struct s2s_connected *connected, void *ctx);

/* `domain` is ASCII; `route` ("HOST:PORT") stands for what DNS would say. */
struct s2s_connect *s2s_connect_start(struct s2s *s2s, const char *domain,
				      const char *route, bool route_tls,
				      s2s_connect_cb *cb, void *ctx);

/* What came of it was of no use: goes on with the servers that are left. */
void s2s_connect_next(struct s2s_connect *connect);

/* No callback comes any more. NULL inside is allowed. */
void s2s_connect_free(struct s2s_connect **connect);

/* At the end of the process: what the loop closes without a callback. */
void s2s_attempts_drop(struct s2s *s2s);

#endif
