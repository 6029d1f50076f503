/* SPDX-License-Identifier: Apache-2.0
 *
 * The listeners of a role that takes streams from outside, and who may come
 * in: limits on connections in all, from one network, and before they have
 * authenticated. A connection over a limit is closed at once and costs nothing
 * more.
 */
#ifndef UTIL_ROLE_ACCEPTOR_H
#define UTIL_ROLE_ACCEPTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "util/base/error.h"
#include "util/base/log.h"
#include "util/net/conn.h"
#include "util/role/config.h"

/* A part of the struct of a role's section. */
struct acceptor_options {
	char **listen;	   /* STARTTLS */
	char **listen_tls; /* direct TLS (XEP-0368) */
	int64_t connections, connections_network, connections_before;
};

/* Rows for the option table of a role whose struct `config` has such a member,
 * `acceptor`; the defaults are those of the role. */
#define ACCEPTOR_OPTION(config, opt, kind, member, def, text)                    \
	{ .name = opt, .type = kind,                                           \
	  .offset = offsetof(config, acceptor) +                                 \
		    offsetof(struct acceptor_options, member),                 \
	  .fallback = def, .help = text }
#define ACCEPTOR_OPTIONS(config, listen_def, listen_tls_def, network_def,        \
			 before_def)                                           \
	ACCEPTOR_OPTION(config, "listen", OPTION_LIST, listen, listen_def,       \
			"addresses for STARTTLS"),                             \
	ACCEPTOR_OPTION(config, "listen-tls", OPTION_LIST, listen_tls,           \
			listen_tls_def,                                        \
			"addresses for direct TLS (XEP-0368)"),                \
	ACCEPTOR_OPTION(config, "limit-connections", OPTION_NUMBER, connections, \
			"0", "incoming connections in all; 0: any number"),    \
	ACCEPTOR_OPTION(config, "limit-connections-network", OPTION_NUMBER,      \
			connections_network, network_def,                      \
			"of them from one IPv4 address or IPv6 /64; "          \
			"0: any number"),                                      \
	ACCEPTOR_OPTION(config, "limit-connections-before-auth", OPTION_NUMBER,  \
			connections_before, before_def,                        \
			"of them not authenticated; 0: any number")

/* For a role's `check`: that the addresses are such. */
int acceptor_check(const struct acceptor_options *options, struct error *err);

struct acceptor;
struct acceptor_network;

/* What a connection that was let in holds, embedded in its stream. */
struct admission {
	struct acceptor_network *network; /* NULL: nothing is held */
	bool authenticated;
};

/* A connection was let in: the callee keeps a copy of the admission, and gives
 * it to admission_release() at its end. `direct`: TLS comes first, and is
 * still to be started. */
typedef void acceptor_cb(struct conn *conn, const struct admission *admission,
			 bool direct, void *ctx);

/* Nothing is listened on yet. */
struct acceptor *acceptor_new(struct loop *loop, struct log *log,
			      acceptor_cb *cb, void *ctx);

/* Stops listening. Connections that were let in must be gone. NULL inside is
 * allowed. */
void acceptor_free(struct acceptor **acceptor);

/* Opens and closes listeners until they are those of the options, which must
 * outlive the next call or acceptor_close(). On failure all is as it was. */
int acceptor_listen(struct acceptor *acceptor,
		    const struct acceptor_options *options, struct error *err);

/* Stops listening; connections stay. */
void acceptor_close(struct acceptor *acceptor);

/* For each listener: its address, the port that is really used. */
void acceptor_each(struct acceptor *acceptor,
		   void (*each)(const char *address, bool direct,
				unsigned port, void *ctx),
		   void *ctx);

/* The connection counts among those that have authenticated; once is enough,
 * more does no harm. */
void admission_authenticated(struct admission *admission);

/* It has ended. */
void admission_release(struct admission *admission);

struct acceptor_counts {
	uint64_t accepted, refused;	       /* so far */
	uint64_t connections, unauthenticated; /* now */
	uint64_t networks; /* that they are from */
};
struct acceptor_counts acceptor_count(const struct acceptor *acceptor);

#endif
