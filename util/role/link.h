/* SPDX-License-Identifier: Apache-2.0
 *
 * A role's connection to its routers: the only router client of the project
 * (docs/link.md). It connects and reconnects with back-off, binds names,
 * knows the members, numbers, acknowledges and re-sends envelopes, and
 * dispatches commands. Waiting for a router is normal: it says so in the log.
 */
#ifndef UTIL_ROLE_LINK_H
#define UTIL_ROLE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/base/log.h"
#include "util/net/loop.h"
#include "util/net/tls.h"
#include "util/role/envelope.h"
#include "util/role/members.h"

struct link;

/* The newest version of docs/link.md that is spoken here. */
#define LINK_VERSION 2

struct link_options {
	const char *name;	    /* instance name: "sm-1" */
	const char *const *routers; /* NULL-terminated addresses */
	const char *secret;	    /* copied; wiped at the end */
	struct tls_context *tls;    /* NULL: in the clear */
	const char *const *binds;   /* NULL-terminated names; NULL: none */
	unsigned version;	    /* spoken at most; 0: LINK_VERSION */
	bool plain_role;	    /* admin: no numbers, no re-sending */
	size_t queue_bytes;	    /* outstanding to one receiver before it is
				       congested; 0: 1 MiB */
};

/* What was received. The envelope is valid during the call only. */
struct link_receipt {
	uint64_t peer; /* private */
	uint64_t n;
};

struct link_handlers {
	/* An envelope came. The receiver calls link_processed(receipt) once,
	 * now or later, when it is done with it (design.md 5). */
	void (*received)(struct link *link, const struct envelope *envelope,
			 struct link_receipt receipt, void *ctx);
	/* The receiver has acknowledged the envelope that was sent with this
	 * token; for one that does not acknowledge, it was handed to the
	 * router. NULL allowed. */
	void (*delivered)(struct link *link, uint64_t token, void *ctx);
	/* An envelope that was accepted by link_send() cannot be delivered:
	 * the instance it was meant for is gone, or nobody has served `to` for
	 * 30 s, or the queue is full. It is valid during the call, and has the
	 * token that it was sent with. */
	void (*undelivered)(struct link *link, const struct envelope *envelope,
			    const char *reason, void *ctx);
	/* The members of a name changed; ask link_members(). NULL allowed. */
	void (*members)(struct link *link, const char *name, void *ctx);
	/* A receiver that was congested is so no longer. NULL allowed. */
	void (*drained)(struct link *link, const char *at, void *ctx);
	/* All routers were lost, or the first one is back. NULL allowed. */
	void (*state)(struct link *link, bool connected, void *ctx);
	/* A command for this role; NULL: answered with `invalid`. */
	void (*command)(struct link *link, const char *from,
			const struct stanza *command, void *ctx);
};

struct link *link_new(struct loop *loop, struct log *log,
		      const struct link_options *options,
		      const struct link_handlers *handlers, void *ctx);

/* Says good-bye (unbinds, flushes), closes; no callbacks from here on. */
void link_close(struct link **link);

/* This process's epoch. */
const char *link_epoch(const struct link *link);
const char *link_name(const struct link *link);
bool link_connected(const struct link *link);

/* The name of the i-th router that there is a link to now; NULL: no more. */
const char *link_router(const struct link *link, size_t i);
const struct members *link_members(const struct link *link);

/* The i-th router as it is configured; false: no more. */
struct link_router_facts {
	const char *address;
	const char *name;   /* NULL: there was never a link to it */
	const char *reason; /* why there is none now; NULL: there is, or the
			       first attempt lasts */
	bool connected;
};
bool link_router_facts(const struct link *link, size_t i,
		       struct link_router_facts *facts);

/* Why there is no link to any router: what came of the last attempt; NULL
 * while the first one lasts. */
const char *link_reason(const struct link *link);

/* Whether the first attempt at every router is over: there is a link to it, or
 * there is a reason why not. */
bool link_all_tried(const struct link *link);

enum link_sent {
	LINK_SENT,
	LINK_NO_ROUTE /* nobody serves `to` (or `at` is not there) now */
};

/* Sends. Set in `envelope`: to, or at, or both; session, origin, control,
 * namespaces, payload; the rest is filled in by the link. With `at` it is for
 * this instance alone; with receiver_epoch, too, for this process alone. Everything is copied. With a token other than 0, either
 * `delivered` or `undelivered` follows, exactly once, unless the link is closed
 * before. */
enum link_sent link_send(struct link *link, const struct envelope *envelope);

/* True while more than queue_bytes are outstanding to the receiver. */
bool link_congested(const struct link *link, const char *at);

/* The receipt's envelope has been processed. Harmless for envelopes that are
 * not numbered, and after its sender is gone. */
void link_processed(struct link *link, struct link_receipt receipt);

/* The instance that serves `to`, NULL: nobody; and whether that is us. */
const char *link_owner(const struct link *link, const char *to);
bool link_owns(const struct link *link, const char *to);

/* Adds or gives back a name while running. */
void link_bind(struct link *link, const char *name);
void link_unbind(struct link *link, const char *name);

struct link_stats {
	uint64_t sent, received, resent, repeats, undelivered;
	uint64_t outstanding, outstanding_bytes;
	unsigned routers_connected;
};
void link_get_stats(const struct link *link, struct link_stats *stats);

#endif
