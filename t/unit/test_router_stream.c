/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams and handshakes of links, good ones and bad ones (docs/link.md 1, 2;
 * XEP-0114 section 3).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "t/unit/net_world.h"
#include "t/unit/router_world.h"
#include "util/base/mem.h"

#define EPOCH "00000000000000aa"

#define CONFIG                                                               \
	"router \"router\" { listen = { \"unix:@/sock\" } "                  \
	"  handshake-timeout = 300ms  max-handshakes = 4 "                   \
	"  ping-timeout = 200ms }\n"                                         \
	"link \"sm-*\" { kind = sm  secret-file = \"@/s1\" }\n"              \
	"link \"irc.example.org\" { secret-file = \"@/s2\" "                 \
	"  max-stanza = 10000 }\n"

#define HEADER                                                               \
	"<stream:stream xmlns='jabber:component:accept' "                    \
	"xmlns:stream='http://etherx.jabber.org/streams' "

static void test_component_comes(void **state)
{
	struct client client = { 0 };
	struct world world;

	(void)state;
	world_open(&world, CONFIG);
	client_open(&client, &world, 0);
	client_handshake(&client, "irc.example.org", false, "secret-2");
	client_expect(&client, "<handshake/>");
	client_send(&client, "</stream:stream>");
	client_expect(&client, "</stream:stream>");
	client_expect_closed(&client);
	client_close(&client);
	world_close(&world);
}

/* The header answers with the name that was asked for, and declares our
 * prefix only to those who know it. */
static void test_header(void **state)
{
	struct client client = { 0 };
	struct world world;

	(void)state;
	world_open(&world, CONFIG);
	client_open(&client, &world, 0);
	client_header(&client, "irc.example.org", false);
	client_expect(&client, "<stream:stream");
	client_expect(&client, "from='irc.example.org'");
	client_expect(&client, ">");
	assert_false(client_has(&client, "link"));
	client_close(&client);
	client_open(&client, &world, 0);
	client_header(&client, "sm-1", true);
	client_expect(&client, "xmlns:link='urn:chappe:link:0'");
	client_close(&client);
	world_close(&world);
}

/* What is sent before a handshake is over, and what comes of it. */
static void test_bad_streams(void **state)
{
	static const struct {
		const char *send, *condition;
	} cases[] = {
		{ "\x16\x03\x01\x02 garbage", "not-well-formed" },
		{ "GET / HTTP/1.1\r\n\r\n", "not-well-formed" },
		{ "<a", NULL },
		{ "<!DOCTYPE a>", "restricted-xml" },
		{ HEADER "to='sm-1'><!-- -->", "restricted-xml" },
		{ "<stream:stream xmlns='jabber:client' xmlns:stream='http://"
		  "etherx.jabber.org/streams' to='sm-1'>",
		  "invalid-namespace" },
		{ "<stream:stream xmlns='jabber:component:accept' "
		  "xmlns:stream='urn:x' to='sm-1'>", "invalid-namespace" },
		{ "<s:stream xmlns='jabber:component:accept' xmlns:s='http://"
		  "etherx.jabber.org/streams' to='sm-1'>",
		  "bad-namespace-prefix" },
		{ "<stream:stream to='sm-1'>", "not-well-formed" },
		{ HEADER "to='nobody.example'><handshake>0</handshake>",
		  "not-authorized" },
		{ HEADER "><handshake/>", "not-authorized" },
		{ HEADER "to='a@b/c'><handshake/>", "not-authorized" },
		/* A role's name is compared byte for byte. */
		{ HEADER "to='SM-1'><handshake/>", "not-authorized" },
		{ HEADER "to='sm-1'><handshake/>", "not-authorized" },
		{ HEADER "to='sm-1'><handshake>da39a3ee5e6b4b0d3255bfef95601890"
		  "afd80709</handshake>", "not-authorized" },
		{ HEADER "to='sm-1'><message/>", "not-authorized" },
		{ HEADER "to='sm-1'><link:route/>", "not-well-formed" },
		{ HEADER "to='sm-1'><a></b>", "not-well-formed" },
		{ HEADER "to='sm-1'><a><b><c/></b></a>", "policy-violation" },
		{ HEADER "to='sm-1'>" HEADER ">", NULL },
	};
	struct client client = { 0 };
	struct world world;

	(void)state;
	world_open(&world, CONFIG);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		client_open(&client, &world, 0);
		client_send(&client, cases[i].send);
		client_expect_error(&client, cases[i].condition
						     ? cases[i].condition
						     : "connection-timeout");
		client_close(&client);
	}
	world_close(&world);
}

static void test_big_before_handshake(void **state)
{
	struct client client = { 0 };
	struct world world;
	char text[4000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	world_open(&world, CONFIG);
	client_open(&client, &world, 0);
	client_header(&client, "sm-1", true);
	client_send(&client, "<handshake>");
	client_send(&client, text);
	client_send(&client, text);
	client_expect_error(&client, "policy-violation");
	client_close(&client);
	world_close(&world);
}

/* One byte at a time makes no difference. */
static void test_slow_writer(void **state)
{
	static const char header[] = HEADER "to='irc.example.org'>";
	struct client client = { 0 };
	struct world world;

	(void)state;
	world_open(&world, CONFIG);
	client_open(&client, &world, 0);
	for (const char *at = header; *at; at++) {
		client_sendf(&client, "%c", *at);
		world_pass(&world, 1);
	}
	client_expect(&client, "from='irc.example.org'");
	client_close(&client);
	world_close(&world);
}

/* The wrong secret of the two, and a role without our prefix. */
static void test_wrong_secret(void **state)
{
	struct client client = { 0 };
	struct world world;

	(void)state;
	world_open(&world, CONFIG);
	client_open(&client, &world, 0);
	client_handshake(&client, "sm-1", true, "secret-2");
	client_expect_error(&client, "not-authorized");
	client_close(&client);
	client_open(&client, &world, 0);
	client_handshake(&client, "sm-1", false, "secret-1");
	client_expect_error(&client, "bad-namespace-prefix");
	client_close(&client);
	assert_non_null(strstr(buf_data(&world.lines), "link.refused"));
	assert_null(strstr(buf_data(&world.lines), "secret"));
	world_close(&world);
}

/* Who says nothing is closed, also in the middle of a handshake or before
 * <link:role/>. */
static void test_half_open(void **state)
{
	struct client silent = { 0 }, half = { 0 }, no_role = { 0 };
	struct world world;

	(void)state;
	world_open(&world, CONFIG);
	client_open(&silent, &world, 0);
	client_open(&half, &world, 0);
	client_header(&half, "sm-1", true);
	client_open(&no_role, &world, 0);
	client_handshake(&no_role, "sm-2", true, "secret-1");
	client_expect_error(&silent, "connection-timeout");
	client_expect_error(&half, "connection-timeout");
	client_expect(&no_role, "<handshake/>");
	client_expect_error(&no_role, "connection-timeout");
	client_close(&silent);
	client_close(&half);
	client_close(&no_role);
	world_close(&world);
}

/* More strangers than allowed: the oldest one goes, links stay. */
static void test_flood(void **state)
{
	struct client link = { 0 }, clients[6] = { 0 };
	struct world world;

	(void)state;
	world_open(&world, CONFIG);
	client_component(&link, &world, "irc.example.org", "secret-2");
	for (size_t i = 0; i < 6; i++) {
		client_open(&clients[i], &world, 0);
		world_pass(&world, 5);
	}
	client_expect_error(&clients[0], "resource-constraint");
	client_expect_error(&clients[1], "resource-constraint");
	assert_non_null(clients[2].conn);
	assert_non_null(link.conn);
	for (size_t i = 0; i < 6; i++)
		client_close(&clients[i]);
	client_close(&link);
	world_close(&world);
}

static void test_role_element(void **state)
{
	static const struct {
		const char *send, *condition;
	} cases[] = {
		{ "<link:role version='1'/>", "bad-format" },
		{ "<link:role epoch='1' version='1'/>", "bad-format" },
		{ "<link:role epoch='00000000000000AA' version='1'/>",
		  "bad-format" },
		{ "<link:role epoch='" EPOCH "'/>", "unsupported-version" },
		{ "<link:role epoch='" EPOCH "' version='0'/>",
		  "unsupported-version" },
		{ "<link:role epoch='" EPOCH "' version='1'/>"
		  "<link:role epoch='" EPOCH "' version='1'/>", "bad-format" },
		{ "<link:bind name='x'/>", "not-authorized" },
		{ "<link:watch/>", "not-authorized" },
		{ "<link:route xmlns='jabber:client' at='sm-1' from='sm-1'>"
		  "<a/></link:route>", "unsupported-stanza-type" },
		{ "<message to='a' from='sm-1'/>", "unsupported-stanza-type" },
	};
	struct client client = { 0 };
	struct world world;

	(void)state;
	world_open(&world, CONFIG);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		client_open(&client, &world, 0);
		client_handshake(&client, "sm-1", true, "secret-1");
		client_expect(&client, "<handshake/>");
		client_send(&client, cases[i].send);
		client_expect_error(&client, cases[i].condition);
		client_close(&client);
	}
	/* A version of the future: the lower of the two. */
	client_open(&client, &world, 0);
	client_handshake(&client, "sm-1", true, "secret-1");
	client_send(&client, "<link:role epoch='" EPOCH "' version='7'/>");
	client_expect(&client, "<link:welcome router='router' version='2'/>");
	client_close(&client);
	world_close(&world);
}

/* A name that is taken by one that answers; by one that does not. */
static void test_conflict(void **state)
{
	struct client first = { 0 }, second = { 0 }, third = { 0 };
	struct world world;

	(void)state;
	world_open(&world, CONFIG);
	client_role(&first, &world, "sm-1", "secret-1", EPOCH);
	client_open(&second, &world, 0);
	client_handshake(&second, "sm-1", true, "secret-1");
	client_expect(&first, "<link:ping id='");
	/* A third one does not even make it ask. */
	client_open(&third, &world, 0);
	client_handshake(&third, "sm-1", true, "secret-1");
	client_expect_error(&third, "conflict");
	client_sendf(&first, "<link:pong id='%.16s'/>",
		     buf_data(&first.in));
	client_expect_error(&second, "conflict");
	client_close(&second);
	client_close(&third);

	client_open(&second, &world, 0);
	client_handshake(&second, "sm-1", true, "secret-1");
	client_expect(&first, "<link:ping id='");
	client_send(&first, "<link:pong id='0000000000000000'/>");
	client_expect_error(&first, "conflict");
	client_expect(&second, "<handshake/>");
	client_close(&first);
	client_close(&second);
	world_close(&world);
}

static void test_component_conflict(void **state)
{
	struct client first = { 0 }, second = { 0 };
	struct world world;

	(void)state;
	world_open(&world, CONFIG);
	client_component(&first, &world, "irc.example.org", "secret-2");
	client_open(&second, &world, 0);
	client_handshake(&second, "irc.example.org", false, "secret-2");
	client_expect(&first, "<iq type='get' id='");
	client_sendf(&first,
		     "<iq type='error' id='%.16s' to='router' "
		     "from='irc.example.org'/>", buf_data(&first.in));
	client_expect(&first, "</iq>");
	client_expect_error(&second, "conflict");
	client_close(&second);
	/* The holder ends while it is asked: the next one has the name. */
	client_open(&second, &world, 0);
	client_handshake(&second, "irc.example.org", false, "secret-2");
	client_expect(&first, "<iq type='get' id='");
	client_close(&first);
	client_expect(&second, "<handshake/>");
	client_close(&second);
	world_close(&world);
}

#define TLS_CONFIG                                                           \
	"router \"router\" { listen = {} listen-tls = { \"127.0.0.1:0\" }"   \
	"  certificate = \"%s\"  key = \"%s\"  ca = \"%s\" }\n"              \
	"link \"sm-*\" { kind = sm %s }\n"

static void open_tls(struct world *world, const struct certificates *dir,
		     const char *options)
{
	char *config = mem_printf(
		TLS_CONFIG, certificates_path(dir, "router.example.crt"),
		certificates_path(dir, "router.example.key"),
		certificates_path(dir, "ca.crt"), options);

	world_open(world, config);
	mem_free(config);
}

static struct tls_context *client_tls(const struct certificates *dir,
				      const char *name)
{
	struct tls_context *tls = world_client_tls(dir);
	char *crt, *key;

	if (!name)
		return tls;
	crt = mem_printf("%s.crt", name);
	key = mem_printf("%s.key", name);
	assert_int_equal(
		tls_context_add_certificate(tls, NULL,
					    certificates_path(dir, crt),
					    certificates_path(dir, key), NULL),
		0);
	mem_free(crt);
	mem_free(key);
	return tls;
}

/* By certificate and by secret, and where only the first will do. */
static void test_tls(void **state)
{
	static const char *const names[] = { "router.example", "sm-1", "sm-2",
					     NULL };
	static const struct {
		const char *options; /* of the link */
		const char *certificate; /* of the client */
		const char *secret;	 /* NULL: an empty handshake */
		const char *error;	 /* NULL: it is let in */
	} cases[] = {
		{ "secret-file = \"@/s1\"", NULL, "secret-1",
		  NULL },
		{ "secret-file = \"@/s1\"", NULL, NULL,
		  "not-authorized" },
		{ "secret-file = \"@/s1\"", "sm-1", NULL, NULL },
		{ "secret-file = \"@/s1\"", "sm-2", NULL,
		  "not-authorized" },
		{ "certificate = yes", "sm-1", NULL, NULL },
		{ "certificate = yes", "sm-2", NULL,
		  "not-authorized" },
		{ "certificate = yes", NULL, "secret-1",
		  "not-authorized" },
		{ "certificate = yes secret-file = \"@/s1\"",
		  "sm-1", NULL, "not-authorized" },
		{ "certificate = yes secret-file = \"@/s1\"",
		  "sm-1", "secret-1", NULL },
	};
	struct certificates dir;

	(void)state;
	certificates_make(&dir, names);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct client client = { 0 };
		struct tls_context *tls = client_tls(&dir,
						     cases[i].certificate);
		struct world world;

		open_tls(&world, &dir, cases[i].options);
		client.tls = tls;
		client_open(&client, &world, router_port(world.router, 0));
		if (cases[i].secret) {
			client_handshake(&client, "sm-1", true,
					 cases[i].secret);
		} else {
			client_header(&client, "sm-1", true);
			client_send(&client, "<handshake/>");
		}
		if (cases[i].error)
			client_expect_error(&client, cases[i].error);
		else
			client_expect(&client, "<handshake/>");
		client_close(&client);
		world_close(&world);
		tls_context_unref(&tls);
	}
	certificates_free(&dir);
}

/* A client in the clear on a port for TLS. */
static void test_no_tls(void **state)
{
	static const char *const names[] = { "router.example", NULL };
	struct client client = { 0 };
	struct certificates dir;
	struct world world;

	(void)state;
	certificates_make(&dir, names);
	open_tls(&world, &dir, "secret-file = \"@/s1\"");
	client_open(&client, &world, router_port(world.router, 0));
	client_header(&client, "sm-1", true);
	client_expect_closed(&client);
	assert_false(client_has(&client, "stream"));
	client_close(&client);
	world_close(&world);
	certificates_free(&dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_component_comes),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_bad_streams),
		cmocka_unit_test(test_big_before_handshake),
		cmocka_unit_test(test_slow_writer),
		cmocka_unit_test(test_wrong_secret),
		cmocka_unit_test(test_half_open),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_role_element),
		cmocka_unit_test(test_conflict),
		cmocka_unit_test(test_component_conflict),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_no_tls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
