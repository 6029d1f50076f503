/* SPDX-License-Identifier: Apache-2.0
 *
 * Between frame.c, which cuts out pieces, and frame_scan.c, which walks
 * through the markup of one piece. Nobody else includes this.
 */
#ifndef UTIL_XMPP_FRAME_SCAN_H
#define UTIL_XMPP_FRAME_SCAN_H

#include "util/xmpp/frame.h"

/* Where the scanner is. Between pieces, then within the markup of one piece,
 * then the four ways in which a piece is complete. */
enum frame_state {
	STATE_BETWEEN,
	STATE_OPEN,	   /* at "<" */
	STATE_MARKUP,	   /* after "<" */
	STATE_NAME,	   /* of a start tag */
	STATE_TAG,	   /* after that name, or white space in the tag */
	STATE_ATTRIBUTE,   /* its name */
	STATE_EQUALS,	   /* after its name */
	STATE_QUOTE,	   /* after its "=" */
	STATE_VALUE,
	STATE_AFTER_VALUE,
	STATE_EMPTY,	   /* after "/" in a start tag */
	STATE_END_MARKUP,  /* after "</" */
	STATE_END_NAME,
	STATE_END_SPACE,   /* after the name of an end tag */
	STATE_TEXT,
	STATE_REFERENCE,   /* after "&", in text or a value */
	STATE_ENTITY,
	STATE_NUMBER,	   /* after "&#" */
	STATE_DECIMAL,
	STATE_HEX,	   /* after "&#x" */
	STATE_BANG,	   /* after "<!" */
	STATE_CDATA_OPEN,  /* within "<![CDATA[" */
	STATE_CDATA,
	STATE_CDATA_CLOSE, /* after "]" in it */
	STATE_CDATA_CLOSE2, /* after "]]" in it */
	STATE_DECLARATION, /* after "<?" at the start of a stream */
	STATE_COMPLETE,	   /* from here on a piece is complete */
	STATE_DECLARATION_COMPLETE = STATE_COMPLETE,
	STATE_HEADER_COMPLETE,
	STATE_ELEMENT_COMPLETE,
	STATE_END_COMPLETE
};

/* Scans on from frame->state, which is not STATE_BETWEEN, up to `end` or the
 * end of the piece: then the state is STATE_COMPLETE or above. Returns the
 * place behind what was scanned, or NULL after frame_fail(). */
const char *frame_scan(struct frame *frame, const char *bytes, const char *end);

/* Notes the final error; NULL. */
const char *frame_fail(struct frame *frame, enum frame_error error,
		       const char *reason);

/* White space of XML, from `p` on. */
const char *frame_skip_space(const char *p, const char *end);

/* Checks a whole "<?...?>" at the start of a stream (XML 1.0 section 2.8):
 * an XML declaration of version 1.x whose encoding is UTF-8, if it names one
 * (RFC 6120 sections 11.4 and 11.6). 0, or -1 after frame_fail(). */
int frame_check_declaration(struct frame *frame, const char *bytes, size_t len);

#endif
