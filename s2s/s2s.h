/* SPDX-License-Identifier: Apache-2.0
 *
 * The role s2s: streams to and from other servers (RFC 6120, XEP-0220). All
 * its state hangs from one struct, which the files of this folder share.
 *
 * Glossary: a *local* domain is served by this deployment, a *remote* domain
 * by another server. A *remote* (struct) is a pair of both that we send
 * from and to: its queue, its stream, its failures. A *stream* is one
 * connection, incoming or outgoing. A *grant* is a pair that a peer may send
 * for on an incoming stream, with the level of trust that it reached.
 */
#ifndef S2S_S2S_H
#define S2S_S2S_H

#include <stdbool.h>
#include <stdint.h>

#include "s2s/options.h"
#include "util/base/buf.h"
#include "util/base/table.h"
#include "util/net/resolver.h"
#include "util/net/timer.h"
#include "util/net/tls.h"
#include "util/role/drain.h"
#include "util/role/link.h"
#include "util/role/role.h"
#include "util/xmpp/frame.h"
#include "util/xmpp/ns.h"
#include "util/xmpp/stanza.h"
#include "util/xmpp/stanza_error.h"
#include "util/xmpp/stream.h"

extern const struct role s2s_role;

#define S2S_OUT_KEEP   16384 /* bytes of s2s->out that stay allocated */
#define S2S_CONDITIONS (STREAM_UNSUPPORTED_VERSION + 1)

enum s2s_direction { S2S_IN, S2S_OUT, S2S_DIRECTIONS };

struct s2s_stats {
	uint64_t bytes[S2S_DIRECTIONS], stanzas[S2S_DIRECTIONS];
	uint64_t bounced;		/* stanzas of ours that came back */
	uint64_t forged;		/* stanzas from who they are not */
	uint64_t attempts, failures;	/* to reach a remote domain */
	uint64_t errors[S2S_CONDITIONS]; /* stream errors that we sent */
	uint64_t dialbacks_valid, dialbacks_invalid, dialbacks_failed;
	uint64_t reached[S2S_DIRECTIONS][TRUST_COUNT]; /* streams, so far */
	uint64_t resumed;   /* streams */
	uint64_t resent;    /* stanzas that were not acknowledged */
	uint64_t trial_failed[S2S_DIRECTIONS]; /* trust that was tried out */
	uint64_t untrusted; /* that did not reach what they must */
	uint64_t queued, queued_bytes; /* now, in all queues */
};

struct access;
struct s2s_attempt;
struct fetcher;
struct s2s_local;
struct s2s_management;
struct s2s_posh;
struct s2s_remote;
struct s2s_stream;
struct s2s_zone_check;
struct taken;

struct s2s {
	struct role_env *env;
	struct loop *loop;
	struct log *log;
	const struct s2s_config *config;
	struct link *link;
	struct resolver *resolver;
	struct fetcher *fetcher; /* NULL before it is needed */
	struct s2s_posh *poshes; /* by domain */
	struct s2s_zone_check *zone_checks; /* under way */
	struct stanza_parser *parser;	   /* of streams */
	struct stanza_parser *link_parser; /* of what roles say */
	struct frame_limits before, after; /* authentication */
	struct s2s_local *locals;	   /* by name */
	struct tls_context *server, *direct; /* with all certificates */
	struct s2s_remote *remotes;	     /* by pair */
	struct s2s_stream *streams;	     /* by serial number */
	struct s2s_management *managements; /* XEP-0198 */
	struct taken *taken; /* stanzas on their way to roles, by token */
	struct s2s_stream *blocked; /* wait for a receiver's queue */
	struct acceptor *acceptor;
	struct s2s_attempt *attempts; /* connections being made */
	char *secret, *secret_old; /* of dialback; old may be NULL */
	uint64_t last_serial, last_token;
	uint64_t suspended; /* of the managements */
	uint64_t started;
	struct access *access; /* the rules (s2s/access.h) */
	struct buf out;	       /* where text is put together */
	struct deferred later; /* ready, and stopped */
	struct timer patience; /* when stopping, with the last acknowledgements */
	struct s2s_stats stats;
	struct drain drain;
	bool stopping;
};

/* After the last stream has gone: tells the env when it is stopping. */
void s2s_check_stopped(struct s2s *s2s);

/* After an acknowledgement: whether it was the one that the end waited for. */
void s2s_check_acknowledged(struct s2s *s2s);

/* s2s/metrics.c: role->metrics. */
void s2s_metrics(void *state, struct buf *to);

/* s2s/commands.c: link_handlers.command. */
void s2s_command(struct link *link, const char *from,
		 const struct stanza *stanza, void *ctx);

#endif
