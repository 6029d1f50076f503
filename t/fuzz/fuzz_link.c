/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes of a connection to a router: of a stranger, a component or a role,
 * by the first byte of the input. Another link must not be hurt, and must be
 * sent nothing under a wrong name; what a component makes it receive must be
 * well-formed.
 */
#include "t/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "t/unit/router_world.h"
#include "util/base/str.h"
#include "util/role/envelope.h"
#include "util/xmpp/frame.h"
#include "util/xmpp/jid.h"

#define CONFIG                                                               \
	"router \"router\" { listen = { \"unix:@/sock\" } "                  \
	"  max-envelope = 64K  ping-interval = 1h }\n"                       \
	"link \"sm-1\" { kind = sm  names = { \"example.org\" } "            \
	"  secret-file = \"@/s1\" }\n"                                       \
	"link \"c2s-1\" { kind = c2s  names = { \"a.org\" } "                \
	"  secret-file = \"@/s1\" }\n"                                       \
	"link \"irc.org\" { secret-file = \"@/s2\" }\n"

static const struct frame_limits limits = {
	.bytes = 1000000,
	.depth = 1000,
	.attributes = 1000,
	.name = 10000,
};

struct bystander {
	struct world world;
	struct client link;
	struct stanza_parser *parser;
	bool open;
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void open_once(struct bystander *at)
{
	if (at->open)
		return;
	at->open = true;
	at->parser = stanza_parser_new();
	world_open(&at->world, CONFIG);
	client_role(&at->link, &at->world, "sm-1", "secret-1",
		    "00000000000000a1");
	client_send(&at->link, "<link:bind name='example.org'/><link:watch/>");
	client_expect(&at->link, "<link:watching/>");
}

static void open_client(struct bystander *at, struct client *client, char kind)
{
	if (kind == 'c')
		client_component(client, &at->world, "irc.org", "secret-2");
	else if (kind == 'r')
		client_role(client, &at->world, "c2s-1", "secret-1",
			    "00000000000000a3");
	else
		client_open(client, &at->world, 0);
}

/* A payload may hold any bytes, also NULs. */
static bool has_pong(const struct buf *in)
{
	static const char pong[] = "<link:pong id='fuzz-link'/>";

	return memmem(buf_data(in), in->len, pong, sizeof(pong) - 1) != NULL;
}

/* Two round trips: by then the router has read all that was sent before. */
static void settle(struct bystander *at, struct buf *got)
{
	for (int i = 0; i < 2; i++) {
		client_send(&at->link, "<link:ping id='fuzz-link'/>");
		while (!has_pong(&at->link.in)) {
			require(at->link.conn != NULL);
			loop_run(at->world.loop);
		}
		buf_add(got, buf_data(&at->link.in), at->link.in.len);
		buf_clear(&at->link.in, 0);
	}
}

static void check_envelope(struct bystander *at, const char *bytes, size_t len)
{
	struct envelope envelope;
	struct buf space = { 0 };
	struct stanza *stanza;
	struct jid *from;

	require(envelope_read(&envelope, bytes, len, &space) == 0);
	require(str_equal(envelope.at, "sm-1"));
	if (str_equal(envelope.from, "c2s-1")) {
		buf_free(&space);
		return;
	}
	require(str_equal(envelope.from, "irc.org"));
	stanza = envelope_parse(&envelope, at->parser, NULL);
	require(stanza != NULL);
	from = jid_parse(element_attr(stanza->root, "from"));
	require(from && str_equal(jid_domain(from), "irc.org"));
	jid_free(&from);
	stanza_free(&stanza);
	buf_free(&space);
}

static bool on_piece(enum frame_kind kind, const char *bytes, size_t len,
		     void *ctx)
{
	static const char header[] = "<stream:stream>", route[] = "<link:route";
	static const char ack[] = "<link:ack";
	size_t route_len = sizeof(route) - 1, ack_len = sizeof(ack) - 1;
	struct bystander *at = ctx;
	struct stanza *stanza;

	if (kind == FRAME_HEADER)
		return len == sizeof(header) - 1;
	require(kind == FRAME_ELEMENT);
	if ((len > route_len && memcmp(bytes, route, route_len) == 0) ||
	    (len > ack_len && memcmp(bytes, ack, ack_len) == 0)) {
		check_envelope(at, bytes, len);
		return true;
	}
	/* The router's own words. */
	stanza = stanza_parse(at->parser, &stream_ns_link, bytes, len, NULL);
	require(stanza != NULL);
	stanza_free(&stanza);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bystander bystander;
	struct client client = { 0 };
	struct buf got = { 0 };
	struct frame frame;

	if (size == 0)
		return 0;
	open_once(&bystander);
	open_client(&bystander, &client, (char)data[0]);
	conn_write(client.conn, data + 1, size - 1);
	settle(&bystander, &got);
	client_close(&client);
	settle(&bystander, &got);
	frame_init(&frame, &limits);
	frame_push(&frame, "<stream:stream>", strlen("<stream:stream>"),
		   on_piece, &bystander);
	require(frame_push(&frame, buf_data(&got), got.len, on_piece,
			   &bystander) == FRAME_OK);
	frame_free(&frame);
	buf_free(&got);
	buf_clear(&bystander.world.lines, 0);
	return 0;
}
