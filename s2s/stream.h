/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection with another server: its reading and its end. What the
 * elements on it mean is in incoming.c, outgoing.c and dialback.c.
 */
#ifndef S2S_STREAM_H
#define S2S_STREAM_H

#include "s2s/dane.h"
#include "s2s/s2s.h"
#include "util/net/conn.h"

/*
 * incoming:
 *   HEADER --header, features--> READY --starttls--> HANDSHAKE
 *     ^  (direct TLS: HANDSHAKE first)  |               |secured
 *     |                                 |EXTERNAL       |
 *     +---------------------------------+---------------+
 * outgoing:
 *   HEADER --header--> FEATURES --starttls--> PROCEED --proceed--> HANDSHAKE
 *     ^ ^                 |  |                                        |
 *     | |                 |  | EXTERNAL, dialback                     |
 *     | |                 |  +---> AUTH --valid--> READY <- RESUME    |
 *     | +---- success ----|---------+                ^                |
 *     |                   +--------- authenticated --+                |
 *     +---------------------------- secured --------------------------+
 * any --s2s_stream_fail(), s2s_stream_close()--> CLOSING
 */
enum s2s_state {
	S2S_HANDSHAKE,
	S2S_HEADER,   /* the peer's is awaited */
	S2S_FEATURES, /* they are awaited */
	S2S_PROCEED,
	S2S_JUDGE,  /* what the peer's domain says of it is (POSH) */
	S2S_AUTH,   /* the peer's judgement of us is awaited */
	S2S_RESUME, /* its word on resuming a former stream is */
	S2S_READY,
	S2S_CLOSING, /* our end tag was sent; input is ignored */
	S2S_STATES
};

struct s2s_grant { /* a pair that an incoming stream may carry */
	struct s2s_grant *next;
	enum trust level;
	char *local, *remote;
	char *lacks; /* for a higher level: a reason; NULL: nothing known */
};

struct s2s_stream {
	struct s2s *s2s;
	struct conn *conn;
	struct admission admission; /* incoming only */
	struct frame frame;
	struct timer timer;
	struct stream_ns ns;
	uint64_t serial;
	char id[33];   /* of the stream; who is called gives it */
	char *peer_id; /* outgoing: the one that the peer gave */
	/* Outgoing: the pair; incoming: what the header says, NULL before. */
	char *local, *remote;
	struct s2s_remote *owner; /* outgoing: it negotiates for this pair */
	struct s2s_remote *users; /* whose stanzas it carries, or will */
	struct s2s_management *management; /* NULL: none */
	struct s2s_grant *grants;
	enum trust level;   /* outgoing: that was reached */
	char *lacks;	    /* outgoing: for a higher one, a reason */
	struct s2s_dane *dane; /* outgoing: what DNSSEC says of the peer */
	unsigned dialbacks; /* incoming: that are under way */
	uint64_t used;	    /* loop_now() of the last stanza */
	uint64_t stanzas;
	struct s2s_stream *prev, *next; /* in s2s->blocked */
	UT_hash_handle hh;
	uint8_t state; /* enum s2s_state */
	bool incoming;
	bool direct;
	bool has_ns;
	bool header_sent; /* on the stream that is open now */
	bool legacy;	  /* the peer knows no features */
	bool external;	  /* authenticated by SASL */
	bool bidi;	  /* was agreed on (XEP-0288) */
	bool managed;	  /* it had stream management, to its end */
	bool offers_sm, offers_external, offers_bidi; /* outgoing: features */
	bool verifying;	  /* outgoing: db:verify may be sent */
	bool paused, blocked;
	bool ended; /* the connection is closing or aborted */
};

/* Takes over a connection that was let in: an acceptor_cb, whose ctx is the
 * struct s2s. */
void s2s_stream_accept(struct conn *conn, const struct admission *admission,
		       bool direct, void *ctx);

/* Takes over a connection: accepted, or made for a pair. With `direct` TLS
 * comes first. */
struct s2s_stream *s2s_stream_new(struct s2s *s2s, struct conn *conn,
				  bool incoming, bool direct);

void s2s_stream_set_state(struct s2s_stream *s, enum s2s_state state);
const char *s2s_state_name(enum s2s_state state);

/* Ends the stream with an error (RFC 6120 section 4.9): the one way out when
 * the peer, or we, did wrong. `text` is for log and peer; NULL: none. */
void s2s_stream_fail(struct s2s_stream *s, enum stream_error condition,
		     const char *text);

/* Ends it in an orderly way (section 4.4); `reason` is for the log. */
void s2s_stream_close(struct s2s_stream *s, const char *reason);

/* Cuts the connection, as if the network had: the stream may be resumed. */
void s2s_stream_abort(struct s2s_stream *s, const char *reason);

/* Another stream resumes this one, whose connection must be broken. */
void s2s_stream_replace(struct s2s_stream *s);

/* A new header is expected on the same connection. */
void s2s_stream_restart(struct s2s_stream *s);

void s2s_stream_write(struct s2s_stream *s, const char *bytes, size_t len);

/* Writes s2s->out and empties it. */
void s2s_stream_flush(struct s2s_stream *s);

/* Sends our stream header, once for each stream. `to` may be NULL. */
void s2s_stream_header(struct s2s_stream *s, const char *from, const char *to);

/* Stops reading until the queue to a receiver has drained. */
void s2s_stream_block(struct s2s_stream *s);
void s2s_stream_unblock(struct s2s_stream *s);

/* A pair has been authenticated; another level replaces the old one. `lacks`:
 * why it is no higher one; NULL: nothing is known of that. */
void s2s_stream_grant(struct s2s_stream *s, const char *local,
		      const char *remote, enum trust level, const char *lacks);
const struct s2s_grant *s2s_stream_granted(const struct s2s_stream *s,
					   const char *local,
					   const char *remote);

/* The level of the pair that the stream was opened for. */
enum trust s2s_stream_level(const struct s2s_stream *s);

/* Lists of grants: the target gets those that it has not; the source is empty
 * then. */
void s2s_grants_move(struct s2s_grant **to, struct s2s_grant **from);
void s2s_grants_free(struct s2s_grant **grants);

/* An incoming one; NULL: it has gone. */
struct s2s_stream *s2s_stream_find(struct s2s *s2s, uint64_t serial);

/* At the end of the process, past its deadline: frees them all. */
void s2s_streams_drop(struct s2s *s2s);

#endif
