/* SPDX-License-Identifier: Apache-2.0
 *
 * One client's connection: its state, its reading and its end. What happens
 * in the states is in negotiate.c, sasl.c, session.c and relay.c.
 */
#ifndef C2S_STREAM_H
#define C2S_STREAM_H

#include "c2s/c2s.h"
#include "util/net/conn.h"

/*
 * CLEAR_HEADER --header--> CLEAR --starttls--> HANDSHAKE   (direct TLS: first)
 *                                                  |secured
 *                                                  v
 * SECURE <--mechanisms-- WAITING <--header-- SECURE_HEADER
 *  | ^ \__________________register, answer__ REGISTERING
 *  | failure
 *  v |                    answers of the sm
 * SASL_WAIT <---------------------------------------------> SASL
 *  |success
 *  v                           bind, refused
 * AUTH_HEADER --header--> AUTHENTICATED <----> OPENING --opened--> OPEN
 *                                                                  | ^
 * any --stream_fail(), stream_close()--> CLOSING        owner lost v | opened
 *                                                           RECOVERING
 * In WAITING, SASL_WAIT, REGISTERING, OPENING and RECOVERING, it is an sm's
 * turn, and nothing is read from the client.
 */
enum stream_state {
	STATE_CLEAR_HEADER,
	STATE_CLEAR,
	STATE_HANDSHAKE,
	STATE_SECURE_HEADER,
	STATE_WAITING,
	STATE_SECURE,
	STATE_SASL_WAIT,
	STATE_SASL,
	STATE_REGISTERING,
	STATE_AUTH_HEADER,
	STATE_AUTHENTICATED,
	STATE_OPENING,
	STATE_OPEN,
	STATE_RECOVERING,
	STATE_CLOSING, /* our end tag was sent; input is ignored */
	STATE_COUNT
};

/* What is needed until a session is open only. */
struct negotiation {
	char id[33]; /* of the stream */
	char *lang;  /* xml:lang of the header; NULL */
	char *sm;    /* that was asked; NULL: none */
	char *mechanism;
	char *iq_id; /* of the bind or registration; NULL */
	unsigned failures, rounds;
};

struct session; /* c2s/session.h */
struct backlog; /* c2s/stream.c */
struct tail;	/* c2s/tail.h */

struct stream {
	struct c2s *c2s;
	struct conn *conn;
	struct domain *domain; /* NULL before the first header */
	struct admission admission;
	struct frame frame;
	struct timer timer;   /* what for: by the state */
	struct stream_ns *ns; /* NULL: stream_ns_client */
	char *namespaces;     /* further ones, as envelopes have them */
	struct negotiation *negotiation; /* NULL once a session is open */
	struct session *session;	 /* NULL before authentication */
	struct backlog *backlog;    /* pieces that were read while paused */
	struct tail *tail;	    /* written, perhaps not received; or NULL */
	struct stream *prev, *next; /* in c2s->blocked */
	uint64_t heard;		    /* loop_now() of the last byte */
	UT_hash_handle hh;
	uint8_t state;	  /* enum stream_state */
	bool header_sent; /* on the stream that is open now */
	bool paused;
	bool ended;   /* the connection is closing or aborted */
	bool blocked; /* is in c2s->blocked */
	char id[];    /* session id (docs/link.md section 6) */
};

/* Takes over a connection that was let in: an acceptor_cb, whose ctx is the
 * struct c2s. */
void stream_accept(struct conn *conn, const struct admission *admission,
		   bool direct, void *ctx);

/* The one place where a state changes; pauses and resumes reading. */
void stream_set_state(struct stream *s, enum stream_state state);
const char *stream_state_name(enum stream_state state);

/* Ends the stream with an error (RFC 6120 section 4.9): the one way out when
 * the peer, or we, did wrong. `text` is for log and client; NULL: none. The
 * stream lives on in STATE_CLOSING until the connection has ended. */
void stream_fail(struct stream *s, enum stream_error condition,
		 const char *text);

/* The same with an element of another namespace in the error (section
 * 4.9.4), as XML. */
void stream_fail_extra(struct stream *s, enum stream_error condition,
		       const char *text, const char *extra);

/* Cuts the connection, as if the network had: the session may be resumed. */
void stream_cut(struct stream *s, const char *reason);

/* Ends it in an orderly way (section 4.4); `reason` is for the log. */
void stream_close(struct stream *s, const char *reason);

/* Another one begins on the same connection: what was learnt is forgotten. */
void stream_restart(struct stream *s);

/* Stops reading until the queue to the session's owner has drained. */
void stream_block(struct stream *s);
void stream_unblock(struct stream *s);

/* In STATE_RECOVERING: c2s_session_retry() after so many ms. */
void stream_retry_later(struct stream *s, uint64_t ms);

void stream_write(struct stream *s, const char *bytes, size_t len);

/* Writes c2s->out and empties it. */
void stream_flush_out(struct stream *s);

/* Namespaces in scope at its top level. */
const struct stream_ns *stream_namespaces(const struct stream *s);

/* At the end of the process, past its deadline: frees them all. Their
 * connections go with the loop, without callbacks. */
void streams_drop(struct c2s *c2s);

struct stream *stream_find(struct c2s *c2s, const char *id);

#endif
