/* SPDX-License-Identifier: Apache-2.0
 *
 * Uninvited connections. They expect nothing; the deployment must bear them.
 */
#include "t/sim/stranger.h"

#include <stdio.h>
#include <string.h>

#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"
#include "util/net/conn.h"
#include "util/net/timer.h"
#include "util/xmpp/ns.h"

#define STAY_MS 50000
#define CLIENT_HEADER                                                        \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:client' "         \
	"xmlns:stream='http://etherx.jabber.org/streams' version='1.0' "     \
	"to='one.example'>"
#define LINK_HEADER                                                          \
	"<stream:stream xmlns='jabber:component:accept' "                    \
	"xmlns:stream='http://etherx.jabber.org/streams' "                   \
	"xmlns:link='" NS_LINK "' to='%s'>"

struct strangers {
	struct sim *sim;
	struct sim_host *host;
	struct loop *loop;
	struct rng rng;
	struct tls_context *tls;
	struct stranger *all;
};

struct stranger {
	struct strangers *strangers;
	struct conn *conn;
	const char *says;    /* at first; NULL: nothing */
	bool tls;
	const char *name;    /* at a router: whom it claims to be */
	const char *secret;
	const char *after;   /* said after the handshake */
	struct buf heard;
	struct timer timer;
	struct stranger *prev, *next;
};

/* At a c2s. */
static const struct {
	bool tls;
	const char *says;
} clients[] = {
	{ false, NULL },
	{ false, "GET / HTTP/1.1\r\n\r\n" },
	{ false, CLIENT_HEADER },
	{ false, "<?xml version='1.0'?><stream:stream xmlns='jabber:cl" },
	{ false, CLIENT_HEADER "<message to='u0@one.example'/>" },
	{ false, CLIENT_HEADER "<auth xmlns='" NS_SASL
			       "' mechanism='PLAIN'>AHUwAHBlbmNpbA==</auth>" },
	{ true, NULL },
	{ true, CLIENT_HEADER },
	{ true, CLIENT_HEADER "<auth xmlns='" NS_SASL
			      "' mechanism='PLAIN'>AHUwAHdyb25n</auth>" },
	{ true, CLIENT_HEADER
	  "<auth xmlns='" NS_SASL "' mechanism='SCRAM-SHA-256'>"
	  "biwsbj11MCxyPWFiY2RlZmdo</auth>" },
	{ true, CLIENT_HEADER "<iq type='set' id='x'><bind xmlns='" NS_BIND
			      "'/></iq>" },
};

/* At a router. */
static const struct {
	const char *name, *secret, *after;
} roles[] = {
	{ "sm-1", "wrong", NULL },
	{ "nobody", "open sesame", NULL },
	{ "sm-1", "open sesame",
	  "<link:role epoch='00000000000000aa' version='1' software='x'/>" },
	{ "c2s-1", "open sesame",
	  "<link:role epoch='00000000000000ab' version='1' software='x'/>" },
	{ "sm-99", "open sesame",
	  "<link:role epoch='00000000000000ac' version='99' software='x'/>" },
	{ "sm-98", "open sesame", "<message/>" },
	{ "c2s-99", "open sesame",
	  "<link:role epoch='00000000000000ad' version='1' software='x'/>"
	  "<link:bind name='one.example'/>" },
	{ NULL, NULL, NULL },
};

static void stranger_free(struct stranger *stranger)
{
	DL_DELETE(stranger->strangers->all, stranger);
	timer_stop(&stranger->timer);
	buf_free(&stranger->heard);
	mem_free(stranger);
}

static void start(struct stranger *stranger)
{
	struct buf header = { 0 };

	if (stranger->name) {
		buf_addf(&header, LINK_HEADER, stranger->name);
		conn_write_str(stranger->conn, buf_data(&header));
		buf_free(&header);
	} else if (stranger->says) {
		conn_write_str(stranger->conn, stranger->says);
	}
}

static void on_connected(struct conn *conn, void *ctx)
{
	struct stranger *stranger = ctx;

	if (stranger->tls)
		conn_start_tls(conn, stranger->strangers->tls, "one.example");
	else
		start(stranger);
}

static void on_secured(struct conn *conn, void *ctx)
{
	(void)conn;
	start(ctx);
}

/* The digest of XEP-0114, for the id in the header that came. */
static void answer_header(struct stranger *stranger)
{
	const char *id = strstr(buf_data(&stranger->heard), " id='");
	unsigned char digest[DIGEST_MAX];
	char hex[2 * DIGEST_MAX + 1];
	char *text;

	if (!id || !strchr(id + 5, '\''))
		return;
	text = mem_printf("%.*s%s", (int)strcspn(id + 5, "'"), id + 5,
			  stranger->secret);
	crypto_digest(DIGEST_SHA1, text, strlen(text), digest);
	mem_free(text);
	hex_encode(hex, digest, 20);
	text = mem_printf("<handshake>%s</handshake>", hex);
	conn_write_str(stranger->conn, text);
	mem_free(text);
	stranger->secret = NULL;
	buf_clear(&stranger->heard, 0);
}

/* The router has taken the secret. */
static void go_on(struct stranger *stranger)
{
	if (stranger->after)
		conn_write_str(stranger->conn, stranger->after);
	stranger->name = NULL;
}

static void on_data(struct conn *conn, const char *bytes, size_t len,
		    void *ctx)
{
	struct stranger *stranger = ctx;

	(void)conn;
	if (!stranger->name)
		return;
	buf_add(&stranger->heard, bytes, len);
	if (stranger->secret)
		answer_header(stranger);
	else if (strstr(buf_data(&stranger->heard), "<handshake/>"))
		go_on(stranger);
}

static void on_closed(struct conn *conn, const char *reason, void *ctx)
{
	(void)conn;
	(void)reason;
	stranger_free(ctx);
}

static const struct conn_handlers handlers = {
	.connected = on_connected,
	.secured = on_secured,
	.data = on_data,
	.closed = on_closed,
};

static void on_timer(struct timer *timer)
{
	conn_abort(container_of(timer, struct stranger, timer)->conn, NULL);
}

static void choose(struct strangers *strangers, struct stranger *stranger,
		   char address[ADDRESS_MAX])
{
	struct deployment *deployment = strangers->sim->deployment;
	size_t i;

	if (rng_chance(&strangers->rng, 60)) {
		i = rng_range(&strangers->rng, 0,
			      sizeof(clients) / sizeof(*clients) - 1);
		stranger->tls = clients[i].tls;
		stranger->says = clients[i].says;
		sim_pick_c2s(strangers->sim, &strangers->rng, stranger->tls,
			     address);
		return;
	}
	i = rng_range(&strangers->rng, 0, sizeof(roles) / sizeof(*roles) - 1);
	stranger->name = roles[i].name;
	stranger->secret = roles[i].secret;
	stranger->after = roles[i].after;
	stranger->tls = deployment->tls;
	i = rng_range(&strangers->rng, 0, deployment->count[SIM_ROUTER] - 1);
	snprintf(address, ADDRESS_MAX, "%s:%u",
		 deployment->processes[SIM_ROUTER][i].host->address,
		 ROUTER_PORT);
}

void strangers_come(struct strangers *strangers)
{
	struct stranger *stranger = mem_new(struct stranger);
	char address[ADDRESS_MAX];

	stranger->strangers = strangers;
	DL_APPEND(strangers->all, stranger);
	choose(strangers, stranger, address);
	world_say(strangers->sim->world, "stranger", "to %s%s%s", address,
		  stranger->name ? " as " : "",
		  stranger->name ? stranger->name : "");
	sim_loop_enter(strangers->loop);
	stranger->conn = conn_connect(strangers->loop, address, &handlers,
				      stranger);
	timer_start(&stranger->timer, strangers->loop,
		    rng_range(&strangers->rng, 100, STAY_MS), on_timer);
	sim_loop_leave(strangers->loop);
}

struct strangers *strangers_new(struct sim *sim)
{
	struct strangers *strangers = mem_new(struct strangers);

	strangers->sim = sim;
	strangers->host = host_new(sim->world, "stranger");
	strangers->loop = sim_loop_new(strangers->host);
	strangers->rng = rng_fork(&sim->rng);
	strangers->tls = tls_context_new(TLS_CLIENT, NULL);
	return strangers;
}

void strangers_free(struct strangers **strangers_ptr)
{
	struct strangers *strangers = *strangers_ptr;
	struct sim_leaks leaks;

	*strangers_ptr = NULL;
	while (strangers->all)
		stranger_free(strangers->all);
	sim_loop_free(&strangers->loop, &leaks);
	tls_context_unref(&strangers->tls);
	mem_free(strangers);
}
