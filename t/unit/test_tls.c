/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS over loopback sockets, both ends on one loop.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "t/unit/net_world.h"
#include "util/base/mem.h"

static const char *const names[] = { "example.org", "*.example.net", NULL };

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

static void say_hello(struct end *end)
{
	conn_write_str(end->conn, "hello");
}

static void test_echo(void **state)
{
	struct world w;

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
	assert_true(conn_is_secure(w.there.conn));
	assert_string_equal(conn_tls_host(w.there.conn), "example.org");
	w.there.stop_closed = true;
	conn_close(w.here.conn);
	world_run(w.loop);
	assert_true(w.there.orderly);
	world_run_for(w.loop, 20);
	assert_int_equal(w.here.closed, 1);
	assert_true(w.here.orderly);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
