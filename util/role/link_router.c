/* SPDX-License-Identifier: Apache-2.0
 *
 * The connection to one router: connects, proves who we are, becomes a role,
 * binds and watches (docs/link.md sections 1 to 3), keeps itself alive, and
 * comes back after each end. What its elements mean for envelopes is in the
 * other files.
 */
#include "util/role/link_private.h"

#include <string.h>

#include <config.h>
#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/ns.h"
#include "util/xmpp/stream.h"

#define BACK_OFF_FIRST_MS 50
#define BACK_OFF_MAX_MS 1000	/* with jitter 1500: far under GRACE_MS */
#define STABLE_MS 1000		/* a link that held so long was a good one */
#define SETUP_MS 10000		/* from the connection until it is ready */
#define PING_MS 1000
#define SILENT_MS 3000 /* after which another router is preferred */
#define SILENCE_MS 30000
#define WRITE_MS 30000
#define EARLY_MAX (1 << 20) /* bytes that come before we know the members */

static const struct frame_limits limits = {
	.bytes = 16 << 20, .depth = 1024, .attributes = 1024, .name = 4096,
};

static void on_timer(struct timer *timer);
static void deliver_early(struct link_router *router);
static void forget_early(struct link_router *router);

/* -- writing -------------------------------------------------------------- */

static void write_out(struct link_router *router)
{
	struct buf *out = &router->link->out;

	conn_write(router->conn, buf_data(out), out->len);
}

void link_router_write(struct link_router *router,
		       const struct envelope *envelope)
{
	buf_clear(&router->link->out, 65536);
	envelope_write(&router->link->out, envelope);
	write_out(router);
}

void link_router_bind(struct link_router *router, const char *element,
		      const char *name)
{
	struct buf *out = &router->link->out;

	if (router->state != ROUTER_READY)
		return;
	buf_clear(out, 65536);
	buf_addf(out, "<link:%s", element);
	buf_add_attr(out, "name", name);
	buf_add_str(out, "/>");
	write_out(router);
}

static void write_header(struct link_router *router)
{
	struct buf *out = &router->link->out;

	buf_clear(out, 65536);
	buf_add_str(out, "<stream:stream xmlns='" NS_COMPONENT "'"
			 " xmlns:stream='" NS_STREAM "'"
			 " xmlns:link='" NS_LINK "'");
	buf_add_attr(out, "to", router->link->name);
	buf_add_str(out, ">");
	write_out(router);
}

/* XEP-0114 section 3: SHA-1 of stream id and secret; empty when a client
 * certificate stands for it. */
static void write_handshake(struct link_router *router, const char *id)
{
	unsigned char digest[DIGEST_MAX];
	char hex[2 * DIGEST_MAX + 1];
	struct buf text = { .data = NULL };

	if (!router->link->secret) {
		conn_write_str(router->conn, "<handshake/>");
		return;
	}
	buf_add_str(&text, id);
	buf_add_str(&text, router->link->secret);
	crypto_digest(DIGEST_SHA1, buf_data(&text), text.len, digest);
	hex_encode(hex, digest, digest_size(DIGEST_SHA1));
	buf_free_secret(&text);
	conn_write_str(router->conn, "<handshake>");
	conn_write_str(router->conn, hex);
	conn_write_str(router->conn, "</handshake>");
}

static void write_role(struct link_router *router)
{
	struct buf *out = &router->link->out;

	buf_clear(out, 65536);
	buf_add_str(out, "<link:role");
	buf_add_attr(out, "epoch", router->link->epoch);
	buf_addf(out, " version='%u' software='chappe " PACKAGE_VERSION "'/>",
		 router->link->version);
	write_out(router);
}

/* -- the end of a connection, and the next attempt ------------------------ */

static void ignore_data(struct conn *conn, const char *bytes, size_t len,
			void *ctx)
{
	(void)conn;
	(void)bytes;
	(void)len;
	(void)ctx;
}

static void ignore_closed(struct conn *conn, const char *reason, void *ctx)
{
	(void)conn;
	(void)reason;
	(void)ctx;
}

/* For a conn that nobody is interested in any more. */
static const struct conn_handlers ignore_handlers = {
	.data = ignore_data, .closed = ignore_closed,
};

static uint64_t back_off(struct link_router *router)
{
	uint64_t ms = BACK_OFF_FIRST_MS;

	for (unsigned i = 0; i < router->attempts && ms < BACK_OFF_MAX_MS; i++)
		ms *= 2;
	router->attempts++;
	if (ms > BACK_OFF_MAX_MS)
		ms = BACK_OFF_MAX_MS;
	return loop_jitter(router->link->loop, ms);
}

/* Waiting for a router is normal, and is said once for each reason. */
static void log_end(struct link_router *router, bool was_ready,
		    const char *reason)
{
	struct log *log = router->link->log;
	bool same = router->reason && str_equal(router->reason, reason);

	if (was_ready)
		log_warning(log, "link.lost", LOG_S("router", router->address),
			    LOG_S("reason", reason));
	else if (!same)
		log_notice(log, "link.waiting",
			   LOG_S("router", router->address),
			   LOG_S("reason", reason));
	mem_free(router->reason);
	router->reason = mem_strdup(reason);
}

static void tell_state(struct link *link, bool connected)
{
	if (!link->closed && link->handlers.state)
		link->handlers.state(link, connected, link->ctx);
}

/* The one way to WAITING; the conn is gone or has been let go. */
static void lost(struct link_router *router, const char *reason)
{
	struct link *link = router->link;
	bool was_ready = router->state == ROUTER_READY;

	router->conn = NULL;
	router->state = ROUTER_WAITING;
	router->silent = false;
	frame_reset(&router->frame);
	forget_early(router);
	log_end(router, was_ready, reason);
	if (was_ready && loop_now(link->loop) - router->ready_at >= STABLE_MS)
		router->attempts = 0;
	timer_start(&router->timer, link->loop, back_off(router), on_timer);
	if (was_ready) {
		link->ready_count--;
		link_receivers_leave(link, router);
	}
	link_view_lost(router);
	if (was_ready && link->ready_count == 0)
		tell_state(link, false);
}

/* Ends the connection from our side. */
static void fail(struct link_router *router, const char *reason)
{
	struct conn *conn = router->conn;

	if (!conn)
		return;
	conn_set_handlers(conn, &ignore_handlers, NULL);
	conn_abort(conn, reason);
	lost(router, reason);
}

/* -- elements from the router --------------------------------------------- */

static void on_welcome(struct link_router *router,
		       const struct element *element)
{
	const char *name = element_attr(element, "router");
	const char *version = element_attr(element, "version");
	uint64_t number;

	if (router->state != ROUTER_ROLE || !name || !version ||
	    str_to_u64(version, 1, router->link->version, &number) < 0) {
		fail(router, "the router speaks another version");
		return;
	}
	mem_free(router->name);
	router->name = mem_strdup(name);
	router->version = (unsigned)number;
	router->state = ROUTER_WATCHING;
	conn_write_str(router->conn, "<link:watch/>");
}

static void on_members(struct link_router *router,
		       const struct element *element)
{
	const char *name = element_attr(element, "name");
	const struct element *child;
	struct member *list = NULL;
	size_t count = 0;

	if (!name || router->state < ROUTER_WATCHING) {
		fail(router, "unexpected members");
		return;
	}
	for (child = element_first(element); child;
	     child = element_next(child)) {
		struct member member = {
			.name = (char *)element_attr(child, "name"),
			.kind = (char *)element_attr(child, "kind"),
			.epoch = (char *)element_attr(child, "epoch"),
		};
		const char *version = element_attr(child, "version");
		uint64_t number;

		if (!member.name || !member.kind ||
		    (member.epoch && strlen(member.epoch) != EPOCH_DIGITS))
			continue;
		if (version &&
		    str_to_u64(version, 1, UINT32_MAX, &number) == 0)
			member.version = (unsigned)number;
		list = mem_realloc(list, count + 1, sizeof(*list));
		list[count++] = member;
	}
	link_view_set(router, name, list, count);
	mem_free(list);
}

static void on_watching(struct link_router *router,
			const struct element *element)
{
	struct link *link = router->link;
	const struct link_bind *bind;

	(void)element;
	if (router->state != ROUTER_WATCHING)
		return;
	router->state = ROUTER_READY;
	/* Not before: whoever sends because we serve a name must be known here,
	 * or the answer would have nowhere to go. */
	DL_FOREACH(link->binds, bind)
		link_router_bind(router, "bind", bind->name);
	router->ready_at = loop_now(link->loop);
	mem_free(router->reason);
	router->reason = NULL;
	link->ready_count++;
	timer_start(&router->timer, link->loop, PING_MS, on_timer);
	log_notice(link->log, "link.ready", LOG_S("router", router->name),
		   LOG_S("address", router->address));
	link_view_complete(router);
	if (link->ready_count == 1 && router->state == ROUTER_READY)
		tell_state(link, true);
	deliver_early(router);
}

static void on_gone(struct link_router *router, const struct element *element)
{
	const char *name = element_attr(element, "name");
	const char *epoch = element_attr(element, "epoch");

	log_info(router->link->log, "link.gone", LOG_S("at", name),
		 LOG_S("epoch", epoch));
	if (name && epoch)
		link_receiver_gone(router->link, name, epoch);
}

static void on_ping(struct link_router *router, const struct element *element)
{
	struct buf *out = &router->link->out;

	buf_clear(out, 65536);
	buf_add_str(out, "<link:pong");
	buf_add_attr(out, "id", element_attr(element, "id"));
	buf_add_str(out, "/>");
	write_out(router);
}

static struct link_bind *find_bind(struct link_router *router,
				   const struct element *element)
{
	const char *name = element_attr(element, "name");
	struct link_bind *bind;

	DL_FOREACH(router->link->binds, bind) {
		if (str_equal(bind->name, name))
			return bind;
	}
	return NULL;
}

static void on_bound(struct link_router *router, const struct element *element)
{
	struct link_bind *bind = find_bind(router, element);

	if (bind)
		bind->refused = false;
}

/* The router keeps it in mind, and binds the name when it may. */
static void on_refused(struct link_router *router,
		       const struct element *element)
{
	struct link_bind *bind = find_bind(router, element);

	if (!bind || bind->refused)
		return;
	bind->refused = true;
	log_warning(router->link->log, "link.name-refused",
		    LOG_S("name", bind->name), LOG_S("router", router->name),
		    LOG_S("reason", "no `names` of its link section "
				    "allows it"));
}

/* Answers that say nothing but that the router lives. */
static void on_answer(struct link_router *router,
		      const struct element *element)
{
	(void)router;
	(void)element;
}

static const struct control {
	const char *name;
	void (*run)(struct link_router *router, const struct element *element);
} controls[] = {
	{ "members", on_members }, { "gone", on_gone },
	{ "welcome", on_welcome }, { "watching", on_watching },
	{ "bound", on_bound },	   { "refused", on_refused },
	{ "ping", on_ping },	   { "pong", on_answer },
};

static void on_stream_error(struct link_router *router,
			    const struct element *element)
{
	const struct element *condition = element_first(element);
	const char *text =
		element_child_text(element, "text", NS_STREAM_ERRORS);
	struct buf reason = { .data = NULL };

	buf_addf(&reason, "stream error %s%s%s",
		 condition ? condition->name : "", text ? ": " : "",
		 text ? text : "");
	fail(router, buf_data(&reason));
	buf_free(&reason);
}

static void on_element(struct link_router *router,
		       const struct element *element)
{
	if (element_is(element, "error", NS_STREAM)) {
		on_stream_error(router, element);
		return;
	}
	if (router->state == ROUTER_HANDSHAKE &&
	    element_is(element, "handshake", NS_CLIENT)) {
		router->state = ROUTER_ROLE;
		write_role(router);
		return;
	}
	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++) {
		if (router->state >= ROUTER_ROLE &&
		    element_is(element, controls[i].name, NS_LINK)) {
			controls[i].run(router, element);
			return;
		}
	}
	fail(router, "unexpected element from the router");
}

/* -- envelopes from the router -------------------------------------------- */

static bool starts(const char *bytes, size_t len, const char *text)
{
	size_t text_len = strlen(text);

	return len > text_len && memcmp(bytes, text, text_len) == 0;
}

static void on_envelope(struct link_router *router, const char *bytes,
			size_t len)
{
	struct link *link = router->link;
	struct link_receipt receipt = { .peer = 0 };
	struct envelope envelope;

	if (envelope_read(&envelope, bytes, len, &link->space) < 0) {
		fail(router, "malformed envelope from the router");
		return;
	}
	/* Not the process it was meant for: the sender will hear of that. */
	if (!str_equal(envelope.at, link->name) ||
	    (envelope.receiver_epoch &&
	     !str_equal(envelope.receiver_epoch, link->epoch)))
		return;
	if (!envelope.payload)
		link_receiver_ack(link, &envelope);
	else if (envelope.n == 0 ||
		 link_sender_accept(link, &envelope, &receipt))
		link_receive(link, &envelope, receipt);
}

/* We are known as soon as the router has our name, which is before it has told
 * us who there is: what comes then waits, since an answer would have nowhere to
 * go. More than that is dropped, and comes again if it is numbered. */
static void hold_early(struct link_router *router, const char *bytes,
		       size_t len)
{
	struct link_early *early;

	if (router->early_bytes + len > EARLY_MAX)
		return;
	early = mem_alloc(sizeof(*early) + len);
	early->len = len;
	memcpy(early->bytes, bytes, len);
	LL_APPEND(router->early, early);
	router->early_bytes += len;
}

static void forget_early(struct link_router *router)
{
	struct link_early *early;

	while ((early = router->early)) {
		router->early = early->next;
		mem_free(early);
	}
	router->early_bytes = 0;
}

static void deliver_early(struct link_router *router)
{
	struct link_early *early;

	while (!router->link->closed && router->state == ROUTER_READY &&
	       (early = router->early)) {
		router->early = early->next;
		on_envelope(router, early->bytes, early->len);
		mem_free(early);
	}
}

static void on_header(struct link_router *router, const char *bytes,
		      size_t len)
{
	struct stream_ns ns = { .content = NULL };
	struct error err = { .text = "" };
	struct stanza *header = stanza_parse_header(router->link->parser,
						    bytes, len, &ns, &err);
	const char *id = header ? element_attr(header->root, "id") : NULL;

	if (id) {
		router->state = ROUTER_HANDSHAKE;
		write_handshake(router, id);
	} else {
		fail(router, header ? "stream header without id" : err.text);
	}
	stanza_free(&header);
	stream_ns_free(&ns);
}

static void on_bytes(struct link_router *router, const char *bytes, size_t len)
{
	struct error err = { .text = "" };
	struct stanza *stanza;

	if (router->state >= ROUTER_WATCHING &&
	    (starts(bytes, len, "<link:route ") ||
	     starts(bytes, len, "<link:ack "))) {
		if (router->state == ROUTER_WATCHING)
			hold_early(router, bytes, len);
		else
			on_envelope(router, bytes, len);
		return;
	}
	stanza = stanza_parse(router->link->parser, &stream_ns_link, bytes,
			      len, &err);
	if (stanza)
		on_element(router, stanza->root);
	else
		fail(router, err.text);
	stanza_free(&stanza);
}

/* Pieces of the stream; false when it has ended by what they led to. */
static bool on_frame(enum frame_kind kind, const char *bytes, size_t len,
		     void *ctx)
{
	struct link_router *router = ctx;
	struct conn *conn = router->conn;

	switch (kind) {
	case FRAME_HEADER:
		on_header(router, bytes, len);
		break;
	case FRAME_ELEMENT:
		on_bytes(router, bytes, len);
		break;
	case FRAME_WHITESPACE:
		break;
	case FRAME_END:
		fail(router, "the router ended the stream");
		break;
	}
	return !router->link->closed && router->conn == conn;
}

/* -- callbacks of the connection ------------------------------------------ */

static void open_stream(struct link_router *router)
{
	router->state = ROUTER_HEADER;
	write_header(router);
}

static void on_connected(struct conn *conn, void *ctx)
{
	struct link_router *router = ctx;

	if (router->host)
		conn_start_tls(conn, router->link->tls, router->host);
	else
		open_stream(router);
}

static void on_secured(struct conn *conn, void *ctx)
{
	(void)conn;
	open_stream(ctx);
}

static void on_data(struct conn *conn, const char *bytes, size_t len,
		    void *ctx)
{
	struct link_router *router = ctx;
	struct link *link = router->link;

	(void)conn;
	link_enter(link);
	router->heard_at = loop_now(link->loop);
	if (router->silent)
		log_notice(link->log, "link.heard",
			   LOG_S("router", router->name));
	router->silent = false;
	if (frame_push(&router->frame, bytes, len, on_frame, router) !=
		    FRAME_OK &&
	    router->conn == conn)
		fail(router, router->frame.reason);
	link_leave(link);
}

static void on_closed(struct conn *conn, const char *reason, void *ctx)
{
	struct link_router *router = ctx;
	struct link *link = router->link;

	(void)conn;
	link_enter(link);
	lost(router, reason ? reason : "the router closed the connection");
	link_leave(link);
}

static const struct conn_handlers conn_handlers = {
	.connected = on_connected,
	.secured = on_secured,
	.data = on_data,
	.closed = on_closed,
};

static void connect_now(struct link_router *router)
{
	struct loop *loop = router->link->loop;

	router->state = ROUTER_CONNECTING;
	router->conn = conn_connect(loop, router->address, &conn_handlers,
				    router);
	conn_set_write_timeout(router->conn, WRITE_MS);
	timer_start(&router->timer, loop, SETUP_MS, on_timer);
}

/* A path that is cut shows first in that nothing comes. Long before that is
 * the end of the link, what can go by another router does. */
static void keep_alive(struct link_router *router)
{
	struct link *link = router->link;
	uint64_t silent = loop_now(link->loop) - router->heard_at;

	if (silent >= SILENCE_MS) {
		fail(router, "the router is silent");
		return;
	}
	timer_start(&router->timer, link->loop, PING_MS, on_timer);
	if (silent >= PING_MS)
		conn_write_str(router->conn, "<link:ping/>");
	if (silent < SILENT_MS || router->silent)
		return;
	router->silent = true;
	log_notice(link->log, "link.silent", LOG_S("router", router->name));
	link_receivers_avoid(link, router);
}

static void on_timer(struct timer *timer)
{
	struct link_router *router =
		container_of(timer, struct link_router, timer);
	struct link *link = router->link;

	link_enter(link);
	if (router->state == ROUTER_WAITING)
		connect_now(router);
	else if (router->state == ROUTER_READY)
		keep_alive(router);
	else
		fail(router, "the router did not answer in time");
	link_leave(link);
}

/* -- life ----------------------------------------------------------------- */

/* The HOST of "HOST:PORT" and "[IPv6]:PORT". */
static char *host_of(const char *address)
{
	const char *colon = strrchr(address, ':');
	size_t len = colon ? (size_t)(colon - address) : strlen(address);

	if (len > 2 && address[0] == '[' && address[len - 1] == ']')
		return mem_strndup(address + 1, len - 2);
	return mem_strndup(address, len);
}

void link_router_start(struct link_router *router)
{
	frame_init(&router->frame, &limits);
	router->view = members_new();
	if (router->link->tls && !str_starts(router->address, "unix:"))
		router->host = host_of(router->address);
	connect_now(router);
}

void link_router_stop(struct link_router *router)
{
	const struct link_bind *bind;
	struct conn *conn = router->conn;

	if (!conn)
		return;
	DL_FOREACH(router->link->binds, bind)
		link_router_bind(router, "unbind", bind->name);
	if (router->state > ROUTER_CONNECTING)
		conn_write_str(conn, "</stream:stream>");
	conn_set_handlers(conn, &ignore_handlers, NULL);
	conn_close(conn);
	router->conn = NULL;
	router->state = ROUTER_WAITING;
	forget_early(router);
	timer_stop(&router->timer);
}

void link_router_free(struct link_router *router)
{
	timer_stop(&router->timer);
	frame_free(&router->frame);
	forget_early(router);
	members_free(&router->view);
	mem_free(router->address);
	mem_free(router->host);
	mem_free(router->name);
	mem_free(router->reason);
}

/* What speaks against it. */
static unsigned doubts(const struct link_router *router,
		       const struct link_router *avoid)
{
	return (router->silent ? 2U : 0U) + (router == avoid ? 1U : 0U);
}

/* Whether `router` is a better way to the link than `best`. */
static bool is_better(const struct link_router *router,
		      const struct link_router *best,
		      const struct link_router *avoid, const char *at)
{
	unsigned long long score, best_score;

	if (doubts(router, avoid) != doubts(best, avoid))
		return doubts(router, avoid) < doubts(best, avoid);
	score = members_score(router->name, at);
	best_score = members_score(best->name, at);
	return score > best_score ||
	       (score == best_score && strcmp(router->name, best->name) < 0);
}

struct link_router *link_router_pick(const struct link *link, const char *at,
				     const char *epoch,
				     const struct link_router *avoid)
{
	struct link_router *best = NULL;

	for (size_t i = 0; i < link->router_count; i++) {
		struct link_router *router = &link->routers[i];

		if (router->state == ROUTER_READY &&
		    link_view_has(router, at, epoch) &&
		    (!best || is_better(router, best, avoid, at)))
			best = router;
	}
	return best;
}
