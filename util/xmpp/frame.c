/* SPDX-License-Identifier: Apache-2.0
 *
 * Cuts a stream into pieces. Those that are complete in the input are handed
 * out from there; only an incomplete tail is copied and held. What is inside
 * of a piece is scanned by frame_scan.c.
 */
#include "util/xmpp/frame.h"

#include <string.h>

#include "util/xmpp/frame_scan.h"

void frame_init(struct frame *frame, const struct frame_limits *limits)
{
	memset(frame, 0, sizeof(*frame));
	frame->limits = limits;
}

void frame_reset(struct frame *frame)
{
	buf_free(&frame->held);
	frame_init(frame, frame->limits);
}

void frame_free(struct frame *frame)
{
	buf_free(&frame->held);
}

/* The name of the header is judged by the owner of the stream, who accepts no
 * other than this one. */
static bool is_stream_end(const char *bytes, size_t len)
{
	static const char end[] = "</stream:stream";
	const size_t name_len = sizeof(end) - 1;

	if (len <= name_len || memcmp(bytes, end, name_len) != 0)
		return false;
	return *frame_skip_space(bytes + name_len, bytes + len) == '>';
}

/* What kind the complete piece is; -1 when it is for us alone (then with an
 * error, or not). */
static int piece_kind(struct frame *frame, const char *bytes, size_t len)
{
	switch ((enum frame_state)frame->state) {
	case STATE_DECLARATION_COMPLETE:
		if (frame_check_declaration(frame, bytes, len) == 0)
			frame->declared = true;
		return -1;
	case STATE_HEADER_COMPLETE:
		frame->in_stream = true;
		return FRAME_HEADER;
	case STATE_ELEMENT_COMPLETE:
		return FRAME_ELEMENT;
	default:
		if (!is_stream_end(bytes, len)) {
			frame_fail(frame, FRAME_NOT_WELL_FORMED,
				   "an end tag without start tag");
			return -1;
		}
		frame->ended = true;
		return FRAME_END;
	}
}

/* Hands out the piece that ends with these bytes. False when the callback
 * wants no more, and may have freed the frame. */
static bool deliver(struct frame *frame, const char *bytes, size_t len,
		    frame_cb *cb, void *ctx)
{
	struct buf piece = frame->held;
	bool go_on = true;
	int kind;

	/* Out of the frame, which the callback may reset or free. */
	memset(&frame->held, 0, sizeof(frame->held));
	if (piece.len > 0) {
		buf_add(&piece, bytes, len);
		bytes = buf_data(&piece);
		len = piece.len;
	}
	kind = piece_kind(frame, bytes, len);
	frame->state = STATE_BETWEEN;
	if (kind >= 0)
		go_on = cb((enum frame_kind)kind, bytes, len, ctx);
	buf_free(&piece);
	return go_on;
}

/* Scans on within the limit, and holds what is not complete; NULL on error. */
static const char *scan_piece(struct frame *frame, const char *bytes,
			      const char *end)
{
	size_t limit = frame->limits->bytes;
	size_t room = limit > frame->held.len ? limit - frame->held.len : 0;
	const char *stop = (size_t)(end - bytes) > room ? bytes + room : end;
	const char *next = frame_scan(frame, bytes, stop);

	if (next == NULL || frame->state >= STATE_COMPLETE)
		return next;
	if (stop < end)
		return frame_fail(frame, FRAME_TOO_BIG,
				  "an element or the "
				  "header is too big");
	buf_add(&frame->held, bytes, end - bytes);
	return next;
}

enum frame_error frame_push(struct frame *frame, const char *bytes, size_t len,
			    frame_cb *cb, void *ctx)
{
	const char *end = bytes + len;
	const char *next;

	while (bytes < end && frame->error == FRAME_OK && !frame->ended) {
		if (frame->state == STATE_BETWEEN) {
			next = frame_skip_space(bytes, end);
			if (next > bytes && frame->in_stream &&
			    !cb(FRAME_WHITESPACE, NULL, 0, ctx))
				return FRAME_OK;
			bytes = next;
			if (bytes == end)
				break;
			/* The callback may have reset the frame, which makes
			 * no difference here. */
			if (*bytes != '<') {
				frame_fail(frame, FRAME_NOT_WELL_FORMED,
					   "text between elements");
				break;
			}
			frame->state = STATE_OPEN;
		}
		next = scan_piece(frame, bytes, end);
		if (next == NULL)
			break;
		if (frame->state >= STATE_COMPLETE &&
		    !deliver(frame, bytes, next - bytes, cb, ctx))
			return FRAME_OK;
		bytes = next;
	}
	return (enum frame_error)frame->error;
}
