/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions at a whole sm: opening and binding, what a client may send, repeats,
 * ends, and how they come back after this process or a c2s was away.
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
#include "util/base/str.h"

#define A "c2s-1.00aa"
#define B "c2s-1.00bb"

static struct core_world core;

static int setup(void **state)
{
	(void)state;
	core_init(&core, "resources-max = 3");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	core_free(&core);
	return 0;
}

static void open_session(const char *session, const char *name,
			 const char *resource)
{
	char *jid = core_open(&core, session, name, resource);
	char *wanted = mem_printf("%s@example.org/%s", name, resource);

	assert_string_equal(jid, wanted);
	mem_free(jid);
	mem_free(wanted);
}

/* -- opening --------------------------------------------------------------- */

static void expect_refused(const char *element, const char *condition)
{
	core_control(&core, A, element);
	assert_non_null(strstr(core_expect(&core, "<link:refused")->xml,
			       condition));
	assert_null(session_find(core.sm, A));
}

static void test_ticket_is_needed(void **state)
{
	char *ticket = core_login(&core, A, "alice");
	char *xml = mem_printf("<link:open jid='bob@example.org' ticket='%s'/>",
			       ticket);

	(void)state;
	expect_refused("<link:open jid='alice@example.org'/>",
		       "not-authorized");
	expect_refused("<link:open jid='alice@example.org' ticket='1-2'/>",
		       "not-authorized");
	expect_refused("<link:open jid='alice@elsewhere.example' ticket='1'/>",
		       "not-authorized");
	expect_refused(xml, "not-authorized");
	mem_free(xml);
	/* The ticket is of this session and no other. */
	xml = mem_printf("<link:open jid='alice@example.org' ticket='%s'/>",
			 ticket);
	core_control(&core, B, xml);
	core_expect(&core, "<link:refused");
	mem_free(xml);
	mem_free(ticket);
}

static void test_resources(void **state)
{
	char *ticket = core_login(&core, A, "alice");
	char *xml = mem_printf("<link:open jid='alice@example.org' "
			       "ticket='%s' resource='&#7;'/>", ticket);
	char *first, *second;

	(void)state;
	core_control(&core, A, xml);
	mem_free(xml);
	/* U+0007 is not even XML; U+2028 is no resource. */
	xml = mem_printf("<link:open jid='alice@example.org' ticket='%s' "
			 "resource='&#x2028;'/>", ticket);
	expect_refused(xml, "bad-request");
	mem_free(xml);
	xml = mem_printf("<link:open jid='alice@example.org' ticket='%s'/>",
			 ticket);
	core_control(&core, A, xml);
	first = core_attr(&core, core_expect(&core, "<link:opened")->xml,
			  "jid");
	assert_true(strlen(first) >= strlen("alice@example.org/") + 16);
	/* Asked once more, it is the same session. */
	core_control(&core, A, xml);
	second = core_attr(&core, core_expect(&core, "<link:opened")->xml,
			   "jid");
	assert_string_equal(first, second);
	assert_int_equal(core.sm->session_count, 1);
	mem_free(first);
	mem_free(second);
	mem_free(xml);
	mem_free(ticket);
}

static void test_conflict(void **state)
{
	(void)state;
	open_session(A, "alice", "phone");
	open_session(B, "alice", "phone");
	assert_null(session_find(core.sm, A));
	assert_non_null(session_find(core.sm, B));
}

static void test_conflict_is_told(void **state)
{
	char *ticket, *xml;
	const struct sent *sent;

	(void)state;
	open_session(A, "alice", "phone");
	ticket = core_login(&core, B, "alice");
	xml = mem_printf("<link:open jid='alice@example.org' ticket='%s' "
			 "resource='phone'/>", ticket);
	core_control(&core, B, xml);
	sent = core_expect(&core, "<link:close ");
	assert_string_equal(sent->session, A);
	assert_non_null(strstr(sent->xml, "conflict"));
	mem_free(xml);
	mem_free(ticket);
}

static void test_limit(void **state)
{
	char *ticket, *xml;

	(void)state;
	open_session("c2s-1.01", "alice", "1");
	open_session("c2s-1.02", "alice", "2");
	open_session("c2s-1.03", "alice", "3");
	ticket = core_login(&core, A, "alice");
	xml = mem_printf("<link:open jid='alice@example.org' ticket='%s'/>",
			 ticket);
	expect_refused(xml, "resource-constraint");
	mem_free(xml);
	mem_free(ticket);
	/* A place that somebody leaves is free. */
	core_control(&core, "c2s-1.01", "<link:closed/>");
	open_session(A, "alice", "4");
}

/* -- what a client sends --------------------------------------------------- */

static void test_repeats(void **state)
{
	(void)state;
	open_session(A, "alice", "a");
	open_session(B, "bob", "b");
	core_stanza(&core, B, 1, "<presence/>");
	core_expect(&core, "<presence");
	core_stanza(&core, A, 1, "<message to='bob@example.org'>"
				 "<body>one</body></message>");
	assert_string_equal(core_expect(&core, "one")->session, B);
	core_stanza(&core, A, 1, "<message to='bob@example.org'>"
				 "<body>one</body></message>");
	core_expect_no(&core, "one");
	assert_int_equal(core.sm->stats.repeats, 1);
	core_stanza(&core, A, 2, "<message to='bob@example.org'>"
				 "<body>two</body></message>");
	core_expect(&core, "two");
	assert_int_equal(core.received, core.processed);
}

struct bad {
	const char *xml, *condition;
};

static void test_stream_errors(void **state)
{
	static const struct bad bads[] = {
		{ "<message from='bob@example.org'/>", "invalid-from" },
		{ "<message from='alice@example.org/other'/>",
		  "invalid-from" },
		{ "<message from='@'/>", "invalid-from" },
		{ "<whatever/>", "unsupported-stanza-type" },
		{ "<message xmlns='urn:x'/>", "unsupported-stanza-type" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bads) / sizeof(*bads); i++) {
		open_session(A, "alice", "a");
		core_stanza(&core, A, 1, bads[i].xml);
		assert_non_null(strstr(core_expect(&core, "<link:close")->xml,
				       bads[i].condition));
		assert_null(session_find(core.sm, A));
	}
}

static void test_stanza_errors(void **state)
{
	static const struct bad bads[] = {
		{ "<message to='@'/>", "jid-malformed" },
		{ "<iq type='get'><q xmlns='x'/></iq>", "bad-request" },
		{ "<iq type='get' id='1'/>", "bad-request" },
		{ "<iq type='set' id='1'><q xmlns='x'/><r xmlns='x'/></iq>",
		  "bad-request" },
		{ "<iq type='odd' id='1'/>", "bad-request" },
		{ "<iq id='1'/>", "bad-request" },
		{ "<message to='bob@elsewhere.example'><body/></message>",
		  "remote-server-not-found" },
		{ "<message to='nobody@example.org' type='chat'><body>x"
		  "</body></message>", "service-unavailable" },
		{ "<message to='example.org'><body>x</body></message>",
		  "service-unavailable" },
	};

	(void)state;
	open_session(A, "alice", "a");
	for (size_t i = 0; i < sizeof(bads) / sizeof(*bads); i++) {
		core_stanza(&core, A, (unsigned)i + 1, bads[i].xml);
		assert_non_null(strstr(core_expect(&core, "<error")->xml,
				       bads[i].condition));
	}
	assert_non_null(session_find(core.sm, A));
}

static void test_from_is_stamped(void **state)
{
	static const char *const messages[] = {
		"<message to='alice@example.org/a'><body>x</body></message>",
		"<message from='alice@example.org' "
		"to='alice@example.org/a'><body>x</body></message>",
		"<message from='ALICE@example.org/a' "
		"to='Alice@EXAMPLE.org/a'><body>x</body></message>",
	};

	(void)state;
	open_session(A, "alice", "a");
	for (unsigned i = 0; i < 3; i++) {
		const struct sent *sent;

		core_stanza(&core, A, i + 1, messages[i]);
		sent = core_expect(&core, "<message");
		assert_non_null(strstr(sent->xml,
				       "from='alice@example.org/a'"));
		assert_non_null(strstr(sent->xml,
				       "to='alice@example.org/a'"));
	}
}

/* Another c2s may say nothing about a session. */
static void test_foreign(void **state)
{
	(void)state;
	open_session(A, "alice", "a");
	core_stanza_from(&core, "c2s-2", A, 1,
			 "<message to='alice@example.org'>"
			 "<body>forged</body></message>");
	core_expect_no(&core, "forged");
	assert_int_equal(world_logged(&core.world, "session.foreign"), 1);
}

/* -- coming back ----------------------------------------------------------- */

static void test_lost(void **state)
{
	const struct sent *sent;

	(void)state;
	core_stanza(&core, A, 7, "<message to='bob@example.org'>"
				 "<body>keep me</body></message>");
	sent = core_expect(&core, "<link:lost");
	assert_string_equal(sent->session, A);
	assert_non_null(strstr(sent->xml, "origin='" A "/7'"));
	assert_non_null(strstr(sent->xml, "keep me"));
	/* Acknowledged when the c2s has it again. */
	core_expect_no(&core, "<link:opened");
	assert_int_equal(core.received, core.processed);
}

static void test_reopen(void **state)
{
	char *ticket = core_login(&core, A, "alice");
	char *xml = mem_printf("<link:open jid='alice@example.org' "
			       "ticket='%s' resource='a'/>", ticket);
	char *snapshot;
	struct session *session;

	(void)state;
	core_control(&core, A, xml);
	mem_free(xml);
	core_expect(&core, "<link:snapshot");
	core_stanza(&core, A, 5, "<presence><priority>9</priority>"
				 "<status>here</status></presence>");
	snapshot = mem_strdup(core_expect(&core, "<link:snapshot")->xml);
	core_restart(&core);
	assert_null(session_find(core.sm, A));
	xml = mem_printf("<link:reopen jid='alice@example.org' ticket='%s' "
			 "resource='a'>%s", ticket, strchr(snapshot, '>') + 1);
	mem_free(snapshot);
	snapshot = xml;
	*strstr(snapshot, "</link:snapshot>") = '\0';
	xml = mem_printf("%s</link:reopen>", snapshot);
	core_control(&core, A, xml);
	core_expect(&core, "jid='alice@example.org/a'");
	session = session_find(core.sm, A);
	assert_non_null(session);
	assert_true(session->available);
	assert_int_equal(session->priority, 9);
	assert_string_equal(element_child_text(session->presence->root,
					       "status", NULL), "here");
	/* What it had sent before is still known. */
	assert_int_equal(session->last_origin, 5);
	mem_free(snapshot);
	mem_free(xml);
	mem_free(ticket);
}

static void test_reopen_refused(void **state)
{
	char *ticket, *xml;

	(void)state;
	core_control(&core, A, "<link:reopen jid='alice@example.org' "
			       "ticket='1-2'>eA==</link:reopen>");
	assert_non_null(strstr(core_expect(&core, "<link:closed")->xml,
			       "not-authorized"));
	ticket = core_login(&core, A, "alice");
	xml = mem_printf("<link:reopen jid='alice@example.org' ticket='%s'>"
			 "eA==</link:reopen>", ticket);
	core_control(&core, A, xml);
	assert_non_null(strstr(core_expect(&core, "<link:closed")->xml,
			       "undefined-condition"));
	assert_int_equal(core.sm->session_count, 0);
	mem_free(xml);
	mem_free(ticket);
}

/* -- the c2s --------------------------------------------------------------- */

static void message_to_alice(unsigned n, const char *body)
{
	char *xml = mem_printf("<message to='alice@example.org/a' "
			       "type='chat'><body>%s</body></message>", body);

	core_stanza(&core, B, n, xml);
	mem_free(xml);
}

static void two_sessions(void)
{
	open_session(A, "alice", "a");
	open_session(B, "bob", "b");
	core_stanza(&core, A, 1, "<presence/>");
	core_expect(&core, "<presence");
}

static void test_c2s_away_and_back(void **state)
{
	(void)state;
	two_sessions();
	core.unreachable = "c2s-1";
	core_member(&core, "c2s-1", "c2s", NULL);
	message_to_alice(1, "one");
	message_to_alice(2, "two");
	core_expect_no(&core, "<message");
	assert_int_equal(core.sm->session_count, 2);
	core.unreachable = NULL;
	core_member(&core, "c2s-1", "c2s", CORE_EPOCH);
	assert_string_equal(core_expect(&core, "one")->session, A);
	core_expect(&core, "two");
	assert_int_equal(core.sm->session_count, 2);
}

static void test_c2s_restarted(void **state)
{
	struct user *alice;

	(void)state;
	two_sessions();
	core.unreachable = "c2s-1";
	message_to_alice(1, "one");
	core_expect_no(&core, "one");
	core_member(&core, "c2s-1", "c2s", "00000000000000c3");
	core.unreachable = NULL;
	core_expect_no(&core, "one");
	assert_int_equal(core.sm->session_count, 0);
	/* It was not lost. */
	alice = user_find(core.sm, "alice@example.org");
	assert_non_null(alice);
	assert_int_equal(alice->offline_count, 1);
}

static void test_undelivered(void **state)
{
	(void)state;
	two_sessions();
	core_undelivered(&core, "c2s-1", A,
			 "<message from='bob@example.org/b' "
			 "to='alice@example.org' type='chat'>"
			 "<body>again</body></message>");
	assert_null(session_find(core.sm, A));
	core_expect_no(&core, "again");
	assert_int_equal(user_find(core.sm, "alice@example.org")
				 ->offline_count, 1);
	core_undelivered(&core, "c2s-1", A,
			 "<iq from='bob@example.org/b' id='7' type='get' "
			 "to='alice@example.org/a'><q xmlns='x'/></iq>");
	assert_non_null(strstr(core_expect(&core, "<iq")->xml,
			       "service-unavailable"));
}

static void test_moved_away(void **state)
{
	(void)state;
	two_sessions();
	core_member(&core, "example.org", "other", "00000000000000a2");
	core_control(&core, A, "<link:release jid='alice@example.org'/>");
	assert_string_equal(core_expect(&core, "<link:released/>")->session, A);
	core_control(&core, B, "<link:release jid='bob@example.org'/>");
	assert_string_equal(core_expect(&core, "<link:released/>")->session, B);
	world_run(&core.world, 200);
	core_expect_no(&core, "unavailable");
	assert_int_equal(core.sm->session_count, 0);
	assert_int_equal(core.sm->user_count, 0);
	core_member(&core, "example.org", "sm", "00000000000000a1");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_ticket_is_needed),
		TEST(test_resources),
		TEST(test_conflict),
		TEST(test_conflict_is_told),
		TEST(test_limit),
		TEST(test_repeats),
		TEST(test_stream_errors),
		TEST(test_stanza_errors),
		TEST(test_from_is_stamped),
		TEST(test_foreign),
		TEST(test_lost),
		TEST(test_reopen),
		TEST(test_reopen_refused),
		TEST(test_c2s_away_and_back),
		TEST(test_c2s_restarted),
		TEST(test_undelivered),
		TEST(test_moved_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
