/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may come in at the doors of a role, and which doors there are.
 */
#include "util/role/acceptor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "t/unit/net_world.h"

#define GUESTS 4

struct guest {
	struct conn *conn;
	struct admission admission;
};

struct world {
	struct loop *loop;
	struct log log;
	struct acceptor *acceptor;
	struct acceptor_options options;
	struct guest guests[GUESTS];
	struct end ends[GUESTS];
	size_t let_in, connected;
	unsigned port, doors, lines;
};

static void on_guest_data(struct conn *conn, const char *bytes, size_t len,
			  void *ctx)
{
	(void)conn;
	(void)bytes;
	(void)len;
	(void)ctx;
}

static void on_guest_closed(struct conn *conn, const char *reason, void *ctx)
{
	struct guest *guest = ctx;

	(void)conn;
	(void)reason;
	guest->conn = NULL;
	admission_release(&guest->admission);
}

static const struct conn_handlers guest_handlers = {
	.data = on_guest_data,
	.closed = on_guest_closed,
};

static void let_in(struct conn *conn, const struct admission *admission,
		   bool direct, void *ctx)
{
	struct world *w = ctx;
	struct guest *guest = &w->guests[w->let_in++];

	(void)direct;
	guest->conn = conn;
	guest->admission = *admission;
	conn_set_handlers(conn, &guest_handlers, guest);
}

static void on_line(enum log_level level, const char *line, void *ctx)
{
	struct world *w = ctx;

	(void)level;
	if (strstr(line, "connection.refused"))
		w->lines++;
}

static void note_door(const char *address, bool direct, unsigned port,
		      void *ctx)
{
	struct world *w = ctx;

	(void)address;
	(void)direct;
	w->doors++;
	w->port = port;
}

static void look_at_doors(struct world *w)
{
	w->doors = 0;
	acceptor_each(w->acceptor, note_door, w);
}

static char *one[] = { "127.0.0.1:0", NULL };
static char *two[] = { "127.0.0.1:0", "[::1]:0", NULL };
static char *bad[] = { "127.0.0.1:0", "[::1]:0", "192.0.2.1:1", NULL };

static void open_world(struct world *w)
{
	struct error err;

	memset(w, 0, sizeof(*w));
	w->loop = loop_new(NULL);
	log_init(&w->log, "test");
	w->log.target = LOG_TO_CALLBACK;
	w->log.line = on_line;
	w->log.line_ctx = w;
	w->acceptor = acceptor_new(w->loop, &w->log, let_in, w);
	w->options.listen = one;
	assert_int_equal(acceptor_listen(w->acceptor, &w->options, &err), 0);
	look_at_doors(w);
}

static void come(struct world *w)
{
	struct end *end = &w->ends[w->connected++];
	char address[64];

	snprintf(address, sizeof(address), "127.0.0.1:%u", w->port);
	end_connect(end, w->loop, address);
	world_run_for(w->loop, 50);
}

static void close_world(struct world *w)
{
	for (size_t i = 0; i < w->let_in; i++) {
		if (w->guests[i].conn)
			conn_abort(w->guests[i].conn, "the test is over");
	}
	world_run_for(w->loop, 20);
	assert_int_equal(acceptor_count(w->acceptor).connections, 0);
	assert_int_equal(acceptor_count(w->acceptor).unauthenticated, 0);
	assert_int_equal(acceptor_count(w->acceptor).networks, 0);
	for (size_t i = 0; i < w->connected; i++)
		end_free(&w->ends[i]);
	acceptor_free(&w->acceptor);
	loop_free(&w->loop);
}

/* Each limit by itself: so many come in, the next one does not. */
static void check_limit(int64_t all, int64_t network, int64_t before,
			size_t expected)
{
	struct world w;

	open_world(&w);
	w.options.connections = all;
	w.options.connections_network = network;
	w.options.connections_before = before;
	for (int i = 0; i < 3; i++)
		come(&w);
	assert_int_equal(w.let_in, expected);
	assert_int_equal(acceptor_count(w.acceptor).accepted, expected);
	assert_int_equal(acceptor_count(w.acceptor).refused, 3 - expected);
	/* Two in one second are one line. */
	assert_int_equal(w.lines, expected == 3 ? 0 : 1);
	close_world(&w);
}

static void test_limits(void **state)
{
	(void)state;
	check_limit(0, 0, 0, 3);
	check_limit(2, 0, 0, 2);
	check_limit(0, 1, 0, 1);
	check_limit(0, 0, 2, 2);
}

static void test_places_are_given_back(void **state)
{
	struct world w;

	(void)state;
	open_world(&w);
	w.options.connections_before = 1;
	w.options.connections = 2;
	come(&w);
	admission_authenticated(&w.guests[0].admission);
	admission_authenticated(&w.guests[0].admission);
	assert_int_equal(acceptor_count(w.acceptor).unauthenticated, 0);
	come(&w);
	assert_int_equal(w.let_in, 2);
	conn_abort(w.guests[1].conn, "it leaves");
	world_run_for(w.loop, 20);
	assert_int_equal(acceptor_count(w.acceptor).connections, 1);
	assert_int_equal(acceptor_count(w.acceptor).unauthenticated, 0);
	come(&w);
	assert_int_equal(w.let_in, 3);
	close_world(&w);
}

static void test_doors_follow_the_options(void **state)
{
	struct acceptor_options more = { .listen = one, .listen_tls = two };
	struct acceptor_options none = { .listen = NULL };
	struct acceptor_options wrong = { .listen = bad };
	struct error err;
	struct world w;
	unsigned port;

	(void)state;
	open_world(&w);
	port = w.port;
	assert_int_equal(acceptor_listen(w.acceptor, &more, &err), 0);
	look_at_doors(&w);
	assert_int_equal(w.doors, 3);
	assert_int_equal(acceptor_listen(w.acceptor, &wrong, &err), -1);
	look_at_doors(&w);
	assert_int_equal(w.doors, 3);
	assert_int_equal(acceptor_listen(w.acceptor, &w.options, &err), 0);
	look_at_doors(&w);
	/* The first one was never closed. */
	assert_int_equal(w.doors, 1);
	assert_int_equal(w.port, port);
	assert_int_equal(acceptor_listen(w.acceptor, &none, &err), 0);
	look_at_doors(&w);
	assert_int_equal(w.doors, 0);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_places_are_given_back),
		cmocka_unit_test(test_doors_follow_the_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
