/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole stream: however it is cut into portions, the pieces and the error
 * are the same, and each element is refused by the parser or is one element.
 */
#include "t/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "t/fuzz/roundtrip.h"
#include "util/xmpp/frame.h"

static const struct frame_limits limits = {
	.bytes = 2000,
	.depth = 8,
	.attributes = 6,
	.name = 40,
};

struct record {
	struct buf pieces; /* kind, length, bytes of each */
	size_t elements;
	int last;
	struct stanza_parser *parser; /* NULL: only note the pieces */
};

static void parse_piece(struct record *record, enum frame_kind kind,
			const char *bytes, size_t len)
{
	struct stream_ns ns;
	struct stanza *header;

	if (kind == FRAME_ELEMENT)
		roundtrip(record->parser, &stream_ns_link, bytes, len);
	if (kind != FRAME_HEADER)
		return;
	header = stanza_parse_header(record->parser, bytes, len, &ns, NULL);
	stanza_free(&header);
	stream_ns_free(&ns);
}

static bool on_piece(enum frame_kind kind, const char *bytes, size_t len,
		     void *ctx)
{
	struct record *record = ctx;

	/* A run of white space may come in several portions. */
	if (kind == FRAME_WHITESPACE && record->last == FRAME_WHITESPACE)
		return true;
	record->last = kind;
	buf_addf(&record->pieces, "%d %zu ", kind, len);
	if (len > 0)
		buf_add(&record->pieces, bytes, len);
	if (record->parser != NULL)
		parse_piece(record, kind, bytes, len);
	return true;
}

static struct buf run(const char *data, size_t size, size_t portion,
		      struct stanza_parser *parser)
{
	struct record record = { .last = -1, .parser = parser };
	enum frame_error error = FRAME_OK;
	struct frame frame;
	char *copy;
	size_t n;

	frame_init(&frame, &limits);
	for (; size > 0 && error == FRAME_OK; data += n, size -= n) {
		n = size < portion ? size : portion;
		/* Of its own, so that reading behind it is noticed. */
		copy = malloc(n);
		memcpy(copy, data, n);
		error = frame_push(&frame, copy, n, on_piece, &record);
		free(copy);
	}
	buf_addf(&record.pieces, "error %d", error);
	if (error != FRAME_OK)
		buf_addf(&record.pieces, " %s", frame.reason);
	frame_free(&frame);
	return record.pieces;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t portions[] = { 1, 3, 17 };
	struct stanza_parser *parser = stanza_parser_new();
	const char *bytes = (const char *)data;
	struct buf whole = run(bytes, size, size, parser);

	for (size_t i = 0; i < sizeof(portions) / sizeof(portions[0]); i++) {
		struct buf parts = run(bytes, size, portions[i], NULL);

		if (whole.len != parts.len ||
		    memcmp(buf_data(&whole), buf_data(&parts), whole.len) != 0)
			abort();
		buf_free(&parts);
	}
	buf_free(&whole);
	stanza_parser_free(&parser);
	return 0;
}
