/* SPDX-License-Identifier: Apache-2.0
 *
 * A client's session: opened with a ticket by the c2s that holds its stream,
 * closed by either side, opened again from its snapshot when this process was
 * restarted (docs/link.md section 6).
 */
#ifndef SM_SESSION_H
#define SM_SESSION_H

#include "sm/user.h"

/* An address that was sent directed presence (RFC 6121 section 4.6). */
struct directed {
	struct directed *next;
	char jid[];
};

struct session {
	struct sm *sm;
	struct user *user;
	char *id;      /* docs/link.md: unique for ever */
	char *c2s;     /* instance that holds the stream */
	struct jid *jid; /* full */
	char *address;	 /* of the client, for log and throttle */
	char *tls;	 /* "TLSv1.3" or NULL */
	char *ticket;
	int64_t since;	    /* microseconds since 1970 */
	uint64_t last_origin; /* number of the newest stanza taken from it */
	bool interested;    /* asked for the roster (RFC 6121 section 2.1.6) */
	bool available;	    /* sent initial presence */
	int priority;	    /* -128..127, of the last presence */
	struct stanza *presence; /* last broadcast; NULL while unavailable */
	struct directed *directed;
	bool snapshot_due;
	struct deferred snapshot_deferred;
	void **module_data; /* zeroed blocks of sm_module.session_size */
	struct session *prev, *next; /* of the user's */
	UT_hash_handle hh;	     /* by id */
};

/* Control elements from a c2s: open, reopen, closed. Takes over nothing. */
void session_control(struct sm *sm, const struct envelope *envelope,
		     const struct stanza *control, struct work *work);

/* A stanza of the client came in. Checks and stamps `from`, then hands it to
 * route_from_session(). Takes the stanza. */
void session_received(struct session *session, struct stanza *stanza,
		      const char *origin, struct work *work);

/* Sends a stanza to the client; the stanza stays the caller's. */
void session_send(struct session *session, const struct stanza *stanza);

/* Ends the client's stream with a stream error; the session is gone on
 * return: unavailable presence goes out, as if it had closed. */
void session_kick(struct session *session, enum stream_error condition,
		  const char *text);

/* What the snapshot says has changed; it is sent at the end of the turn. */
void session_changed(struct session *session);

struct session *session_find(struct sm *sm, const char *id);
struct session *session_by_resource(const struct user *user,
				    const char *resource);

/* An instance of c2s is gone: its sessions end. */
void session_c2s_gone(struct sm *sm, const char *c2s);

#endif
