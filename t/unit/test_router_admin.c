/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operator does with a router: configurations that it refuses,
 * commands (docs/link.md section 7), reload, metrics, stop.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "t/unit/router_world.h"

#define E1 "00000000000000a1"
#define E2 "00000000000000a2"

#define ROUTER "router \"router\" { listen = { \"unix:@/sock\" } }\n"
#define ADMIN "link \"admin-*\" { kind = admin  secret-file = \"@/s1\" }\n"
#define SM                                                                   \
	"link \"sm-*\" { kind = sm  names = { \"example.org\" } "            \
	"  secret-file = \"@/s1\" }\n"
#define IRC "link \"irc.org\" { secret-file = \"@/s2\" }\n"
#define CONFIG ROUTER ADMIN SM IRC

static struct world world;
static struct client admin, sm, irc;
static struct client *const clients[] = { &admin, &sm, &irc };

static int open_world(void **state)
{
	(void)state;
	world_open(&world, CONFIG);
	client_role(&sm, &world, "sm-1", "secret-1", E1);
	client_send(&sm, "<link:bind name='example.org'/>");
	client_expect(&sm, "<link:bound name='example.org'/>");
	client_component(&irc, &world, "irc.org", "secret-2");
	client_role(&admin, &world, "admin-1", "secret-1", E2);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++)
		client_close(clients[i]);
	world_close(&world);
	return 0;
}

/* -- configuration --------------------------------------------------------- */

static void test_refusals(void **state)
{
	static const struct {
		const char *config, *reason;
	} cases[] = {
		{ "router \"other\" { }\n", "no section router \"router\"" },
		{ "router \"router\" { listen = { \"0.0.0.0:0\" } }\n",
		  "without TLS" },
		{ "router \"router\" { listen = { \"*:0\" } }\n",
		  "without TLS" },
		{ "router \"router\" { listen = { \"[::]:0\" } }\n",
		  "without TLS" },
		{ "router \"router\" { listen = { \"192.0.2.1:0\" } }\n",
		  "without TLS" },
		{ "router \"router\" { listen = {} }\n", "both empty" },
		{ "router \"router\" { listen-tls = { \"127.0.0.1:0\" } }\n",
		  "needs certificate and key" },
		{ "router \"router\" { listen = { \"unix:@/sock\" } "
		  "listen-tls = { \"127.0.0.1:0\" } certificate = \"@/none\" "
		  "key = \"@/none\" }\n", "none" },
		{ "router \"router\" { listen-tls = { \"unix:@/sock\" } }\n",
		  "needs no TLS" },
		{ "router \"router\" { socket-mode = \"0999\" }\n",
		  "octal" },
		{ ROUTER "link \"a.org\" { }\n", "no default secret" },
		{ ROUTER "link \"a.org\" { secret-file = \"@/none\" }\n",
		  "none" },
		{ ROUTER "link \"a.org\" { certificate = yes }\n", "a ca" },
		{ ROUTER "link \"a.org\" { secret-file = \"@/s1\" "
		  "names = { \"b.org\" } }\n", "own name only" },
	};
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		world_refusal(cases[i].config, &err);
		if (!strstr(err.text, cases[i].reason))
			fail_msg("%s: \"%s\" is not about \"%s\"",
				 cases[i].config, err.text, cases[i].reason);
	}
}

static void test_allowed_tcp(void **state)
{
	(void)state;
	world_open(&world, "router \"rou*\" { listen = { \"0.0.0.0:0\", "
			   "\"127.0.0.1:0\" } insecure-tcp = yes }\n" SM);
	assert_true(router_port(world.router, 0) > 0);
	client_open(&sm, &world, router_port(world.router, 1));
	client_handshake(&sm, "sm-1", true, "secret-1");
	client_expect(&sm, "<handshake/>");
}

/* -- commands -------------------------------------------------------------- */

static void command(const char *name, const char *arguments)
{
	client_sendf(&admin, "<link:route xmlns='jabber:client' at='router' "
			     "from='admin-1' kind='control'><link:command "
			     "name='%s' id='7'>%s</link:command></link:route>",
		     name, arguments);
}

#define ANSWER                                                               \
	"<link:route xmlns='jabber:client' at='admin-1' from='router' "      \
	"kind='control'>"
#define FIELD(name, value) "<link:field name='" name "'>" value "</link:field>"
#define RESULT(rest) ANSWER "<link:result id='7' status=" rest

static void test_status(void **state)
{
	(void)state;
	client_message(&sm, "sm-1", "irc.org", "x");
	client_expect(&irc, "</message>");
	command("status", "");
	client_expect(&admin,
		      ANSWER "<link:row id='7'>" FIELD("name", "sm-1")
		      FIELD("kind", "sm") FIELD("address", "unix")
		      FIELD("names", "sm-1 example.org") FIELD("queue", "0")
		      FIELD("in", "1") FIELD("out", "0") FIELD("uptime", "0")
		      FIELD("software", "test") "</link:row></link:route>");
	client_expect(&admin,
		      ANSWER "<link:row id='7'>" FIELD("name", "irc.org")
		      FIELD("kind", "component") FIELD("address", "unix")
		      FIELD("names", "irc.org") FIELD("queue", "0")
		      FIELD("in", "0") FIELD("out", "1") FIELD("uptime", "0")
		      "</link:row></link:route>");
	client_expect(&admin, FIELD("name", "admin-1"));
	client_expect(&admin, RESULT("'ok'/></link:route>"));
}

static void test_names(void **state)
{
	(void)state;
	command("names", "");
	client_expect(&admin, FIELD("name", "example.org")
			      FIELD("members", "sm-1"));
	client_expect(&admin, RESULT("'ok'/>"));
}

static void test_kick(void **state)
{
	(void)state;
	command("link.kick", "");
	client_expect(&admin, RESULT("'invalid' text="));
	command("link.kick", "<link:argument name='name'>sm-7"
			     "</link:argument>");
	client_expect(&admin, RESULT("'not-found' text="));
	command("link.kick", "<link:argument name='name'>irc.org"
			     "</link:argument>");
	client_expect(&admin, RESULT("'ok'/>"));
	client_expect_error(&irc, "reset");
	command("link.kick", "<link:argument name='name'>admin-1"
			     "</link:argument>");
	client_expect(&admin, RESULT("'ok'/>"));
	client_expect_error(&admin, "reset");
}

static void test_other_commands(void **state)
{
	(void)state;
	command("reload", "");
	client_expect(&admin, RESULT("'failed' text='the file is wrong in "
				     "line 7'/>"));
	command("stop", "");
	client_expect(&admin, RESULT("'ok'/>"));
	assert_int_equal(world.reload_requests, 1);
	assert_int_equal(world.stop_requests, 1);
	command("fly", "");
	client_expect(&admin, RESULT("'invalid' text="));
	client_send(&admin, "<link:route xmlns='jabber:client' at='router' "
			    "from='admin-1' kind='control'><link:command "
			    "a='1' a='2'/></link:route>");
	client_expect_error(&admin, "bad-format");
}

static void command_until(const char *name, const char *answer)
{
	while (!client_has(&admin, answer)) {
		command(name, "");
		client_expect(&admin, RESULT("'ok'/>"));
	}
}

/* Roles and components are sent away, and let in again afterwards; operators
 * are let in all the time. */
static void test_drain(void **state)
{
	struct client other = { .is_secure = false };

	(void)state;
	command("self", "");
	client_expect(&admin, FIELD("state", "running"));
	client_expect(&admin, FIELD("links", "2"));
	command("drain", "");
	client_expect_error(&sm, "system-shutdown");
	client_expect_error(&irc, "system-shutdown");
	client_close(&sm);
	client_open(&sm, &world, 0);
	client_handshake(&sm, "sm-1", true, "secret-1");
	client_expect_error(&sm, "system-shutdown");
	client_role(&other, &world, "admin-2", "secret-1", E1);
	client_close(&other);
	command_until("self", FIELD("state", "drained") FIELD("left", "0"));
	command("undrain", "");
	client_close(&sm);
	client_role(&sm, &world, "sm-1", "secret-1", E1);
	command("restart", "");
	command("restart", "");
	client_expect(&admin, RESULT("'failed' text='it is stopping'/>"));
}

/* An sm is no operator. */
static void test_no_right(void **state)
{
	(void)state;
	client_send(&sm, "<link:route xmlns='jabber:client' at='router' "
			 "from='sm-1' kind='control'><link:command "
			 "name='stop' id='1'/></link:route>");
	client_expect(&sm, "<link:gone name='router'/>");
	assert_int_equal(world.stop_requests, 0);
}

/* Any role may answer an operator, though c2s may write to few else. */
static void test_answers(void **state)
{
	(void)state;
	client_message(&admin, "admin-1", "sm-1", "ask");
	client_expect(&sm, "ask");
	client_message(&sm, "sm-1", "admin-1", "answer");
	client_expect(&admin, "answer");
}

/* -- reload, metrics, stop ------------------------------------------------- */

static void test_reload(void **state)
{
	struct error err;

	(void)state;
	/* A file that is not right changes nothing. */
	assert_int_equal(world_reload(&world, ROUTER ADMIN "link \"x.org\" { }",
				      &err), -1);
	client_send(&sm, "<link:ping id='1'/>");
	client_expect(&sm, "<link:pong id='1'/>");
	/* The component is no longer allowed, the others stay. */
	assert_int_equal(world_reload(&world, ROUTER ADMIN SM, &err), 0);
	client_expect_error(&irc, "not-authorized");
	/* The name that sm has bound is no longer allowed: sm stays. */
	assert_int_equal(world_reload(&world, ROUTER ADMIN
				      "link \"sm-*\" { kind = sm  "
				      "secret-file = \"@/s2\" }\n", &err), 0);
	client_expect(&sm, "<link:refused name='example.org'/>");
	client_send(&sm, "<link:watch/><link:bind name='example.net'/>");
	client_expect(&sm, "<link:refused name='example.net'/>");
	assert_false(client_has(&sm, "example.org"));
	/* What was refused is given when it is allowed, what was given up is
	 * not. */
	client_send(&sm, "<link:unbind name='example.org'/>"
			 "<link:ping id='2'/>");
	client_expect(&sm, "<link:pong id='2'/>");
	assert_int_equal(world_reload(&world, ROUTER ADMIN
				      "link \"sm-*\" { kind = sm  "
				      "names = { \"*.net\", \"*.org\" } "
				      "secret-file = \"@/s2\" }\n", &err), 0);
	client_expect(&sm, "<link:bound name='example.net'/>");
	world_pass(&world, 20);
	assert_false(client_has(&sm, "example.org"));
	client_close(&sm);
	/* The secret is the new one. */
	client_open(&sm, &world, 0);
	client_handshake(&sm, "sm-1", true, "secret-1");
	client_expect_error(&sm, "not-authorized");
	client_close(&sm);
	client_role(&sm, &world, "sm-1", "secret-2", E1);
	/* Another kind is another link. */
	assert_int_equal(world_reload(&world, ROUTER
				      "link \"*-1\" { kind = c2s  "
				      "secret-file = \"@/s1\" }\n", &err), 0);
	client_expect_error(&sm, "not-authorized");
	client_expect_error(&admin, "not-authorized");
}

static void test_metrics(void **state)
{
	static const char *const lines[] = {
		"\nchappe_router_links{kind=\"sm\"} 1\n",
		"\nchappe_router_links{kind=\"c2s\"} 0\n",
		"\nchappe_router_names 4\n",
		"\nchappe_router_envelopes_total{kind=\"sm\"} 1\n",
		"\nchappe_router_gone_total 1\n",
	};
	struct buf text = { 0 };

	(void)state;
	client_message(&sm, "sm-1", "irc.org", "x");
	client_expect(&irc, "</message>");
	client_message(&sm, "sm-1", "sm-8", "x");
	client_expect(&sm, "<link:gone name='sm-8'/>");
	router_role.metrics(world.router, &text);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (!strstr(buf_data(&text), lines[i]))
			fail_msg("no %s in %s", lines[i], buf_data(&text));
	}
	buf_free(&text);
}

static void test_stop(void **state)
{
	struct client stranger = { 0 };

	(void)state;
	client_open(&stranger, &world, 0);
	world_pass(&world, 10);
	router_role.stop(world.router);
	assert_int_equal(world.stopped, 0);
	client_expect_error(&stranger, "system-shutdown");
	client_expect_error(&sm, "system-shutdown");
	client_expect_error(&irc, "system-shutdown");
	client_expect_error(&admin, "system-shutdown");
	for (int i = 0; !world.stopped && i < 100; i++)
		world_pass(&world, 10);
	assert_int_equal(world.stopped, 1);
	client_close(&stranger);
}

static void test_stop_idle(void **state)
{
	(void)state;
	world_open(&world, CONFIG);
	router_role.stop(world.router);
	assert_int_equal(world.stopped, 0);
	world_pass(&world, 10);
	assert_int_equal(world.stopped, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define IN_WORLD(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)
#define OWN_WORLD(f) cmocka_unit_test_teardown(f, close_world)
		cmocka_unit_test(test_refusals),
		OWN_WORLD(test_allowed_tcp),
		IN_WORLD(test_status),
		IN_WORLD(test_names),
		IN_WORLD(test_kick),
		IN_WORLD(test_other_commands),
		IN_WORLD(test_drain),
		IN_WORLD(test_no_right),
		IN_WORLD(test_answers),
		IN_WORLD(test_reload),
		IN_WORLD(test_metrics),
		IN_WORLD(test_stop),
		OWN_WORLD(test_stop_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
