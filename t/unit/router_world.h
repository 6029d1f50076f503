/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole router in this process, over real sockets, and links written by
 * hand: what they send and what they get is text.
 */
#ifndef T_UNIT_ROUTER_WORLD_H
#define T_UNIT_ROUTER_WORLD_H

#include <stdbool.h>

#include "router/router.h"
#include "util/net/conn.h"
#include "util/net/timer.h"

struct world {
	char dir[64];
	struct loop *loop;
	struct log log;
	struct buf lines; /* of the log */
	struct config *config;
	struct role_env env;
	struct router *router;
	unsigned ready, stopped, stop_requests, reload_requests;
	unsigned restarts;
	bool is_over; /* the deadline of the wait that goes on */
	struct timer deadline;
};

/* Writes the configuration (each "@" is replaced by the directory, in which
 * secret files of the words "s1", "s2" lie as @/s1 and @/s2) and starts a
 * router named "router". */
void world_open(struct world *world, const char *config);
void world_close(struct world *world);

/* Why a router does not start with this configuration; "" when it does. */
void world_refusal(const char *config, struct error *err);

/* The same for a router that runs: 0, or -1 with err. */
int world_reload(struct world *world, const char *config, struct error *err);

/* Runs the loop for some time. */
void world_pass(struct world *world, uint64_t ms);

struct client {
	struct world *world;
	struct conn *conn; /* NULL after it was closed */
	struct buf in;	   /* what came and was not taken */
	struct tls_context *tls; /* started when it is connected */
	bool is_secure;
	size_t total;	   /* bytes that came */
	const char *epoch;
};

/* Connects; `port` 0: to the Unix socket @/sock. */
void client_open(struct client *client, struct world *world, unsigned port);
void client_close(struct client *client);
void client_send(struct client *client, const char *text);
void client_sendf(struct client *client, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Waits until the text has come and takes all up to its end; the test fails
 * after 5 s, or when the connection ends without it. */
void client_expect(struct client *client, const char *text);

/* Waits for the end of the connection. */
void client_expect_closed(struct client *client);

/* Waits for the stream error, the end of the stream and the end. */
void client_expect_error(struct client *client, const char *condition);

/* Whether the text is in what came so far and was not taken. */
bool client_has(const struct client *client, const char *text);

/* Stream header (with the prefix `link` when `role`) and its answer. */
void client_header(struct client *client, const char *name, bool role);

/* Header and handshake; does not wait for the answer. */
void client_handshake(struct client *client, const char *name, bool role,
		      const char *secret);

/* All of it: a component, a role that is up. The client is opened first. */
void client_component(struct client *client, struct world *world,
		      const char *name, const char *secret);
void client_role(struct client *client, struct world *world, const char *name,
		 const char *secret, const char *epoch);

/* An envelope with a message whose body is `body`, in XML. */
void client_message(struct client *client, const char *from, const char *at,
		    const char *body);

#endif
