/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages for a user (RFC 6121 section 8.5) and those for later (XEP-0160):
 * whom they go to, in which order, and what is not lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "t/unit/sm_world.h"
#include "util/base/mem.h"

#define ALICE "alice@example.org"

static void send(struct sm_world *world, const char *to, const char *body)
{
	char *xml = mem_printf("<message from='bob@x/r' to='%s' type='chat'>"
			       "<body>%s</body></message>",
			       to, body);

	sm_world_receive(world, xml);
	mem_free(xml);
}

static void available(struct session *session, int priority)
{
	char *xml = mem_printf("<presence><priority>%d</priority></presence>",
			       priority);

	sm_world_presence(session, xml);
	mem_free(xml);
}

static void test_priorities(void **state)
{
	struct sm_world world;
	struct session *a, *b, *c;

	(void)state;
	sm_world_init(&world, "memory", "");
	a = sm_world_session(&world, "a");
	b = sm_world_session(&world, "b");
	c = sm_world_session(&world, "c");
	available(a, 1);
	available(b, 1);
	available(c, -1);
	send(&world, ALICE, "x");
	assert_int_equal(sm_world_count(&world.sent, "<body>"), 2);
	assert_int_equal(sm_world_count(&world.sent, "c <message"), 0);
	buf_clear(&world.sent, 0);
	available(b, 2);
	send(&world, ALICE, "x");
	assert_int_equal(sm_world_count(&world.sent, "<body>"), 1);
	sm_world_saw(&world.sent, "b <message");
	send(&world, ALICE "/c", "x");
	sm_world_saw(&world.sent, "c <message");
	sm_world_receive(&world, "<message from='bob@x' type='headline' "
				 "to='" ALICE "'/>");
	assert_int_equal(sm_world_count(&world.sent, "<message"), 2);
	buf_clear(&world.sent, 0);
	sm_world_receive(&world, "<message from='bob@x' type='groupchat' "
				 "to='" ALICE "'/>");
	sm_world_saw(&world.errors, "service-unavailable to bob@x");
	sm_world_nothing(&world.sent);
	sm_world_free(&world);
}

static void test_kept(void **state)
{
	struct sm_world world;
	struct session *a;

	(void)state;
	sm_world_init(&world, "memory", "");
	send(&world, ALICE, "one");
	/* Not acknowledged before it is durable. */
	assert_int_equal(world.work.holds, 1);
	sm_world_settle(&world);
	assert_int_equal(world.work.holds, 0);
	send(&world, ALICE "/gone", "two");
	a = sm_world_session(&world, "a");
	available(a, -5);
	sm_world_settle(&world);
	sm_world_nothing(&world.sent);
	available(a, 0);
	sm_world_settle(&world);
	assert_int_equal(sm_world_count(&world.sent, "<body>"), 2);
	assert_int_equal(sm_world_count(&world.sent,
					"<delay xmlns='urn:xmpp:delay' "
					"from='example.org' stamp='2"),
			 2);
	assert_true(strstr(buf_data(&world.sent), "one") <
		    strstr(buf_data(&world.sent), "two"));
	assert_int_equal(world.user->offline_count, 0);
	assert_int_equal(world.sm.stats.offline_delivered, 2);
	/* Once. */
	buf_clear(&world.sent, 0);
	sm_world_presence(a, "<presence type='unavailable'/>");
	available(a, 0);
	sm_world_settle(&world);
	sm_world_nothing(&world.sent);
	sm_world_nothing(&world.errors);
	sm_world_free(&world);
}

/* What comes while stored messages are being sent stays behind them. */
static void test_order(void **state)
{
	struct sm_world world;
	struct session *a;
	const char *at;

	(void)state;
	sm_world_init(&world, "memory", "");
	for (int i = 0; i < 120; i++) {
		char body[16];

		snprintf(body, sizeof(body), "n%03d.", i);
		send(&world, ALICE, body);
	}
	a = sm_world_session(&world, "a");
	available(a, 0);
	send(&world, ALICE, "n120.");
	send(&world, ALICE "/a", "n121.");
	sm_world_settle(&world);
	send(&world, ALICE, "n122.");
	assert_int_equal(sm_world_count(&world.sent, "<body>"), 123);
	at = buf_data(&world.sent);
	for (int i = 0; i < 123; i++) {
		char body[16];

		snprintf(body, sizeof(body), "n%03d.", i);
		at = strstr(at, body);
		assert_non_null(at);
	}
	assert_int_equal(world.user->offline_count, 0);
	sm_world_free(&world);
}

static void test_congestion_and_end(void **state)
{
	struct sm_world world;
	struct session *a;

	(void)state;
	sm_world_init(&world, "memory", "");
	for (int i = 0; i < 3; i++)
		send(&world, ALICE, "x");
	sm_world_settle(&world);
	world.congested = true;
	a = sm_world_session(&world, "a");
	available(a, 0);
	world_run(&world.world, 150);
	sm_world_nothing(&world.sent);
	/* It goes while we wait; the messages stay for the next one. */
	sm_world_close(a);
	world.congested = false;
	world_run(&world.world, 150);
	assert_int_equal(world.user->offline_count, 3);
	a = sm_world_session(&world, "b");
	available(a, 0);
	sm_world_settle(&world);
	assert_int_equal(sm_world_count(&world.sent, "b <message"), 3);
	sm_world_free(&world);
}

static void test_not_kept(void **state)
{
	struct sm_world world;

	(void)state;
	sm_world_init(&world, "memory", "");
	world.options.offline_max = 2;
	send(&world, ALICE, "1");
	send(&world, ALICE, "2");
	sm_world_nothing(&world.errors);
	send(&world, ALICE, "3");
	sm_world_saw(&world.errors, "service-unavailable to bob@x/r");
	assert_int_equal(world.sm.stats.offline_refused, 1);
	world.options.offline_max = 9;
	sm_world_receive(&world,
			 "<message from='bob@x' to='" ALICE "'><body>b</body>"
			 "<no-store xmlns='urn:xmpp:hints'/></message>");
	sm_world_saw(&world.errors, "service-unavailable to bob@x");
	sm_world_receive(&world,
			 "<message from='bob@x' to='" ALICE "'><composing "
			 "xmlns='http://jabber.org/protocol/chatstates'/>"
			 "</message>");
	sm_world_nothing(&world.errors);
	assert_int_equal(world.user->offline_count, 2);
	/* An error is never answered. */
	sm_world_receive(&world, "<message from='bob@x' type='error' to='" ALICE
				 "'><body>b</body></message>");
	sm_world_nothing(&world.errors);
	world.user->has_account = false;
	send(&world, ALICE, "4");
	sm_world_saw(&world.errors, "service-unavailable to bob@x/r");
	sm_world_free(&world);
}

static void test_storage_fails(void **state)
{
	struct sm_world world;

	(void)state;
	sm_world_init(&world, "sqlite", "/nowhere/at/all.db");
	send(&world, ALICE, "x");
	sm_world_nothing(&world.errors);
	sm_world_settle(&world);
	sm_world_saw(&world.errors, "internal-server-error to bob@x/r");
	assert_int_equal(world.work.holds, 0);
	assert_int_equal(world.user->offline_count, 0);
	sm_world_free(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_priorities),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_congestion_and_end),
		cmocka_unit_test(test_not_kept),
		cmocka_unit_test(test_storage_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
