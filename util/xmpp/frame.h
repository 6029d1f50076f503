/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds, in the bytes of a stream, the stream header and the exact bounds of
 * each top-level element (RFC 6120 section 11), and enforces what may be
 * enforced without building anything: no comments, processing instructions,
 * DTDs or entities beyond the five predefined ones and character references
 * (section 11.1), and limits on size, depth, attributes and names.
 *
 * It does not check all that tags must be: stanza_parse() does, on the framed
 * bytes. Both must agree that a frame is one element. But most end tags that
 * do not match are noticed, since the element might never be complete then.
 */
#ifndef UTIL_XMPP_FRAME_H
#define UTIL_XMPP_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/base/buf.h"

struct frame_limits {
	size_t bytes;	     /* of one top-level element, or the header */
	unsigned depth;	     /* of elements within it; the top one is 1 */
	unsigned attributes; /* of one element */
	unsigned name;	     /* bytes of one element or attribute name */
};

enum frame_kind {
	FRAME_HEADER,	  /* "<stream:stream ...>"; an XML declaration before it
			   * is checked and left out */
	FRAME_ELEMENT,	  /* one whole top-level element */
	FRAME_WHITESPACE, /* keep-alive between elements, without its bytes:
			   * once for each run in the input as it was pushed */
	FRAME_END	  /* "</stream:stream>" */
};

enum frame_error {
	FRAME_OK,
	FRAME_NOT_WELL_FORMED, /* stream error not-well-formed */
	FRAME_RESTRICTED_XML,  /* stream error restricted-xml */
	FRAME_TOO_BIG,	       /* policy-violation: any of the limits */
	FRAME_BAD_ENCODING     /* unsupported-encoding: another one declared */
};

/* Depth up to which end tags are compared with start tags. */
#define FRAME_MATCHED 8

/* State of one direction of a stream; embedded; about 100 bytes while nothing
 * is incomplete. Only frame.c looks inside, but for `held` (memory in use). */
struct frame {
	const struct frame_limits *limits;
	struct buf held;     /* the incomplete piece at the end of the input */
	uint32_t depth;	     /* of open elements within the piece */
	uint32_t attributes; /* of the tag that is being scanned */
	uint32_t name;	     /* bytes of the name that is being scanned */
	uint32_t hash;	     /* of the element's name that is being scanned */
	uint32_t open[FRAME_MATCHED]; /* such of the open elements */
	uint32_t reference;  /* the reference, or how much of "<![CDATA[" */
	uint8_t state;
	uint8_t quote;	     /* that ends the attribute value; 0 outside */
	bool declared;	     /* the XML declaration has passed */
	bool in_stream;	     /* the header has passed */
	bool ended;	     /* the end tag of the stream has passed */
	uint8_t error;	     /* enum frame_error */
	const char *reason;  /* a fixed sentence with the error */
};

/* `limits` must outlive the frame; it may be replaced between calls. */
void frame_init(struct frame *frame, const struct frame_limits *limits);

/* Called for each piece in order. `bytes` are valid during the call, whatever
 * it does, and are not followed by a NUL; the callback may call frame_reset(),
 * and the rest of the input is then read as the new stream's. Returns true to
 * go on; false stops frame_push() at once and forgets the rest of its input
 * (the frame may be freed by then). */
typedef bool frame_cb(enum frame_kind kind, const char *bytes, size_t len,
		      void *ctx);

/* Takes input in any portions; pieces are the same, whatever the portions.
 * FRAME_OK, or the error, which is final until frame_reset(): the stream must
 * end. Input after FRAME_END is ignored. */
enum frame_error frame_push(struct frame *frame, const char *bytes, size_t len,
			    frame_cb *cb, void *ctx);

/* A new stream header is expected (after STARTTLS and SASL); what is held is
 * forgotten. */
void frame_reset(struct frame *frame);
void frame_free(struct frame *frame);

#endif
