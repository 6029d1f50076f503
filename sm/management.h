/* SPDX-License-Identifier: Apache-2.0
 *
 * Stream management (XEP-0198) of a session: what its client has not
 * acknowledged, how far its own stanzas are handled, and the time between two
 * connections, in which the session is *asleep*. The c2s keeps a copy of the
 * first, so that two processes have it (docs/link.md section 6).
 *
 * Stanzas to the client are numbered from 1 in the life of the session; the
 * protocol's 32-bit counters are those numbers modulo 2^32.
 */
#ifndef SM_MANAGEMENT_H
#define SM_MANAGEMENT_H

#include "sm/session.h"

#define MANAGEMENT_ID 32 /* digits */
#define SEEN_MAX      512

/* A stanza for the client that it has not acknowledged. */
struct unacked {
	struct unacked *next;
	struct work *work;  /* whose stanza it is; until the c2s has it */
	uint64_t number;
	int64_t stamp;	    /* when it was sent first; microseconds */
	struct management *owner; /* in whose queue it is; NULL: in none */
	unsigned links;	    /* how often the link has it */
	struct sm *sm;
	struct unacked *before, *after; /* in sm->in_flight, while links */
	bool delivered;	    /* the c2s has it */
	bool lasting;	    /* a message that may be stored */
	bool stored;	    /* it was, while the session was asleep */
	bool left;	    /* out of the queue, and taken care of */
	const char *origin; /* in xml; NULL: none */
	size_t len;
	char xml[];
};

struct waking; /* sm/management_resume.c */

struct management {
	struct session *session;
	char id[MANAGEMENT_ID + 1]; /* the SM-ID */
	bool resumable;
	bool asleep;	 /* there is no connection */
	bool stored;	 /* some of the queue is in the offline storage */
	uint64_t max;	 /* milliseconds that it may be asleep */
	/* Its stanzas: `handled` of them were at the number `base`. */
	uint64_t base;
	uint32_t handled;
	bool asked;	 /* it wants to hear when `asked_at` is handled */
	uint64_t asked_at;
	/* Stanzas for it: of those `sent`, `acked` were acknowledged; the
	 * queue has the rest, in order. */
	uint64_t sent, acked;
	struct unacked *queue, *queue_last;
	size_t count, bytes;
	uint64_t *seen;	 /* ring of origins that it has got; NULL: none */
	unsigned seen_at;
	bool behind;	 /* some of the queue could not be sent */
	bool overflow;	 /* the queue is full; the timer ends the session */
	struct timer timer;
	struct waking *waking;
};

/* An element of the client in the namespace of XEP-0198. */
void management_control(struct sm *sm, const struct envelope *envelope,
			const struct stanza *control);

/* How many of the client's stanzas are handled: all that came of them is
 * stored, or in the hands of another process (design.md 5). */
uint32_t management_handled(const struct session *session);

/* A stanza of the client has been handled. Any session. */
void management_progress(struct session *session);

/* Sends XML to the client, or keeps it while the session is asleep. */
void management_send(struct session *session, const struct stanza *stanza,
		     const char *origin, struct work *work);

/* While it is asleep: keeps it as well, but in memory only, because another
 * session has it. */
void management_keep(struct session *session, const struct stanza *stanza,
		     const char *origin);

/* Acknowledged by the client up to here. */
void management_acked(struct management *m, uint64_t number);

/* The number that a 32-bit counter of the client means; false: it says more
 * than was sent. */
bool management_number(const struct management *m, uint32_t h,
		       uint64_t *number);

/* The stanza with this origin is in the queue, or was sent before the session
 * came here. */
bool management_has(const struct management *m, const char *origin);

/* The work is held until the c2s has the stanza of that number. */
void management_guard(struct management *m, uint64_t number,
		      struct work *work);

/* Notes that it was sent before. */
void management_saw(struct management *m, uint64_t hash);
uint64_t management_hash(const char *origin);

/* What the link says about a stanza: the c2s has it, or did not get it. */
void unacked_delivered(struct unacked *unacked);
void unacked_returned(struct unacked *unacked);

/* What nobody else will deliver goes elsewhere, once. `work` (may be NULL) is
 * held for it if it has none of its own. */
void unacked_leave(struct sm *sm, struct unacked *unacked, struct work *work);

/* At the end of the process, after the sessions: what the link had still. */
void unacked_free_all(struct sm *sm);

/* The c2s is there: sends what it did not get, or all there is. */
void management_flush(struct session *session, bool all);

/* The connection is gone, or the whole c2s. What must not be lost is stored;
 * `work` (may be NULL) is held until that is done. */
void management_sleep(struct session *session, const char *reason,
		      struct work *work);

/* The queue, taken out of a session that is about to end, and what becomes of
 * it once the session is no more. `work` is held for it; may be NULL. */
struct unacked *management_take(struct session *session, bool *stored);
void management_leave(struct sm *sm, struct user *user,
		      struct unacked *queue, bool stored, struct work *work);

void management_free(struct management **management);

/* Into the offline storage, from which it goes to whoever comes first: the
 * client in its place, or somebody else (sm/offline.h). */
void management_store(struct session *session, struct unacked *unacked,
		      struct work *work);

/* The same for those sessions of the user that are asleep and have the message
 * with this origin, when no other session has it. */
void management_store_copies(struct user *user, const char *origin,
			     struct work *work);

/* At the end of the queue, with the next number; not sent. */
struct unacked *management_add(struct session *session,
			       const struct stanza *stanza,
			       const char *origin);

/* Of the snapshot: adds an element; reads it. */
void management_write(const struct session *session, struct element *root);
int management_read(struct session *session, const struct element *root);

/* For another sm: attributes and children of `element`, and what they say. */
void management_describe(const struct session *session,
			 struct element *element);
void management_restore(struct session *session,
			const struct element *element);

/* A new one, with an identity of its own. */
struct management *management_new(struct session *session);

/* -- sm/management_resume.c ------------------------------------------------ */

/* The client is back: `session` is to live on at the c2s `peer` (taken) under
 * the session id `id`. `h` is what the client says that it has got. */
struct comeback {
	const char *id;
	struct peer *peer;
	char *address, *tls, *lang; /* taken */
	uint32_t h;
};
void management_resume(struct session *session, struct comeback *back);

/* Goes on, or ends, while the works of the old connection end. */
void waking_progress(struct session *session);
void waking_free(struct management *m);

/* The session with this SM-ID; NULL: the user has none. */
struct session *management_find(const struct user *user, const char *id);

/* Of a session that ended a short while ago: how much was handled. */
bool management_ended(const struct user *user, const char *id, uint32_t *h);
void management_remember(struct session *session);

#endif
