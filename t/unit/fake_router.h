/* SPDX-License-Identifier: Apache-2.0
 *
 * A router of a hundred lines for the tests of the link: it believes what it
 * is told, and it can be made to lose things.
 */
#ifndef T_UNIT_FAKE_ROUTER_H
#define T_UNIT_FAKE_ROUTER_H

#include "util/net/conn.h"
#include "util/net/listener.h"

struct fake_link;

struct fake_router {
	struct loop *loop;
	const char *name;
	struct listener *listener;
	struct fake_link *links;
	unsigned drop_after; /* envelopes still to pass before the drops */
	unsigned drop;	     /* envelopes to lose after these */
	unsigned routed;     /* envelopes that were passed on */
	unsigned acks;	     /* acknowledgements that were passed on */
	bool deaf;	     /* to acknowledgements: loses them */
	bool mute;	     /* does not answer pings */
	unsigned version;    /* that it speaks; 0: the first */
};

/* Listens on "unix:PATH"; the kind of a link is its name up to the first
 * "-", of those without one "component". */
void fake_open(struct fake_router *router, struct loop *loop,
	       const char *address, const char *name);

/* As a process that is killed. */
void fake_close(struct fake_router *router);

/* Cuts one link's connection. */
void fake_cut(struct fake_router *router, const char *name);

/* Writes to one link. */
void fake_write(struct fake_router *router, const char *name,
		const char *text);

#endif
