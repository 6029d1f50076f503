/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the tests of the router; see the header.
 */
#include "t/unit/router_world.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define PATIENCE_MS 5000

/* -- the world ------------------------------------------------------------- */

static void on_ready(struct role_env *env)
{
	container_of(env, struct world, env)->ready++;
}

static void on_stopped(struct role_env *env)
{
	struct world *world = container_of(env, struct world, env);

	world->stopped++;
	loop_stop(world->loop);
}

static void on_request_stop(struct role_env *env)
{
	container_of(env, struct world, env)->stop_requests++;
}

/* As the real one does: checked first, told later. */
static int on_request_restart(struct role_env *env,
			      void (*answer)(void *ctx,
					     const struct error *refused),
			      void *ctx, struct error *err)
{
	struct world *world = container_of(env, struct world, env);

	if (world->restarts++ > 0)
		return error_set(err, "it is stopping");
	answer(ctx, NULL);
	return 0;
}

static int on_request_reload(struct role_env *env, struct error *err)
{
	struct world *world = container_of(env, struct world, env);

	world->reload_requests++;
	return error_set(err, "the file is wrong in line 7");
}

static void on_line(enum log_level level, const char *line, void *ctx)
{
	struct world *world = ctx;

	(void)level;
	buf_add_str(&world->lines, line);
	buf_add_char(&world->lines, '\n');
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char *path = mem_printf("%s/%s", dir, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0600), 0);
	mem_free(path);
}

static struct config *read_config(struct world *world, const char *text)
{
	struct buf file = { 0 };
	struct config *config;
	struct error err;
	char *path;

	for (; *text; text++) {
		if (*text == '@')
			buf_add_str(&file, world->dir);
		else
			buf_add_char(&file, *text);
	}
	write_file(world->dir, "conf", buf_data(&file));
	buf_free(&file);
	path = mem_printf("%s/conf", world->dir);
	config = config_load(path, router_role.sections, true, &err);
	mem_free(path);
	if (!config)
		fail_msg("%s", err.text);
	return config;
}

static int try_open(struct world *world, const char *config, struct error *err)
{
	memset(world, 0, sizeof(*world));
	str_copy(world->dir, sizeof(world->dir), "/tmp/chappe-router-XXXXXX");
	assert_non_null(mkdtemp(world->dir));
	write_file(world->dir, "s1", "secret-1\n");
	write_file(world->dir, "s2", "secret-2\n");
	world->config = read_config(world, config);
	world->loop = loop_new(err);
	assert_non_null(world->loop);
	log_init(&world->log, "router");
	world->log.target = LOG_TO_CALLBACK;
	world->log.level = LOG_LEVEL_DEBUG;
	world->log.line = on_line;
	world->log.line_ctx = world;
	world->env = (struct role_env){
		.loop = world->loop,
		.log = &world->log,
		.config = world->config,
		.instance = "router",
		.stopped = on_stopped,
		.ready = on_ready,
		.request_stop = on_request_stop,
		.request_restart = on_request_restart,
		.request_reload = on_request_reload,
	};
	world->router = router_role.start(&world->env, err);
	return world->router ? 0 : -1;
}

static void remove_dir(const char *dir)
{
	static const char *const names[] = { "conf", "s1", "s2", "sock" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *path = mem_printf("%s/%s", dir, names[i]);

		unlink(path);
		mem_free(path);
	}
	rmdir(dir);
}

void world_open(struct world *world, const char *config)
{
	struct error err;

	if (try_open(world, config, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(world->ready, 1);
}

void world_close(struct world *world)
{
	if (world->router)
		router_role.free(world->router);
	timer_stop(&world->deadline);
	loop_free(&world->loop);
	config_free(&world->config);
	buf_free(&world->lines);
	remove_dir(world->dir);
}

void world_refusal(const char *config, struct error *err)
{
	struct world world;

	*err = (struct error){ .text = "" };
	try_open(&world, config, err);
	world_close(&world);
}

int world_reload(struct world *world, const char *text, struct error *err)
{
	struct config *old = world->config;
	struct config *config = read_config(world, text);

	world->env.config = config;
	if (router_role.reload(world->router, err) < 0) {
		world->env.config = old;
		config_free(&config);
		return -1;
	}
	world->config = config;
	config_free(&old);
	return 0;
}

static void on_deadline(struct timer *timer)
{
	struct world *world = container_of(timer, struct world, deadline);

	world->is_over = true;
	loop_stop(world->loop);
}

void world_pass(struct world *world, uint64_t ms)
{
	world->is_over = false;
	timer_start(&world->deadline, world->loop, ms, on_deadline);
	while (!world->is_over)
		loop_run(world->loop);
}

/* -- clients --------------------------------------------------------------- */

static void on_connected(struct conn *conn, void *ctx)
{
	struct client *client = ctx;

	if (client->tls)
		conn_start_tls(conn, client->tls, "router.example");
}

static void on_secured(struct conn *conn, void *ctx)
{
	struct client *client = ctx;

	(void)conn;
	client->is_secure = true;
	loop_stop(client->world->loop);
}

static void on_data(struct conn *conn, const char *bytes, size_t len, void *ctx)
{
	struct client *client = ctx;

	(void)conn;
	client->total += len;
	buf_add(&client->in, bytes, len);
	loop_stop(client->world->loop);
}

static void on_closed(struct conn *conn, const char *reason, void *ctx)
{
	struct client *client = ctx;

	(void)conn;
	(void)reason;
	client->conn = NULL;
	loop_stop(client->world->loop);
}

static const struct conn_handlers client_handlers = {
	.connected = on_connected,
	.secured = on_secured,
	.data = on_data,
	.closed = on_closed,
};

void client_open(struct client *client, struct world *world, unsigned port)
{
	char *address = port > 0 ? mem_printf("127.0.0.1:%u", port)
				 : mem_printf("unix:%s/sock", world->dir);
	struct tls_context *tls = client->tls;

	memset(client, 0, sizeof(*client));
	client->tls = tls;
	client->world = world;
	client->conn = conn_connect(world->loop, address, &client_handlers,
				    client);
	mem_free(address);
	/* What is written before goes out in the clear. */
	while (tls && client->conn && !client->is_secure)
		loop_run(world->loop);
}

void client_send(struct client *client, const char *text)
{
	assert_non_null(client->conn);
	conn_write_str(client->conn, text);
}

void client_sendf(struct client *client, const char *format, ...)
{
	struct buf text = { 0 };
	va_list args;

	va_start(args, format);
	buf_vaddf(&text, format, args);
	va_end(args);
	client_send(client, buf_data(&text));
	buf_free(&text);
}

bool client_has(const struct client *client, const char *text)
{
	return strstr(buf_data(&client->in), text) != NULL;
}

/* Runs the loop until a text has come (NULL: until the end). */
static void wait_for(struct client *client, const char *text)
{
	struct world *world = client->world;

	world->is_over = false;
	timer_start(&world->deadline, world->loop, PATIENCE_MS, on_deadline);
	while (client->conn && !world->is_over &&
	       !(text && client_has(client, text)))
		loop_run(world->loop);
	timer_stop(&world->deadline);
}

void client_close(struct client *client)
{
	if (client->conn) {
		conn_abort(client->conn, "the test ends");
		wait_for(client, NULL);
	}
	assert_null(client->conn);
	buf_free(&client->in);
}

void client_expect(struct client *client, const char *text)
{
	const char *data;
	size_t end;

	wait_for(client, text);
	if (!client_has(client, text))
		fail_msg("expected %s, got %s%s\n%s", text,
			 buf_data(&client->in),
			 client->conn ? "" : " and the end",
			 buf_data(&client->world->lines));
	data = buf_data(&client->in);
	end = (size_t)(strstr(data, text) - data) + strlen(text);
	buf_consume(&client->in, end);
}

void client_expect_closed(struct client *client)
{
	wait_for(client, NULL);
	if (client->conn)
		fail_msg("expected the end, got %s", buf_data(&client->in));
}

void client_expect_error(struct client *client, const char *condition)
{
	char *text = mem_printf("<stream:error><%s xmlns='urn:ietf:params:xml:"
				"ns:xmpp-streams'/>", condition);

	client_expect(client, text);
	client_expect(client, "</stream:error></stream:stream>");
	client_expect_closed(client);
	mem_free(text);
}

void client_header(struct client *client, const char *name, bool role)
{
	client_sendf(client,
		     "<stream:stream xmlns='jabber:component:accept' "
		     "xmlns:stream='http://etherx.jabber.org/streams'%s "
		     "to='%s'>",
		     role ? " xmlns:link='urn:chappe:link:0'" : "", name);
}

/* The stream id that the router's header states, which is taken. */
static void take_id(struct client *client, char id[64])
{
	const char *start, *end;

	wait_for(client, " id='");
	start = strstr(buf_data(&client->in), " id='");
	if (!start)
		fail_msg("no stream header, but %s\n%s",
			 buf_data(&client->in),
			 buf_data(&client->world->lines));
	start += strlen(" id='");
	end = strchr(start, '\'');
	assert_non_null(end);
	assert_true(end - start < 64);
	memcpy(id, start, (size_t)(end - start));
	id[end - start] = '\0';
	client_expect(client, ">");
	/* The XML declaration came first. */
	if (client_has(client, "<stream:stream"))
		client_expect(client, ">");
}

void client_handshake(struct client *client, const char *name, bool role,
		      const char *secret)
{
	unsigned char digest[DIGEST_MAX];
	char hex[41], id[64];
	char *text;

	client_header(client, name, role);
	take_id(client, id);
	text = mem_printf("%s%s", id, secret);
	crypto_digest(DIGEST_SHA1, text, strlen(text), digest);
	hex_encode(hex, digest, 20);
	mem_free(text);
	client_sendf(client, "<handshake>%s</handshake>", hex);
}

void client_component(struct client *client, struct world *world,
		      const char *name, const char *secret)
{
	client_open(client, world, 0);
	client_handshake(client, name, false, secret);
	client_expect(client, "<handshake/>");
}

void client_role(struct client *client, struct world *world, const char *name,
		 const char *secret, const char *epoch)
{
	client_open(client, world, 0);
	client->epoch = epoch;
	client_handshake(client, name, true, secret);
	client_expect(client, "<handshake/>");
	client_sendf(client, "<link:role epoch='%s' version='1' "
			     "software='test'/>", epoch);
	client_expect(client, "<link:welcome router='router' version='1'/>");
}

void client_message(struct client *client, const char *from, const char *at,
		    const char *body)
{
	client_sendf(client,
		     "<link:route xmlns='jabber:client' at='%s' from='%s' "
		     "to='a@example.org'><message to='a@example.org'><body>%s"
		     "</body></message></link:route>",
		     at, from, body);
}
