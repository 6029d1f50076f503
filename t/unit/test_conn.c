/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections in the clear over real sockets; test_tls.c has those under TLS.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "t/unit/net_world.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define BIG 10000000u

struct world {
	struct loop *loop;
	struct server server;
	struct end here, there[4];
};

/* A path of this process's own. */
static const char *unix_address(void)
{
	static char address[64];

	snprintf(address, sizeof(address), "unix:/tmp/chappe-conn-%d.sock",
		 (int)getpid());
	return address;
}

static void world_start(struct world *world, const char *address)
{
	memset(world, 0, sizeof(*world));
	world->loop = loop_new(NULL);
	if (str_equal(address, "unix:"))
		address = unix_address();
	server_open(&world->server, world->loop, address, world->there, 4);
}

static void world_connect(struct world *world)
{
	end_connect(&world->here, world->loop, world->server.address);
}

static void world_stop(struct world *world)
{
	size_t i;

	listener_close(&world->server.listener);
	loop_free(&world->loop);
	end_free(&world->here);
	for (i = 0; i < 4; i++)
		end_free(&world->there[i]);
}

/* Connects and runs until both ends know of each other. */
static void world_meet(struct world *world)
{
	world_connect(world);
	while (!world->here.connected || !world->there[0].conn)
		world_run_for(world->loop, 2);
}

static char *big_block(void)
{
	char *block = mem_alloc(BIG);
	unsigned i;

	for (i = 0; i < BIG; i++)
		block[i] = (char)(i * 31 + i / 251);
	return block;
}

/* ---- addresses ---- */

static void test_echo(void **state)
{
	static const struct {
		const char *listen, *peer, *network;
	} rows[] = {
		{ "127.0.0.1:0", "127.0.0.1", "127.0.0.1" },
		{ "[::1]:0", "::1", "::" },
		{ "unix:", "unix", "unix" },
	};
	char text[ADDRESS_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w;

		world_start(&w, rows[i].listen);
		w.there[0].echo = true;
		w.here.stop_at = 5;
		world_connect(&w);
		conn_write_str(w.here.conn, "he");
		conn_write_str(w.here.conn, "");
		conn_write(w.here.conn, "llo", 3);
		assert_int_equal(w.here.connected, 0);
		world_run(w.loop);
		assert_string_equal(buf_data(&w.here.got), "hello");
		assert_int_equal(w.here.connected, 1);
		conn_peer_address(w.there[0].conn, text);
		assert_string_equal(text, rows[i].peer);
		conn_peer_address(w.here.conn, text);
		assert_string_equal(text, rows[i].peer);
		conn_peer_network(w.there[0].conn, text);
		assert_string_equal(text, rows[i].network);
		assert_false(conn_is_secure(w.here.conn));
		assert_null(conn_tls_version(w.here.conn));
		world_stop(&w);
	}
}

/* "*" takes both families, and an IPv4 peer looks like one. */
static void test_any_address(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "[::1]",
					     "localhost" };
	char text[ADDRESS_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		struct world w;

		world_start(&w, "*:0");
		snprintf(text, sizeof(text), "%s:%u", hosts[i],
			 listener_port(w.server.listener));
		w.there[0].stop_at = 1;
		end_connect(&w.here, w.loop, text);
		conn_write(w.here.conn, "x", 1);
		world_run(w.loop);
		conn_peer_address(w.there[0].conn, text);
		assert_string_equal(text,
				    strchr(text, '.') ? "127.0.0.1" : "::1");
		if (i < 2)
			assert_int_equal(strchr(text, '.') != NULL, i == 0);
		world_stop(&w);
	}
}

static void test_cannot_connect(void **state)
{
	static const struct {
		const char *address, *reason;
	} rows[] = {
		{ "127.0.0.1:1", "connection refused" },
		{ "[::1]:1", "connection refused" },
		{ "localhost:1", "connection refused" },
		{ "unix:/nonexistent/socket", "no such file" },
		{ "unix:relative", "not an absolute path" },
		{ "no-such-host.invalid:5222", "look up no-such-host.invalid" },
		{ "127.0.0.1", "no port" },
		{ "127.0.0.1:", "not a port" },
		{ "127.0.0.1:70000", "not a port" },
		{ "127.0.0.1:52x", "not a port" },
		{ ":5222", "not a host" },
		{ "::1:5222", "brackets" },
		{ "[127.0.0.1]:5222", "not an IPv6" },
		{ "*:5222", "not an address to connect to" },
		{ "", "no port" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loop *loop = loop_new(NULL);
		struct end end = { .stop_closed = true };

		end_connect(&end, loop, rows[i].address);
		conn_write_str(end.conn, "lost");
		assert_int_equal(end.closed, 0);
		world_run(loop);
		world_run_for(loop, 5);
		assert_int_equal(end.closed, 1);
		assert_int_equal(end.connected, 0);
		if (!strstr(end.reason, rows[i].reason))
			fail_msg("%s: %s", rows[i].address, end.reason);
		loop_free(&loop);
	}
}

static void test_close_while_connecting(void **state)
{
	static const char *const addresses[] = {
		"127.0.0.1:1", "localhost:1",	 "unix:/nonexistent/socket",
		"nonsense",    "10.255.255.1:9",
	};
	size_t i;
	int abort, free_at_once;

	(void)state;
	for (i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		for (abort = 0; abort < 2; abort++) {
			for (free_at_once = 0; free_at_once < 2;
			     free_at_once++) {
				struct loop *loop = loop_new(NULL);
				struct end end = { .stop_closed = true };

				end_connect(&end, loop, addresses[i]);
				if (abort)
					conn_abort(end.conn, "no more");
				else
					conn_close(end.conn);
				conn_close(end.conn);
				assert_int_equal(end.closed, 0);
				if (!free_at_once) {
					world_run(loop);
					assert_int_equal(end.closed, 1);
				}
				loop_free(&loop);
			}
		}
	}
}

/* ---- ends ---- */

static void test_orderly_close(void **state)
{
	struct world w;

	(void)state;
	world_start(&w, "127.0.0.1:0");
	world_meet(&w);
	conn_write_str(w.here.conn, "last words");
	conn_close(w.here.conn);
	conn_write_str(w.here.conn, "too late");
	assert_int_equal(w.here.closed, 0);
	w.here.stop_closed = true;
	world_run(w.loop);
	assert_string_equal(buf_data(&w.there[0].got), "last words");
	assert_true(w.here.orderly);
	world_run_for(w.loop, 5);
	assert_int_equal(w.there[0].closed, 1);
	assert_true(w.there[0].orderly);
	assert_int_equal(w.here.closed, 1);
	world_stop(&w);
}

static void test_abort(void **state)
{
	struct world w;

	(void)state;
	world_start(&w, "127.0.0.1:0");
	world_meet(&w);
	conn_write_str(w.here.conn, "lost");
	conn_abort(w.here.conn, "enough");
	conn_abort(w.here.conn, "twice");
	assert_int_equal(w.here.closed, 0);
	w.there[0].stop_closed = true;
	world_run(w.loop);
	world_run_for(w.loop, 2);
	assert_string_equal(w.here.reason, "enough");
	assert_int_equal(w.here.closed, 1);
	assert_int_equal(w.there[0].got.len, 0);
	world_stop(&w);
}

/* Last words arrive although the peer goes on talking: closing a socket with
 * unread bytes would reset it. */
static void test_close_against_talker(void **state)
{
	struct world w;
	char *block = big_block();

	(void)state;
	world_start(&w, "127.0.0.1:0");
	world_meet(&w);
	conn_pause(w.there[0].conn);
	conn_write(w.here.conn, block, 200000);
	world_run_for(w.loop, 20);
	conn_write_str(w.there[0].conn, "<bad-format/>");
	conn_close(w.there[0].conn);
	w.here.stop_at = 13;
	world_run(w.loop);
	assert_string_equal(buf_data(&w.here.got), "<bad-format/>");
	assert_int_equal(w.there[0].got.len, 0);
	mem_free(block);
	world_stop(&w);
}

static void test_close_in_callbacks(void **state)
{
	int which;

	(void)state;
	for (which = 0; which < 4; which++) {
		struct world w;

		world_start(&w, "127.0.0.1:0");
		w.here.stop_closed = true;
		w.here.close_on_connect = which == 0;
		w.here.close_on_data = which == 1;
		w.here.close_on_drain = which == 2;
		w.there[0].close_on_data = which == 3;
		w.there[0].echo = true;
		world_connect(&w);
		conn_set_high_water(w.here.conn, 3);
		conn_write_str(w.here.conn, "hello");
		assert_true(conn_above_high_water(w.here.conn));
		world_run(w.loop);
		assert_true(w.here.orderly);
		world_run_for(w.loop, 10);
		assert_int_equal(w.here.closed, 1);
		assert_int_equal(w.there[0].closed, 1);
		world_stop(&w);
	}
}

static void abort_here(struct end *end)
{
	conn_abort(end->conn, "in data");
}

static void test_abort_in_data(void **state)
{
	struct world w;

	(void)state;
	world_start(&w, "127.0.0.1:0");
	w.there[0].on_data = abort_here;
	w.there[0].stop_closed = true;
	world_connect(&w);
	conn_write_str(w.here.conn, "hello");
	world_run(w.loop);
	assert_string_equal(w.there[0].reason, "in data");
	world_stop(&w);
}

/* An answer to the last words of a peer that has shut down its side. */
static void test_half_closed_peer(void **state)
{
	struct world w;
	struct sockaddr_in to = { .sin_family = AF_INET };
	char got[16] = { 0 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	world_start(&w, "127.0.0.1:0");
	w.there[0].echo = true;
	w.there[0].stop_closed = true;
	to.sin_port = htons((uint16_t)listener_port(w.server.listener));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(write(fd, "ping", 4), 4);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	world_run(w.loop);
	assert_int_equal(read(fd, got, sizeof(got)), 4);
	assert_string_equal(got, "ping");
	close(fd);
	world_stop(&w);
}

/* ---- flow ---- */

static void test_large_both_ways(void **state)
{
	struct world w;
	char *block = big_block();

	(void)state;
	world_start(&w, "127.0.0.1:0");
	w.there[0].echo = true;
	w.here.stop_at = BIG;
	world_connect(&w);
	conn_write(w.here.conn, block, BIG);
	assert_int_equal(conn_queued(w.here.conn), BIG);
	world_run(w.loop);
	assert_int_equal(w.here.got.len, BIG);
	assert_memory_equal(buf_data(&w.here.got), block, BIG);
	assert_int_equal(conn_queued(w.here.conn), 0);
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
	size_t before;

	(void)state;
	world_start(&w, "127.0.0.1:0");
	w.there[0].on_data = pause_here;
	world_connect(&w);
	conn_set_high_water(w.here.conn, 100000);
	conn_write(w.here.conn, block, BIG);
	for (int i = 0; i < 400 && w.there[0].got.len == 0; i++)
		world_run_for(w.loop, 50);
	world_run_for(w.loop, 50);
	before = w.there[0].got.len;
	assert_in_range(before, 1, 65536);
	assert_true(conn_above_high_water(w.here.conn));
	assert_in_range(conn_queued(w.here.conn), 100000, BIG);
	conn_resume(w.there[0].conn);
	conn_resume(w.there[0].conn);
	assert_int_equal(w.there[0].got.len, before);
	for (int i = 0; i < 400 && w.there[0].got.len == before; i++)
		world_run_for(w.loop, 50);
	assert_true(w.there[0].got.len > before);
	assert_int_equal(w.here.drained, 0);
	w.there[0].on_data = NULL;
	w.there[0].stop_at = BIG;
	conn_resume(w.there[0].conn);
	world_run(w.loop);
	assert_memory_equal(buf_data(&w.there[0].got), block, BIG);
	world_run_for(w.loop, 5);
	assert_int_equal(w.here.drained, 1);
	assert_false(conn_above_high_water(w.here.conn));
	mem_free(block);
	world_stop(&w);
}

static void test_close_while_paused(void **state)
{
	struct world w;

	(void)state;
	world_start(&w, "127.0.0.1:0");
	world_meet(&w);
	conn_pause(w.there[0].conn);
	conn_write_str(w.here.conn, "unheard");
	world_run_for(w.loop, 10);
	conn_close(w.there[0].conn);
	w.there[0].stop_closed = true;
	world_run(w.loop);
	assert_int_equal(w.there[0].got.len, 0);
	assert_true(w.there[0].orderly);
	world_stop(&w);
}

static void test_write_timeout(void **state)
{
	struct world w;
	char *block = big_block();
	uint64_t before;

	(void)state;
	world_start(&w, "127.0.0.1:0");
	world_meet(&w);
	conn_pause(w.there[0].conn);
	conn_set_write_timeout(w.here.conn, 200);
	conn_write(w.here.conn, block, BIG);
	w.here.stop_closed = true;
	before = loop_now(w.loop);
	world_run(w.loop);
	assert_string_equal(w.here.reason, "write time-out");
	assert_in_range(loop_now(w.loop) - before, 190, 2000);
	mem_free(block);
	world_stop(&w);
}

/* A slow peer is not a dead one. */
static void resume_tick(struct timer *timer);

struct ticker {
	struct timer timer;
	struct world *world;
};

static void resume_tick(struct timer *timer)
{
	struct ticker *ticker = container_of(timer, struct ticker, timer);

	if (ticker->world->there[0].conn)
		conn_resume(ticker->world->there[0].conn);
	timer_start(timer, ticker->world->loop, 20, resume_tick);
}

static void test_slow_reader_lives(void **state)
{
	struct world w;
	struct ticker ticker = { .world = &w };
	char *block = big_block();

	(void)state;
	world_start(&w, "unix:");
	world_meet(&w);
	w.there[0].on_data = pause_here;
	conn_set_write_timeout(w.here.conn, 150);
	conn_write(w.here.conn, block, 4000000);
	timer_start(&ticker.timer, w.loop, 20, resume_tick);
	world_run_for(w.loop, 600);
	assert_int_equal(w.here.closed, 0);
	assert_in_range(w.there[0].got.len, 65536, 3900000);
	timer_stop(&ticker.timer);
	mem_free(block);
	world_stop(&w);
}

static void test_rate(void **state)
{
	struct world w;
	char *block = big_block();
	uint64_t before;

	(void)state;
	world_start(&w, "127.0.0.1:0");
	world_meet(&w);
	conn_set_rate(w.there[0].conn, 100000, 5000);
	before = loop_now(w.loop);
	conn_write(w.here.conn, block, 45000);
	world_run_for(w.loop, 5);
	assert_in_range(w.there[0].got.len, 5000, 7000);
	w.there[0].stop_at = 45000;
	world_run(w.loop);
	/* 40 000 bytes beyond the burst at 100 a millisecond. */
	assert_in_range(loop_now(w.loop) - before, 320, 900);
	assert_memory_equal(buf_data(&w.there[0].got), block, 45000);
	/* Without the limit the rest comes at once. */
	conn_set_rate(w.there[0].conn, 100, 100);
	conn_set_rate(w.there[0].conn, 0, 0);
	before = loop_now(w.loop);
	w.there[0].stop_at = 145000;
	conn_write(w.here.conn, block, 100000);
	world_run(w.loop);
	assert_in_range(loop_now(w.loop) - before, 0, 200);
	mem_free(block);
	world_stop(&w);
}

static void test_free_with_open_conns(void **state)
{
	struct world w;
	char *block = big_block();

	(void)state;
	world_start(&w, "127.0.0.1:0");
	world_meet(&w);
	conn_pause(w.there[0].conn);
	conn_write(w.here.conn, block, BIG);
	world_run_for(w.loop, 10);
	mem_free(block);
	world_stop(&w);
	assert_int_equal(w.here.closed, 0);
	assert_int_equal(w.there[0].closed, 0);
}

/* ---- listeners ---- */

static void test_unix_socket_file(void **state)
{
	const char *address = unix_address();
	const char *path = address + 5;
	struct loop *loop = loop_new(NULL);
	struct server server = { 0 };
	struct listener *second;
	struct error err;
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct stat st;
	int fd;

	(void)state;
	/* A stale one is replaced. */
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	str_copy(un.sun_path, sizeof(un.sun_path), path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	close(fd);
	server_open(&server, loop, address, NULL, 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* A live one is not. */
	second = listener_open(loop, address, 0660, NULL, NULL, &err);
	assert_null(second);
	assert_non_null(strstr(err.text, "in use"));
	listener_close(&server.listener);
	assert_int_equal(access(path, F_OK), -1);
	second = listener_open(loop, address, 0660, NULL, NULL, &err);
	assert_non_null(second);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	/* Another's file stays. */
	unlink(path);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	listener_close(&second);
	assert_int_equal(access(path, F_OK), 0);
	assert_null(listener_open(loop, address, 0, NULL, NULL, &err));
	unlink(path);
	loop_free(&loop);
}

static void test_bad_listeners(void **state)
{
	static const char *const addresses[] = {
		"localhost:5222", "127.0.0.1",
		"192.0.2.1:5222", "unix:/nonexistent/dir/socket",
		"[::1:1",
	};
	struct loop *loop = loop_new(NULL);
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		err.text[0] = '\0';
		assert_null(
			listener_open(loop, addresses[i], 0, NULL, NULL, &err));
		assert_true(str_starts(err.text, "listen on ") ||
			    str_starts(err.text, addresses[i]));
	}
	loop_free(&loop);
}

static void test_shared_port(void **state)
{
	struct world w;
	struct listener *first, *second;
	struct error err;
	char address[32];

	(void)state;
	world_start(&w, "127.0.0.1:0");
	/* Only with those who ask for it, too. */
	assert_null(listener_open(w.loop, w.server.address, 0, NULL, NULL,
				  &err));
	assert_non_null(strstr(err.text, "in use"));
	assert_null(listener_open_shared(w.loop, w.server.address, 0, NULL,
					 NULL, &err));
	first = listener_open_shared(w.loop, "127.0.0.1:0", 0, NULL, NULL,
				     NULL);
	assert_non_null(first);
	snprintf(address, sizeof(address), "127.0.0.1:%u",
		 listener_port(first));
	second = listener_open_shared(w.loop, address, 0, NULL, NULL, NULL);
	assert_non_null(second);
	assert_int_equal(listener_port(second), listener_port(first));
	assert_null(listener_open(w.loop, address, 0, NULL, NULL, &err));
	listener_close(&first);
	listener_close(&second);
	world_stop(&w);
}

static void test_refused_by_accept(void **state)
{
	struct world w;

	(void)state;
	world_start(&w, "127.0.0.1:0");
	w.server.count = 0;
	w.here.stop_closed = true;
	world_connect(&w);
	world_run(w.loop);
	world_stop(&w);
}

/* Without descriptors the peer waits, and is served when there are again. */
static void test_out_of_descriptors(void **state)
{
	struct world w;
	struct rlimit old, low;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in to = { .sin_family = AF_INET };

	(void)state;
	world_start(&w, "127.0.0.1:0");
	world_run_for(w.loop, 2);
	to.sin_port = htons((uint16_t)listener_port(w.server.listener));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)fd;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	world_run_for(w.loop, 150);
	assert_int_equal(w.server.accepted, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	w.there[0].stop_at = 1;
	assert_int_equal(write(fd, "x", 1), 1);
	world_run(w.loop);
	assert_int_equal(w.server.accepted, 1);
	close(fd);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_any_address),
		cmocka_unit_test(test_cannot_connect),
		cmocka_unit_test(test_close_while_connecting),
		cmocka_unit_test(test_orderly_close),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_close_against_talker),
		cmocka_unit_test(test_close_in_callbacks),
		cmocka_unit_test(test_abort_in_data),
		cmocka_unit_test(test_half_closed_peer),
		cmocka_unit_test(test_large_both_ways),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_close_while_paused),
		cmocka_unit_test(test_write_timeout),
		cmocka_unit_test(test_slow_reader_lives),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_free_with_open_conns),
		cmocka_unit_test(test_unix_socket_file),
		cmocka_unit_test(test_bad_listeners),
		cmocka_unit_test(test_shared_port),
		cmocka_unit_test(test_refused_by_accept),
		cmocka_unit_test(test_out_of_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
