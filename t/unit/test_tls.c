/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS over loopback sockets, both ends on one loop.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "t/unit/net_world.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define BIG 10000000u

static const char *const names[] = { "example.org", "*.example.net",
				     "im.example.net", NULL };

struct world {
	struct certificates certificates;
	struct loop *loop;
	struct tls_context *server_tls, *client_tls;
	struct server server;
	struct end here, there;
};

static void world_start(struct world *world, bool direct)
{
	memset(world, 0, sizeof(*world));
	certificates_make(&world->certificates, names);
	world->loop = loop_new(NULL);
	world->server_tls = world_server_tls(&world->certificates, names);
	world->client_tls = world_client_tls(&world->certificates);
	if (direct) {
		world->server.tls = world->server_tls;
		world->here.tls = world->client_tls;
	}
	world->here.host = "example.org";
	server_open(&world->server, world->loop, "127.0.0.1:0", &world->there,
		    1);
}

static void world_connect(struct world *world)
{
	end_connect(&world->here, world->loop, world->server.address);
}

/* Connects and runs until both ends are secured. */
static void world_meet(struct world *world)
{
	unsigned tries = 0;

	world_connect(world);
	while (!world->here.secured || !world->there.secured) {
		world_run_for(world->loop, 2);
		assert_true(tries++ < 1000 && !world->here.closed &&
			    !world->there.closed);
	}
}

/* Connects and runs until both ends are closed. */
static void world_fail(struct world *world)
{
	unsigned tries = 0;

	world_connect(world);
	while (!world->here.closed || !world->there.closed) {
		world_run_for(world->loop, 2);
		assert_true(tries++ < 1000);
	}
}

static void world_stop(struct world *world)
{
	listener_close(&world->server.listener);
	tls_context_unref(&world->server_tls);
	tls_context_unref(&world->client_tls);
	loop_free(&world->loop);
	end_free(&world->here);
	end_free(&world->there);
	certificates_free(&world->certificates);
}

static void assert_reason(const struct end *end, const char *part)
{
	if (!strstr(end->reason, part))
		fail_msg("\"%s\" is not in \"%s\"", part, end->reason);
}

static void say_hello(struct end *end)
{
	conn_write_str(end->conn, "hello");
}

static void test_echo(void **state)
{
	struct world w;
	char cipher[64];

	(void)state;
	world_start(&w, true);
	w.there.echo = true;
	w.here.stop_at = 5;
	w.here.on_secured = say_hello;
	world_connect(&w);
	world_run(w.loop);
	assert_string_equal(buf_data(&w.here.got), "hello");
	assert_int_equal(w.here.secured, 1);
	assert_int_equal(w.there.secured, 1);
	assert_string_equal(conn_tls_version(w.here.conn), "TLSv1.3");
	conn_tls_cipher(w.here.conn, cipher, sizeof(cipher));
	assert_non_null(strstr(cipher, "GCM"));
	assert_true(conn_is_secure(w.there.conn));
	assert_string_equal(conn_tls_host(w.there.conn), "example.org");
	assert_true(conn_peer_verified(w.here.conn));
	assert_false(conn_peer_verified(w.there.conn));
	assert_false(conn_tls_alpn_matched(w.there.conn));
	w.there.stop_closed = true;
	conn_close(w.here.conn);
	world_run(w.loop);
	assert_true(w.there.orderly);
	world_run_for(w.loop, 20);
	assert_int_equal(w.here.closed, 1);
	assert_true(w.here.orderly);
	world_stop(&w);
}

/* ---- STARTTLS ---- */

/* The server's side: proceeds when it is asked. */
static void proceed(struct end *end)
{
	struct world *world = end->owner;

	if (conn_is_secure(end->conn))
		return;
	conn_write_str(end->conn, "<proceed/>");
	conn_start_tls(end->conn, world->server_tls, NULL);
	conn_write_str(end->conn, "under TLS");
}

static void on_proceed(struct end *end)
{
	struct world *world = end->owner;

	if (!end->secured && str_ends(buf_data(&end->got), "<proceed/>"))
		conn_start_tls(end->conn, world->client_tls, "example.org");
}

/* What was sent along with the request in the clear must not be taken for
 * what came under TLS. */
static void test_starttls_injection(void **state)
{
	struct world w;

	(void)state;
	world_start(&w, false);
	w.there.on_data = proceed;
	w.there.owner = &w;
	w.here.on_data = on_proceed;
	w.here.owner = &w;
	w.here.on_secured = say_hello;
	w.there.stop_at = strlen("<starttls/><evil/>hello");
	world_connect(&w);
	conn_write_str(w.here.conn, "<starttls/><evil/>");
	world_run(w.loop);
	/* It came in the call in which TLS was started, not again. */
	assert_string_equal(buf_data(&w.there.got), "<starttls/><evil/>hello");
	world_run_for(w.loop, 10);
	assert_string_equal(buf_data(&w.here.got), "<proceed/>under TLS");
	world_stop(&w);
}

/* Injected a moment later it breaks the handshake. */
static void test_late_injection(void **state)
{
	struct world w;
	unsigned tries = 0;

	(void)state;
	world_start(&w, false);
	w.there.on_data = proceed;
	w.there.owner = &w;
	world_connect(&w);
	conn_write_str(w.here.conn, "<starttls/>");
	while (w.here.got.len == 0)
		world_run_for(w.loop, 2);
	conn_write_str(w.here.conn, "<evil/>");
	while (!w.there.closed && tries++ < 1000)
		world_run_for(w.loop, 2);
	assert_reason(&w.there, "TLS handshake");
	assert_string_equal(buf_data(&w.there.got), "<starttls/>");
	world_stop(&w);
}

/* ---- certificates ---- */

struct names {
	struct buf text;
};

static void note_name(const char *name, void *ctx)
{
	struct names *noted = ctx;

	buf_addf(&noted->text, "%s ", name);
}

static void test_certificate_by_name(void **state)
{
	static const struct {
		const char *host, *shown;
	} rows[] = {
		{ "example.org", "example.org example.org " },
		{ "EXAMPLE.org", "example.org example.org " },
		{ "a.example.net", "*.example.net *.example.net " },
		{ "im.example.net", "im.example.net im.example.net " },
		{ "a.b.example.net", "example.org example.org " },
		{ "example.net", "example.org example.org " },
		{ "unknown.test", "example.org example.org " },
		{ NULL, "example.org example.org " },
		{ "127.0.0.1", "example.org example.org " },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct names noted = { { 0 } };
		struct world w;

		world_start(&w, true);
		w.here.host = rows[i].host;
		tls_context_verify(w.client_tls, false);
		world_meet(&w);
		conn_peer_names(w.here.conn, note_name, &noted);
		assert_string_equal(buf_data(&noted.text), rows[i].shown);
		if (!rows[i].host || !strcmp(rows[i].host, "127.0.0.1"))
			assert_null(conn_tls_host(w.there.conn));
		else
			assert_true(str_equal_nocase(
				conn_tls_host(w.there.conn), rows[i].host));
		buf_free(&noted.text);
		world_stop(&w);
	}
}

static void test_certificate_under_given_name(void **state)
{
	struct names noted = { { 0 } };
	struct world w;

	(void)state;
	world_start(&w, true);
	assert_int_equal(tls_context_add_certificate(
				 w.server_tls, "other.test",
				 certificates_path(&w.certificates,
						   "im.example.net.crt"),
				 certificates_path(&w.certificates,
						   "im.example.net.key"),
				 NULL),
			 0);
	tls_context_verify(w.client_tls, false);
	w.here.host = "other.test";
	world_meet(&w);
	conn_peer_names(w.here.conn, note_name, &noted);
	assert_string_equal(buf_data(&noted.text),
			    "im.example.net im.example.net ");
	buf_free(&noted.text);
	world_stop(&w);
}

static void test_verification(void **state)
{
	struct world w;

	(void)state;
	world_start(&w, true);
	w.here.host = "im.example.com"; /* shown: example.org */
	world_fail(&w);
	assert_reason(&w.here, "TLS handshake: ");
	assert_reason(&w.here, "name in the certificate does not match");
	assert_reason(&w.there, "TLS handshake: ");
	assert_int_equal(w.here.secured, 0);
	world_stop(&w);

	world_start(&w, true);
	tls_context_unref(&w.client_tls);
	w.client_tls = tls_context_new(TLS_CLIENT, NULL);
	w.here.tls = w.client_tls;
	world_fail(&w);
	assert_reason(&w.here, "issuer is unknown");
	world_stop(&w);
}

static void client_certificate(bool trusted, bool shown)
{
	struct names noted = { { 0 } };
	struct world w;

	world_start(&w, true);
	tls_context_request_certificate(w.server_tls);
	if (trusted)
		tls_context_add_ca(w.server_tls,
				   certificates_path(&w.certificates, "ca.crt"),
				   NULL);
	if (shown)
		assert_int_equal(
			tls_context_add_certificate(
				w.client_tls, NULL,
				certificates_path(&w.certificates,
						  "im.example.net.crt"),
				certificates_path(&w.certificates,
						  "im.example.net.key"),
				NULL),
			0);
	world_meet(&w);
	conn_peer_names(w.there.conn, note_name, &noted);
	assert_string_equal(buf_data(&noted.text),
			    shown ? "im.example.net im.example.net " : "");
	assert_int_equal(conn_peer_verified(w.there.conn), trusted && shown);
	buf_free(&noted.text);
	world_stop(&w);
}

static void test_client_certificate(void **state)
{
	(void)state;
	client_certificate(true, true);
	client_certificate(false, true);
	client_certificate(true, false);
}

static void test_bad_files(void **state)
{
	static const struct {
		const char *crt, *key, *text;
	} rows[] = {
		{ "missing.crt", "example.org.key", "missing.crt: No such" },
		{ "example.org.crt", "missing.key", "missing.key: No such" },
		{ "example.org.crt", "im.example.net.key", "is not the key" },
		{ "example.org.key", "example.org.key", "no certificate in" },
		{ "example.org.crt", "example.org.crt", "no private key" },
	};
	struct certificates certificates;
	struct tls_context *context = tls_context_new(TLS_SERVER, NULL);
	struct error err;
	size_t i;

	(void)state;
	certificates_make(&certificates, names);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(
			tls_context_add_certificate(
				context, NULL,
				certificates_path(&certificates, rows[i].crt),
				certificates_path(&certificates, rows[i].key),
				&err),
			-1);
		assert_non_null(strstr(err.text, rows[i].text));
	}
	assert_int_equal(tls_context_add_ca(context, "/nonexistent", &err), -1);
	assert_int_equal(tls_context_expires(context), 0);
	tls_context_unref(&context);
	context = world_server_tls(&certificates, names);
	/* The first made of the three: an hour and its serial number 2. */
	assert_in_range(tls_context_expires(context), time(NULL) + 3590,
			time(NULL) + 3602);
	tls_context_unref(&context);
	assert_null(context);
	tls_context_unref(&context);
	certificates_free(&certificates);
}

/* A stream goes on under its old context when that was replaced. */
static void test_reload(void **state)
{
	struct world w;

	(void)state;
	world_start(&w, true);
	world_meet(&w);
	w.server.tls = NULL;
	tls_context_unref(&w.server_tls);
	tls_context_unref(&w.client_tls);
	w.there.echo = true;
	w.here.stop_at = 5;
	conn_write_str(w.here.conn, "hello");
	world_run(w.loop);
	assert_string_equal(buf_data(&w.here.got), "hello");
	world_stop(&w);
}

/* ---- ALPN and channel bindings ---- */

static void test_alpn(void **state)
{
	static const struct {
		const char *server, *client;
		bool meet, matched;
	} rows[] = {
		{ "xmpp-client", "xmpp-client", true, true },
		{ "xmpp-client", NULL, true, false },
		{ NULL, "xmpp-client", true, false },
		{ "xmpp-client", "http/1.1", false, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w;

		world_start(&w, true);
		if (rows[i].server)
			tls_context_set_alpn(w.server_tls, rows[i].server);
		if (rows[i].client)
			tls_context_set_alpn(w.client_tls, rows[i].client);
		if (rows[i].meet) {
			world_meet(&w);
			assert_int_equal(conn_tls_alpn_matched(w.here.conn),
					 rows[i].matched);
			assert_int_equal(conn_tls_alpn_matched(w.there.conn),
					 rows[i].matched);
		} else {
			world_fail(&w);
			assert_reason(&w.here, "No supported application");
			assert_reason(&w.there, "No common application");
		}
		world_stop(&w);
	}
}

static void test_channel_bindings(void **state)
{
	unsigned char ours[64], theirs[64];
	struct world w;
	int len;

	(void)state;
	world_start(&w, true);
	world_meet(&w);
	len = conn_channel_binding(w.here.conn, BINDING_TLS_EXPORTER, ours,
				   sizeof(ours));
	assert_int_equal(len, 32);
	assert_int_equal(conn_channel_binding(w.there.conn,
					      BINDING_TLS_EXPORTER, theirs,
					      sizeof(theirs)),
			 32);
	assert_memory_equal(ours, theirs, 32);
	assert_int_equal(conn_channel_binding(w.here.conn, BINDING_TLS_EXPORTER,
					      ours, 31),
			 -1);
	assert_int_equal(conn_channel_binding(w.here.conn, BINDING_TLS_UNIQUE,
					      ours, sizeof(ours)),
			 -1);
	world_stop(&w);
}

/* ---- flow ---- */

static char *big_block(void)
{
	char *block = mem_alloc(BIG);
	unsigned i;

	for (i = 0; i < BIG; i++)
		block[i] = (char)(i * 31 + i / 251);
	return block;
}

static void test_large_both_ways(void **state)
{
	struct world w;
	char *block = big_block();

	(void)state;
	world_start(&w, true);
	world_meet(&w);
	w.here.stop_at = BIG;
	w.there.echo = true;
	conn_write(w.here.conn, block, BIG);
	world_run(w.loop);
	assert_int_equal(w.here.got.len, BIG);
	assert_memory_equal(buf_data(&w.here.got), block, BIG);
	mem_free(block);
	world_stop(&w);
}

static void pause_here(struct end *end)
{
	conn_pause(end->conn);
}

static void test_pause(void **state)
{
	struct world w;
	char *block = big_block();
	size_t got = 0;
	int i;

	(void)state;
	world_start(&w, true);
	world_meet(&w);
	w.there.on_data = pause_here;
	conn_set_high_water(w.here.conn, 1000);
	conn_write(w.here.conn, block, BIG);
	assert_true(conn_above_high_water(w.here.conn));
	/* One record for each resume, although more was read. */
	for (i = 0; i < 5; i++) {
		world_run_for(w.loop, 20);
		assert_in_range(w.there.got.len, got + 1, got + 16384);
		got = w.there.got.len;
		conn_resume(w.there.conn);
		assert_int_equal(w.there.got.len, got);
	}
	w.there.on_data = NULL;
	w.there.stop_at = BIG;
	conn_resume(w.there.conn);
	world_run(w.loop);
	assert_memory_equal(buf_data(&w.there.got), block, BIG);
	world_run_for(w.loop, 5);
	assert_int_equal(w.here.drained, 1);
	mem_free(block);
	world_stop(&w);
}

/* Paused with bytes inside, then closed, or then its peer. */
static void test_close_while_paused(void **state)
{
	int by_peer;

	(void)state;
	for (by_peer = 0; by_peer < 2; by_peer++) {
		struct world w;
		char *block = big_block();

		world_start(&w, true);
		world_meet(&w);
		w.there.on_data = pause_here;
		conn_write(w.here.conn, block, 60000);
		world_run_for(w.loop, 20);
		conn_close(by_peer ? w.here.conn : w.there.conn);
		w.there.stop_closed = true;
		if (by_peer) {
			world_run_for(w.loop, 20);
			assert_int_equal(w.there.closed, 0);
			w.there.on_data = NULL;
			conn_resume(w.there.conn);
		}
		world_run(w.loop);
		assert_true(w.there.orderly);
		if (by_peer)
			assert_int_equal(w.there.got.len, 60000);
		mem_free(block);
		world_stop(&w);
	}
}

static void abort_here(struct end *end)
{
	conn_abort(end->conn, "aborted");
}

static void test_close_in_callbacks(void **state)
{
	int which;

	(void)state;
	for (which = 0; which < 6; which++) {
		struct world w;
		unsigned tries = 0;

		world_start(&w, true);
		w.here.close_on_secure = which == 0;
		w.there.close_on_secure = which == 1;
		w.there.close_on_data = which == 2;
		if (which == 3)
			w.there.on_data = abort_here;
		if (which == 4)
			w.here.on_secured = abort_here;
		w.here.close_on_drain = which == 5;
		world_connect(&w);
		if (which >= 2 && which != 4)
			w.here.on_secured = say_hello;
		conn_set_high_water(w.here.conn, 1);
		while (!w.here.closed || !w.there.closed) {
			world_run_for(w.loop, 2);
			assert_true(tries++ < 1000);
		}
		world_stop(&w);
	}
}

static void test_garbage(void **state)
{
	static const char *const rows[] = {
		"<stream:stream to='example.org'>",
		"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
		"\x16\x03\x01\xff\xff\x01",
		"",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w;
		unsigned tries = 0;

		world_start(&w, true);
		w.here.tls = NULL;
		world_connect(&w);
		conn_write_str(w.here.conn, rows[i]);
		while (w.server.accepted == 0)
			world_run_for(w.loop, 2);
		world_run_for(w.loop, 10);
		if (w.here.conn)
			conn_close(w.here.conn);
		while (!w.there.closed || !w.here.closed) {
			world_run_for(w.loop, 2);
			assert_true(tries++ < 1000);
		}
		assert_reason(&w.there, "TLS handshake");
		assert_int_equal(w.there.secured, 0);
		world_stop(&w);
	}
}

/* ---- everything at random ---- */

#define CROWD 60

struct crowd {
	struct world world;
	struct end here[CROWD], there[CROWD];
	struct timer timer;
	uint64_t seed;
	unsigned acts;
};

static unsigned crowd_random(struct crowd *crowd, unsigned below)
{
	crowd->seed = crowd->seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(crowd->seed >> 33) % below;
}

static void crowd_act(struct end *end)
{
	static const char text[70000] = "text";
	struct crowd *crowd = end->owner;

	if (!end->conn)
		return;
	switch (crowd_random(crowd, 40)) {
	case 0:
		conn_close(end->conn);
		break;
	case 1:
		conn_abort(end->conn, "chance");
		break;
	case 2:
	case 3:
		conn_pause(end->conn);
		break;
	case 4:
		conn_set_rate(end->conn, crowd_random(crowd, 3) * 50000, 5000);
		break;
	case 5:
		conn_set_high_water(end->conn, crowd_random(crowd, 10000));
		break;
	case 6:
		conn_set_write_timeout(end->conn,
				       10 + crowd_random(crowd, 100));
		break;
	case 7:
	case 8:
		if (!conn_is_secure(end->conn) && !crowd->world.server.tls)
			conn_start_tls(end->conn, crowd->world.server_tls,
				       NULL);
		break;
	case 9:
		if (end->got.len > 500000)
			conn_abort(end->conn, "enough");
		break;
	case 10:
	case 11:
	case 12:
		conn_resume(end->conn);
		break;
	default:
		conn_write(end->conn, text,
			   crowd_random(crowd, 3)
				   ? crowd_random(crowd, 300)
				   : crowd_random(crowd, sizeof(text)));
	}
}

static void crowd_tick(struct timer *timer)
{
	struct crowd *crowd = container_of(timer, struct crowd, timer);
	unsigned i;

	for (i = 0; i < 20; i++) {
		unsigned at = crowd_random(crowd, 2 * CROWD);

		crowd_act(at < CROWD ? &crowd->here[at]
				     : &crowd->there[at - CROWD]);
	}
	if (crowd->acts-- > 0)
		timer_start(timer, crowd->world.loop, 1, crowd_tick);
	else
		loop_stop(crowd->world.loop);
}

static void crowd_run(uint64_t seed, bool direct)
{
	struct crowd *crowd = mem_new(struct crowd);
	struct world *w = &crowd->world;
	unsigned i, closed = 0;

	crowd->seed = seed;
	crowd->acts = 400;
	world_start(w, direct);
	w->server.ends = crowd->there;
	w->server.count = CROWD;
	for (i = 0; i < CROWD; i++) {
		crowd->here[i].owner = crowd->there[i].owner = crowd;
		crowd->here[i].on_data = crowd->there[i].on_data = crowd_act;
		crowd->here[i].on_secured = crowd_act;
		crowd->there[i].on_secured = crowd_act;
		crowd->here[i].host = "example.org";
		crowd->here[i].tls = direct ? w->client_tls : NULL;
		end_connect(&crowd->here[i], w->loop, w->server.address);
	}
	timer_start(&crowd->timer, w->loop, 1, crowd_tick);
	world_run(w->loop);
	for (i = 0; i < CROWD; i++) {
		assert_in_range(crowd->here[i].closed, 0, 1);
		assert_in_range(crowd->there[i].closed, 0, 1);
		closed += crowd->here[i].closed + crowd->there[i].closed;
		if (crowd->here[i].conn)
			conn_abort(crowd->here[i].conn, NULL);
		if (crowd->there[i].conn)
			conn_close(crowd->there[i].conn);
	}
	assert_in_range(closed, 2, 2 * CROWD);
	if (seed % 2) /* else loop_free() does it */
		world_run_for(w->loop, 1200);
	for (i = 0; i < CROWD; i++) {
		if (seed % 2)
			assert_int_equal(crowd->here[i].closed, 1);
		end_free(&crowd->here[i]);
		end_free(&crowd->there[i]);
	}
	world_stop(w);
	mem_free(crowd);
}

static void test_crowd(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 4; seed++)
		crowd_run(seed, seed > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_starttls_injection),
		cmocka_unit_test(test_late_injection),
		cmocka_unit_test(test_certificate_by_name),
		cmocka_unit_test(test_certificate_under_given_name),
		cmocka_unit_test(test_verification),
		cmocka_unit_test(test_client_certificate),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_alpn),
		cmocka_unit_test(test_channel_bindings),
		cmocka_unit_test(test_large_both_ways),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_close_while_paused),
		cmocka_unit_test(test_close_in_callbacks),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
