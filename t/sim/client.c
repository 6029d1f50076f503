/* SPDX-License-Identifier: Apache-2.0
 *
 * The stream of a simulated client: connection, TLS, log-in, binding, and
 * coming back after a loss.
 */
#include "t/sim/client.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "t/sim/sim.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/ns.h"

#define STEP_MS	   60000 /* for a log-in as a whole */
#define BACKOFF_MS 1000
#define BACKOFF_STEPS 6	 /* doublings: about a minute */
#define ALIVE_MS   30000 /* between two looks at a silent stream */
#define SILENCE_MS 100000
#define HEADER                                                               \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:client' "         \
	"xmlns:stream='http://etherx.jabber.org/streams' version='1.0' "     \
	"to='%s'>"

static const struct frame_limits limits = {
	.bytes = 1 << 20,
	.depth = 100,
	.attributes = 100,
	.name = 1024,
};

static void connect_now(struct client *client);
static void on_timer(struct timer *timer);

static void set_state(struct client *client, enum client_state state)
{
	static const char *const names[] = {
		"off", "waiting", "connecting", "clear", "secure", "auth",
		"features", "resuming", "binding", "enabling", "online"
	};

	client->state = state;
	world_say(client->sim->world, client->name, "%s", names[state]);
}

bool client_is_online(const struct client *client)
{
	return client->state == CLIENT_ONLINE;
}

/* -- writing ---------------------------------------------------------------- */

void client_write(struct client *client, const char *text)
{
	if (client->conn)
		conn_write_str(client->conn, text);
}

void client_send(struct client *client, unsigned message, const char *format,
		 ...)
{
	struct buf text = { 0 };
	va_list args;

	va_start(args, format);
	buf_vaddf(&text, format, args);
	va_end(args);
	if (client->sm_on) {
		struct unacked *item = mem_new(struct unacked);

		item->message = message;
		item->xml = mem_strdup(buf_data(&text));
		DL_APPEND(client->unacked, item);
	}
	client_write(client, buf_data(&text));
	buf_free(&text);
	if (client->sm_on && rng_chance(&client->rng, 40))
		client_sm_request(client);
}

void client_chat(struct client *client, const char *to, unsigned account,
		 size_t size)
{
	unsigned number = ledger_sent(client->sim->ledger, client->session,
				      client->full, account);
	char *padding = mem_alloc(size + 1);

	memset(padding, 'x', size);
	world_say(client->sim->world, client->name, "message %u to %s", number,
		  to);
	client_send(client, number,
		    "<message to='%s' id='m%u' type='chat'><body>%u %s</body>"
		    "</message>", to, number, number, padding);
	mem_free(padding);
}

void client_set_status(struct client *client)
{
	static const char *const shows[] = { "", "<show>away</show>",
					     "<show>dnd</show>" };

	snprintf(client->status, sizeof(client->status), "%s.%s.%u",
		 client->user, client->resource, ++client->presence_count);
	client->available = true;
	world_say(client->sim->world, client->name, "presence %s",
		  client->status);
	client_send(client, 0, "<presence>%s<status>%s</status></presence>",
		    shows[client->presence_count % 3], client->status);
}

void client_ask_roster(struct client *client, bool check)
{
	client->check_roster = check;
	client_send(client, 0, "<iq type='get' id='roster-%u'>"
		    "<query xmlns='jabber:iq:roster'/></iq>",
		    ++client->iq_count);
}

/* -- the session ------------------------------------------------------------ */

void client_bind(struct client *client)
{
	char iq[256];

	set_state(client, CLIENT_BINDING);
	snprintf(iq, sizeof(iq), "<iq type='set' id='bind'><bind xmlns='"
		 NS_BIND "'><resource>%s</resource></bind></iq>",
		 client->resource);
	client_write(client, iq);
}

static void on_alive(struct timer *timer)
{
	struct client *client = container_of(timer, struct client, alive);

	if (!client_is_online(client))
		return;
	if (loop_now(client->loop) - client->heard_at > SILENCE_MS) {
		client_lose(client, "nothing heard");
		return;
	}
	if (client->sm_on)
		client_sm_request(client);
	else
		client_send(client, 0, "<iq type='get' id='p%u'><ping xmlns='"
			    NS_PING "'/></iq>", ++client->iq_count);
	timer_start(timer, client->loop, ALIVE_MS, on_alive);
}

void client_started(struct client *client, bool resumed)
{
	set_state(client, CLIENT_ONLINE);
	client->attempts = 0;
	client->logins++;
	timer_stop(&client->timer);
	timer_start(&client->alive, client->loop, ALIVE_MS, on_alive);
	ledger_session_connected(client->sim->ledger, client->session, true);
	if (!resumed) {
		client->rostered = false;
		client_ask_roster(client, false);
		client_set_status(client);
	}
	client_act_start(client);
}

static void on_bound(struct client *client, const struct element *iq)
{
	const struct element *bind = element_child(iq, "bind", NS_BIND);
	const char *jid = bind ? element_child_text(bind, "jid", NS_BIND)
			       : NULL;

	if (!str_equal(element_attr(iq, "type"), "result") || !jid) {
		client_lose(client, "bind was refused");
		return;
	}
	mem_free(client->full);
	client->full = mem_strdup(jid);
	client_forget_sights(client);
	client->session = ledger_session(client->sim->ledger, client->account,
					 client->managed && client->sm_offered);
	world_say(client->sim->world, client->name, "bound %s, session %u",
		  jid, client->session);
	if (client->managed && client->sm_offered) {
		set_state(client, CLIENT_ENABLING);
		client_sm_enable(client);
	} else {
		client_started(client, false);
	}
}

/* -- elements --------------------------------------------------------------- */

static void restart(struct client *client)
{
	char header[256];

	frame_reset(&client->frame);
	snprintf(header, sizeof(header), HEADER, client->domain);
	client_write(client, header);
}

static void on_features(struct client *client, const struct element *features)
{
	switch (client->state) {
	case CLIENT_CLEAR:
		client_write(client, "<starttls xmlns='" NS_TLS "'/>");
		break;
	case CLIENT_SECURE:
		if (element_child(features, "mechanisms", NS_SASL)) {
			set_state(client, CLIENT_AUTH);
			client_auth_begin(client);
		} else {
			client_lose(client, "no mechanisms");
		}
		break;
	case CLIENT_FEATURES:
		client->sm_offered = element_child(features, "sm", NS_SM);
		if (client_sm_resume(client))
			set_state(client, CLIENT_RESUMING);
		else
			client_bind(client);
		break;
	default:
		break;
	}
}

static void on_tls_element(struct client *client,
			   const struct element *element)
{
	if (client->state != CLIENT_CLEAR ||
	    !str_equal(element->name, "proceed")) {
		client_lose(client, "STARTTLS was refused");
		return;
	}
	frame_reset(&client->frame);
	conn_start_tls(client->conn, client->tls, client->domain);
}

static void on_success(struct client *client)
{
	set_state(client, CLIENT_FEATURES);
	restart(client);
}

static void on_element(struct client *client, const struct element *element)
{
	if (str_equal(element->ns, NS_STREAM) &&
	    str_equal(element->name, "features"))
		on_features(client, element);
	else if (str_equal(element->ns, NS_STREAM))
		client_lose(client, element_first(element)
					    ? element_first(element)->name
					    : "stream error");
	else if (str_equal(element->ns, NS_TLS))
		on_tls_element(client, element);
	else if (str_equal(element->ns, NS_SASL) &&
		 str_equal(element->name, "success"))
		on_success(client);
	else if (str_equal(element->ns, NS_SASL))
		client_auth_element(client, element);
	else if (str_equal(element->ns, NS_SM))
		client_sm_element(client, element);
	else if (client->state == CLIENT_BINDING &&
		 str_equal(element_attr(element, "id"), "bind"))
		on_bound(client, element);
	else
		client_stanza(client, element);
}

static bool on_frame(enum frame_kind kind, const char *bytes, size_t len,
		     void *ctx)
{
	struct client *client = ctx;
	struct stanza *stanza;
	struct error err;

	if (kind == FRAME_END) {
		client_lose(client, "the server ended the stream");
	} else if (kind == FRAME_ELEMENT) {
		stanza = stanza_parse(client->parser, &stream_ns_client, bytes,
				      len, &err);
		if (!stanza) {
			verdict_fail(&client->sim->verdict, "well-formed",
				     "%s got %.*s: %s", client->name, (int)len,
				     bytes, err.text);
			return false;
		}
		on_element(client, stanza->root);
		stanza_free(&stanza);
	}
	return !client->dropped;
}

/* -- the connection --------------------------------------------------------- */

static void on_connected(struct conn *conn, void *ctx)
{
	struct client *client = ctx;

	(void)conn;
	if (client->direct) {
		conn_start_tls(client->conn, client->tls_direct,
			       client->domain);
		return;
	}
	set_state(client, CLIENT_CLEAR);
	restart(client);
}

static void on_secured(struct conn *conn, void *ctx)
{
	struct client *client = ctx;

	(void)conn;
	set_state(client, CLIENT_SECURE);
	restart(client);
}

static void on_data(struct conn *conn, const char *bytes, size_t len,
		    void *ctx)
{
	struct client *client = ctx;
	enum frame_error error;

	if (conn != client->conn)
		return;
	client->heard_at = loop_now(client->loop);
	client->dropped = false;
	error = frame_push(&client->frame, bytes, len, on_frame, client);
	if (error != FRAME_OK && !client->dropped) {
		verdict_fail(&client->sim->verdict, "well-formed",
			     "%s cannot frame its stream: %s", client->name,
			     client->frame.reason);
		client_lose(client, "bad frame");
	}
}

static void on_closed(struct conn *conn, const char *reason, void *ctx)
{
	struct client *client = ctx;

	if (conn != client->conn)
		return; /* it has let go of it before */
	client->conn = NULL;
	client_lose(client, reason ? reason : "closed by the server");
}

static const struct conn_handlers handlers = {
	.connected = on_connected,
	.secured = on_secured,
	.data = on_data,
	.closed = on_closed,
};

static void connect_now(struct client *client)
{
	char address[ADDRESS_MAX];

	sim_pick_c2s(client->sim, &client->rng, client->direct, address);
	set_state(client, CLIENT_CONNECTING);
	frame_reset(&client->frame);
	client->heard_at = loop_now(client->loop);
	client->conn = conn_connect(client->loop, address, &handlers, client);
	timer_start(&client->timer, client->loop, STEP_MS, on_timer);
}

static void on_timer(struct timer *timer)
{
	struct client *client = container_of(timer, struct client, timer);

	if (client->state == CLIENT_WAITING)
		connect_now(client);
	else
		client_lose(client, "log-in time-out");
}

static void wait_and_connect(struct client *client)
{
	unsigned steps = client->attempts < BACKOFF_STEPS ? client->attempts
							  : BACKOFF_STEPS;

	client->attempts++;
	set_state(client, CLIENT_WAITING);
	timer_start(&client->timer, client->loop,
		    loop_jitter(client->loop, (uint64_t)BACKOFF_MS << steps),
		    on_timer);
}

/* Lets go of the connection; a session without resumption is over then. */
static void let_go(struct client *client)
{
	client->dropped = true;
	client->deaf = false;
	timer_stop(&client->timer);
	timer_stop(&client->act);
	timer_stop(&client->alive);
	client_auth_free(client);
	ledger_session_connected(client->sim->ledger, client->session, false);
	if (!client->resume_id)
		client_sm_forget(client, false);
}

void client_lose(struct client *client, const char *why)
{
	struct conn *conn = client->conn;

	if (client->state <= CLIENT_WAITING)
		return;
	world_say(client->sim->world, client->name, "lost: %s", why);
	client->lost_connections += client_is_online(client);
	if (client_is_online(client) && client->sim->scenario->steady &&
	    !client->sim->ending)
		verdict_fail(&client->sim->verdict, "streams stay up",
			     "%s lost its stream: %s", client->name, why);
	client->conn = NULL;
	if (conn)
		conn_abort(conn, NULL);
	let_go(client);
	if (client->wanted)
		wait_and_connect(client);
	else
		set_state(client, CLIENT_OFF);
}

void client_cut(struct client *client, bool forget)
{
	sim_loop_enter(client->loop);
	if (forget)
		client_sm_forget(client, false);
	client_lose(client, forget ? "crashed" : "cut");
	sim_loop_leave(client->loop);
}

void client_go_online(struct client *client)
{
	client->wanted = true;
	if (client->state == CLIENT_OFF)
		connect_now(client);
}

void client_go_offline(struct client *client)
{
	struct conn *conn = client->conn;

	client->wanted = false;
	if (client->state == CLIENT_OFF)
		return;
	if (client_is_online(client)) {
		world_say(client->sim->world, client->name, "says good-bye");
		client_sm_ack(client);
		client_write(client, "<presence type='unavailable'/>"
				     "</stream:stream>");
	}
	client->available = false;
	client->conn = NULL;
	if (conn)
		conn_close(conn);
	client_sm_forget(client, true);
	let_go(client);
	set_state(client, CLIENT_OFF);
}

void client_leave(struct client *client, bool clean)
{
	sim_loop_enter(client->loop);
	client->wanted = false;
	if (clean) {
		client_go_offline(client);
	} else {
		client_sm_forget(client, false);
		client_lose(client, "left");
		if (client->state == CLIENT_WAITING) {
			timer_stop(&client->timer);
			set_state(client, CLIENT_OFF);
		}
	}
	sim_loop_leave(client->loop);
}

void client_come_back(struct client *client, uint64_t ms)
{
	client->wanted = true;
	set_state(client, CLIENT_WAITING);
	timer_start(&client->timer, client->loop, ms, on_timer);
}

/* -- life ------------------------------------------------------------------- */

struct client *client_new(struct sim *sim, unsigned account,
			  const char *domain, unsigned resource)
{
	struct client *client = mem_new(struct client);
	struct error err;

	client->sim = sim;
	client->account = account;
	client->domain = domain;
	snprintf(client->user, sizeof(client->user), "u%u", account);
	snprintf(client->resource, sizeof(client->resource), "r%u", resource);
	snprintf(client->name, sizeof(client->name), "u%u/r%u", account,
		 resource);
	client->bare = mem_printf("%s@%s", client->user, domain);
	client->host = host_new(sim->world, client->name);
	client->loop = sim_loop_new(client->host);
	client->rng = rng_fork(&sim->rng);
	client->tls = tls_context_new(TLS_CLIENT, &err);
	client->tls_direct = tls_context_new(TLS_CLIENT, &err);
	tls_context_set_alpn(client->tls_direct, "xmpp-client");
	client->parser = stanza_parser_new();
	frame_init(&client->frame, &limits);
	return client;
}

void client_free(struct client **client_ptr)
{
	struct client *client = *client_ptr;
	struct sim_leaks leaks;

	*client_ptr = NULL;
	client_sm_forget(client, false);
	client_auth_free(client);
	client_stanza_free(client);
	timer_stop(&client->timer);
	timer_stop(&client->act);
	timer_stop(&client->alive);
	frame_free(&client->frame);
	stanza_parser_free(&client->parser);
	sim_loop_free(&client->loop, &leaks);
	tls_context_unref(&client->tls);
	tls_context_unref(&client->tls_direct);
	mem_free(client->full);
	mem_free(client->bare);
	mem_free(client);
}
