/* SPDX-License-Identifier: Apache-2.0
 *
 * The way of a stanza inside an sm (RFC 6120 section 10, RFC 6121 section 8).
 *
 *   session_received -> route_from_session -> (out filters of modules,
 *       subscription and directed presence) -> route_stanza
 *   route_stanza: asks the access rules (sm/access.h), then
 *                 a local user of ours -> task -> user_handle_stanza
 *                 the server itself    -> task -> server_handle_stanza
 *                 another sm, component, remote -> link_send
 *
 * Tasks run in the order they were made, at the end of the turn, never inside
 * route_stanza(): handlers may route freely without recursion.
 */
#ifndef SM_ROUTE_H
#define SM_ROUTE_H

#include "sm/session.h"

struct task {
	struct task *next;
	struct sm *sm;
	struct user *user; /* NULL: for the server itself */
	struct sm_domain *domain; /* that `to` belongs to */
	struct stanza *stanza;
	struct jid *from, *to; /* from NULL never occurs */
	char *origin;	       /* may be NULL */
	struct work *work;     /* may be NULL */
	bool refused;	       /* the user could not be loaded */
	bool waited;	       /* for the user */
	bool again;	       /* of a session that ended: route_leftover() */
};

/* A stanza of a local client, `from` stamped with the full JID. Takes it. */
void route_from_session(struct session *session, struct stanza *stanza,
			const char *origin, struct work *work);

/* Routes a complete stanza with `from` and `to`. Takes it. What cannot be
 * routed comes back to `from` as an error, once. */
void route_stanza(struct sm *sm, struct stanza *stanza, const char *origin,
		  struct work *work);

/* The same, and no access rule is asked: for what such a rule makes us say. */
void route_unasked(struct sm *sm, struct stanza *stanza);

/* Answers `stanza` with an error, unless it may not be answered. */
void route_error(struct sm *sm, const struct stanza *stanza,
		 enum stanza_error error, const char *text);

/* The same, and no access rule is asked. */
void route_refuse(struct sm *sm, const struct stanza *stanza,
		  enum stanza_error error, const char *text);

/* A line about the error `answer` that somebody gets, with the session that it
 * goes to, if that is one of ours. */
void route_log_error(struct sm *sm, const struct stanza *answer,
		     enum stanza_error error, const char *text);

/* An envelope that carries a stanza from another sm, a component or s2s. */
void route_received(struct sm *sm, const struct envelope *envelope,
		    struct work *work);

/* An envelope that the link could not deliver: comes back as an error, or,
 * when a c2s died, goes to another resource or offline. */
void route_undelivered(struct sm *sm, const struct envelope *envelope,
		       const char *reason);

/* -- sm/task.c ------------------------------------------------------------ */

/* Queues a stanza for a local address, `domain` being that of `to`. Takes the
 * stanza; copies the JIDs. An origin that begins with '~' is one of a leftover. */
void task_add(struct sm *sm, struct sm_domain *domain, struct stanza *stanza,
	      const struct jid *from, const struct jid *to,
	      const char *origin, struct work *work);

/* The tasks that waited for a user, now READY or FAILED. */
void tasks_resume(struct user *user);
void tasks_free(struct sm *sm);

/* The tasks' index in sm_stats: 0 message, 1 presence, 2 iq; -1: neither. */
int stanza_kind(const struct stanza *stanza);

/* A stanza that a client did not get: a message goes to another resource or
 * offline, before what has come since; a request is answered with an error.
 * `origin` may be NULL. Takes the stanza. */
void route_leftover(struct sm *sm, struct stanza *stanza,
		    const char *origin, struct work *work);

/* -- inbound rules, for a task whose user is READY; do not take the task  */

/* sm/message.c: RFC 6121 section 8.5.2 and 8.5.3 for messages. */
void message_to_user(struct task *task);
/* A message for a session that ended before its client had it. */
void message_redeliver(struct task *task);

/* sm/presence.c: presence of all types, to a bare or full JID of ours. */
void presence_to_user(struct task *task);
/* Outbound presence of a session: without `to` (section 4), directed (4.6) or a
 * subscription (section 3). Takes the stanza. */
void presence_from_session(struct session *session, struct stanza *stanza,
			   const char *origin, struct work *work);
/* The session has ended: unavailable to all who saw it available. */
void presence_session_closed(struct session *session);
/* The session came back from a snapshot: nobody saw it go. */
void presence_session_restored(struct session *session);
/* The user's account was removed (RFC 6121 section 2.5 for each contact). */
void presence_account_removed(struct user *user);

/* sm/iq.c: to a session, to an account, to the server. */
void iq_to_user(struct task *task);
void iq_to_server(struct task *task);

/* sm/roster.c */
void roster_load(struct user *user, const struct storage_result *result);
void roster_free(struct user *user);

#endif
