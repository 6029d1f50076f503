/* SPDX-License-Identifier: Apache-2.0
 *
 * A crowd of clients for t/bench/run.py: logs in with SCRAM-SHA-256, then does
 * what the lines on its standard input say, and answers each with a line:
 *
 *   login COUNT            log in so many more accounts; "logged-in COUNT"
 *   chat MESSAGES WINDOW   pairs talk, WINDOW messages on the way for each;
 *                          "chatted MESSAGES P50_US P99_US"
 *   pace MESSAGES RATE     the same at RATE messages a second in all
 *   quit
 *
 * Usage: load ADDRESS DOMAIN ACCOUNTS   (a file of "jid password" lines;
 * account 2i talks to account 2i+1)
 */
#include <gsasl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/net/conn.h"
#include "util/net/timer.h"
#include "util/xmpp/frame.h"

#define LOGINS_AT_ONCE 20

struct load;

enum step { STEP_TLS, STEP_FEATURES, STEP_SASL, STEP_BIND_FEATURES, STEP_BIND,
	    STEP_ONLINE };

struct client {
	struct load *load;
	size_t number;
	char *jid, *password;
	struct conn *conn;
	struct frame frame;
	enum step step;
	Gsasl_session *sasl;
	uint64_t sent_us;
};

struct load {
	struct loop *loop;
	struct tls_context *tls;
	Gsasl *gsasl;
	const char *address, *domain;
	struct client *clients;
	size_t count;	      /* accounts in the file */
	size_t started, online, wanted;
	uint64_t to_send, sent, to_receive, received;
	uint64_t window, rate, begun_ms;
	bool paced;
	uint32_t *latencies; /* microseconds */
	struct timer timer;
	struct frame_limits limits;
};

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "load: %s: %s\n", what, why ? why : "ended");
	exit(1);
}

static void next_command(struct load *load);

/* -- talking -------------------------------------------------------------------- */

static void send_message(struct client *client)
{
	struct load *load = client->load;
	struct buf text = { 0 };

	buf_addf(&text,
		 "<message type='chat' id='m%" PRIu64 "' to='%s'><body>A line "
		 "of talk as people write it, not long and not short. "
		 "%" PRIu64 "</body><active xmlns='http://jabber.org/protocol/"
		 "chatstates'/></message>",
		 load->sent, load->clients[client->number ^ 1].jid,
		 loop_now_us(load->loop));
	conn_write(client->conn, buf_data(&text), text.len);
	buf_free(&text);
	load->sent++;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void chat_done(struct load *load)
{
	timer_stop(&load->timer);
	qsort(load->latencies, load->received, sizeof(*load->latencies),
	      by_value);
	printf("chatted %" PRIu64 " %u %u\n", load->received,
	       load->latencies[load->received / 2],
	       load->latencies[load->received * 99 / 100]);
	fflush(stdout);
	mem_free(load->latencies);
	load->latencies = NULL;
	next_command(load);
}

static void on_message(struct client *client, const char *bytes, size_t len)
{
	struct load *load = client->load;
	const char *end = memmem(bytes, len, "</body>", 7);
	uint64_t sent_us = 0, now = loop_now_us(load->loop), unit = 1;

	if (!end || !load->latencies)
		return;
	for (end--; end > bytes && *end >= '0' && *end <= '9'; end--) {
		sent_us += (uint64_t)(*end - '0') * unit;
		unit *= 10;
	}
	load->latencies[load->received++] = (uint32_t)(now - sent_us);
	if (load->received == load->to_receive)
		chat_done(load);
	else if (!load->paced && load->sent < load->to_send)
		send_message(client);
}

/* 100 times a second, what is due by then. */
static void on_pace(struct timer *timer)
{
	struct load *load = container_of(timer, struct load, timer);
	uint64_t elapsed = loop_now(load->loop) - load->begun_ms;
	uint64_t due = elapsed * load->rate / 1000;

	while (load->sent < load->to_send && load->sent < due)
		send_message(&load->clients[load->sent * 7919 % load->online]);
	if (load->sent < load->to_send)
		timer_start(timer, load->loop, 2, on_pace);
}

static void chat_start(struct load *load)
{
	load->sent = load->received = 0;
	load->to_receive = load->to_send;
	load->latencies = mem_calloc(load->to_send, sizeof(uint32_t));
	load->begun_ms = loop_now(load->loop);
	if (load->paced) {
		on_pace(&load->timer);
		return;
	}
	for (uint64_t i = 0; i < load->window; i++)
		for (size_t c = 0; c < load->online; c += 1)
			if (load->sent < load->to_send)
				send_message(&load->clients[c]);
}

/* -- logging in ------------------------------------------------------------------- */

static void login_more(struct load *load);

static void open_stream(struct client *client)
{
	struct buf text = { 0 };

	buf_addf(&text,
		 "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
		 "xmlns:stream='http://etherx.jabber.org/streams' to='%s' "
		 "version='1.0'>",
		 client->load->domain);
	conn_write(client->conn, buf_data(&text), text.len);
	buf_free(&text);
	frame_reset(&client->frame);
}

static bool has(const char *bytes, size_t len, const char *what)
{
	return memmem(bytes, len, what, strlen(what)) != NULL;
}

/* Steps the exchange with what is between the tags, and sends the answer in
 * an element of that name. */
static void sasl_step(struct client *client, const char *bytes, size_t len,
		      const char *element, const char *attributes)
{
	const char *start = memchr(bytes, '>', len);
	char *input, *output = NULL;
	struct buf text = { 0 };
	int rc;

	start = start ? start + 1 : bytes + len;
	input = mem_strndup(start, strcspn(start, "<"));
	rc = gsasl_step64(client->sasl, input, &output);
	if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE)
		fail(client->jid, gsasl_strerror(rc));
	if (element) {
		buf_addf(&text, "<%s xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
			 "%s>%s</%s>", element, attributes, output, element);
		conn_write(client->conn, buf_data(&text), text.len);
	}
	buf_free(&text);
	gsasl_free(output);
	mem_free(input);
}

static void sasl_start(struct client *client)
{
	char *name = mem_strndup(client->jid, strcspn(client->jid, "@"));

	if (gsasl_client_start(client->load->gsasl, "SCRAM-SHA-256",
			       &client->sasl) != GSASL_OK)
		fail(client->jid, "no SCRAM-SHA-256");
	gsasl_property_set(client->sasl, GSASL_AUTHID, name);
	gsasl_property_set(client->sasl, GSASL_PASSWORD, client->password);
	sasl_step(client, "", 0, "auth", " mechanism='SCRAM-SHA-256'");
	mem_free(name);
}

static void online(struct client *client)
{
	struct load *load = client->load;

	client->step = STEP_ONLINE;
	conn_write_str(client->conn, "<presence/>");
	load->online++;
	if (load->online == load->wanted) {
		printf("logged-in %zu\n", load->online);
		fflush(stdout);
		next_command(load);
		return;
	}
	login_more(load);
}

static void on_sasl(struct client *client, const char *bytes, size_t len)
{
	if (has(bytes, len, "<challenge")) {
		sasl_step(client, bytes, len, "response", "");
		return;
	}
	if (!has(bytes, len, "<success"))
		fail(client->jid, "log-in refused");
	sasl_step(client, bytes, len, NULL, NULL);
	gsasl_finish(client->sasl);
	client->sasl = NULL;
	client->step = STEP_BIND_FEATURES;
	open_stream(client);
}

static bool on_frame(enum frame_kind kind, const char *bytes, size_t len,
		     void *ctx)
{
	struct client *client = ctx;

	if (kind == FRAME_END)
		fail(client->jid, "the stream ended");
	if (kind != FRAME_ELEMENT)
		return true;
	switch (client->step) {
	case STEP_TLS:
		if (has(bytes, len, "<proceed")) {
			client->step = STEP_FEATURES;
			conn_start_tls(client->conn, client->load->tls,
				       client->load->domain);
			return false;
		}
		conn_write_str(client->conn, "<starttls xmlns='urn:ietf:params"
			       ":xml:ns:xmpp-tls'/>");
		return true;
	case STEP_FEATURES:
		client->step = STEP_SASL;
		sasl_start(client);
		return true;
	case STEP_SASL:
		on_sasl(client, bytes, len);
		return true;
	case STEP_BIND_FEATURES:
		client->step = STEP_BIND;
		conn_write_str(client->conn, "<iq type='set' id='b'><bind "
			       "xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
			       "</iq>");
		return true;
	case STEP_BIND:
		if (!has(bytes, len, "result"))
			fail(client->jid, "no resource");
		online(client);
		return true;
	case STEP_ONLINE:
		if (len > 8 && memcmp(bytes, "<message", 8) == 0)
			on_message(client, bytes, len);
		return true;
	}
	return true;
}

static void on_connected(struct conn *conn, void *ctx)
{
	(void)conn;
	open_stream(ctx);
}

static void on_secured(struct conn *conn, void *ctx)
{
	(void)conn;
	open_stream(ctx);
}

static void on_data(struct conn *conn, const char *bytes, size_t len,
		    void *ctx)
{
	struct client *client = ctx;

	(void)conn;
	if (frame_push(&client->frame, bytes, len, on_frame, client))
		fail(client->jid, client->frame.reason);
}

static void on_closed(struct conn *conn, const char *reason, void *ctx)
{
	struct client *client = ctx;

	(void)conn;
	fail(client->jid, reason);
}

static const struct conn_handlers handlers = {
	.connected = on_connected,
	.secured = on_secured,
	.data = on_data,
	.closed = on_closed,
};

static void login_more(struct load *load)
{
	while (load->started < load->wanted &&
	       load->started - load->online < LOGINS_AT_ONCE) {
		struct client *client = &load->clients[load->started++];

		client->step = STEP_TLS;
		frame_init(&client->frame, &load->limits);
		client->conn = conn_connect(load->loop, load->address,
					    &handlers, client);
	}
}

/* -- commands ------------------------------------------------------------------------ */

static void next_command(struct load *load)
{
	char line[128], word[32] = "";
	uint64_t first = 0, second = 0;

	if (!fgets(line, sizeof(line), stdin)) {
		loop_stop(load->loop);
		return;
	}
	sscanf(line, "%31s %" SCNu64 " %" SCNu64, word, &first, &second);
	if (str_equal(word, "login")) {
		load->wanted += first;
		if (load->wanted > load->count)
			fail("login", "not so many accounts in the file");
		login_more(load);
	} else if (str_equal(word, "chat") || str_equal(word, "pace")) {
		load->paced = str_equal(word, "pace");
		load->to_send = first;
		load->window = load->rate = second;
		chat_start(load);
	} else {
		exit(0);
	}
}

static void read_accounts(struct load *load, const char *path)
{
	FILE *file = fopen(path, "r");
	char jid[256], password[256];

	if (!file)
		fail(path, "cannot be read");
	while (fscanf(file, "%255s %255s", jid, password) == 2) {
		load->clients = mem_realloc(load->clients, load->count + 1,
					    sizeof(*load->clients));
		load->clients[load->count] = (struct client){
			.number = load->count,
			.jid = mem_strdup(jid),
			.password = mem_strdup(password)
		};
		load->count++;
	}
	fclose(file);
	for (size_t i = 0; i < load->count; i++)
		load->clients[i].load = load;
}

int main(int argc, char *argv[])
{
	struct error err = { "" };
	struct load load = { .limits = { 1048576, 100, 100, 1000 } };

	if (argc != 4) {
		fputs("usage: load ADDRESS DOMAIN ACCOUNTS\n", stderr);
		return 2;
	}
	load.address = argv[1];
	load.domain = argv[2];
	read_accounts(&load, argv[3]);
	load.loop = loop_new(&err);
	load.tls = load.loop ? tls_context_new(TLS_CLIENT, &err) : NULL;
	if (!load.tls)
		fail("start", err.text);
	tls_context_verify(load.tls, false);
	if (gsasl_init(&load.gsasl) != GSASL_OK)
		fail("start", "gsasl");
	next_command(&load);
	loop_run(load.loop);
	return 0;
}
