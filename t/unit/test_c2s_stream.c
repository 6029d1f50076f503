/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams of clients up to the session: headers, TLS, SASL, limits, and what
 * each kind of bad input is answered with.
 */
#include "t/unit/c2s_world.h"

#include <stdio.h>
#include <string.h>

#define START                                                                \
	"<stream:stream xmlns='jabber:client' "                              \
	"xmlns:stream='http://etherx.jabber.org/streams' "

/* -- bad input ----------------------------------------------------------- */

static const struct {
	const char *input, *condition;
} bad_inputs[] = {
	{ "<html>", "invalid-namespace" },
	{ "GET / HTTP/1.0\r\n\r\n", "not-well-formed" },
	{ START "version='1.0'>", "improper-addressing" },
	{ START "version='1.0' to='example.com'>", "host-unknown" },
	{ START "version='1.0' to='a b'>", "host-unknown" },
	{ START "to='example.org'>", "unsupported-version" },
	{ START "to='example.org' version='0.9'>", "unsupported-version" },
	{ START "to='example.org' version='x'>", "unsupported-version" },
	{ "<stream:stream xmlns='jabber:server' to='example.org' "
	  "xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>",
	  "invalid-namespace" },
	{ "<stream:stream xmlns='jabber:client' to='example.org' "
	  "xmlns:stream='urn:x' version='1.0'>", "invalid-namespace" },
	{ "<s:stream xmlns='jabber:client' to='example.org' "
	  "xmlns:s='http://etherx.jabber.org/streams' version='1.0'>",
	  "bad-namespace-prefix" },
	{ "<stream xmlns='http://etherx.jabber.org/streams' "
	  "to='example.org' version='1.0'>", "bad-namespace-prefix" },
	{ "<?xml version='1.0' encoding='ISO-8859-1'?>" HEADER,
	  "unsupported-encoding" },
	{ "<!DOCTYPE x>" HEADER, "restricted-xml" },
	{ HEADER "<!-- x -->", "restricted-xml" },
	{ HEADER "<?pi x?>", "restricted-xml" },
	{ HEADER "<message>&x;</message>", "restricted-xml" },
	{ HEADER "<message></presence>", "not-well-formed" },
	{ HEADER "<message><a:b/></message>", "not-well-formed" },
	{ HEADER "<message><body>\xff</body></message>",
	  "unsupported-encoding" },
	{ HEADER "<message><body></message>", "not-well-formed" },
	{ HEADER "hello", "not-well-formed" },
	{ HEADER "<message/>", "not-authorized" },
	{ HEADER "<iq type='get' id='1'><query xmlns='jabber:iq:register'/>"
		 "</iq>", "not-authorized" },
	{ HEADER "<foo/>", "unsupported-stanza-type" },
	{ HEADER "<message xmlns='jabber:server'/>",
	  "unsupported-stanza-type" },
	{ START "xmlns:link='urn:x' to='example.org' version='1.0'>",
	  "bad-namespace-prefix" },
};

static void test_bad_input(void **state)
{
	struct c2s_world world;
	struct client client;
	char element[80];

	(void)state;
	world_start(&world, "");
	for (size_t i = 0; i < sizeof(bad_inputs) / sizeof(*bad_inputs); i++) {
		snprintf(element, sizeof(element), "<stream:error><%s xmlns",
			 bad_inputs[i].condition);
		client_connect(&world, &client, false);
		client_send(&client, bad_inputs[i].input);
		/* RFC 6120 section 4.9.1.2: the header comes first. */
		client_expect(&client, "<stream:stream ");
		client_expect(&client, "from='example.org'");
		client_expect(&client, element);
		client_expect(&client, "</stream:error></stream:stream>");
		client_expect_closed(&client);
		client_free(&client);
	}
	assert_int_equal(acceptor_count(world.c2s->acceptor).connections, 0);
	assert_int_equal(acceptor_count(world.c2s->acceptor).unauthenticated, 0);
	world_stop(&world);
}

static void test_one_byte_at_a_time(void **state)
{
	static const char input[] = HEADER STARTTLS;
	struct c2s_world world;
	struct client client;

	(void)state;
	world_start(&world, "");
	client_connect(&world, &client, false);
	for (size_t i = 0; i < sizeof(input) - 1; i++) {
		conn_write(client.end.conn, &input[i], 1);
		if (i % 8 == 0)
			world_run_for(world.loop, 1);
	}
	client_expect(&client, "<required/>");
	client_expect(&client, "<proceed ");
	client_free(&client);
	world_stop(&world);
}

static void test_limits(void **state)
{
	struct c2s_world world;
	struct client client;
	char big[2000];

	(void)state;
	world_start(&world, "limit-stanza-before-auth = 1K\nlimit-depth = 8");
	client_connect(&world, &client, false);
	client_send(&client, HEADER "<message>");
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	client_send(&client, big);
	client_expect(&client, "<policy-violation ");
	client_expect_closed(&client);
	client_free(&client);

	client_connect(&world, &client, false);
	client_send(&client, HEADER "<a><a><a><a><a><a><a><a><a>");
	client_expect(&client, "<max-bytes>1024</max-bytes>");
	client_expect(&client, "<policy-violation ");
	client_free(&client);
	world_stop(&world);
}

/* -- headers and features ------------------------------------------------ */

static void test_header(void **state)
{
	struct c2s_world world;
	struct client client;
	const char *id;

	(void)state;
	world_start(&world, "");
	client_connect(&world, &client, false);
	client_send(&client, START "to='EXAMPLE.org' version='1.0' "
				   "from='bob@example.org'>");
	client_expect(&client, "<stream:stream ");
	assert_non_null(client_has(&client, "from='example.org'"));
	assert_non_null(client_has(&client, "to='bob@example.org'"));
	assert_non_null(client_has(&client, "version='1.0'"));
	assert_non_null(client_has(&client, "xml:lang='en'"));
	id = client_has(&client, " id='");
	assert_non_null(id);
	assert_true(strcspn(id + 5, "'") >= 16);
	client_expect(&client, "<stream:features><starttls "
			       "xmlns='urn:ietf:params:xml:ns:xmpp-tls'>"
			       "<required/></starttls><limits ");
	assert_null(client_has(&client, "mechanism"));
	client_send(&client, "</stream:stream>");
	client_expect(&client, "</stream:stream>");
	client_expect_closed(&client);
	client_free(&client);

	client_connect(&world, &client, false);
	client_send(&client, HEADER);
	client_expect(&client, "</stream:features>");
	assert_null(strstr(buf_data(&client.end.got), " to="));
	client_free(&client);
	world_stop(&world);
}

static void test_mechanisms(void **state)
{
	struct c2s_world world;
	struct client client;

	(void)state;
	world_start(&world, "");
	for (int direct = 0; direct < 2; direct++) {
		client_connect(&world, &client, direct);
		if (direct) {
			client_send(&client, HEADER);
		} else {
			client_secure(&world, &client);
			client.read = 0;
			client_expect(&client, "<proceed");
		}
		client_expect(&client, "<mechanisms " SASL_NS ">"
				       "<mechanism>SCRAM-SHA-256-PLUS"
				       "</mechanism>"
				       "<mechanism>SCRAM-SHA-256</mechanism>"
				       "<mechanism>PLAIN</mechanism>"
				       "</mechanisms>");
		client_expect(&client,
			      "<channel-binding type='tls-exporter'/>");
		client_expect(&client, "<register ");
		assert_null(client_has(&client, "<starttls"));
		client_free(&client);
	}
	world_stop(&world);
}

/* Start order does not matter: without an sm the features wait. */
static void test_waits_for_sm(void **state)
{
	struct c2s_world world;
	struct client client;

	(void)state;
	world_start_without_sm(&world, "auth-timeout = 1s");
	client_connect(&world, &client, true);
	client_send(&client, HEADER);
	client_expect(&client, "<stream:stream ");
	client_expect(&client, "<remote-connection-failed ");
	client_free(&client);

	client_connect(&world, &client, true);
	client_send(&client, HEADER);
	client_expect(&client, "<stream:stream ");
	world_run_for(world.loop, 50);
	assert_null(client_has(&client, "<stream:features>"));
	world_sm(&world, "sm-2", "0000000000000002");
	sm_expect(&world, "sm-2 - <link:mechanisms domain='example.org'/>");
	client_expect(&client, "</stream:features>");
	world_sm(&world, NULL, NULL);
	client_send(&client, AUTH_PLAIN);
	client_expect(&client, "<temporary-auth-failure/>");
	world_sm(&world, "sm-2", "0000000000000003");
	sm_expect(&world, "sm-2 - <link:mechanisms domain='example.org'/>");
	client_send(&client, AUTH_PLAIN);
	client_expect(&client, "<success ");
	client_free(&client);
	world_stop(&world);
}

/* -- STARTTLS ------------------------------------------------------------ */

static void test_pipelined_after_starttls(void **state)
{
	struct c2s_world world;
	struct client client;

	(void)state;
	world_start(&world, "");
	client_connect(&world, &client, false);
	client_send(&client, HEADER);
	client_expect(&client, "</stream:features>");
	client_send(&client, STARTTLS HEADER AUTH_PLAIN);
	client_expect(&client, "<proceed ");
	client_expect(&client, "/>");
	conn_start_tls(client.end.conn, world.tls, "example.org");
	world_run_for(world.loop, 100);
	/* Nothing of that came under TLS. */
	assert_true(!client_has(&client, "<"));
	assert_null(strstr(buf_data(&world.link->sent), "<link:auth"));
	client_free(&client);
	world_stop(&world);
}

static void test_starttls_twice(void **state)
{
	struct c2s_world world;
	struct client client;

	(void)state;
	world_start(&world, "");
	client_connect(&world, &client, false);
	client_secure(&world, &client);
	client_send(&client, STARTTLS);
	client_expect(&client, "<failure "
			       "xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
	client_expect(&client, "</stream:stream>");
	client_send(&client, "</stream:stream>");
	client_expect_closed(&client);
	client_free(&client);
	world_stop(&world);
}

/* -- SASL ---------------------------------------------------------------- */

#define RESPONSE(text) "<response " SASL_NS ">" text "</response>"
#define AUTH(mechanism, text)                                                \
	"<auth " SASL_NS " mechanism='" mechanism "'>" text "</auth>"

static const struct {
	const char *input, *answer;
} sasl_steps[] = {
	{ RESPONSE(""), "<failure " SASL_NS "><malformed-request/>" },
	{ "<abort " SASL_NS "/>", "<malformed-request/>" },
	{ "<auth " SASL_NS ">AA==</auth>", "<invalid-mechanism/>" },
	{ AUTH("DIGEST-MD5", ""), "<invalid-mechanism/>" },
	{ AUTH("PLAIN-PLUS", ""), "<invalid-mechanism/>" },
	{ AUTH("PLAIN", "A=A"), "<incorrect-encoding/>" },
	{ AUTH("SCRAM-SHA-256", "AA==") RESPONSE("*"),
	  "<challenge " SASL_NS ">Y2g=</challenge><failure " SASL_NS
	  "><incorrect-encoding/>" },
	{ AUTH("SCRAM-SHA-256-PLUS", "AA==") AUTH("PLAIN", "AA=="),
	  "</challenge><failure " SASL_NS "><malformed-request/>" },
	{ AUTH("SCRAM-SHA-256", "AA==") "<abort " SASL_NS "/>",
	  "</challenge><failure " SASL_NS "><aborted/></failure>" },
	{ AUTH("SCRAM-SHA-256", "=") RESPONSE("="), "<success " },
	{ "<auth " SASL_NS " mechanism='PLAIN'>AA<x/>==</auth>", "<success " },
};

static void test_sasl(void **state)
{
	struct c2s_world world;
	struct client client;

	(void)state;
	world_start(&world, "");
	for (size_t i = 0; i < sizeof(sasl_steps) / sizeof(*sasl_steps); i++) {
		client_connect(&world, &client, true);
		client_send(&client, HEADER);
		client_expect(&client, "</stream:features>");
		client_send(&client, sasl_steps[i].input);
		client_expect(&client, sasl_steps[i].answer);
		client_free(&client);
	}
	world_stop(&world);
}

static void test_sasl_facts(void **state)
{
	struct c2s_world world;
	struct client client;

	(void)state;
	world_start(&world, "");
	client_connect(&world, &client, true);
	client_send(&client, HEADER);
	client_expect(&client, "</stream:features>");
	client_send(&client, AUTH("SCRAM-SHA-256-PLUS", "AAEC"));
	sm_expect(&world, "sm-1 - <link:auth domain='example.org' "
			  "mechanism='SCRAM-SHA-256-PLUS' "
			  "address='127.0.0.1' tls='TLSv1.3' cipher='");
	sm_expect(&world, "'>AAEC<link:binding type='tls-exporter'>");
	client_free(&client);
	world_stop(&world);
}

static void test_sasl_before_tls(void **state)
{
	struct c2s_world world;
	struct client client;

	(void)state;
	world_start(&world, "");
	client_connect(&world, &client, false);
	client_send(&client, HEADER AUTH_PLAIN);
	client_expect(&client, "<encryption-required/>");
	assert_null(strstr(buf_data(&world.link->sent), "<link:auth"));
	client_free(&client);
	world_stop(&world);
}

static void test_too_many_failures(void **state)
{
	struct c2s_world world;
	struct client client;

	(void)state;
	world_start(&world, "");
	world.link->failure = "<link:failure condition='not-authorized'/>";
	client_connect(&world, &client, true);
	client_send(&client, HEADER);
	for (int i = 0; i < 5; i++) {
		client_send(&client, AUTH_PLAIN);
		client_expect(&client, "<not-authorized/></failure>");
	}
	client_expect(&client, "<policy-violation ");
	client_expect_closed(&client);
	client_free(&client);
	world_stop(&world);
}

/* The sm answers what it likes; conditions that are none do not pass. */
static void test_failure_is_checked(void **state)
{
	struct c2s_world world;
	struct client client;

	(void)state;
	world_start(&world, "");
	world.link->failure = "<link:failure condition='x/&gt;&lt;y' "
			      "text='&lt;z&gt;'/>";
	client_connect(&world, &client, true);
	client_send(&client, HEADER AUTH_PLAIN);
	client_expect(&client, "<not-authorized/><text xml:lang='en'>&lt;z");
	world.link->failure = "<link:success jid='a@example.com' ticket='T'/>";
	client_send(&client, AUTH_PLAIN);
	client_expect(&client, "<temporary-auth-failure/>");
	client_free(&client);
	world_stop(&world);
}

static void test_sm_dies_during_sasl(void **state)
{
	struct c2s_world world;
	struct client client;

	(void)state;
	world_start(&world, "");
	client_connect(&world, &client, true);
	client_send(&client, HEADER);
	client_expect(&client, "</stream:features>");
	world.link->mute = true;
	client_send(&client, AUTH_PLAIN);
	sm_expect(&world, "<link:auth ");
	world_sm(&world, NULL, NULL);
	client_expect(&client, "<temporary-auth-failure/>");
	client_free(&client);
	world_stop(&world);
}

/* -- registration -------------------------------------------------------- */

static void test_register(void **state)
{
	struct c2s_world world;
	struct client client;

	(void)state;
	world_start(&world, "");
	client_connect(&world, &client, true);
	client_send(&client, HEADER);
	client_expect(&client, "</stream:features>");
	client_send(&client,
		    "<iq type='set' id='r1'>"
		    "<query xmlns='jabber:iq:register'/></iq>");
	sm_expect(&world, "<link:register domain='example.org' "
			  "address='127.0.0.1'><iq ");
	client_expect(&client, "<iq type='result' id='r1'/>");
	client_send(&client, "<iq type='get' id='1'><ping "
			     "xmlns='urn:xmpp:ping'/></iq>");
	client_expect(&client, "<not-authorized ");
	client_free(&client);
	world_stop(&world);
}

/* -- time, and numbers --------------------------------------------------- */

static void test_auth_timeout(void **state)
{
	struct c2s_world world;
	struct client client, silent;

	(void)state;
	world_start(&world, "auth-timeout = 1s");
	client_connect(&world, &client, false);
	client_connect(&world, &silent, false);
	client_send(&client, HEADER);
	client_expect(&client, "<connection-timeout ");
	client_expect(&silent, "<connection-timeout ");
	client_expect_closed(&silent);
	client_free(&client);
	client_free(&silent);
	world_stop(&world);
}

static void test_connection_limit(void **state)
{
	struct c2s_world world;
	struct client clients[3];

	(void)state;
	world_start(&world, "limit-connections-network = 2");
	for (int i = 0; i < 2; i++) {
		client_connect(&world, &clients[i], false);
		client_send(&clients[i], HEADER);
		client_expect(&clients[i], "</stream:features>");
	}
	client_connect(&world, &clients[2], false);
	client_expect_closed(&clients[2]);
	assert_int_equal(acceptor_count(world.c2s->acceptor).refused, 1);
	client_free(&clients[0]);
	client_free(&clients[2]);
	client_connect(&world, &clients[0], false);
	client_send(&clients[0], HEADER);
	client_expect(&clients[0], "</stream:features>");
	client_free(&clients[0]);
	client_free(&clients[1]);
	world_run_for(world.loop, 20);
	assert_int_equal(acceptor_count(world.c2s->acceptor).networks, 0);
	world_stop(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_input),
		cmocka_unit_test(test_one_byte_at_a_time),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_mechanisms),
		cmocka_unit_test(test_waits_for_sm),
		cmocka_unit_test(test_pipelined_after_starttls),
		cmocka_unit_test(test_starttls_twice),
		cmocka_unit_test(test_sasl),
		cmocka_unit_test(test_sasl_facts),
		cmocka_unit_test(test_sasl_before_tls),
		cmocka_unit_test(test_too_many_failures),
		cmocka_unit_test(test_failure_is_checked),
		cmocka_unit_test(test_sm_dies_during_sasl),
		cmocka_unit_test(test_register),
		cmocka_unit_test(test_auth_timeout),
		cmocka_unit_test(test_connection_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
