/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes of a client, from its first header through SASL to stanzas. The
 * first byte says how the world behaves, a NUL ends what is read at once. The
 * connection and the link are played here: nothing before TLS may reach an sm
 * but the question for mechanisms, no stanza without a session, and whatever
 * is sent to either side must be well-formed.
 */
#include "t/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "c2s/domain.h"
#include "c2s/flight.h"
#include "c2s/relay.h"
#include "c2s/session.h"
#include "c2s/stream.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/net/listener.h"

enum behaviour {
	DIRECT = 1,	/* TLS comes first */
	FAILS = 2,	/* log-ins fail */
	SCRAM = 4,	/* they have two steps */
	BYTEWISE = 8,	/* each byte is read by itself */
	CONGESTED = 16, /* after each stanza */
	RESTARTS = 32,	/* the sm, after each NUL */
	NO_SM = 64,
};

struct conn {
	const struct conn_handlers *handlers;
	void *ctx;
	bool secure, securing, paused, ended;
	struct frame out; /* what c2s writes */
};

struct link {
	struct members *members;
	struct stanza_parser *parser;
	struct buf answers; /* controls, each ended by a NUL */
	unsigned epoch;
	bool open; /* a session was opened */
};

struct world {
	struct conn conn;
	struct link link;
	struct c2s c2s;
	struct c2s_config config;
	struct role_env env;
	struct log log;
	struct loop *loop;
	struct stanza_parser *parser;
	unsigned behaviour;
	char session[64];
};

/* libFuzzer gives no context; one for each run, as connections name it. */
static struct world *world_of(const struct conn *conn)
{
	return (struct world *)(uintptr_t)conn;
}

static struct world *world_of_link(const struct link *link)
{
	return (struct world *)((uintptr_t)link -
				offsetof(struct world, link));
}

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* -- the connection ------------------------------------------------------- */

static const struct frame_limits no_limits = {
	.bytes = 10000000, .depth = 10000, .attributes = 10000, .name = 100000
};

static bool check_out(enum frame_kind kind, const char *bytes, size_t len,
		      void *ctx)
{
	struct world *world = ctx;
	const char *name, *ns;

	if (kind != FRAME_ELEMENT)
		return true;
	require(stanza_check(world->parser, &stream_ns_client, bytes, len,
			     &name, &ns, NULL) == 0);
	if (str_equal(name, "success"))
		frame_reset(&world->conn.out);
	return true;
}

void conn_write(struct conn *conn, const void *bytes, size_t len)
{
	require(!conn->ended);
	require(frame_push(&conn->out, bytes, len, check_out,
			   world_of(conn)) == FRAME_OK);
}

void conn_set_handlers(struct conn *conn, const struct conn_handlers *handlers,
		       void *ctx)
{
	conn->handlers = handlers;
	conn->ctx = ctx;
}

void conn_start_tls(struct conn *conn, struct tls_context *context,
		    const char *host)
{
	(void)context;
	(void)host;
	require(!conn->secure);
	conn->securing = true;
	frame_reset(&conn->out);
}

void conn_pause(struct conn *conn)
{
	require(!conn->paused && !conn->ended);
	conn->paused = true;
}

void conn_resume(struct conn *conn)
{
	require(conn->paused && !conn->ended);
	conn->paused = false;
}

void conn_close(struct conn *conn)
{
	require(!conn->ended);
	conn->ended = true;
}

void conn_abort(struct conn *conn, const char *reason)
{
	require(reason != NULL);
	conn_close(conn);
}

/* The loop knows of it when it ends. */
void conn_drop(struct conn *conn);

void conn_drop(struct conn *conn)
{
	(void)conn;
	abort();
}

size_t conn_queued(const struct conn *conn)
{
	(void)conn;
	return 0;
}

void conn_set_rate(struct conn *conn, uint64_t per_second, uint64_t burst)
{
	(void)conn;
	(void)per_second;
	(void)burst;
}

void conn_set_write_timeout(struct conn *conn, uint64_t ms)
{
	(void)conn;
	(void)ms;
}

void conn_peer_address(const struct conn *conn, char to[ADDRESS_MAX])
{
	(void)conn;
	str_copy(to, ADDRESS_MAX, "192.0.2.1");
}

const void *conn_peer_certificate(const struct conn *conn, size_t *len)
{
	(void)conn;
	*len = 0;
	return NULL;
}

unsigned conn_peer_port(const struct conn *conn)
{
	(void)conn;
	return 5222;
}

void conn_peer_network(const struct conn *conn, char to[ADDRESS_MAX])
{
	conn_peer_address(conn, to);
}

/* Nobody's certificates are believed. */
struct authorities *authorities_new(const char *ca_file, const char *crl_file,
				    struct error *err)
{
	(void)ca_file;
	(void)crl_file;
	(void)err;
	return NULL;
}

void authorities_free(struct authorities **authorities)
{
	*authorities = NULL;
}

enum certificate_state authorities_judge(const struct authorities *authorities,
					 const struct conn *conn, char *why,
					 size_t size)
{
	(void)authorities;
	(void)conn;
	str_copy(why, size, "there is none");
	return CERTIFICATE_MISSING;
}

bool conn_is_secure(const struct conn *conn)
{
	return conn->secure;
}

const char *conn_tls_version(const struct conn *conn)
{
	return conn->secure ? "TLSv1.3" : NULL;
}

void conn_tls_cipher(const struct conn *conn, char *to, size_t size)
{
	(void)conn;
	str_copy(to, size, "X");
}

int conn_channel_binding(const struct conn *conn, enum binding binding,
			 unsigned char *to, size_t size)
{
	if (!conn->secure || binding != BINDING_TLS_EXPORTER)
		return -1;
	memset(to, 'B', size < 32 ? size : 32);
	return 32;
}

struct listener *listener_open_shared(struct loop *loop, const char *address,
				      unsigned mode,
				      listener_accept_cb *accept, void *ctx,
				      struct error *err)
{
	(void)loop;
	(void)address;
	(void)mode;
	(void)accept;
	(void)ctx;
	(void)err;
	return NULL;
}

unsigned listener_port(const struct listener *listener)
{
	(void)listener;
	return 0;
}

void listener_close(struct listener **listener)
{
	*listener = NULL;
}

/* -- the link ------------------------------------------------------------- */

static void answer(struct link *link, const char *text)
{
	buf_add(&link->answers, text, strlen(text) + 1);
}

static void take_control(struct link *link, const char *name)
{
	struct world *world = world_of_link(link);
	const char *result =
		world->behaviour & FAILS
			? "<link:failure condition='not-authorized'/>"
			: "<link:success jid='a@b' ticket='T'/>";

	if (str_equal(name, "mechanisms") || str_equal(name, "closed") ||
	    str_equal(name, "settled"))
		return;
	require(world->conn.secure);
	if (str_equal(name, "auth"))
		answer(link, world->behaviour & SCRAM
				     ? "<link:challenge>AA==</link:challenge>"
				     : result);
	else if (str_equal(name, "response"))
		answer(link, result);
	else if (str_equal(name, "open") || str_equal(name, "reopen"))
		answer(link, "<link:opened jid='a@b/r'/>");
	else if (str_equal(name, "register"))
		answer(link, "<link:registered><iq xmlns='jabber:client'/>"
			     "</link:registered>");
	link->open = link->open || str_equal(name, "open");
}

enum link_sent link_send(struct link *link, const struct envelope *envelope)
{
	struct world *world = world_of_link(link);
	struct stanza *payload = envelope_parse(envelope, link->parser, NULL);

	require(payload != NULL);
	if (envelope->control)
		take_control(link, payload->root->name);
	else
		require(link->open && world->conn.secure);
	if (envelope->session)
		str_copy(world->session, sizeof(world->session),
			 envelope->session);
	stanza_free(&payload);
	return world->behaviour & NO_SM ? LINK_NO_ROUTE : LINK_SENT;
}

bool link_congested(const struct link *link, const char *at)
{
	(void)at;
	return world_of_link(link)->behaviour & CONGESTED;
}

void link_processed(struct link *link, struct link_receipt receipt)
{
	(void)link;
	(void)receipt;
}

const struct members *link_members(const struct link *link)
{
	return link->members;
}

const char *link_name(const struct link *link)
{
	(void)link;
	return "c2s-1";
}

const char *link_router(const struct link *link, size_t i)
{
	(void)link;
	(void)i;
	return NULL;
}

void link_get_stats(const struct link *link, struct link_stats *stats)
{
	(void)link;
	memset(stats, 0, sizeof(*stats));
}

void link_close(struct link **link)
{
	*link = NULL;
}

void role_link_metrics(const struct link *link, struct buf *to)
{
	(void)link;
	(void)to;
}

struct link *role_link_new(struct role_env *env,
			   const struct common_options *options,
			   const char *const *binds,
			   const struct link_handlers *handlers, void *ctx,
			   struct error *err)
{
	(void)env;
	(void)options;
	(void)binds;
	(void)handlers;
	(void)ctx;
	(void)err;
	return NULL;
}

/* -- the world ------------------------------------------------------------ */

static void set_sm(struct world *world)
{
	char epoch[17];
	struct member sm = { .name = (char *)"sm-1", .kind = (char *)"sm",
			     .epoch = epoch };

	hex_encode(epoch, &world->link.epoch, 4);
	world->link.epoch++;
	members_set(world->link.members, "b", &sm, 1);
	relay_handlers.members(&world->link, "b", &world->c2s);
}

static void say(struct world *world, const char *payload, bool control)
{
	struct envelope envelope = {
		.at = "c2s-1",
		.from = "sm-1",
		.session = world->session,
		.control = control,
		.payload = payload,
		.payload_len = strlen(payload),
	};

	relay_handlers.received(&world->link, &envelope,
				(struct link_receipt){ 0 }, &world->c2s);
}

static void give_answers(struct world *world)
{
	struct buf answers = world->link.answers;
	const char *at = buf_data(&answers), *end = at + answers.len;

	memset(&world->link.answers, 0, sizeof(world->link.answers));
	for (; at < end; at += strlen(at) + 1)
		say(world, at, true);
	buf_free(&answers);
	if (world->link.open)
		say(world, "<message/>", false);
	relay_handlers.drained(&world->link, "sm-1", &world->c2s);
}

struct turn {
	struct timer timer;
	struct loop *loop;
};

static void end_turn(struct timer *timer)
{
	loop_stop(container_of(timer, struct turn, timer)->loop);
}

/* What waits for the end of a turn is done, and the sm has its say. */
static void run_turn(struct world *world)
{
	struct turn turn = { .loop = world->loop };
	struct conn *conn = &world->conn;

	if (conn->securing && !conn->ended) {
		conn->securing = false;
		conn->secure = true;
		conn->handlers->secured(conn, conn->ctx);
	}
	give_answers(world);
	timer_start(&turn.timer, world->loop, 0, end_turn);
	loop_run(world->loop);
}

static void read_bytes(struct world *world, const char *bytes, size_t len)
{
	struct conn *conn = &world->conn;
	size_t step = world->behaviour & BYTEWISE ? 1 : len;

	for (size_t i = 0; i < len && !conn->ended; i += step) {
		for (int wait = 0; wait < 8 && (conn->paused || conn->securing);
		     wait++)
			run_turn(world);
		if (!conn->paused && !conn->securing && !conn->ended)
			conn->handlers->data(conn, bytes + i, step, conn->ctx);
	}
	run_turn(world);
	if (world->behaviour & RESTARTS)
		set_sm(world);
	run_turn(world);
}

static void ignore_line(enum log_level level, const char *line, void *ctx)
{
	(void)level;
	(void)line;
	(void)ctx;
}

static void add_mechanism(struct domain *domain, size_t i, const char *name,
			  bool plus)
{
	domain->mechanisms[i].name = mem_strdup(name);
	domain->mechanisms[i].plus = plus;
}

static void add_domain(struct c2s *c2s)
{
	struct domain *domain = mem_new(struct domain);

	domain->name = mem_strdup("b");
	domain->known = domain->registration = true;
	domain->mechanism_count = 2;
	domain->mechanisms = mem_calloc(2, sizeof(*domain->mechanisms));
	add_mechanism(domain, 0, "SCRAM-SHA-1", true);
	add_mechanism(domain, 1, "PLAIN", false);
	HASH_ADD_KEYPTR(hh, c2s->domains, domain->name, 1, domain);
}

static void world_open(struct world *world)
{
	struct c2s *c2s = &world->c2s;

	world->loop = loop_new(NULL);
	world->parser = stanza_parser_new();
	world->link.parser = stanza_parser_new();
	world->link.members = members_new();
	log_init(&world->log, "c2s-1");
	world->log.target = LOG_TO_CALLBACK;
	world->log.line = ignore_line;
	world->config = (struct c2s_config){ .auth_timeout = 1000000,
					     .idle_timeout = 1000000,
					     .recover_timeout = 1000000,
					     .write_queue = 1000000 };
	frame_init(&world->conn.out, &no_limits);
	c2s->env = &world->env;
	c2s->loop = world->loop;
	c2s->log = &world->log;
	c2s->config = &world->config;
	c2s->link = &world->link;
	c2s->parser = stanza_parser_new();
	c2s->link_parser = stanza_parser_new();
	c2s->before = (struct frame_limits){ 2000, 16, 16, 64 };
	c2s->after = (struct frame_limits){ 8000, 16, 16, 64 };
	add_domain(c2s);
	set_sm(world);
}

static void world_close(struct world *world)
{
	struct c2s *c2s = &world->c2s;

	world->conn.handlers->closed(&world->conn, NULL, world->conn.ctx);
	require(c2s->streams == NULL);
	require(c2s->sessions == 0 && c2s->blocked == NULL);
	c2s_domains_free(c2s);
	flights_free(c2s);
	stanza_parser_free(&c2s->parser);
	stanza_parser_free(&c2s->link_parser);
	stanza_parser_free(&world->parser);
	stanza_parser_free(&world->link.parser);
	members_free(&world->link.members);
	buf_free(&world->link.answers);
	buf_free(&c2s->out);
	frame_free(&world->conn.out);
	loop_free(&world->loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct admission nowhere = { .network = NULL };
	struct world *world;
	const char *at = (const char *)data, *end = at + size, *next;

	if (size < 1 || size > 65536)
		return 0;
	world = mem_new(struct world);
	world->behaviour = data[0];
	world_open(world);
	stream_accept(&world->conn, &nowhere, world->behaviour & DIRECT,
		      &world->c2s);
	for (at++; at < end && !world->conn.ended; at = next + 1) {
		next = memchr(at, '\0', (size_t)(end - at));
		if (!next)
			next = end;
		read_bytes(world, at, (size_t)(next - at));
	}
	world_close(world);
	mem_free(world);
	return 0;
}
