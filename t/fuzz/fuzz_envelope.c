/* SPDX-License-Identifier: Apache-2.0
 *
 * An envelope: what is read is written and read again as the same, and where
 * an XML parser takes the frame too, it sees the same attributes: nobody can
 * make two processes understand one frame differently.
 */
#include "t/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/role/envelope.h"
#include "util/xmpp/ns.h"

static void require(int condition)
{
	if (!condition)
		abort();
}

static void check_same(const struct envelope *a, const struct envelope *b)
{
	require(str_equal(a->at, b->at));
	require(str_equal(a->from, b->from));
	require(str_equal(a->epoch, b->epoch));
	require(str_equal(a->receiver_epoch, b->receiver_epoch));
	require(str_equal(a->to, b->to));
	require(str_equal(a->session, b->session));
	require(str_equal(a->origin, b->origin));
	require(str_equal(a->trust, b->trust));
	require(str_equal(a->namespaces, b->namespaces));
	require(a->n == b->n && a->control == b->control);
	require((a->payload == NULL) == (b->payload == NULL));
	require(a->payload_len == b->payload_len);
	if (a->payload)
		require(memcmp(a->payload, b->payload, a->payload_len) == 0);
}

static void check_round_trip(const struct envelope *envelope)
{
	struct buf text = { .data = NULL }, space = { .data = NULL };
	struct envelope again;

	envelope_write(&text, envelope);
	require(envelope_read(&again, buf_data(&text), text.len, &space) == 0);
	check_same(envelope, &again);
	buf_free(&text);
	buf_free(&space);
}

/* With a declaration of `link` the parser would see another element. */
static void check_parser(const struct envelope *envelope, const char *frame,
			 size_t len, struct stanza_parser *parser)
{
	struct stanza *stanza =
		stanza_parse(parser, &stream_ns_link, frame, len, NULL);
	const struct element *root;

	if (!stanza)
		return;
	root = stanza->root;
	if (str_equal(root->ns, NS_LINK)) {
		require(str_equal(root->name,
				  envelope->payload ? "route" : "ack"));
		require(str_equal(element_attr(root, "at"), envelope->at));
		require(str_equal(element_attr(root, "from"),
				  envelope->from));
		require(str_equal(element_attr(root, "to"), envelope->to));
		require(str_equal(element_attr(root, "epoch"),
				  envelope->epoch));
		require(str_equal(element_attr(root, "session"),
				  envelope->session));
		require((element_attr(root, "kind") != NULL) ==
			envelope->control);
	}
	stanza_free(&stanza);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *frame = mem_dup(data, size);
	struct buf space = { .data = NULL };
	struct envelope envelope;

	if (envelope_read(&envelope, frame, size, &space) == 0) {
		struct stanza_parser *parser = stanza_parser_new();
		struct stanza *payload =
			envelope_parse(&envelope, parser, NULL);

		check_round_trip(&envelope);
		check_parser(&envelope, frame, size, parser);
		stanza_free(&payload);
		stanza_parser_free(&parser);
	}
	buf_free(&space);
	mem_free(frame);
	return 0;
}
