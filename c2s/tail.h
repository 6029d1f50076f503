/* SPDX-License-Identifier: Apache-2.0
 *
 * The tail of a stream: copies of the stanzas that its client may not have got
 * yet. On a *managed* stream (XEP-0198) these are the ones that it has not
 * acknowledged, numbered by the sm; on others those that the kernel has not
 * taken, which go back to the sm when the connection breaks.
 */
#ifndef C2S_TAIL_H
#define C2S_TAIL_H

#include "c2s/seen.h"
#include "c2s/stream.h"
#include "util/role/envelope.h"

struct tail_item {
	struct tail_item *next;
	uint64_t number;    /* managed: given by the sm, from 1 */
	uint64_t end;	    /* of `written` behind it */
	const char *origin; /* in bytes; NULL: none */
	size_t len;
	char bytes[];
};

struct tail {
	struct stream *stream;
	char *bare;	/* whose stream it is */
	bool managed;
	bool waits;	/* is in c2s->tails */
	uint64_t sent, acked; /* numbers; managed */
	uint64_t requested;   /* as far as an <r/> asks */
	uint64_t requested_at; /* loop_now() of the oldest that is open */
	uint64_t written;     /* bytes since there is this tail */
	struct tail_item *first, *last;
	struct seen seen; /* of what was acknowledged */
	struct tail *prev, *next; /* in c2s->tails */
};

/* Whether it is a stanza of a managed session, with a number. */
bool tail_is_numbered(const struct envelope *envelope);

/* Where it first came from; NULL: not known. */
const char *tail_origin(const struct envelope *envelope);

/* A stanza from the sm is written, and kept. False: it is from an sm that the
 * session has left, and still has to reach its client. */
bool tail_write(struct stream *s, const struct envelope *envelope);

/* The stream is managed from here on; numbers go on after `sent`. */
void tail_manage(struct stream *s, uint64_t sent);

/* <a/> from the client: forgets what it has got; false after a stream error,
 * when it counts more than there was. */
bool tail_acked(struct stream *s, uint32_t h);

/* Appends <link:unacked/> for each stanza and <link:seen/> for what an sm has
 * to know of a managed stream. */
void tail_describe(const struct stream *s, struct buf *to);

/* The connection is gone: what was not written goes back to the sm. */
void tail_return(struct stream *s);

void tail_free(struct stream *s);

/* Ends the stream whose client has acknowledged too much. */
void tail_fail_count(struct stream *s, uint32_t h, uint32_t sent);

/* At the end of the process. */
void tails_stop(struct c2s *c2s);

#endif
