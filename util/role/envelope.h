/* SPDX-License-Identifier: Apache-2.0
 *
 * The start tag of a <link:route/>, read and written without a parser: it is
 * the one thing that the router looks at in each stanza (docs/link.md section 4).
 */
#ifndef UTIL_ROLE_ENVELOPE_H
#define UTIL_ROLE_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/base/buf.h"
#include "util/xmpp/stanza.h"

struct envelope {
	const char *at, *from, *epoch, *receiver_epoch; /* `for` */
	const char *to, *session, *origin;
	const char *trust; /* of the stream it came in on; from s2s only */
	uint64_t n;    /* 0: not numbered */
	/* Of a selective <link:ack/> only: up to where all has come, whether
	 * something after that was missing, and which of what came after `n`
	 * is processed: "7 9-12", ascending. */
	bool selective;
	bool gap;
	uint64_t got;
	const char *done; /* NULL: none */
	bool control;
	/* Further namespace declarations in scope for the payload, raw:
	 * " xmlns:x='...'"; NULL: none. The default is jabber:client. */
	const char *namespaces;
	const char *payload; /* NULL: this is an <link:ack/> */
	size_t payload_len;
	/* Of the program that sends, never on the wire: link_send(). */
	uint64_t token;
};

/* Reads the frame "<link:route ...>...</link:route>" (or "<link:ack .../>",
 * whose attributes are the same). Values are unescaped into `space`, which
 * the envelope then points into: it stays valid until the buf changes; the
 * payload points into `frame`. -1 when it is not such an element, or one that
 * is written otherwise than envelope_write() does it (the order of attributes
 * is free), or an attribute is missing, unknown or malformed: `at` and `from`
 * are required, on a route `xmlns='jabber:client'`, with a number `epoch`. */
int envelope_read(struct envelope *envelope, const char *frame, size_t len,
		  struct buf *space);

/* Appends the whole element: a route, without payload an ack. */
void envelope_write(struct buf *to, const struct envelope *envelope);

/* Parses the payload under the namespaces of the envelope: jabber:client, the
 * prefix `stream`, what the envelope declares, and for control the prefix
 * `link`. NULL with err when it is not one well-formed element. */
struct stanza *envelope_parse(const struct envelope *envelope,
			      struct stanza_parser *parser, struct error *err);

/* Takes the next range off `*text`, which has the form of `done`: 1, 0 at the
 * end, -1 when it is malformed or not above `after`. */
int envelope_next_range(const char **text, uint64_t after, uint64_t *first,
			uint64_t *last);

#endif
