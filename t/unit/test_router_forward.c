/* SPDX-License-Identifier: Apache-2.0
 *
 * Names, members and envelopes between roles (docs/link.md 3 to 5), with
 * those who claim what is not theirs and those who do not read.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "t/unit/router_world.h"

#define E1 "00000000000000a1"
#define E2 "00000000000000a2"
#define E3 "00000000000000a3"

#define LINKS                                                                \
	"link \"sm-*\" { kind = sm  names = { \"*.org\" } "                  \
	"  secret-file = \"@/s1\" }\n"                                       \
	"link \"c2s-*\" { kind = c2s  secret-file = \"@/s1\" }\n"            \
	"link \"s2s-*\" { kind = s2s  names = { \"*\" } "                    \
	"  secret-file = \"@/s1\" }\n"                                       \
	"link \"irc.org\" { secret-file = \"@/s1\" }\n"
#define CONFIG                                                               \
	"router \"router\" { listen = { \"unix:@/sock\" } max-names = 5 }\n"  \
	LINKS

#define MEMBER(name, kind, epoch)                                            \
	"<link:member name='" name "' kind='" kind "' epoch='" epoch "'/>"
#define MEMBERS(name, list)                                                  \
	"<link:members name='" name "'>" list "</link:members>"

static struct world world;
static struct client sm1, sm2, c2s, s2s;
static struct client *const clients[] = { &sm1, &sm2, &c2s, &s2s };

static int open_world(void **state)
{
	(void)state;
	world_open(&world, CONFIG);
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

/* -- names ----------------------------------------------------------------- */

static void test_members(void **state)
{
	(void)state;
	client_role(&sm1, &world, "sm-1", "secret-1", E1);
	client_send(&sm1, "<link:bind name='example.org'/>");
	client_expect(&sm1, "<link:bound name='example.org'/>");
	client_send(&sm1, "<link:watch/>");
	client_expect(&sm1,
		      MEMBERS("sm-1", MEMBER("sm-1", "sm", E1))
		      MEMBERS("example.org", MEMBER("sm-1", "sm", E1))
		      "<link:watching/>");
	client_role(&sm2, &world, "sm-2", "secret-1", E2);
	client_send(&sm2, "<link:bind name='example.org'/>"
			  "<link:bind name='example.org'/>");
	client_expect(&sm1, MEMBERS("sm-2", MEMBER("sm-2", "sm", E2)));
	client_expect(&sm1, MEMBERS("example.org",
				    MEMBER("sm-1", "sm", E1)
				    MEMBER("sm-2", "sm", E2)));
	client_send(&sm2, "<link:unbind name='example.org'/>");
	client_expect(&sm1, MEMBERS("example.org", MEMBER("sm-1", "sm", E1)));
	client_close(&sm2);
	client_expect(&sm1, "<link:members name='sm-2'/>");
	assert_false(client_has(&sm1, "members"));
}

/* What changes in one turn is told once; a watcher that comes in the middle
 * of it hears nothing twice. */
static void test_members_in_one_turn(void **state)
{
	(void)state;
	client_role(&sm1, &world, "sm-1", "secret-1", E1);
	client_role(&sm2, &world, "sm-2", "secret-1", E2);
	client_send(&sm1, "<link:watch/>");
	client_expect(&sm1, "<link:watching/>");
	client_send(&sm2, "<link:bind name='a.org'/><link:bind name='b.org'/>"
			  "<link:unbind name='a.org'/><link:watch/>");
	client_expect(&sm2, MEMBERS("b.org", MEMBER("sm-2", "sm", E2))
				    "<link:watching/>");
	client_expect(&sm1, "<link:members name='a.org'/>"
			    MEMBERS("b.org", MEMBER("sm-2", "sm", E2)));
	world_pass(&world, 20);
	assert_false(client_has(&sm2, "members"));
}

static void test_bad_names(void **state)
{
	static const struct {
		const char *name, *send, *condition;
	} cases[] = {
		{ "sm-1", "<link:bind/>", "bad-format" },
		{ "sm-1", "<link:bind name=''/>", "bad-format" },
		{ "sm-1", "<link:bind name='Example.org'/>", "bad-format" },
		{ "sm-1", "<link:bind name='a@example.org'/>", "bad-format" },
		{ "sm-1", "<link:bind name='irc.org'/>", "conflict" },
		{ "sm-1", "<link:unbind name='sm-1'/>", "bad-format" },
		{ "sm-1", "<link:bind name='a.org'/><link:bind name='b.org'/>"
			  "<link:bind name='c.org'/><link:bind name='d.org'/>"
			  "<link:bind name='e.org'/>", "policy-violation" },
		{ "sm-1", "<link:bind name='a.com'/><link:bind name='b.com'/>"
			  "<link:bind name='c.com'/><link:bind name='d.com'/>"
			  "<link:bind name='e.com'/>", "policy-violation" },
	};

	(void)state;
	client_component(&sm2, &world, "irc.org", "secret-1");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		client_role(&sm1, &world, cases[i].name, "secret-1", E1);
		client_send(&sm1, cases[i].send);
		client_expect_error(&sm1, cases[i].condition);
		client_close(&sm1);
	}
}

/* A link stays when it asks for what it may not have. */
static void test_refused_names(void **state)
{
	static const struct {
		const char *link, *name;
	} cases[] = {
		{ "sm-1", "example.com" }, { "sm-1", "*" },
		{ "c2s-1", "example.org" }, { "s2s-1", "example.org" },
		{ "s2s-1", "sm-9" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		client_role(&sm1, &world, cases[i].link, "secret-1", E1);
		for (int again = 0; again < 2; again++) {
			client_sendf(&sm1, "<link:bind name='%s'/>",
				     cases[i].name);
			client_sendf(&sm1, "<link:ping id='%d'/>", again);
			client_expect(&sm1, "<link:refused name='");
			client_expect(&sm1, cases[i].name);
			client_expect(&sm1, "<link:pong");
		}
		client_send(&sm1, "<link:watch/>");
		client_expect(&sm1, "<link:watching/>");
		client_close(&sm1);
	}
}

/* A name that another link has bound is nobody's own. */
static void test_own_name_is_bound(void **state)
{
	(void)state;
	client_role(&sm1, &world, "sm-1", "secret-1", E1);
	client_send(&sm1, "<link:bind name='irc.org'/>");
	client_expect(&sm1, "<link:bound name='irc.org'/>");
	client_open(&sm2, &world, 0);
	client_handshake(&sm2, "irc.org", false, "secret-1");
	client_expect_error(&sm2, "conflict");
}

static void test_ping(void **state)
{
	(void)state;
	client_role(&sm1, &world, "sm-1", "secret-1", E1);
	client_send(&sm1, "<link:ping id='a&amp;b'/>");
	client_expect(&sm1, "<link:pong id='a&amp;b'/>");
}

/* -- envelopes ------------------------------------------------------------- */

/* The bytes arrive as they were sent, whatever they are. */
static void test_forward(void **state)
{
	static const char *const envelopes[] = {
		"<link:route xmlns='jabber:client' at='sm-1' from='c2s-1' "
		"epoch='" E3 "' n='1' for='" E1 "' to='a@example.org' "
		"session='s' origin='s/1'><message  to = \"x\"><body>&lt;"
		"</body></message ></link:route>",
		"<link:route xmlns=\"jabber:client\" from='c2s-1' at='sm-1' "
		"kind='control'><link:auth>=</link:auth></link:route>",
		"<link:route xmlns='jabber:client' xmlns:p='urn:p' at='sm-1' "
		"from='c2s-1'><p:a/></link:route>",
		"<link:ack at='sm-1' from='c2s-1' for='" E1 "' epoch='" E3
		"' n='7'/>",
	};

	(void)state;
	client_role(&sm1, &world, "sm-1", "secret-1", E1);
	client_role(&c2s, &world, "c2s-1", "secret-1", E3);
	for (size_t i = 0; i < sizeof(envelopes) / sizeof(envelopes[0]); i++) {
		client_send(&c2s, envelopes[i]);
		client_expect(&sm1, envelopes[i]);
	}
	/* To itself, too. */
	client_message(&sm1, "sm-1", "sm-1", "self");
	client_expect(&sm1, "self");
}

static void test_gone(void **state)
{
	(void)state;
	client_role(&sm1, &world, "sm-1", "secret-1", E1);
	client_role(&c2s, &world, "c2s-1", "secret-1", E3);
	client_message(&c2s, "c2s-1", "sm-9", "x");
	client_expect(&c2s, "<link:gone name='sm-9'/>");
	client_send(&c2s, "<link:route xmlns='jabber:client' at='sm-1' "
			  "from='c2s-1' for='" E2 "'><a/></link:route>");
	client_expect(&c2s, "<link:gone name='sm-1' epoch='" E2 "'/>");
	/* Acknowledgements are not answered. */
	client_send(&c2s, "<link:ack at='sm-9' from='c2s-1' for='" E2
			  "' epoch='" E3 "' n='1'/>"
			  "<link:ping id='1'/>");
	client_expect(&c2s, "<link:pong id='1'/>");
	assert_int_equal(sm1.in.len, 0);
}

/* Which kind may send to which. */
static void test_rights(void **state)
{
	(void)state;
	client_role(&c2s, &world, "c2s-1", "secret-1", E3);
	client_role(&s2s, &world, "s2s-1", "secret-1", E2);
	client_role(&sm1, &world, "sm-1", "secret-1", E1);
	client_message(&c2s, "c2s-1", "s2s-1", "one");
	client_expect(&c2s, "<link:gone name='s2s-1'/>");
	client_message(&s2s, "s2s-1", "c2s-1", "two");
	client_expect(&s2s, "<link:gone name='c2s-1'/>");
	client_message(&c2s, "c2s-1", "c2s-1", "three");
	client_expect(&c2s, "<link:gone name='c2s-1'/>");
	client_message(&c2s, "c2s-1", "router", "four");
	client_expect(&c2s, "<link:gone name='router'/>");
	client_message(&s2s, "s2s-1", "sm-1", "five");
	client_expect(&sm1, "five");
	client_message(&sm1, "sm-1", "s2s-1", "six");
	client_expect(&s2s, "six");
	assert_int_equal(c2s.in.len, 0);
	assert_non_null(strstr(buf_data(&world.lines),
			       "envelope.refused from=c2s-1 kind=c2s "
			       "at=s2s-1"));
}

static void test_bad_envelopes(void **state)
{
	static const struct {
		const char *send, *condition;
	} cases[] = {
		{ "<link:route xmlns='jabber:client' at='sm-1' from='sm-1'>"
		  "<a/></link:route>", "invalid-from" },
		{ "<link:route xmlns='jabber:client' at='sm-1' from='c2s-1' "
		  "epoch='" E1 "' n='1'><a/></link:route>", "invalid-from" },
		{ "<link:route xmlns='jabber:client' at='sm-1' from='c2s-1' "
		  "epoch='" E3 "' n='1' trust='trusted'><a/></link:route>",
		  "invalid-from" },
		{ "<link:ack at='sm-1' from='sm-2' for='" E1 "' epoch='" E3
		  "' n='1'/>", "invalid-from" },
		{ "<link:route xmlns='jabber:client' at='sm-1'><a/>"
		  "</link:route>", "bad-format" },
		{ "<link:route xmlns='jabber:client' from='c2s-1'><a/>"
		  "</link:route>", "bad-format" },
		{ "<link:route xmlns='jabber:client' at='sm-1' from='c2s-1' "
		  "from='sm-1'><a/></link:route>", "bad-format" },
		{ "<link:route xmlns='jabber:client' at='sm-1' from='c2s-1'/>",
		  "bad-format" },
		{ "<link:route/>", "bad-format" },
		{ "<link:routes/>", "unsupported-stanza-type" },
		{ "<!-- -->", "restricted-xml" },
		{ "&bomb;", "not-well-formed" },
		{ "</link:route>", "not-well-formed" },
		{ "<link:bind name='\xff'/>", "unsupported-encoding" },
		{ "<link:route xmlns='jabber:client' at='sm-1' from='c2s-1'>"
		  "<a></b></link:route>", "not-well-formed" },
	};

	(void)state;
	client_role(&sm1, &world, "sm-1", "secret-1", E1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		client_role(&c2s, &world, "c2s-1", "secret-1", E3);
		client_send(&c2s, cases[i].send);
		client_expect_error(&c2s, cases[i].condition);
		client_close(&c2s);
	}
	/* None of them hurt anybody else. */
	assert_int_equal(sm1.in.len, 0);
	client_send(&sm1, "<link:ping id='1'/>");
	client_expect(&sm1, "<link:pong id='1'/>");
}

static void test_order(void **state)
{
	char number[32];

	(void)state;
	client_role(&sm1, &world, "sm-1", "secret-1", E1);
	client_role(&c2s, &world, "c2s-1", "secret-1", E3);
	for (int i = 0; i < 2000; i++) {
		snprintf(number, sizeof(number), "%d", i);
		client_message(&c2s, "c2s-1", "sm-1", number);
	}
	for (int i = 0; i < 2000; i++) {
		client_expect(&sm1, "<body>");
		assert_int_equal(strtol(buf_data(&sm1.in), NULL, 10), i);
		client_expect(&sm1, "</link:route>");
	}
	assert_int_equal(sm1.in.len, 0);
}

/* -- who does not read ----------------------------------------------------- */

#define SMALL_CONFIG                                                         \
	"router \"router\" { listen = { \"unix:@/sock\" } "                  \
	"  queue-mark = 64K  slow-timeout = 400ms  ping-interval = 60s }\n" \
	LINKS

static char *big_text(void)
{
	char *text = malloc(20001);

	assert_non_null(text);
	memset(text, 'x', 20000);
	text[20000] = '\0';
	return text;
}

/* How much is queued in the router, from its metrics. */
static unsigned long queued(void)
{
	static const char key[] = "\nchappe_router_queue_longest_bytes ";
	struct buf text = { 0 };
	const char *at;
	unsigned long value;

	router_role.metrics(world.router, &text);
	at = strstr(buf_data(&text), key);
	assert_non_null(at);
	value = strtoul(at + sizeof(key) - 1, NULL, 10);
	buf_free(&text);
	return value;
}

/* The sender waits for the reader, memory stays bounded, nothing is lost. */
static void test_backpressure(void **state)
{
	char *text = big_text();
	size_t sent = 0;

	(void)state;
	world_open(&world, SMALL_CONFIG);
	client_role(&sm1, &world, "sm-1", "secret-1", E1);
	client_role(&c2s, &world, "c2s-1", "secret-1", E3);
	conn_pause(sm1.conn);
	for (int i = 0; i < 200; i++) {
		client_message(&c2s, "c2s-1", "sm-1", text);
		sent++;
	}
	for (int i = 0; i < 20; i++) {
		world_pass(&world, 10);
		assert_true(queued() < 64 * 1024 + 65536 + 30000);
	}
	/* What the kernel and the router did not take is still with us. */
	assert_true(conn_queued(c2s.conn) > 1000000);
	conn_resume(sm1.conn);
	while (sent-- > 0)
		client_expect(&sm1, "</link:route>");
	client_message(&c2s, "c2s-1", "sm-1", "last");
	client_expect(&sm1, "last");
	free(text);
}

/* A reader that never comes back is closed; who waited for it goes on. */
static void test_never_reads(void **state)
{
	char *text = big_text();

	(void)state;
	world_open(&world, SMALL_CONFIG);
	client_role(&sm1, &world, "sm-1", "secret-1", E1);
	client_role(&sm2, &world, "sm-2", "secret-1", E2);
	client_role(&c2s, &world, "c2s-1", "secret-1", E3);
	conn_pause(sm1.conn);
	for (int i = 0; i < 100; i++)
		client_message(&c2s, "c2s-1", "sm-1", text);
	client_message(&c2s, "c2s-1", "sm-2", "hello");
	client_expect(&sm2, "hello");
	client_expect(&c2s, "<link:gone name='sm-1'/>");
	assert_non_null(strstr(buf_data(&world.lines), "link too slow"));
	conn_resume(sm1.conn);
	client_expect_closed(&sm1);
	free(text);
}

/* Of two that wait for each other both are read in the end. */
static void test_mutual(void **state)
{
	char *text = big_text();

	(void)state;
	world_open(&world, SMALL_CONFIG);
	client_role(&sm1, &world, "sm-1", "secret-1", E1);
	client_role(&sm2, &world, "sm-2", "secret-1", E2);
	for (int i = 0; i < 100; i++) {
		client_message(&sm1, "sm-1", "sm-2", text);
		client_message(&sm2, "sm-2", "sm-1", text);
	}
	for (int i = 0; i < 100; i++) {
		client_expect(&sm1, "</link:route>");
		client_expect(&sm2, "</link:route>");
	}
	free(text);
}

/* An element that is too big, and one that never ends. */
static void test_oversize(void **state)
{
	char *text = big_text();

	(void)state;
	world_open(&world, "router \"router\" { listen = { \"unix:@/sock\" } "
			   "max-envelope = 64K }\n" LINKS);
	client_role(&c2s, &world, "c2s-1", "secret-1", E3);
	client_send(&c2s, "<link:route xmlns='jabber:client' at='sm-1' "
			  "from='c2s-1'><a>");
	for (int i = 0; i < 5; i++)
		client_send(&c2s, text);
	client_expect_error(&c2s, "policy-violation");
	free(text);
}

/* A role that says nothing is asked; one that does not answer is closed. */
static void test_silence(void **state)
{
	(void)state;
	world_open(&world, "router \"router\" { listen = { \"unix:@/sock\" } "
			   "ping-interval = 100ms }\n" LINKS);
	client_role(&sm1, &world, "sm-1", "secret-1", E1);
	for (int i = 0; i < 3; i++) {
		client_expect(&sm1, "<link:ping id='");
		client_sendf(&sm1, "<link:pong id='%.16s'/>",
			     buf_data(&sm1.in));
	}
	client_expect(&sm1, "<link:ping id='");
	client_expect_error(&sm1, "connection-timeout");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define IN_WORLD(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)
#define OWN_WORLD(f) cmocka_unit_test_teardown(f, close_world)
		IN_WORLD(test_members),
		IN_WORLD(test_members_in_one_turn),
		IN_WORLD(test_bad_names),
		IN_WORLD(test_refused_names),
		IN_WORLD(test_own_name_is_bound),
		IN_WORLD(test_ping),
		IN_WORLD(test_forward),
		IN_WORLD(test_gone),
		IN_WORLD(test_rights),
		IN_WORLD(test_bad_envelopes),
		IN_WORLD(test_order),
		OWN_WORLD(test_backpressure),
		OWN_WORLD(test_never_reads),
		OWN_WORLD(test_mutual),
		OWN_WORLD(test_oversize),
		OWN_WORLD(test_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
