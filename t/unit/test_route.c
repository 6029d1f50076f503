/* SPDX-License-Identifier: Apache-2.0
 *
 * The way of stanzas through a whole sm, between clients, other roles and
 * nobody; and the commands of an operator.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "sm/session.h"
#include "t/unit/core_world.h"
#include "util/base/mem.h"

#define A "c2s-1.00aa"
#define REMOTE "there.example"

static struct core_world core;

static int setup(void **state)
{
	char *jid;

	(void)state;
	core_init(&core, "");
	jid = core_open(&core, A, "alice", "a");
	mem_free(jid);
	core_stanza(&core, A, 1, "<presence/>");
	core_expect(&core, "<presence");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	core_free(&core);
	return 0;
}

/* -- other roles ------------------------------------------------------------ */

static void test_out(void **state)
{
	const struct sent *sent;

	(void)state;
	core_member(&core, REMOTE, "component", CORE_EPOCH);
	core_stanza(&core, A, 2, "<message to='X@THERE.example/R' id='m'>"
				 "<body>out</body></message>");
	sent = core_expect(&core, "out");
	assert_null(sent->at);
	assert_null(sent->session);
	assert_string_equal(sent->to, "x@there.example/R");
	assert_non_null(strstr(sent->xml, "from='alice@example.org/a'"));
	/* Nobody takes it after all. */
	core_undelivered(&core, NULL, NULL,
			 "<message to='x@there.example/R' id='m' "
			 "from='alice@example.org/a'/>");
	sent = core_expect(&core, "remote-server-timeout");
	assert_string_equal(sent->session, A);
}

static void test_no_route(void **state)
{
	(void)state;
	core_stanza(&core, A, 2, "<iq to='x@there.example' id='i' type='get'>"
				 "<q xmlns='x'/></iq>");
	core_expect(&core, "remote-server-not-found");
	/* An error is not answered. */
	core_stanza(&core, A, 3, "<iq to='x@there.example' id='i' "
				 "type='error'/>");
	core_stanza(&core, A, 4, "<message to='x@there.example' "
				 "type='error'/>");
	core_expect_no(&core, "<error");
}

static void test_in(void **state)
{
	(void)state;
	core_member(&core, REMOTE, "component", CORE_EPOCH);
	core_route(&core, REMOTE, "<message from='x@there.example' "
				  "to='alice@example.org'><body>in</body>"
				  "</message>");
	assert_string_equal(core_expect(&core, "in</body>")->session, A);
	core_route(&core, REMOTE, "<iq from='x@there.example' id='p' "
				  "type='get' to='example.org'>"
				  "<ping xmlns='urn:xmpp:ping'/></iq>");
	assert_string_equal(core_expect(&core, "result")->to,
			    "x@there.example");
	core_route(&core, REMOTE, "<iq from='x@there.example' id='p' "
				  "type='get' to='example.org'/>");
	core_expect(&core, "bad-request");
	core_route(&core, REMOTE, "<presence from='x@there.example' "
				  "type='subscribe' to='example.org'/>");
	core_expect(&core, "unsubscribed");
	assert_int_equal(core.received, core.processed);
}

/* Only an sm may send what comes from our own domain. */
static void test_forged(void **state)
{
	static const char message[] =
		"<message from='bob@example.org' to='alice@example.org'>"
		"<body>forged</body></message>";

	(void)state;
	core_member(&core, "s2s-1", "s2s", CORE_EPOCH);
	core_route(&core, "s2s-1", message);
	core_expect_no(&core, "forged");
	assert_int_equal(world_logged(&core.world, "route.forged"), 1);
	core_route(&core, "s2s-1", "<message to='alice@example.org'>"
				   "<body>forged</body></message>");
	core_route(&core, "s2s-1", "<whatever from='x@there.example'/>");
	core_route(&core, "s2s-1", "<message from='x@there.example'>");
	core_expect_no(&core, "forged");
	core_route(&core, "sm-1", message);
	core_expect(&core, "forged");
	assert_int_equal(core.received, core.processed);
}

/* Stanzas wait for the user to be loaded, in order. */
static void test_order(void **state)
{
	(void)state;
	assert_null(user_find(core.sm, "bob@example.org"));
	core_stanza(&core, A, 2, "<iq to='bob@example.org' id='1' type='get'>"
				 "<q xmlns='x'/></iq>");
	core_stanza(&core, A, 3, "<iq to='bob@example.org' id='2' type='get'>"
				 "<q xmlns='x'/></iq>");
	assert_int_equal(user_find(core.sm, "bob@example.org")->waiting_count,
			 2);
	core_expect(&core, "id='1'");
	core_expect(&core, "id='2'");
	assert_int_equal(core.sm->task_count, 0);
}

/* -- commands --------------------------------------------------------------- */

#define ARGUMENT(name, value)                                                \
	"<link:argument name='" name "'>" value "</link:argument>"
#define JID(value) ARGUMENT("jid", value)
#define PASSWORD(value) ARGUMENT("password", value)

static void command(const char *name, const char *arguments,
		    const char *answer)
{
	char *xml = mem_printf("<link:command name='%s' id='7'>%s"
			       "</link:command>", name, arguments);

	core_command(&core, xml);
	mem_free(xml);
	core_expect(&core, answer);
}

static void test_accounts(void **state)
{
	(void)state;
	command("user.add", JID("carol@example.org") PASSWORD("x"),
		"status='ok'");
	command("user.add", JID("Carol@example.org") PASSWORD("x"),
		"status='conflict'");
	command("user.add", JID("dave@example.org") PASSWORD(""),
		"status='invalid'");
	command("user.add", JID("dave@example.org"), "status='invalid'");
	command("user.add", JID("dave@example.org/x") PASSWORD("x"),
		"status='invalid'");
	command("user.add", PASSWORD("x"), "status='invalid'");
	command("user.add", JID("dave@there.example") PASSWORD("x"),
		"status='not-found'");
	command("user.passwd", JID("dave@example.org") PASSWORD("x"),
		"status='not-found'");
	command("user.list", ARGUMENT("domain", "Example.org"),
		"carol@example.org");
	command("user.list", ARGUMENT("domain", "there.example"),
		"status='not-found'");
	command("user.show", JID("carol@example.org"), "created");
	command("user.show", JID("dave@example.org"), "status='not-found'");
	command("user.del", JID("carol@example.org"), "status='ok'");
	command("user.del", JID("carol@example.org"), "status='not-found'");
	command("user.import", ARGUMENT("accounts", "e@example.org x\n"
						    "f@example.org y\n"),
		"status='ok'");
	command("user.import", ARGUMENT("accounts", "e@example.org x\n"
						    "g@example.org y\n"),
		"conflict");
	core_expect(&core, "status='failed'");
	command("user.show", JID("g@example.org"), "status='ok'");
	command("user.unheard", "", "status='invalid'");
}

static void test_accounts_and_sessions(void **state)
{
	(void)state;
	command("session.list", "", "alice@example.org/a");
	command("user.passwd", JID("alice@example.org") PASSWORD("new"),
		"reset");
	assert_null(session_find(core.sm, A));
	mem_free(core_open(&core, A, "bob", "b"));
	command("user.del", JID("bob@example.org"), "not-authorized");
	core_expect(&core, "status='ok'");
	assert_int_equal(core.sm->session_count, 0);
}

static void test_process(void **state)
{
	(void)state;
	command("status", "", "example.org");
	command("storage.status", "", "memory");
	command("session.kick", JID("bob@example.org"), "status='not-found'");
	command("session.kick", "", "status='invalid'");
	command("session.kick", JID("alice@example.org"), "<link:close ");
	core_expect(&core, "status='ok'");
	command("log-level", ARGUMENT("level", "loud"), "status='invalid'");
	command("log-level", ARGUMENT("level", "debug"), "status='ok'");
	assert_int_equal(core.world.log.level, LOG_LEVEL_DEBUG);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_out),
		TEST(test_no_route),
		TEST(test_in),
		TEST(test_forged),
		TEST(test_order),
		TEST(test_accounts),
		TEST(test_accounts_and_sessions),
		TEST(test_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
