/* SPDX-License-Identifier: Apache-2.0
 *
 * Rosters (RFC 6121 section 2): requests, their errors, pushes, versions, and
 * a storage that fails.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sm/roster.h"
#include "t/unit/sm_world.h"
#include "util/base/mem.h"

#define IQ(type, id, inside)                                                   \
	"<iq from='alice@example.org/a' to='alice@example.org' type='" type    \
	"' id='" id "'><query xmlns='jabber:iq:roster'" inside "</iq>"
#define GET	   IQ("get", "g", "/>")
#define SET(items) IQ("set", "s", ">" items "</query>")

static void setup(struct sm_world *world, const char *driver,
		  const char *connection)
{
	sm_world_init(world, driver, connection);
	sm_world_session(world, "a");
}

static void set(struct sm_world *world, const char *xml)
{
	sm_world_receive(world, xml);
	sm_world_settle(world);
}

static void test_get_and_set(void **state)
{
	struct sm_world world;

	(void)state;
	setup(&world, "memory", "");
	/* Not interested: no push, only the result, and that when durable. */
	sm_world_receive(&world, SET("<item jid='Bob@Example.org' name='Bob'>"
				     "<group>Friends</group></item>"));
	sm_world_nothing(&world.sent);
	assert_int_equal(world.work.holds > 0, 1);
	sm_world_settle(&world);
	assert_int_equal(world.work.holds, 0);
	assert_int_equal(sm_world_count(&world.sent, "<iq"), 1);
	sm_world_saw(&world.sent, "type='result'");
	sm_world_receive(&world, GET);
	assert_true(world.user->sessions->interested);
	assert_true(world.user->sessions->snapshot_due);
	sm_world_saw(&world.sent,
		     "<item jid='bob@example.org' subscription='none' "
		     "name='Bob'><group>Friends</group></item></query>");
	set(&world, SET("<item jid='bob@example.org' name='Robert'/>"));
	assert_int_equal(sm_world_count(&world.sent, "type='set'"), 1);
	assert_int_equal(sm_world_count(&world.sent, "type='result'"), 1);
	sm_world_saw(&world.sent, "name='Robert'/></query>");
	set(&world, SET("<item jid='bob@example.org' subscription='remove'/>"));
	sm_world_saw(&world.sent,
		     "<item jid='bob@example.org' subscription='remove'/>");
	assert_int_equal(HASH_COUNT(world.user->roster), 0);
	sm_world_nothing(&world.routed);
	sm_world_free(&world);
}

static void test_errors(void **state)
{
	static const struct {
		const char *xml, *error;
	} cases[] = {
		{ SET(""), "<bad-request " },
		{ SET("<item/>"), "<bad-request " },
		{ SET("<item jid='b@x'/><item jid='c@x'/>"), "<bad-request " },
		{ SET("<item xmlns='urn:x' jid='b@x'/>"), "<bad-request " },
		{ SET("<item jid='@x'/>"), "<jid-malformed " },
		{ SET("<item jid='alice@example.org/z'/>"), "<not-allowed " },
		{ SET("<item jid='b@x'><group/></item>"), "<not-acceptable " },
		{ SET("<item "
		      "jid='b@x'><group>g</group><group>g</group></item>"),
		  "<bad-request " },
		{ SET("<item jid='b@x' subscription='remove'/>"),
		  "<item-not-found " },
	};
	struct sm_world world;

	(void)state;
	setup(&world, "memory", "");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set(&world, cases[i].xml);
		assert_int_equal(sm_world_count(&world.sent, "type='error'"),
				 1);
		sm_world_saw(&world.sent, cases[i].error);
		assert_int_equal(HASH_COUNT(world.user->roster), 0);
	}
	sm_world_free(&world);
}

static void test_limits(void **state)
{
	struct sm_world world;
	char *name = mem_alloc(ROSTER_NAME_MAX + 2), *xml;

	(void)state;
	setup(&world, "memory", "");
	memset(name, 'x', ROSTER_NAME_MAX + 1);
	xml = mem_printf(SET("<item jid='b@x' name='%s'/>"), name);
	set(&world, xml);
	sm_world_saw(&world.sent, "<not-acceptable ");
	mem_free(xml);
	name[ROSTER_NAME_MAX] = '\0';
	xml = mem_printf(SET("<item jid='b@x' name='%s'/>"), name);
	set(&world, xml);
	sm_world_saw(&world.sent, "type='result'");
	mem_free(xml);
	mem_free(name);
	for (int i = 1; i < world.options.roster_max; i++) {
		xml = mem_printf(SET("<item jid='b%d@x'/>"), i);
		set(&world, xml);
		sm_world_saw(&world.sent, "type='result'");
		mem_free(xml);
	}
	set(&world, SET("<item jid='c@x'/>"));
	sm_world_saw(&world.sent, "<resource-constraint ");
	/* What is there can still be changed. */
	set(&world, SET("<item jid='b1@x' name='n'/>"));
	sm_world_saw(&world.sent, "type='result'");
	sm_world_free(&world);
}

static void test_strangers(void **state)
{
	struct sm_world world;

	(void)state;
	setup(&world, "memory", "");
	sm_world_receive(&world,
			 "<iq from='eve@example.net/x' to='alice@example.org' "
			 "type='set' id='1'><query xmlns='jabber:iq:roster'>"
			 "<item jid='eve@example.net'/></query></iq>");
	sm_world_saw(&world.routed, "<service-unavailable ");
	sm_world_settle(&world);
	assert_int_equal(HASH_COUNT(world.user->roster), 0);
	sm_world_free(&world);
}

static void test_versions(void **state)
{
	struct sm_world world;
	uint64_t first;
	char *xml;

	(void)state;
	setup(&world, "memory", "");
	sm_world_receive(&world, IQ("get", "g", " ver='0'/>"));
	assert_int_equal(sm_world_count(&world.sent, "<query"), 0);
	sm_world_saw(&world.sent, "type='result'");
	/* Asked for with nothing known. */
	sm_world_receive(&world, IQ("get", "g", " ver=''/>"));
	sm_world_saw(&world.sent, "<query xmlns='jabber:iq:roster' ver='0'/>");
	set(&world, SET("<item jid='b@x'/>"));
	first = world.user->roster_version;
	assert_true(first > 1600000000000000);
	set(&world, SET("<item jid='c@x'/>"));
	assert_true(world.user->roster_version > first);
	buf_clear(&world.sent, 0);
	xml = mem_printf(IQ("get", "g", " ver='%" PRIu64 "'/>"),
			 world.user->roster_version);
	sm_world_receive(&world, xml);
	assert_int_equal(sm_world_count(&world.sent, "<query"), 0);
	buf_clear(&world.sent, 0);
	mem_free(xml);
	xml = mem_printf(IQ("get", "g", " ver='%" PRIu64 "'/>"), first);
	sm_world_receive(&world, xml);
	assert_int_equal(sm_world_count(&world.sent, "<item"), 2);
	mem_free(xml);
	sm_world_free(&world);
}

/* The storage has what memory has. */
static void test_stored(void **state)
{
	struct sm_world world;
	struct answer answer = { 0 };
	const struct roster_item *item;

	(void)state;
	setup(&world, "memory", "");
	set(&world, SET("<item jid='b@x' name='B'><group>g</group></item>"));
	EXPECT(&world.world, &answer, STORAGE_OK, storage_load,
	       world.domain.storage, "alice@example.org");
	assert_int_equal(answer.result.count, 1);
	assert_int_equal(answer.result.roster_version,
			 world.user->roster_version);
	item = &answer.result.roster[0];
	assert_string_equal(item->jid, "b@x");
	assert_string_equal(item->name, "B");
	assert_string_equal(item->groups[0], "g");
	assert_true(item->listed);
	answer_clear(&answer);
	sm_world_free(&world);
}

static void test_storage_fails(void **state)
{
	struct roster_item item = { .jid = (char *)"b@x",
				    .listed = true,
				    .name = (char *)"old" };
	struct sm_world world;
	struct storage_result loaded = { .roster = &item,
					 .count = 1,
					 .roster_version = 7 };

	(void)state;
	setup(&world, "sqlite", "/nowhere/at/all.db");
	roster_load(world.user, &loaded);
	world.user->sessions->interested = true;
	/* Two changes on top of each other, and a new item. */
	sm_world_receive(&world, SET("<item jid='b@x' name='new'/>"));
	assert_string_equal(user_contact(world.user, "b@x")->item.name, "new");
	sm_world_receive(&world, SET("<item jid='b@x' name='newer'/>"));
	sm_world_receive(&world, SET("<item jid='c@x'/>"));
	sm_world_settle(&world);
	assert_int_equal(sm_world_count(&world.sent, "<internal-server-error "),
			 3);
	assert_int_equal(sm_world_count(&world.sent, "type='wait'"), 3);
	assert_int_equal(sm_world_count(&world.sent, "type='result'"), 0);
	assert_string_equal(user_contact(world.user, "b@x")->item.name, "old");
	assert_null(user_contact(world.user, "c@x"));
	/* Whoever saw the change is told; its version is not the old one. */
	assert_int_equal(sm_world_count(&world.sent, "name='old'"), 1);
	assert_true(world.user->roster_version > 7);
	sm_world_free(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get_and_set),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_stored),
		cmocka_unit_test(test_storage_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
