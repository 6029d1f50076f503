/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of the sm's core share: a whole sm over the memory storage,
 * with a link that notes what is sent and lets the test play all the others.
 * Accounts: alice@example.org and bob@example.org, password "secret".
 */
#ifndef T_UNIT_CORE_WORLD_H
#define T_UNIT_CORE_WORLD_H

#include "sm/sm.h"
#include "t/unit/storage_world.h"
#include "util/base/buf.h"

/* The epoch of c2s-1. */
#define CORE_EPOCH "00000000000000c2"

/* An envelope that the sm has sent. */
struct sent {
	struct sent *next;
	char *at, *to, *session, *trust, *xml;
	bool control;
};

struct core_world {
	struct world world;
	struct role_env env;
	struct sm *sm;
	struct link *link;
	struct members *members;
	struct sent *sent;	/* oldest first */
	struct sent *found;	/* what core_expect() gave out last */
	uint64_t received;	/* receipts that were given out */
	uint64_t processed;	/* and came back */
	const char *unreachable; /* this instance is not there */
	bool ready, stopped;
};

/* `options` is text for the section sm. */
void core_init(struct core_world *core, const char *options);
void core_free(struct core_world *core);

/* The process is gone and another one there, which knows nothing but the
 * accounts. */
void core_restart(struct core_world *core);

/* From c2s-1: a control element; a stanza with its number. The session may
 * be NULL. */
void core_control(struct core_world *core, const char *session,
		  const char *xml);
void core_stanza(struct core_world *core, const char *session, unsigned n,
		 const char *xml);

/* The same from another instance. */
void core_stanza_from(struct core_world *core, const char *from,
		      const char *session, unsigned n, const char *xml);

/* A stanza from another role. */
void core_route(struct core_world *core, const char *from, const char *xml);

/* One from another server, over a stream with this trust. */
void core_route_trusted(struct core_world *core, const char *from,
			const char *trust, const char *xml);

/* From an operator: a whole <link:command/>. */
void core_command(struct core_world *core, const char *xml);

/* The link gives a stanza back that was for a session, or for anybody. */
void core_undelivered(struct core_world *core, const char *at,
		      const char *session, const char *xml);

/* Who is there: sets the one member of a name, which has that name itself, or
 * is sm-1 for the kind sm; epoch NULL: nobody. */
void core_member(struct core_world *core, const char *name, const char *kind,
		 const char *epoch);

/* The next envelope that has `text` in its XML, taken out with all that came
 * before it; runs the loop for it, and fails the test after 10 s. Valid until
 * the next call. */
const struct sent *core_expect(struct core_world *core, const char *text);

/* After some turns of the loop nothing was sent that has the text. */
void core_expect_no(struct core_world *core, const char *text);

/* The value of an attribute of the root of the XML, on the heap; NULL: none. */
char *core_attr(const struct core_world *core, const char *xml,
		const char *name);
/* The text of its root, base64-decoded, on the heap. */
char *core_text(const struct core_world *core, const char *xml);

/* Logs in by PLAIN and gives the ticket, on the heap. */
char *core_login(struct core_world *core, const char *session,
		 const char *name);

/* Logs in, opens a session with that resource; the full JID, on the heap. */
char *core_open(struct core_world *core, const char *session,
		const char *name, const char *resource);

#endif
