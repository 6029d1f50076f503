/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions of clients: binding, stanzas both ways, a session that outlives its
 * sm, time-outs, backpressure, commands, reload, and the end.
 */
#include "t/unit/c2s_world.h"

#include <stdio.h>
#include <string.h>

#include "c2s/session.h"
#include "c2s/stream.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define MESSAGE(id) "<message id='" id "' to='bob@example.org'/>"

/* -- binding ------------------------------------------------------------- */

static void test_login(void **state)
{
	struct c2s_world world;
	struct client client;

	(void)state;
	world_start(&world, "");
	client_login(&world, &client);
	sm_expect(&world, "<link:open jid='alice@example.org' ticket='T' "
			  "address='127.0.0.1' tls='TLSv1.3' stream='");
	sm_expect(&world, " resource='phone'/>");
	client.read = 0;
	client_expect(&client, "<success");
	client_expect(&client, "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'"
			       "/><session xmlns='urn:ietf:params:xml:ns:xmpp-"
			       "session'><optional/></session>"
			       "<ver xmlns='urn:xmpp:features:rosterver'/>"
			       "<sub xmlns='urn:xmpp:features:pre-approval'/>"
			       "<csi xmlns='urn:xmpp:csi:0'/>"
			       "<c xmlns='http://jabber.org/protocol/caps' "
			       "hash='sha-1' node='urn:n' ver='V'/>"
			       "<limits xmlns='urn:xmpp:stream-limits:0'>"
			       "<max-bytes>262144</max-bytes>"
			       "<idle-seconds>86400</idle-seconds></limits>");
	assert_int_equal(world.c2s->sessions, 1);
	assert_int_equal(acceptor_count(world.c2s->acceptor).unauthenticated, 0);
	/* No ticket goes to the client. */
	assert_null(strstr(buf_data(&client.end.got), "ticket"));

	client_send(&client, BIND);
	client_expect(&client, "<iq type='error' id='b1'>"
			       "<error type='cancel'><not-allowed ");
	client_send(&client, "<iq type='set' id='s1'><session xmlns='urn:ietf:"
			     "params:xml:ns:xmpp-session'/></iq>");
	client_expect(&client, "<iq type='result' id='s1'/>");
	client_send(&client, AUTH_PLAIN);
	client_expect(&client, "<unsupported-stanza-type ");
	sm_expect(&world, "<link:closed reason='unsupported-stanza-type' "
		  "jid='alice@example.org' ticket='T' ");
	client_expect_closed(&client);
	assert_int_equal(world.c2s->sessions, 0);
	client_free(&client);
	world_stop(&world);
}

static void test_stanza_before_bind(void **state)
{
	struct c2s_world world;
	struct client client;

	(void)state;
	world_start(&world, "");
	client_connect(&world, &client, true);
	client_send(&client, HEADER AUTH_PLAIN);
	client_expect(&client, "<success ");
	client_send(&client, HEADER MESSAGE("1"));
	client_expect(&client, "</stream:features>");
	client_expect(&client, "<not-authorized ");
	client_free(&client);
	world_stop(&world);
}

static void test_other_user(void **state)
{
	struct c2s_world world;
	struct client client;

	(void)state;
	world_start(&world, "");
	client_connect(&world, &client, true);
	client_send(&client, HEADER AUTH_PLAIN);
	client_expect(&client, "<success ");
	client_send(&client,
		    "<stream:stream xmlns='jabber:client' xmlns:stream='http://"
		    "etherx.jabber.org/streams' version='1.0' "
		    "to='example.org' from='eve@example.org'>");
	client_expect(&client, "<invalid-from ");
	client_free(&client);
	world_stop(&world);
}

static void test_refused(void **state)
{
	struct c2s_world world;
	struct client client;

	(void)state;
	world_start(&world, "");
	client_connect(&world, &client, true);
	client_send(&client, HEADER AUTH_PLAIN);
	client_expect(&client, "<success ");
	client_send(&client, HEADER);
	client_expect(&client, "</stream:features>");
	world.link->mute = true;
	client_send(&client, BIND);
	sm_expect(&world, "<link:open ");
	world_say(&world, "sm-9", true, "<link:refused condition='gone'/>");
	world_say(&world, "sm-1", true, "<link:refused condition='conflict' "
					"type='modify' text='&lt;'/>");
	client_expect(&client, "<iq type='error' id='b1'><error "
			       "type='modify'><conflict xmlns='urn:ietf:params:"
			       "xml:ns:xmpp-stanzas'/><text ");
	client_expect(&client, ">&lt;</text></error></iq>");
	/* The sm dies while it is asked. */
	client_send(&client, BIND);
	sm_expect(&world, "<link:open ");
	world_sm(&world, "sm-1", "0000000000000009");
	client_expect(&client, "<error type='wait'><internal-server-error ");
	world.link->mute = false;
	client_send(&client, BIND);
	client_expect(&client, "</jid></bind></iq>");
	client_free(&client);
	world_stop(&world);
}

/* -- stanzas ------------------------------------------------------------- */

static void test_stanzas(void **state)
{
	struct c2s_world world;
	struct client client;
	unsigned processed;

	(void)state;
	world_start(&world, "");
	client_login(&world, &client);
	client_send(&client, MESSAGE("1") " <presence/>\n"
			     "<iq type='get' id='2'><x xmlns='y'/></iq>");
	sm_expect(&world, "sm-1 /1 " MESSAGE("1") "\n");
	sm_expect(&world, "sm-1 /2 <presence/>\n");
	sm_expect(&world, "sm-1 /3 <iq type='get' id='2'><x xmlns='y'/>"
			  "</iq>\n");
	processed = world.link->processed;
	world_say(&world, "sm-1", false, "<message><body>hi</body></message>");
	client_expect(&client, "<message><body>hi</body></message>");
	assert_int_equal(world.link->processed, processed + 1);
	world_say(&world, "sm-9", false, "<message><body>x</body></message>");
	world_say(&world, "sm-1", true, "<link:close condition='conflict'/>");
	client_expect(&client, "<conflict ");
	assert_null(strstr(buf_data(&client.end.got), "<body>x"));
	client_expect_closed(&client);
	/* There is no such session any more. */
	world_say(&world, "sm-1", false, "<message/>");
	sm_expect(&world,
		  "sm-1 - <link:returned><message/></link:returned>");
	client_free(&client);
	world_stop(&world);
}

static void test_namespaces(void **state)
{
	struct c2s_world world;
	struct client client;

	(void)state;
	world_start(&world, "");
	client_connect(&world, &client, true);
	client_send(&client, HEADER AUTH_PLAIN);
	client_expect(&client, "<success ");
	client_send(&client,
		    "<stream:stream xmlns='jabber:client' xmlns:stream='http://"
		    "etherx.jabber.org/streams' version='1.0' xmlns:z='urn:z' "
		    "to='example.org'>" BIND "<message><z:a/></message>"
		    "<message><q:a/></message>");
	client_expect(&client, "</jid></bind></iq>");
	sm_expect(&world, "<message><z:a/></message>");
	client_expect(&client, "<not-well-formed ");
	client_free(&client);
	world_stop(&world);
}

/* What was pipelined behind the bind waits, and keeps its order. */
static void test_pipelined(void **state)
{
	struct c2s_world world;
	struct client client;

	(void)state;
	world_start(&world, "");
	client_connect(&world, &client, true);
	client_send(&client, HEADER AUTH_PLAIN);
	client_expect(&client, "<success ");
	client_send(&client, HEADER BIND MESSAGE("1") MESSAGE("2")
				  "</stream:stream>");
	client_expect(&client, "</jid></bind></iq></stream:stream>");
	sm_expect(&world, "/1 " MESSAGE("1"));
	sm_expect(&world, "/2 " MESSAGE("2"));
	sm_expect(&world, "<link:closed reason='closed by the client' jid=");
	client_expect_closed(&client);
	client_free(&client);
	world_stop(&world);
}

static void test_backpressure(void **state)
{
	struct c2s_world world;
	struct client client;

	(void)state;
	world_start(&world, "");
	client_login(&world, &client);
	world.link->congested = true;
	client_send(&client, MESSAGE("1") MESSAGE("2"));
	sm_expect(&world, MESSAGE("1"));
	world_run_for(world.loop, 50);
	client_send(&client, MESSAGE("3"));
	world_run_for(world.loop, 50);
	assert_null(strstr(buf_data(&world.link->sent), MESSAGE("2")));
	world.link->congested = false;
	world.link->handlers.drained(world.link, "sm-1", world.link->ctx);
	sm_expect(&world, "/2 " MESSAGE("2"));
	sm_expect(&world, "/3 " MESSAGE("3"));
	client_free(&client);
	world_stop(&world);
}

/* -- another sm ---------------------------------------------------------- */

/* The sm is gone; what it had not acknowledged comes back from the link, what
 * the client sends meanwhile waits; the new one gets all of it in order. */
static void test_sm_restarts(void **state)
{
	struct c2s_world world;
	struct client client;
	struct envelope back = { .at = "sm-1", .to = "alice@example.org" };
	char origin[200];

	(void)state;
	world_start(&world, "");
	client_login(&world, &client);
	world_say(&world, "sm-1", true,
		  "<link:snapshot>U05BUA==</link:snapshot>");
	world.link->silent = true;
	client_send(&client, MESSAGE("1") MESSAGE("2"));
	sm_expect(&world, "/2 " MESSAGE("2"));
	world_sm(&world, NULL, NULL);
	client_send(&client, MESSAGE("3"));
	world_run_for(world.loop, 20);
	/* Not before it is known what the old one had not taken. */
	world_sm(&world, "sm-1", "0000000000000002");
	world_run_for(world.loop, 1100);
	assert_null(strstr(buf_data(&world.link->sent), "<link:reopen"));
	for (int i = 2; i > 0; i--) {
		back.token = world.link->tokens[i - 1];
		snprintf(origin, sizeof(origin), "%s/%d", world.link->session,
			 i);
		back.origin = origin;
		back.session = world.link->session;
		back.payload = i == 2 ? MESSAGE("2") : MESSAGE("1");
		back.payload_len = strlen(back.payload);
		world.link->handlers.undelivered(world.link, &back, "gone",
						 world.link->ctx);
	}
	world.link->token_count = 0;
	world.link->silent = false;
	client_send(&client, MESSAGE("4"));
	sm_expect(&world, "sm-1 - <link:reopen jid='alice@example.org' "
			  "ticket='T' address='127.0.0.1' tls='TLSv1.3' "
			  "resource='phone' done='0' generation='1'>"
			  "U05BUA=="
			  "</link:reopen>\n");
	sm_expect(&world, "sm-1 /1 " MESSAGE("1") "\n"
			  "sm-1 /2 " MESSAGE("2") "\n"
			  "sm-1 /3 " MESSAGE("3") "\n"
			  "sm-1 /4 " MESSAGE("4") "\n");
	world_say(&world, "sm-1", false, "<message id='back'/>");
	client_expect(&client, "<message id='back'/>");
	assert_int_equal(world.c2s->stats.recovered, 1);
	client_free(&client);
	world_stop(&world);
}

/* Another one has the user now. */
static void test_sm_changes(void **state)
{
	struct c2s_world world;
	struct client client;

	(void)state;
	world_start(&world, "");
	client_login(&world, &client);
	world_sm(&world, "sm-2", "0000000000000002");
	sm_expect(&world, "sm-2 - <link:reopen ");
	client_send(&client, MESSAGE("1"));
	sm_expect(&world, "sm-2 /1 " MESSAGE("1"));
	client_free(&client);
	world_stop(&world);
}

static void test_router_comes_back(void **state)
{
	struct c2s_world world;
	struct client client;

	(void)state;
	world_start(&world, "");
	client_login(&world, &client);
	world_sm(&world, NULL, NULL);
	client_send(&client, MESSAGE("1"));
	world_run_for(world.loop, 20);
	world_sm(&world, "sm-1", "0000000000000001");
	/* It is the same one: there is nothing to open. */
	sm_expect(&world, "sm-1 /1 " MESSAGE("1"));
	assert_null(strstr(buf_data(&world.link->sent), "<link:reopen"));
	client_free(&client);
	world_stop(&world);
}

/* The sm does not know the session; the stanza comes back with that. */
static void test_lost(void **state)
{
	struct c2s_world world;
	struct client client;
	char text[300];

	(void)state;
	world_start(&world, "");
	client_login(&world, &client);
	client_send(&client, MESSAGE("1"));
	sm_expect(&world, "/1 " MESSAGE("1"));
	snprintf(text, sizeof(text),
		 "<link:lost jid='alice@example.org' origin='%s/1'>"
		 "<message xmlns='jabber:client' id='1'/></link:lost>",
		 world.link->session);
	world_say(&world, "sm-1", true, text);
	world_run_for(world.loop, 20);
	client_send(&client, MESSAGE("2"));
	sm_expect(&world, "sm-1 - <link:reopen ");
	sm_expect(&world, "sm-1 /1 <message id='1'/>");
	sm_expect(&world, "sm-1 /2 " MESSAGE("2"));
	client_free(&client);
	world_stop(&world);
}

static void test_not_recovered(void **state)
{
	struct c2s_world world;
	struct client clients[2];

	(void)state;
	world_start(&world, "recover-timeout = 1s");
	client_login(&world, &clients[0]);
	client_login(&world, &clients[1]);
	world.link->mute = true;
	world_sm(&world, "sm-1", "0000000000000002");
	sm_expect(&world, "<link:reopen ");
	sm_expect(&world, "<link:reopen ");
	/* The second one is told at once, the first one waits for long. */
	world_say(&world, "sm-1", true, "<link:closed condition='conflict'/>");
	client_expect(&clients[1], "<conflict ");
	world_sm(&world, NULL, NULL);
	client_expect(&clients[0], "<internal-server-error ");
	client_free(&clients[0]);
	client_free(&clients[1]);
	world_stop(&world);
}

/* -- time and memory ----------------------------------------------------- */

static void test_idle(void **state)
{
	struct c2s_world world;
	struct client client;

	(void)state;
	world_start(&world, "idle-timeout = 400ms");
	client_login(&world, &client);
	client_expect(&client, " ");
	assert_string_equal(buf_data(&client.end.got) + client.read, "");
	client_send(&client, "\n");
	world_run_for(world.loop, 350);
	assert_null(client_has(&client, "<stream:error>"));
	client_expect(&client, "<connection-timeout ");
	client_expect_closed(&client);
	client_free(&client);
	world_stop(&world);
}

static void test_never_reads(void **state)
{
	struct c2s_world world;
	struct client client;
	char *big = mem_alloc(100001);
	char *stanza;

	(void)state;
	world_start(&world, "limit-write-queue = 64K");
	client_login(&world, &client);
	conn_pause(client.end.conn);
	memset(big, 'x', 100000);
	stanza = mem_printf("<message>%s</message>", big);
	for (int i = 0; i < 200 && world.c2s->sessions > 0; i++) {
		world_say(&world, "sm-1", false, stanza);
		world_run_for(world.loop, 2);
	}
	assert_int_equal(world.c2s->sessions, 0);
	sm_expect(&world, "<link:closed reason='the client does not read' "
		  "cut='true' jid=");
	/* What it did not get goes back. */
	sm_expect(&world, "<link:returned><message>x");
	mem_free(stanza);
	mem_free(big);
	client_free(&client);
	world_stop(&world);
}

/* An idle session has no parser and no buffer, and is small. */
static void test_idle_memory(void **state)
{
	struct c2s_world world;
	struct client client;
	struct stream *s;

	(void)state;
	world_start(&world, "");
	client_login(&world, &client);
	s = world.c2s->streams;
	assert_null(s->negotiation);
	assert_null(s->backlog);
	assert_null(s->ns);
	assert_null(s->frame.held.data);
	assert_null(s->session->held);
	assert_true(sizeof(*s) + sizeof(*s->session) < 640);
	client_free(&client);
	world_stop(&world);
}

/* -- operators ----------------------------------------------------------- */

static void test_commands(void **state)
{
	struct c2s_world world;
	struct client client;
	const char *answer;
	struct buf text = { 0 };

	(void)state;
	world_start(&world, "");
	client_login(&world, &client);
	answer = world_command(&world, "status", NULL, NULL);
	assert_non_null(strstr(answer, "role=c2s name=c2s-1 state=running left= "));
	assert_non_null(strstr(answer, "sessions=1 connections=1 "));
	answer = world_command(&world, "session.list", NULL, NULL);
	assert_true(str_starts(answer, "jid=alice@example.org/phone session="));
	assert_non_null(strstr(answer, "address=127.0.0.1 tls=TLSv1.3 since="));
	answer = world_command(&world, "session.list", "domain", "a.b");
	assert_string_equal(answer, "ok \n");
	answer = world_command(&world, "log-level", "level", "loud");
	assert_true(str_starts(answer, "invalid "));
	answer = world_command(&world, "log-level", "level", "error");
	assert_string_equal(answer, "ok \n");
	assert_int_equal(world.log.level, LOG_LEVEL_ERROR);
	answer = world_command(&world, "session.kick", "jid", "x@y");
	assert_string_equal(answer, "not-found \n");
	answer = world_command(&world, "session.kick", "jid",
			       "alice@example.org");
	assert_true(str_ends(answer, "ok \n"));
	client_expect(&client, "<policy-violation ");
	client_expect_closed(&client);
	c2s_role.metrics(world.c2s, &text);
	assert_non_null(strstr(buf_data(&text),
			       "chappe_c2s_stream_errors_total{condition="
			       "\"policy-violation\"} 1"));
	assert_non_null(strstr(buf_data(&text), "chappe_c2s_sessions 0"));
	buf_free(&text);
	client_free(&client);
	world_stop(&world);
}

/* The only one may not be drained; by force its clients are sent away, and
 * undrain takes clients again. */
static void test_drain(void **state)
{
	struct c2s_world world;
	struct client client, other;

	(void)state;
	world_start(&world, "drain-grace = \"0s\"\n"
		    "see-other-host = \"b.example.org:5222\"\n");
	client_login(&world, &client);
	assert_true(str_starts(world_command(&world, "drain", NULL, NULL),
			       "failed it is the only c2s"));
	assert_string_equal(world_command(&world, "drain", "force", "yes"),
			    "ok \n");
	client_expect(&client,
		      "<stream:error><see-other-host "
		      "xmlns='urn:ietf:params:xml:ns:xmpp-streams'>"
		      "b.example.org:5222</see-other-host></stream:error>");
	client_expect_closed(&client);
	client_free(&client);
	assert_non_null(strstr(world_command(&world, "status", NULL, NULL),
			       "state=draining left="));
	assert_string_equal(world_command(&world, "undrain", NULL, NULL),
			    "ok \n");
	client_login(&world, &other);
	client_free(&other);
	world_stop(&world);
}

static void test_reload(void **state)
{
	struct c2s_world world;
	struct client client, other;

	(void)state;
	world_start(&world, "");
	client_login(&world, &client);
	assert_int_equal(world_reload(&world, "limit-stanza = 10000"), 0);
	/* The stream goes on, under the new limits. */
	client_send(&client, MESSAGE("1"));
	sm_expect(&world, MESSAGE("1"));
	client_connect(&world, &other, false);
	client_secure(&world, &other);
	client_free(&other);
	/* Nothing comes of a file that is wrong. */
	assert_int_equal(world_reload(&world,
				      "}\ndomain \"example.net\" {\n"
				      "certificate = \"/nowhere\"\n"
				      "key = \"/nowhere\""), -1);
	client_connect(&world, &other, false);
	client_secure(&world, &other);
	client_free(&other);
	client_send(&client, MESSAGE("2"));
	sm_expect(&world, MESSAGE("2"));
	client_free(&client);
	world_stop(&world);
}

static void test_stop(void **state)
{
	struct c2s_world world;
	struct client client, fresh;

	(void)state;
	world_start(&world, "");
	client_login(&world, &client);
	client_connect(&world, &fresh, false);
	client_send(&fresh, HEADER);
	client_expect(&fresh, "</stream:features>");
	c2s_role.stop(world.c2s);
	assert_false(world.stopped);
	client_expect(&client, "<system-shutdown ");
	client_expect(&client, "</stream:stream>");
	client_expect(&fresh, "<system-shutdown ");
	sm_expect(&world, "<link:closed reason='system-shutdown' "
		  "cut='true' jid=");
	client_expect_closed(&client);
	client_expect_closed(&fresh);
	world_run_for(world.loop, 20);
	assert_true(world.stopped);
	client_free(&client);
	client_free(&fresh);
	world_stop(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_stanza_before_bind),
		cmocka_unit_test(test_other_user),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_stanzas),
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_backpressure),
		cmocka_unit_test(test_sm_restarts),
		cmocka_unit_test(test_sm_changes),
		cmocka_unit_test(test_router_comes_back),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_not_recovered),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_never_reads),
		cmocka_unit_test(test_idle_memory),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
