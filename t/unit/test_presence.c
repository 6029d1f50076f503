/* SPDX-License-Identifier: Apache-2.0
 *
 * Presence and subscriptions of a user (RFC 6121 sections 3 and 4): who is
 * sent what, and what is kept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "t/unit/sm_world.h"
#include "util/base/mem.h"

#define ALICE "alice@example.org"

/* Contacts with each subscription: none@x, to@x, from@x, both@x. */
static void setup(struct sm_world *world)
{
	struct roster_item items[] = {
		{ .jid = (char *)"none@x", .listed = true },
		{ .jid = (char *)"to@x",
		  .listed = true,
		  .subscription = SUBSCRIPTION_TO },
		{ .jid = (char *)"from@x",
		  .listed = true,
		  .subscription = SUBSCRIPTION_FROM },
		{ .jid = (char *)"both@x",
		  .listed = true,
		  .subscription = SUBSCRIPTION_BOTH },
	};
	struct storage_result loaded = { .roster = items, .count = 4 };

	sm_world_init(world, "memory", "");
	roster_load(world->user, &loaded);
}

static void clear(struct sm_world *world)
{
	sm_world_settle(world);
	buf_clear(&world->routed, 0);
	buf_clear(&world->sent, 0);
}

static void test_initial(void **state)
{
	struct sm_world world;
	struct session *a, *b;

	(void)state;
	setup(&world);
	a = sm_world_session(&world, "a");
	b = sm_world_session(&world, "b");
	sm_world_presence(a, "<presence><show>away</show></presence>");
	assert_true(a->available && a->snapshot_due);
	/* from, both, itself; probes to to and both. */
	assert_int_equal(sm_world_count(&world.routed, "away"), 3);
	assert_int_equal(sm_world_count(&world.routed, "to='from@x'"), 1);
	assert_int_equal(sm_world_count(&world.routed, "to='both@x'"), 2);
	assert_int_equal(sm_world_count(&world.routed, "type='probe'"), 2);
	assert_int_equal(sm_world_count(&world.routed, "to='to@x'"), 1);
	clear(&world);
	/* The second sees the first. */
	sm_world_presence(b, "<presence/>");
	assert_int_equal(sm_world_count(&world.routed, "away"), 1);
	assert_int_equal(sm_world_count(&world.routed, "to='" ALICE "/b'"), 2);
	clear(&world);
	/* A change probes nobody. */
	sm_world_presence(b, "<presence><priority> 5 </priority></presence>");
	assert_int_equal(b->priority, 5);
	assert_int_equal(sm_world_count(&world.routed, "type='probe'"), 0);
	assert_int_equal(sm_world_count(&world.routed, "<presence"), 4);
	sm_world_free(&world);
}

static void test_bad(void **state)
{
	static const char *const cases[] = {
		"<presence><priority>128</priority></presence>",
		"<presence><priority>-129</priority></presence>",
		"<presence><priority/></presence>",
		"<presence><priority>high</priority></presence>",
		"<presence type='nonsense'/>",
		"<presence type='nonsense' to='both@x'/>",
		"<presence type='subscribe'/>",
		"<presence type='probe'/>",
	};
	struct sm_world world;
	struct session *a;

	(void)state;
	setup(&world);
	a = sm_world_session(&world, "a");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sm_world_presence(a, cases[i]);
		sm_world_saw(&world.errors, "bad-request to " ALICE "/a");
		sm_world_nothing(&world.routed);
		assert_false(a->available);
	}
	sm_world_free(&world);
}

static void test_end(void **state)
{
	struct sm_world world;
	struct session *a;

	(void)state;
	setup(&world);
	a = sm_world_session(&world, "a");
	sm_world_presence(a, "<presence/>");
	sm_world_presence(a, "<presence to='room@muc/nick'/>");
	sm_world_presence(a, "<presence to='both@x'/>");
	clear(&world);
	sm_world_close(a);
	assert_int_equal(sm_world_count(&world.routed, "unavailable"), 3);
	assert_int_equal(sm_world_count(&world.routed, "to='room@muc/nick'"),
			 1);
	assert_int_equal(sm_world_count(&world.routed, "to='both@x'"), 1);
	sm_world_free(&world);
}

/* Section 4.6: without ever being available. */
static void test_directed(void **state)
{
	struct sm_world world;
	struct session *a;

	(void)state;
	setup(&world);
	a = sm_world_session(&world, "a");
	sm_world_presence(a, "<presence to='one@x/r'/>");
	/* Who would see it anyway does not, as there is no broadcast. */
	sm_world_presence(a, "<presence to='from@x'/>");
	sm_world_presence(a, "<presence to='two@x'/>");
	sm_world_presence(a, "<presence to='three@x'/>");
	/* One is left, one refuses. */
	sm_world_presence(a, "<presence to='two@x' type='unavailable'/>");
	sm_world_receive(&world, "<presence type='error' from='three@x' "
				 "to='" ALICE "/a'/>");
	clear(&world);
	sm_world_presence(a, "<presence type='unavailable'/>");
	assert_int_equal(sm_world_count(&world.routed, "<presence"), 2);
	assert_int_equal(sm_world_count(&world.routed, "to='from@x'"), 1);
	sm_world_saw(&world.routed, "to='one@x/r'");
	assert_null(a->directed);
	sm_world_free(&world);
}

static void test_probes(void **state)
{
	static const struct {
		const char *from, *answer;
	} cases[] = {
		{ "from@x/r", "<show>dnd</show>" },
		{ "both@x", "<show>dnd</show>" },
		{ ALICE "/b", "<show>dnd</show>" },
		{ "none@x", "type='unsubscribed'" },
		{ "to@x", "type='unsubscribed'" },
		{ "stranger@x", "type='unsubscribed'" },
	};
	struct sm_world world;
	struct session *a;

	(void)state;
	setup(&world);
	a = sm_world_session(&world, "a");
	sm_world_receive(&world, "<presence type='probe' from='both@x' "
				 "to='" ALICE "'/>");
	sm_world_saw(&world.routed, "type='unavailable'");
	sm_world_presence(a, "<presence><show>dnd</show></presence>");
	clear(&world);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *xml = mem_printf("<presence type='probe' from='%s' "
				       "to='" ALICE "'/>",
				       cases[i].from);

		sm_world_receive(&world, xml);
		assert_int_equal(sm_world_count(&world.routed, "<presence"), 1);
		sm_world_saw(&world.routed, cases[i].answer);
		mem_free(xml);
	}
	/* Nobody learns who has an account. */
	world.user->has_account = false;
	sm_world_receive(&world, "<presence type='probe' from='both@x' "
				 "to='" ALICE "'/>");
	sm_world_saw(&world.routed, "type='unsubscribed'");
	world.user->has_account = true;
	sm_world_free(&world);
}

static void test_subscribe_out(void **state)
{
	struct sm_world world;
	struct session *a;

	(void)state;
	setup(&world);
	a = sm_world_session(&world, "a");
	a->interested = true;
	sm_world_presence(a, "<presence type='subscribe' to='new@x/r' "
			     "id='1'><status>hi</status></presence>");
	sm_world_nothing(&world.sent);
	assert_non_null(strstr(buf_data(&world.routed), "from='" ALICE "'"));
	assert_non_null(strstr(buf_data(&world.routed), "<status>hi"));
	sm_world_saw(&world.routed, "to='new@x'");
	sm_world_settle(&world);
	sm_world_saw(&world.sent, "<item jid='new@x' subscription='none' "
				  "ask='subscribe'/>");
	sm_world_receive(&world, "<presence type='subscribed' from='new@x/r' "
				 "to='" ALICE "'/>");
	sm_world_settle(&world);
	assert_int_equal(sm_world_count(&world.sent, "type='subscribed'"), 1);
	sm_world_saw(&world.sent, "<item jid='new@x' subscription='to'/>");
	sm_world_presence(a, "<presence type='subscribe' to='" ALICE "'/>");
	sm_world_saw(&world.errors, "not-allowed to " ALICE "/a");
	sm_world_free(&world);
}

static void test_subscribe_in(void **state)
{
	struct sm_world world;
	struct session *a;

	(void)state;
	setup(&world);
	/* Kept while nobody is there, told once; it is no roster item. */
	for (int i = 0; i < 2; i++)
		sm_world_receive(&world,
				 "<presence type='subscribe' from='new@x' "
				 "to='" ALICE "'><status>hi</status>"
				 "</presence>");
	sm_world_settle(&world);
	assert_int_equal(world.work.holds, 0);
	assert_false(user_contact(world.user, "new@x")->item.listed);
	a = sm_world_session(&world, "a");
	a->interested = true;
	sm_world_presence(a, "<presence/>");
	assert_int_equal(sm_world_count(&world.sent, "subscribe"), 1);
	sm_world_saw(&world.sent, "<status>hi</status>");
	clear(&world);
	/* Approved: the answer, then what there is to see. */
	sm_world_presence(a, "<presence type='subscribed' to='new@x'/>");
	assert_int_equal(sm_world_count(&world.routed, "<presence"), 2);
	assert_int_equal(sm_world_count(&world.routed, "from='" ALICE "/a'"),
			 1);
	sm_world_saw(&world.routed, "type='subscribed'");
	sm_world_settle(&world);
	sm_world_saw(&world.sent, "<item jid='new@x' subscription='from'/>");
	/* Asked again: answered for the user. */
	sm_world_receive(&world, "<presence type='subscribe' from='new@x' "
				 "to='" ALICE "'/>");
	sm_world_nothing(&world.sent);
	sm_world_saw(&world.routed, "type='subscribed'");
	/* Cancelled: sees us go. */
	sm_world_presence(a, "<presence type='unsubscribed' to='new@x'/>");
	assert_int_equal(sm_world_count(&world.routed, "type='unavailable'"),
			 1);
	sm_world_saw(&world.routed, "type='unsubscribed'");
	sm_world_settle(&world);
	sm_world_saw(&world.sent, "<item jid='new@x' subscription='none'/>");
	sm_world_free(&world);
}

/* A request that is refused leaves nothing behind. */
static void test_refused_request(void **state)
{
	struct sm_world world;
	struct session *a;

	(void)state;
	setup(&world);
	a = sm_world_session(&world, "a");
	a->interested = true;
	sm_world_receive(&world, "<presence type='subscribe' from='new@x' "
				 "to='" ALICE "'/>");
	sm_world_presence(a, "<presence type='unsubscribed' to='new@x'/>");
	sm_world_settle(&world);
	assert_null(user_contact(world.user, "new@x"));
	sm_world_nothing(&world.sent);
	sm_world_saw(&world.routed, "type='unsubscribed'");
	sm_world_free(&world);
}

static void test_pre_approval(void **state)
{
	struct sm_world world;
	struct session *a;

	(void)state;
	setup(&world);
	a = sm_world_session(&world, "a");
	a->interested = true;
	sm_world_presence(a, "<presence type='subscribed' to='new@x'/>");
	sm_world_settle(&world);
	sm_world_nothing(&world.routed);
	sm_world_saw(&world.sent, "<item jid='new@x' subscription='none' "
				  "approved='true'/>");
	sm_world_receive(&world, "<presence type='subscribe' from='new@x' "
				 "to='" ALICE "'/>");
	sm_world_settle(&world);
	sm_world_saw(&world.routed, "type='subscribed'");
	assert_int_equal(sm_world_count(&world.sent, "type='subscribe'"), 0);
	sm_world_saw(&world.sent, "subscription='from' approved='true'/>");
	sm_world_free(&world);
}

/* Section 2.5.2. */
static void test_roster_removal(void **state)
{
	struct sm_world world;

	(void)state;
	setup(&world);
	sm_world_session(&world, "a");
	sm_world_receive(&world,
			 "<iq from='" ALICE "/a' to='" ALICE "' type='set' "
			 "id='1'><query xmlns='jabber:iq:roster'><item "
			 "jid='both@x' subscription='remove'/></query></iq>");
	assert_int_equal(sm_world_count(&world.routed, "type='unsubscribe'"),
			 1);
	sm_world_saw(&world.routed, "type='unsubscribed'");
	sm_world_free(&world);
}

static void test_delivery(void **state)
{
	struct sm_world world;
	struct session *a;

	(void)state;
	setup(&world);
	a = sm_world_session(&world, "a");
	sm_world_session(&world, "b");
	sm_world_presence(a, "<presence/>");
	clear(&world);
	sm_world_receive(&world, "<presence from='to@x/r' to='" ALICE "'/>");
	assert_int_equal(sm_world_count(&world.sent, "<presence"), 1);
	sm_world_saw(&world.sent, "a <presence");
	sm_world_receive(&world,
			 "<presence from='room@muc/n' to='" ALICE "/b'/>");
	sm_world_saw(&world.sent, "b <presence");
	sm_world_receive(&world, "<presence from='to@x/r' to='" ALICE "/c'/>");
	sm_world_nothing(&world.sent);
	sm_world_free(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_initial),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_directed),
		cmocka_unit_test(test_probes),
		cmocka_unit_test(test_subscribe_out),
		cmocka_unit_test(test_subscribe_in),
		cmocka_unit_test(test_refused_request),
		cmocka_unit_test(test_pre_approval),
		cmocka_unit_test(test_roster_removal),
		cmocka_unit_test(test_delivery),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
