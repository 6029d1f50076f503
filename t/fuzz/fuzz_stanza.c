/* SPDX-License-Identifier: Apache-2.0
 *
 * One element, as if it had been framed. What the parser takes for one
 * element, the scanner takes for the same one or refuses; and it survives
 * writing. A stanza before and after it must not notice.
 */
#include "t/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "t/fuzz/roundtrip.h"
#include "util/xmpp/frame.h"
#include "util/xmpp/ns.h"

static const struct frame_limits limits = {
	.bytes = 1 << 30,
	.depth = 10000,
	.attributes = 100000,
	.name = 1 << 30,
};

struct seen {
	size_t elements;
	size_t len;
};

static bool on_piece(enum frame_kind kind, const char *bytes, size_t len,
		     void *ctx)
{
	struct seen *seen = ctx;

	(void)bytes;
	if (kind != FRAME_HEADER) {
		seen->elements += kind == FRAME_ELEMENT ? 1 : 100;
		seen->len = len;
	}
	return true;
}

static void check_frame(const char *bytes, size_t len)
{
	static const char header[] = "<stream:stream>";
	struct seen seen = { 0 };
	struct frame frame;

	frame_init(&frame, &limits);
	frame_push(&frame, header, strlen(header), on_piece, &seen);
	if (frame_push(&frame, bytes, len, on_piece, &seen) == FRAME_OK &&
	    (seen.elements != 1 || seen.len != len))
		abort();
	if (seen.elements > 1)
		abort();
	frame_free(&frame);
}

static void check_parser(struct stanza_parser *parser)
{
	static const char plain[] = "<a b='c'>d<e/></a>";
	struct stanza *stanza = stanza_parse(parser, &stream_ns_client, plain,
					     strlen(plain), NULL);

	if (stanza == NULL || !element_is(stanza->root, "a", NS_CLIENT) ||
	    strcmp(element_text(stanza->root), "d") != 0)
		abort();
	stanza_free(&stanza);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stanza_parser *parser = stanza_parser_new();
	char *bytes = malloc(size);

	memcpy(bytes, data, size);
	check_parser(parser);
	if (roundtrip(parser, &stream_ns_link, bytes, size))
		check_frame(bytes, size);
	check_parser(parser);
	free(bytes);
	stanza_parser_free(&parser);
	return 0;
}
