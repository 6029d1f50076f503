/* SPDX-License-Identifier: Apache-2.0
 *
 * The role c2s: client streams (RFC 6120). All its state hangs from one
 * struct, which the files of this folder share.
 *
 * Glossary: a *stream* is one client's connection with all that was opened on
 * it in turn; a *session* is what it has at an sm after binding a resource;
 * the *owner* of a session is the sm that has the session.
 */
#ifndef C2S_C2S_H
#define C2S_C2S_H

#include <stdbool.h>
#include <stdint.h>

#include "c2s/options.h"
#include "util/base/buf.h"
#include "util/base/table.h"
#include "util/net/timer.h"
#include "util/net/tls.h"
#include "util/role/drain.h"
#include "util/role/link.h"
#include "util/role/role.h"
#include "util/xmpp/frame.h"
#include "util/xmpp/stanza.h"
#include "util/xmpp/stream.h"

extern const struct role c2s_role;

#define C2S_STATES     16 /* at least as many as enum stream_state has */
#define C2S_CONDITIONS (STREAM_UNSUPPORTED_VERSION + 1)

enum stanza_kind { KIND_MESSAGE, KIND_PRESENCE, KIND_IQ, KIND_COUNT };

enum auth_outcome {
	AUTH_SUCCESS,
	AUTH_FAILURE,
	AUTH_ABORTED,
	AUTH_UNAVAILABLE,
	AUTH_OUTCOMES
};

struct c2s_stats {
	uint64_t bytes_in, bytes_out;
	uint64_t stanzas_in[KIND_COUNT], stanzas_out[KIND_COUNT];
	uint64_t errors[C2S_CONDITIONS];
	uint64_t auth[AUTH_OUTCOMES];
	uint64_t recovered;	     /* sessions re-opened at an sm */
	uint64_t states[C2S_STATES]; /* streams in each state now */
};

struct domain;
struct stream;

struct c2s {
	struct role_env *env;
	struct loop *loop;
	struct log *log;
	const struct c2s_config *config;
	struct link *link;
	struct stanza_parser *parser;	   /* of clients' streams */
	struct stanza_parser *link_parser; /* of what sms say */
	struct frame_limits before, after; /* authentication */
	struct domain *domains;		   /* by name */
	struct stream *streams;		   /* by session id */
	struct acceptor *acceptor;
	struct stream *blocked;	    /* wait for their owner's queue */
	struct tail *tails;	    /* c2s/tail.c: to be looked after */
	struct timer tails_timer;
	struct flight *flights; /* c2s/flight.c: of sessions that ended */
	struct tls_context *direct; /* of `listen-tls` */
	struct buf out;		    /* where text is put together */
	struct deferred later;	    /* ready, and stopped */
	uint64_t started;	    /* loop_now() */
	uint64_t sessions;
	struct c2s_stats stats;
	struct drain drain;
	uint64_t drain_total; /* connections when it began */
	bool stopping;
};

/* After the last stream has gone: tells the env when it is stopping. */
void c2s_check_stopped(struct c2s *c2s);

/* c2s/metrics.c: role->metrics. */
void c2s_metrics(void *state, struct buf *to);

/* c2s/commands.c: link_handlers.command. */
void c2s_command(struct link *link, const char *from,
		 const struct stanza *stanza, void *ctx);

#endif
