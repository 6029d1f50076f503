/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of the sm's features share: one user with some sessions over
 * a real storage, and in the place of the sm's core (routing, sessions, work)
 * notes of what it was asked to do.
 */
#ifndef T_UNIT_SM_WORLD_H
#define T_UNIT_SM_WORLD_H

#include "sm/module.h"
#include "t/unit/storage_world.h"

/* Counts holds, as the real one does. */
struct work {
	unsigned holds;
	work_done_cb *done; /* of work_new_call(); NULL: world.work */
	void *ctx;
};

struct sm_world {
	struct world world;
	struct sm sm;
	struct sm_domain domain;
	struct domain_options domain_options;
	struct sm_options options;
	struct user *user;  /* alice@example.org, with an account */
	struct work work;
	struct buf routed;  /* what route_stanza() got, a line each */
	struct buf errors;  /* "CONDITION to FROM" for each route_error() */
	struct buf sent;    /* "RESOURCE XML" for each session_deliver() */
	bool congested;     /* what link_congested() says */
	struct auth *auth;  /* over the storage; NULL: cannot be written */
	struct members *members; /* what link_members() gives */
	struct buf answers; /* what registration_answer() got */
	bool removed;	    /* user_removed() was called */
};

/* `driver` and `connection` as in storage_open(). */
void sm_world_init(struct sm_world *world, const char *driver,
		   const char *connection);
void sm_world_free(struct sm_world *world);

/* A session of the user, connected and no more. */
struct session *sm_world_session(struct sm_world *world, const char *resource);
/* Its end, as the core makes it. */
void sm_world_close(struct session *session);

/* Gives the stanza to iq_to_server() when it is for the domain, else to
 * iq_to_user(), message_to_user() or presence_to_user(); the work is held by
 * it alone. */
void sm_world_receive(struct sm_world *world, const char *xml);

/* Gives a client's presence to presence_from_session(). */
void sm_world_presence(struct session *session, const char *xml);

/* Runs the loop until the storage has answered. */
void sm_world_settle(struct sm_world *world);

/* Fails unless that stands in the buf; empties it. */
void sm_world_saw(struct buf *buf, const char *text);
/* Fails unless the buf is empty. */
void sm_world_nothing(struct buf *buf);
/* How often a text stands in the buf. */
unsigned sm_world_count(const struct buf *buf, const char *text);

#endif
