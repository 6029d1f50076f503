/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the router share. All state hangs from struct router.
 *
 * Glossary: a *peer* is a connection to the router; once its handshake is
 * done it is a *link* and holds a name. *Blocked* is a link that is not read
 * because a link that it writes to is above its mark.
 */
#ifndef ROUTER_STATE_H
#define ROUTER_STATE_H

#include "router/options.h"
#include "router/router.h"
#include "util/base/table.h"
#include "util/net/listener.h"
#include "util/net/timer.h"
#include "util/role/drain.h"
#include "util/role/members.h"
#include "util/xmpp/frame.h"
#include "util/xmpp/stanza.h"
#include "util/xmpp/stream.h"

#define EPOCH_DIGITS 16
#define STREAM_ID_DIGITS 32

struct name;
struct policy;

struct router_stats {
	uint64_t accepted;  /* connections */
	uint64_t evicted;   /* before the handshake, by newer ones */
	uint64_t refused;   /* handshakes, binds and envelopes without right */
	uint64_t failed;    /* links ended with a stream error */
	uint64_t gone;	    /* envelopes whose receiver was not there */
	uint64_t returned;  /* stanzas sent back as errors */
	uint64_t dropped;   /* errors and results without a receiver */
	uint64_t malformed; /* payloads that no component can be given */
	uint64_t blocked;   /* times a link had to wait for another */
	uint64_t slow;	    /* links closed because they did not read */
	uint64_t envelopes[LINK_KINDS]; /* forwarded, by the sender's kind */
	uint64_t bytes[LINK_KINDS];
};

struct router {
	struct role_env *env;
	struct loop *loop;
	struct log *log;
	const struct router_options *options; /* lives in the config */
	struct policy *policies;
	size_t policy_count;
	struct tls_context *tls; /* NULL without listen-tls */
	struct listener **listeners;
	size_t listener_count;
	struct stanza_parser *parser;
	struct peer *peers; /* all, in the order of arrival */
	size_t handshakes;  /* those that are not links yet */
	struct peer *links; /* by name */
	struct name *names;
	struct name *dirty; /* whose members changed in this turn */
	struct members *members;
	struct deferred announce;
	struct buf space;   /* scratch of envelope_read() */
	struct buf out;	    /* scratch for what is written */
	struct router_stats stats;
	uint64_t started; /* loop_now() */
	char epoch[EPOCH_DIGITS + 1]; /* of this process, as roles have one */
	struct drain drain;
	bool stopping;
	struct deferred end; /* says that we have stopped */
};

/*
 *   accepted -> HEADER -> HANDSHAKE -+-> ROLE -> UP        (roles)
 *                             |      +---------> UP        (components)
 *                             +-> CONTENDER -> ROLE or UP  (name was taken)
 *
 * and from each of them to CLOSING, by peer_fail() or because the connection
 * ended. From ROLE on the peer is a link and holds its name.
 */
enum peer_state {
	PEER_HEADER,	/* its stream header is awaited */
	PEER_HANDSHAKE, /* ours was sent */
	PEER_CONTENDER, /* proved, waits whether the holder of its name lives */
	PEER_ROLE,	/* <link:role/> is awaited */
	PEER_UP,
	PEER_CLOSING
};

struct peer {
	struct router *router;
	struct conn *conn;
	enum peer_state state;
	enum link_kind kind; /* from CONTENDER on */
	char *asked;	     /* `to` of its stream header as it came */
	char *name;	     /* the same, prepared; NULL: not valid */
	char id[STREAM_ID_DIGITS + 1];
	char epoch[EPOCH_DIGITS + 1]; /* "" for components */
	char *software;
	unsigned version; /* of the link protocol; 0 for components */
	char address[ADDRESS_MAX];
	struct frame frame;
	struct frame_limits limits;
	struct stream_ns ns;
	bool greeted;	    /* our stream header was sent */
	bool has_prefix;    /* its header declares `link` */
	bool watching;
	uint64_t up_at;	    /* loop_now() when it became a link */
	uint64_t heard_at;  /* and when it last sent anything */
	uint64_t sent, received; /* envelopes and stanzas */

	struct timer timer; /* handshake; contender; then silence */
	struct timer slow;  /* runs while above the mark */
	char ping_id[EPOCH_DIGITS + 1]; /* "": none outstanding */
	struct peer *contender;	 /* wants our name */
	struct peer *incumbent;	 /* has the name we want */

	struct name **names; /* own first */
	size_t name_count;
	char **refused; /* names that it wants and may not have */
	size_t refused_count;

	struct peer *blocked_on; /* whom we wait for; NULL: we are read */
	struct peer *blocked;	 /* those that wait for us */
	struct peer *blocked_prev, *blocked_next;

	struct peer *prev, *next;
	UT_hash_handle hh; /* router->links */
};

/* Says that the router has stopped, when it shall and no peer is left. */
void router_check_stopped(struct router *router);

#endif
