/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of util/net share: a loop that ends by itself, ends of
 * connections that note what happened to them, certificates made on the spot.
 */
#ifndef T_UNIT_NET_WORLD_H
#define T_UNIT_NET_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "util/base/buf.h"
#include "util/net/conn.h"
#include "util/net/listener.h"
#include "util/net/loop.h"
#include "util/net/timer.h"
#include "util/net/tls.h"

/* Runs the loop until loop_stop(); fails the test after 10 seconds. */
void world_run(struct loop *loop);

/* Runs the loop for some milliseconds. */
void world_run_for(struct loop *loop, uint64_t ms);

/* One end of a connection. Zeroed but for the options. */
struct end {
	/* Options. */
	bool echo;	       /* writes back what comes */
	size_t stop_at;	       /* stops the loop when so much came; 0: no */
	bool stop_closed;      /* stops the loop in `closed` */
	bool close_on_connect; /* conn_close() there */
	bool close_on_secure;
	bool close_on_data;
	bool close_on_drain;
	struct tls_context *tls; /* started in `connected` */
	const char *host;
	void (*on_data)(struct end *end); /* after the bytes were kept */
	void (*on_secured)(struct end *end);
	void *owner;
	/* What happened. */
	struct loop *loop;
	struct conn *conn; /* NULL after `closed` */
	struct buf got;
	unsigned connected, secured, drained, closed;
	bool orderly;
	char reason[512];
};

extern const struct conn_handlers end_handlers;

/* A server whose accepted connections take `ends` one after the other. */
struct server {
	struct loop *loop;
	struct listener *listener;
	struct tls_context *tls; /* started when accepted */
	struct end *ends;
	size_t count, accepted;
	char address[ADDRESS_MAX];
};

void server_open(struct server *server, struct loop *loop, const char *address,
		 struct end *ends, size_t count);
void end_connect(struct end *end, struct loop *loop, const char *address);
void end_free(struct end *end);

/* Directory with certificates; removed by certificates_free(). Each `name` is
 * in NAME.crt and NAME.key, signed by ca.crt ("*." becomes "any."). */
struct certificates {
	char dir[64];
};

void certificates_make(struct certificates *certificates,
		       const char *const *names);
void certificates_free(struct certificates *certificates);

/* DIR/NAME, valid until the next 8 calls. */
const char *certificates_path(const struct certificates *certificates,
			      const char *name);

/* Contexts; a server's serves all the `names`. */
struct tls_context *world_server_tls(const struct certificates *certificates,
				     const char *const *names);
struct tls_context *world_client_tls(const struct certificates *certificates);

#endif
