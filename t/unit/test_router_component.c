/* SPDX-License-Identifier: Apache-2.0
 *
 * External components: what they may send, what they get to see, and how
 * stanzas come back (docs/link.md section 4; XEP-0114).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "t/unit/router_world.h"

#define E1 "00000000000000a1"
#define E3 "00000000000000a3"

#define CONFIG                                                               \
	"router \"router\" { listen = { \"unix:@/sock\" } "                  \
	"  queue-mark = 64K  queue-limit = 128K  slow-timeout = 1s }\n"      \
	"link \"sm-*\" { kind = sm  names = { \"example.org\" } "            \
	"  secret-file = \"@/s1\" }\n"                                       \
	"link \"c2s-*\" { kind = c2s  secret-file = \"@/s1\" }\n"            \
	"link \"s2s-*\" { kind = s2s  names = { \"*\" } "                    \
	"  secret-file = \"@/s1\" }\n"                                       \
	"link \"irc.org\" { secret-file = \"@/s2\"  max-stanza = 30000 }\n"  \
	"link \"bot.org\" { secret-file = \"@/s2\" }\n"

#define STANZAS "urn:ietf:params:xml:ns:xmpp-stanzas"

static struct world world;
static struct client sm, irc, bot, s2s;
static struct client *const clients[] = { &sm, &irc, &bot, &s2s };

static int open_world(void **state)
{
	(void)state;
	world_open(&world, CONFIG);
	client_role(&sm, &world, "sm-1", "secret-1", E1);
	client_send(&sm, "<link:bind name='example.org'/>");
	client_expect(&sm, "<link:bound name='example.org'/>");
	client_component(&irc, &world, "irc.org", "secret-2");
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

/* A stanza becomes an envelope without a number, its addresses prepared, its
 * namespaces those of jabber:client. */
static void test_to_role(void **state)
{
	(void)state;
	client_send(&irc, "<message to='Alice@EXAMPLE.org/Desk' "
			  "from='Room@irc.org'><body>a &amp; b</body>"
			  "<x xmlns='urn:x'><y/></x></message>");
	client_expect(&sm, "<link:route xmlns='jabber:client' at='sm-1' "
			   "from='irc.org' to='alice@example.org/Desk'>"
			   "<message");
	client_expect(&sm, "from='room@irc.org'");
	client_expect(&sm, "<body>a &amp; b</body><x xmlns='urn:x'><y/></x>"
			   "</message></link:route>");
	/* The content namespace may be written out. */
	client_send(&irc, "<c:iq xmlns:c='jabber:component:accept' type='get' "
			  "id='1' from='irc.org' to='example.org'>"
			  "<ping xmlns='urn:xmpp:ping'/></c:iq>");
	client_expect(&sm, "to='example.org'><iq");
	client_expect(&sm, "<ping xmlns='urn:xmpp:ping'/></iq>");
}

/* The stanza alone arrives, and no prefix of ours. */
static void test_from_role(void **state)
{
	(void)state;
	client_send(&sm, "<link:route xmlns='jabber:client' xmlns:p='urn:p' "
			 "at='irc.org' from='sm-1' to='irc.org' session='s'>"
			 "<message from='a@example.org/x' to='irc.org' p:q='1'>"
			 "<body>h</body><p:r/></message></link:route>");
	client_expect(&irc, "<message");
	assert_false(client_has(&irc, "link"));
	client_expect(&irc, "urn:p");
	client_expect(&irc, "<body>h</body>");
	client_expect(&irc, "</message>");
	assert_int_equal(irc.in.len, 0);
}

/* What a role must not make a component see. */
static void test_bad_payloads(void **state)
{
	static const char *const payloads[] = {
		"<message a='1' a='2'/>", "<link:opened xmlns:link='urn:chappe:"
		"link:0'/>", "<message/><message/>", "<a/>",
		"<message xmlns='jabber:server'/>", "<x:message/>",
		"<message>\xff</message>",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++)
		client_sendf(&sm, "<link:route xmlns='jabber:client' "
				  "at='irc.org' from='sm-1'>%s</link:route>",
			     payloads[i]);
	client_send(&sm, "<link:route xmlns='jabber:client' at='irc.org' "
			 "from='sm-1' kind='control'><link:lost jid='x'/>"
			 "</link:route>");
	client_expect(&sm, "<link:gone name='irc.org'/>");
	client_send(&sm, "<link:route xmlns='jabber:client' at='irc.org' "
			 "from='sm-1'><presence to='irc.org'/></link:route>");
	client_expect(&irc, "<presence to='irc.org'/>");
	assert_int_equal(irc.in.len, 0);
	assert_non_null(strstr(buf_data(&world.lines), "envelope.malformed"));
}

static void test_bad_stanzas(void **state)
{
	static const struct {
		const char *send, *condition;
	} cases[] = {
		{ "<message from='example.org' to='a@example.org'/>",
		  "invalid-from" },
		{ "<message from='a@x.irc.org' to='a@example.org'/>",
		  "invalid-from" },
		{ "<message from='@irc.org' to='a@example.org'/>",
		  "invalid-from" },
		{ "<message to='a@example.org'/>", "improper-addressing" },
		{ "<message from='irc.org'/>", "improper-addressing" },
		{ "<link:bind xmlns:link='urn:chappe:link:0' name='x.org'/>",
		  "not-authorized" },
		{ "<route xmlns='urn:chappe:link:0' at='sm-1' from='irc.org'/>",
		  "not-authorized" },
		{ "<link:bind name='x.org'/>", "not-well-formed" },
		{ "<handshake/>", "unsupported-stanza-type" },
		{ "<message xmlns='jabber:server' from='irc.org' to='x'/>",
		  "unsupported-stanza-type" },
		{ "<message from='irc.org' to='a@example.org'></iq>",
		  "not-well-formed" },
		{ "<message from='irc.org' from='irc.org' to='example.org'/>",
		  "not-well-formed" },
		{ "<message from='irc.org' to='example.org'>\xc3</message>",
		  "unsupported-encoding" },
		{ "<?pi ?>", "restricted-xml" },
		{ "garbage", "not-well-formed" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		client_close(&irc);
		client_component(&irc, &world, "irc.org", "secret-2");
		client_send(&irc, cases[i].send);
		client_expect_error(&irc, cases[i].condition);
	}
	world_pass(&world, 20);
	assert_int_equal(sm.in.len, 0);
}

static void test_oversize(void **state)
{
	(void)state;
	client_send(&irc, "<message from='irc.org' to='example.org'><body>");
	for (int i = 0; i < 4000; i++)
		client_send(&irc, "0123456789");
	client_expect_error(&irc, "policy-violation");
}

/* What cannot be routed comes back once, and errors do not come back. */
static void test_returned(void **state)
{
	static const struct {
		const char *name, *type, *to, *condition;
	} cases[] = {
		{ "message", "chat", "a@nowhere.org",
		  "<remote-server-not-found xmlns='" STANZAS "'/>" },
		{ "presence", "probe", "a@nowhere.org",
		  "<remote-server-not-found xmlns='" STANZAS "'/>" },
		{ "iq", "get", "a@@b", "<jid-malformed xmlns='" STANZAS "'/>" },
		{ "iq", "set", "c2s-1",
		  "<service-unavailable xmlns='" STANZAS "'/>" },
		{ "iq", "get", "router",
		  "<service-unavailable xmlns='" STANZAS "'/>" },
		{ "iq", "result", "a@nowhere.org", NULL },
		{ "message", "error", "a@nowhere.org", NULL },
		{ "presence", "error", "a@@b", NULL },
	};
	static struct client c2s;

	(void)state;
	client_role(&c2s, &world, "c2s-1", "secret-1", E3);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		client_sendf(&irc, "<%s type='%s' id='i%zu' from='x@irc.org' "
				   "to='%s'/>",
			     cases[i].name, cases[i].type, i, cases[i].to);
		if (!cases[i].condition)
			continue;
		client_expect(&irc, "type='error'");
		client_expect(&irc, cases[i].condition);
		client_expect(&irc, ">");
	}
	world_pass(&world, 20);
	assert_false(client_has(&irc, "<error"));
	assert_int_equal(c2s.in.len, 0);
	client_close(&c2s);
}

/* From one component to another, and by the default route. */
static void test_routes(void **state)
{
	(void)state;
	client_component(&bot, &world, "bot.org", "secret-2");
	client_send(&irc, "<message from='irc.org' to='x@bot.org'/>");
	client_expect(&bot, "<message from='irc.org' to='x@bot.org'/>");
	client_role(&s2s, &world, "s2s-1", "secret-1", E3);
	client_send(&s2s, "<link:bind name='*'/>");
	client_expect(&s2s, "<link:bound name='*'/>");
	client_send(&irc, "<message from='irc.org' to='x@far.org'/>");
	client_expect(&s2s, "at='s2s-1' from='irc.org' to='x@far.org'>"
			    "<message from='irc.org' to='x@far.org'/>");
	client_message(&s2s, "s2s-1", "irc.org", "back");
	client_expect(&irc, "<body>back</body>");
}

/* A component that does not read makes no role wait: its stanzas come back,
 * its queue is bounded, and in the end it is closed. */
static void test_never_reads(void **state)
{
	char *text = malloc(20001);
	unsigned back = 0;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 20000);
	text[20000] = '\0';
	conn_pause(irc.conn);
	for (int i = 0; i < 100; i++)
		client_sendf(&sm, "<link:route xmlns='jabber:client' "
				  "at='irc.org' from='sm-1' to='irc.org'>"
				  "<message id='m%d' from='a@example.org' "
				  "to='irc.org'><body>%s</body></message>"
				  "</link:route>", i, text);
	client_send(&sm, "<link:ping id='1'/>");
	while (!client_has(&sm, "pong"))
		world_pass(&world, 10);
	while (client_has(&sm, "<resource-constraint ")) {
		client_expect(&sm, "<link:route xmlns='jabber:client' "
				   "at='sm-1' from='irc.org' "
				   "to='a@example.org'><message");
		client_expect(&sm, "<resource-constraint ");
		client_expect(&sm, "</link:route>");
		back++;
	}
	assert_in_range(back, 50, 99);
	client_send(&sm, "<link:watch/>");
	client_expect(&sm, "<link:members name='irc.org'/>");
	assert_non_null(strstr(buf_data(&world.lines), "link too slow"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define IN_WORLD(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)
		IN_WORLD(test_to_role),
		IN_WORLD(test_from_role),
		IN_WORLD(test_bad_payloads),
		IN_WORLD(test_bad_stanzas),
		IN_WORLD(test_oversize),
		IN_WORLD(test_returned),
		IN_WORLD(test_routes),
		IN_WORLD(test_never_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
