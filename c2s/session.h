/* SPDX-License-Identifier: Apache-2.0
 *
 * The session of a stream: opened at the user's sm by binding a resource, and
 * opened again when that sm changes (docs/link.md section 6).
 */
#ifndef C2S_SESSION_H
#define C2S_SESSION_H

#include "c2s/seen.h"
#include "c2s/stream.h"
#include "util/role/envelope.h"

/* A stanza that no sm has taken yet. */
struct held {
	struct held *next;
	uint64_t number;
	size_t len;
	char bytes[];
};

enum move {
	MOVE_NONE,
	MOVE_RELEASING, /* the owner was asked to let go */
	MOVE_RELEASED,	/* and did */
	MOVE_OPENING	/* the next one was asked to open it */
};

struct session {
	char *bare, *resource; /* resource: NULL until it is open */
	char *ticket;	       /* a secret; proves the log-in to any sm */
	char *snapshot;	       /* opaque; NULL: none came yet */
	char *owner;	       /* NULL: none asked yet */
	char epoch[17];	       /* the owner's */
	bool open;
	bool dismissed;	   /* by the owner: it knows of the end */
	bool lost;	   /* the owner has forgotten it, or is gone */
	bool moving;	   /* from one sm to another; counted by the domain */
	enum move move;	   /* c2s/move.h; in STATE_RECOVERING */
	bool asked;	   /* the client waits for an <a/> */
	bool stated, inactive; /* XEP-0352: it said so */
	char *resume;	   /* SM-ID that the client wants back; NULL */
	char *enable;	   /* <enable/> without an answer; NULL */
	uint64_t enable_at; /* `number` of then */
	uint32_t h;	   /* of the resume */
	struct held *held; /* in order of their numbers */
	struct seen seen;  /* c2s/tail.c; of one that is not managed */
	uint64_t number;   /* of the last stanza that came in */
	struct flight *flight; /* c2s/flight.h: what is under way; or NULL */
	uint32_t generation; /* how often it was opened again */
	uint64_t done;	   /* all up to here were dealt with */
	uint64_t asked_at; /* loop_now() of the last reopen */
	uint64_t stanzas_out;
	int64_t since;	     /* wall clock, us */
	uint64_t recovering; /* loop_now() when it began */
};

/* After SASL: the stream has a user, copied. */
void c2s_session_new(struct stream *s, const char *bare, const char *ticket);

/* Frees it; if it was open, tells its owner and the log. NULL is fine. `cut`:
 * the client did not end it, and may resume it (XEP-0198). */
void c2s_session_end(struct stream *s, const char *reason, bool cut);

/* An iq in STATE_AUTHENTICATED, or one in STATE_OPEN that mentions a
 * namespace of RFC 6120. False: it is not for us but for the sm. */
bool c2s_session_iq(struct stream *s, const struct element *iq);

/* The word of a stanza error; something else for what is none. */
const char *c2s_stanza_condition(const char *word);

/* Answers an iq with an error; type and text may be NULL. */
void c2s_session_iq_error(struct stream *s, const char *id, const char *type,
			  const char *condition, const char *text);

/* Begins, in c2s->out, an element that asks the user's sm to open a session:
 * its start tag with what an sm has to know, left open. False: there is no such
 * sm. c2s_session_opening() sends what was put there. */
bool c2s_session_ask(struct stream *s, const char *element);
void c2s_session_opening(struct stream *s);

/* Controls from the sm. */
void c2s_session_opened(struct stream *s, const struct envelope *envelope,
			const struct element *element);
void c2s_session_refused(struct stream *s, const struct envelope *envelope,
			 const struct element *element);
void c2s_session_snapshot(struct stream *s, const struct envelope *envelope,
			  const struct element *element);
void c2s_session_close(struct stream *s, const struct envelope *envelope,
		       const struct element *element);
/* The sm that was asked to open it is gone. */
void c2s_session_open_failed(struct stream *s);

/* Adds to an element, whose start tag is open, all that an sm must know to go
 * on with a session that it does not know: attributes, and the content. */
void c2s_session_add_all(struct stream *s, struct buf *out);

/* "user@domain/resource" (as far as there is one) into `to`. */
void c2s_session_add_jid(const struct session *session, struct buf *to);

#endif
