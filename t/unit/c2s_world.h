/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of c2s share: the role on a loop of its own with real
 * sockets and TLS, a client, and in place of the link one that plays the sm.
 */
#ifndef T_UNIT_C2S_WORLD_H
#define T_UNIT_C2S_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "c2s/c2s.h"
#include "t/unit/net_world.h"

#define HEADER                                                               \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:client' "         \
	"xmlns:stream='http://etherx.jabber.org/streams' version='1.0' "     \
	"to='example.org'>"
#define STARTTLS "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define SASL_NS "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
#define AUTH_PLAIN "<auth " SASL_NS " mechanism='PLAIN'>AGEAYg==</auth>"
#define BIND                                                                 \
	"<iq type='set' id='b1'><bind "                                      \
	"xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"                          \
	"<resource>phone</resource></bind></iq>"

struct client {
	struct end end;
	size_t read; /* bytes of end.got that were looked at */
};

/* The link's other side. */
struct link {
	struct loop *loop;
	struct link_handlers handlers;
	void *ctx;
	struct members *members;
	struct buf sent; /* a line for each envelope: "AT PAYLOAD\n" */
	size_t read;	 /* of it */
	char session[128]; /* of the last envelope that had one */
	unsigned processed;
	bool congested;
	bool mute; /* the sm does not answer */
	bool silent; /* nor acknowledge; the tokens stay here */
	uint64_t tokens[16];
	unsigned token_count;
	const char *failure; /* what the sm says to a log-in; NULL: success */
	struct timer timer;
	struct reply *replies;
};

struct c2s_world {
	struct certificates certificates;
	struct tls_context *tls, *tls_direct; /* of clients */
	struct loop *loop;
	struct log log;
	struct config *config;
	struct role_env env;
	struct c2s *c2s;
	struct link *link;
	struct buf answer; /* of the last command */
	bool ready, stopped;
};

/* `options` are further lines of the section c2s. */
void world_start(struct c2s_world *world, const char *options);
void world_start_without_sm(struct c2s_world *world, const char *options);
void world_stop(struct c2s_world *world);

/* Writes the file again with these options, and reloads. */
int world_reload(struct c2s_world *world, const char *options);

/* The sms of example.org, by name and epoch; NULL: none. */
void world_sm(struct c2s_world *world, const char *name, const char *epoch);

/* From the sm: a control or a stanza, to the last session. */
void world_say(struct c2s_world *world, const char *from, bool control,
	       const char *payload);

void client_connect(struct c2s_world *world, struct client *client,
		    bool direct);
void client_free(struct client *client);
void client_send(struct client *client, const char *text);

/* Runs until the text comes, from where the last one ended; fails the test
 * when it does not come, or the connection ends before. */
void client_expect(struct client *client, const char *text);

/* The same for the end of the connection. */
void client_expect_closed(struct client *client);

/* As client_expect() for what c2s sends to the sm. */
void sm_expect(struct c2s_world *world, const char *text);

/* Runs a command with one argument (NULL: none); its rows and its status, a
 * line each, valid until the next one. */
const char *world_command(struct c2s_world *world, const char *name,
			  const char *argument, const char *value);

/* What came since, NULL if the text is not in it. */
const char *client_has(const struct client *client, const char *text);

/* TLS under way after `proceed`. */
void client_secure(struct c2s_world *world, struct client *client);

/* All of it, up to the bound resource. */
void client_login(struct c2s_world *world, struct client *client);

#endif
