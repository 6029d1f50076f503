/* SPDX-License-Identifier: Apache-2.0
 *
 * A client's session: opened with a ticket by the c2s that holds its stream,
 * closed by either side, opened again from its snapshot when this process was
 * restarted (docs/link.md section 6).
 */
#ifndef SM_SESSION_H
#define SM_SESSION_H

#include "sm/user.h"
#include "sm/work.h"

/* An address that was sent directed presence (RFC 6121 section 4.6). */
struct directed {
	struct directed *next;
	char jid[];
};

/* A contact whose last change the client may not have heard of. */
struct stale {
	struct stale *next;
	char jid[];
};

/* A stanza as XML that waits until its c2s is there again. */
struct held {
	struct held *next;
	struct work *work;
	const char *origin; /* in xml; NULL: none */
	size_t len;
	char xml[];
};

struct session {
	struct sm *sm;
	struct user *user;
	char *id;      /* docs/link.md: unique for ever */
	const char *c2s; /* instance that holds the stream; the peer's; NULL
			    while asleep (sm/management.h) */
	struct peer *peer; /* the same as a process (sm/peer.h) */
	struct jid *jid; /* full */
	char *address;	 /* of the client, for log and throttle */
	char *tls;	 /* "TLSv1.3" or NULL */
	char *lang;	 /* of the client's stream header; NULL */
	int64_t since;	    /* microseconds since 1970 */
	uint64_t last_origin; /* number of the newest stanza taken from it */
	struct work *works;   /* of its stanzas, in order (sm/work.c) */
	struct management *management; /* XEP-0198; NULL: not enabled */
	uint64_t delivery; /* sm->delivery of the last message it was given */
	uint32_t generation; /* of its c2s' moves (c2s/move.h) */
	uint64_t shared; /* what the client and its mates know of what is shared
			    (sm/roster_shared.h), a digest */
	bool interested;    /* asked for the roster (RFC 6121 section 2.1.6) */
	bool available;	    /* sent initial presence */
	int priority;	    /* -128..127, of the last presence */
	struct stanza *presence; /* last broadcast; NULL while unavailable */
	struct directed *directed;
	struct stale *stale; /* from its snapshot, until it is told */
	bool ending; /* session_end() is at work on it */
	bool release_wanted; /* once its works are done (sm/handover.h) */
	uint32_t release_generation; /* as it was asked for */
	struct deferred progress; /* sm/management.c: they are done */
	bool snapshot_due;
	struct deferred snapshot_deferred;
	struct held *held, *held_last; /* while its c2s is away */
	size_t held_count;
	void **module_data; /* zeroed blocks of sm_module.session_size */
	struct session *prev, *next; /* of the user's */
	UT_hash_handle hh;	     /* by id */
};

/* Control elements from a c2s: open, reopen, closed. Takes over nothing. */
void session_control(struct sm *sm, const struct envelope *envelope,
		     const struct stanza *control, struct work *work);

/* An envelope with a stanza of a client. */
void session_envelope(struct sm *sm, const struct envelope *envelope,
		      struct work *work);

/* A stanza of the client came in. Checks and stamps `from`, then hands it to
 * route_from_session(). Takes the stanza. */
void session_received(struct session *session, struct stanza *stanza,
		      const char *origin, struct work *work);

/* Sends a stanza to the client; the stanza stays the caller's. Never ends
 * the session: when the c2s is not there the stanza waits for it. `origin` is
 * the stanza's (docs/link.md section 4), `work` is held until it is in the
 * hands of the c2s; both may be NULL. */
void session_deliver(struct session *session, const struct stanza *stanza,
		     const char *origin, struct work *work);

/* The same for what we say ourselves. */
void session_send(struct session *session, const struct stanza *stanza);

/* There is a stream, or there will be one again in a moment. */
bool session_is_awake(const struct session *session);

/* Ends the client's stream with a stream error; the session is gone on
 * return: unavailable presence goes out, as if it had closed. */
void session_kick(struct session *session, enum stream_error condition,
		  const char *text);

/* The stream has ended: unavailable presence goes out, hooks run, what the
 * client did not get goes elsewhere; the session is gone on return. */
void session_end(struct session *session, const char *reason);

/* The same; `work` is held until what went elsewhere is there. */
void session_end_with(struct session *session, const char *reason,
		      struct work *work);

/* The stream was cut: a session that the client may resume stays, others
 * end. */
void session_cut(struct session *session, const char *reason,
		 struct work *work);

/* Another sm has the session now: forgets it; nobody sees anything. */
void session_release(struct session *session);

/* Frees it without a word, at the end of the process. */
void session_forget(struct session *session);

/* What the snapshot says has changed; it is sent at the end of the turn. */
void session_changed(struct session *session);

/* The number in "SESSION/NUMBER"; 0 when it is not of this session. */
uint64_t session_origin_number(const struct session *session,
			       const char *origin);

struct session *session_find(struct sm *sm, const char *id);
struct session *session_by_resource(const struct user *user,
				    const char *resource);

/* A process of c2s is gone: its sessions end. */
void session_c2s_gone(struct sm *sm, struct peer *peer);

/* The c2s is there again: it gets what waited for it. */
void session_flush_held(struct session *session);

/* Sends a control element to the c2s of a session that is not there (yet);
 * takes the control. */
void session_answer(struct sm *sm, const char *c2s, const char *id,
		    struct stanza *control);

/* The same about one that is. */
void session_tell(struct session *session, struct stanza *control);

/* The same; `work` (may be NULL) is held until the c2s has it. */
void session_tell_with(struct session *session, struct stanza *control,
		       struct work *work);

/* -- sm/session_open.c ----------------------------------------------------- */

struct opening;

/* The elements `open`, `resume` and `reopen`; and those that hand a session
 * over that is asleep: `adopt` by another sm, `closed` by the c2s that had it
 * last. */
void session_open(struct sm *sm, const struct envelope *envelope,
		  const struct stanza *control, struct work *work);

/* Forgets openings that wait: of a session, of a process of c2s (either may be
 * NULL: any). */
void openings_cancel(struct sm *sm, const char *id, const struct peer *peer);

/* -- sm/snapshot.c: what a session is restored from ------------------------ */

/* Sends it to the c2s now, not at the end of the turn: before something that
 * the c2s must not know without it. */
void snapshot_send(struct session *session);

/* The same; `work` (may be NULL) is held until the c2s has it. */
void snapshot_send_with(struct session *session, struct work *work);

/* Appends the snapshot as XML. */
void snapshot_write(const struct session *session, struct buf *to);

/* Fills the session from a snapshot; -1: it makes no sense, and the session is
 * as it was. */
int snapshot_read(struct session *session, const char *xml, size_t len);

/* The resource and the time of opening in a snapshot, without a session:
 * *resource is on the heap. -1: it makes no sense. */
int snapshot_peek(struct sm *sm, const char *xml, size_t len, char **resource,
		  int64_t *since);

#endif
