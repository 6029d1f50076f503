/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP server of the metrics, asked over our own connections.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "t/unit/net_world.h"
#include "util/base/str.h"
#include "util/net/http.h"

#define LARGE 3000000u

static int answer(const char *path, struct buf *body, const char **type,
		  void *ctx)
{
	unsigned *asked = ctx;

	++*asked;
	if (str_equal(path, "/metrics")) {
		buf_add_str(body, "chappe_up 1\n");
		return 200;
	}
	if (str_equal(path, "/json")) {
		*type = "application/json";
		buf_add_str(body, "{}");
		return 200;
	}
	if (str_equal(path, "/large")) {
		memset(buf_reserve(body, LARGE), 'x', LARGE);
		buf_commit(body, LARGE);
		return 200;
	}
	return 404;
}

struct world {
	struct loop *loop;
	struct http_server *server;
	char address[ADDRESS_MAX];
	unsigned asked;
};

static void world_start(struct world *world)
{
	memset(world, 0, sizeof(*world));
	world->loop = loop_new(NULL);
	world->server = http_server_open(world->loop, "127.0.0.1:0", answer,
					 &world->asked, NULL);
	assert_non_null(world->server);
	snprintf(world->address, sizeof(world->address), "127.0.0.1:%u",
		 http_server_port(world->server));
}

static void world_stop(struct world *world)
{
	http_server_close(&world->server);
	loop_free(&world->loop);
}

static void test_get(void **state)
{
	static const struct {
		const char *request;
		const char *parts[3]; /* of the answer */
		size_t least;
	} rows[] = {
		{ "GET /metrics HTTP/1.1",
		  { "200 OK", "Content-Type: text/plain; charset=utf-8",
		    "\r\n\r\nchappe_up 1\n" },
		  0 },
		{ "GET /json HTTP/1.0",
		  { "200 OK", "Content-Type: application/json", "\r\n\r\n{}" },
		  0 },
		{ "GET /metrics?x=y HTTP/1.1", { "200 OK" }, 0 },
		{ "GET /other HTTP/1.1", { "404 Not Found" }, 0 },
		{ "GET /large HTTP/1.1", { "200 OK" }, LARGE },
		{ "HEAD /metrics HTTP/1.1",
		  { "200 OK", "Content-Length: 12" },
		  0 },
		{ "DELETE /metrics HTTP/1.1", { "405" }, 0 },
	};
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct end end = { .stop_closed = true };
		struct world w;

		world_start(&w);
		end_connect(&end, w.loop, w.address);
		conn_write_str(end.conn, rows[i].request);
		conn_write_str(end.conn, "\r\nHost: localhost\r\n"
					 "Connection: close\r\n\r\n");
		world_run(w.loop);
		for (j = 0; j < 3 && rows[i].parts[j]; j++) {
			if (!strstr(buf_data(&end.got), rows[i].parts[j]))
				fail_msg("%s: no \"%s\" in %.300s",
					 rows[i].request, rows[i].parts[j],
					 buf_data(&end.got));
		}
		assert_true(end.got.len > rows[i].least);
		assert_int_equal(w.asked > 0, i < 6);
		end_free(&end);
		world_stop(&w);
	}
}

static void test_nonsense(void **state)
{
	struct end end = { .stop_closed = true };
	struct world w;

	(void)state;
	world_start(&w);
	end_connect(&end, w.loop, w.address);
	conn_write_str(end.conn, "nonsense\r\n\r\n");
	world_run(w.loop);
	assert_null(strstr(buf_data(&end.got), "200"));
	assert_int_equal(w.asked, 0);
	end_free(&end);
	world_stop(&w);
}

/* The 17th connection waits until another one is gone. */
static void test_limit(void **state)
{
	struct end ends[17] = { { 0 } };
	struct world w;
	size_t i;

	(void)state;
	world_start(&w);
	for (i = 0; i < 17; i++) {
		end_connect(&ends[i], w.loop, w.address);
		world_run_for(w.loop, 5);
		assert_int_equal(ends[i].connected, 1);
	}
	conn_write_str(ends[16].conn, "GET /metrics HTTP/1.0\r\n\r\n");
	world_run_for(w.loop, 50);
	assert_int_equal(w.asked, 0);
	conn_abort(ends[3].conn, NULL);
	ends[16].stop_closed = true;
	world_run(w.loop);
	assert_non_null(strstr(buf_data(&ends[16].got), "chappe_up 1"));
	end_free(&ends[16]);
	world_stop(&w);
}

static void test_cannot_open(void **state)
{
	static const char *const addresses[] = { "localhost:0", "unix:/tmp/x",
						 "192.0.2.1:80", "9090" };
	struct loop *loop = loop_new(NULL);
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		err.text[0] = '\0';
		assert_null(http_server_open(loop, addresses[i], answer, NULL,
					     &err));
		assert_non_null(strstr(err.text, addresses[i]));
	}
	loop_free(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_cannot_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
