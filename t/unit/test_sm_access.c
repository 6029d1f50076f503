/* SPDX-License-Identifier: Apache-2.0
 *
 * Access rules in a whole sm: what it judges and what others have judged, the
 * trust of another server, groups of a directory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "sm/access.h"
#include "storage/people.h"
#include "t/unit/core_world.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define A	"c2s-1.00aa"
#define REMOTE	"there.example"
#define DRIVERS "t/drivers/.libs"
#define IN(more)                                                             \
	"<message from='dave@" REMOTE "/r' to='alice@example.org' id='1'"    \
	" " more "><body>in</body></message>"
#define OUT "<message to='dave@" REMOTE "'><body>out</body></message>"

static struct core_world core;

static const struct people_listener listener = { NULL, NULL, NULL };

static void rules(const char *text)
{
	static const struct section *const sections[] = { &access_section,
							  NULL };
	struct error err = { "" };
	char *path = world_path(&core.world, "rules.conf");
	FILE *file = fopen(path, "w");
	struct config *config;

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	config = config_load(path, sections, true, &err);
	if (config == NULL)
		fail_msg("%s", err.text);
	access_free(&core.sm->access);
	core.sm->access = access_new(config, NULL, &err);
	assert_non_null(core.sm->access);
	config_free(&config);
	mem_free(path);
}

static int setup(void **state)
{
	char *jid;

	(void)state;
	core_init(&core, "");
	jid = core_open(&core, A, "alice", "a");
	mem_free(jid);
	core_stanza(&core, A, 1, "<presence/>");
	core_expect(&core, "<presence");
	core_member(&core, "s2s-1", "s2s", CORE_EPOCH);
	core_member(&core, "*", "s2s", CORE_EPOCH);
	core_member(&core, "sm-2", "sm", CORE_EPOCH);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	people_close(&sm_domain(core.sm, "example.org")->people);
	core_free(&core);
	return 0;
}

static void test_in(void **state)
{
	const struct sent *sent;

	(void)state;
	core_route_trusted(&core, "s2s-1", "verified", IN(""));
	core_expect(&core, "in</body>");
	rules("access r { whom = outside text = \"no\" }");
	core_route_trusted(&core, "s2s-1", "trusted", IN(""));
	sent = core_expect(&core, "type='error'");
	assert_string_equal(sent->to, "dave@" REMOTE "/r");
	assert_non_null(strstr(sent->xml, ">no<"));
	core_expect_no(&core, "in</body><");
	/* Another sm has judged it. */
	core_route(&core, "sm-2", IN(""));
	core_expect(&core, "in</body>");
	/* Neither errors nor results are answered. */
	core_route_trusted(&core, "s2s-1", "trusted", IN("type='error'"));
	core_expect_no(&core, "error");
}

static void test_trust(void **state)
{
	const struct sent *sent;

	(void)state;
	rules("access r { whom = " REMOTE " action = allow "
	      "trust = encrypted }");
	core_route_trusted(&core, "s2s-1", "encrypted", IN(""));
	core_expect(&core, "in</body>");
	core_route_trusted(&core, "s2s-1", "verified", IN(""));
	sent = core_expect(&core, "type='error'");
	assert_non_null(strstr(sent->xml, "not-allowed"));
	/* A level that nobody knows is none. */
	core_route_trusted(&core, "s2s-1", "absolute", IN(""));
	core_expect(&core, "type='error'");
	/* What goes out says what it needs. */
	core_stanza(&core, A, 2, OUT);
	sent = core_expect(&core, "out");
	assert_string_equal(sent->trust, "encrypted");
	rules("");
	core_stanza(&core, A, 3, OUT);
	sent = core_expect(&core, "out");
	assert_null(sent->trust);
}

static void test_own(void **state)
{
	(void)state;
	rules("access all { }");
	core_stanza(&core, A, 2,
		    "<iq type='get' id='p' to='example.org'>"
		    "<ping xmlns='urn:xmpp:ping'/></iq>");
	core_expect(&core, "type='result'");
	core_stanza(&core, A, 3,
		    "<message to='alice@example.org' type='chat'>"
		    "<body>to me</body></message>");
	core_expect(&core, "to me");
	core_stanza(&core, A, 4,
		    "<message to='bob@example.org'><body>x</body></message>");
	core_expect(&core, "not-allowed");
}

static void test_groups(void **state)
{
	struct sm_domain *domain = sm_domain(core.sm, "example.org");
	struct people_setup people = { .loop = core.world.loop,
				       .log = &core.world.log,
				       .domain = "example.org" };
	struct error err = { "" };
	struct jid *from, *to;
	struct access_query query;

	(void)state;
	rules("access lovers { who = \"group:Lovers\" whom = outside }");
	from = jid_parse("romeo@example.org/x");
	to = jid_parse("dave@" REMOTE);
	sm_access_query(core.sm, &query, from, to, TRUST_TRUSTED);
	query.what = ACCESS_MESSAGE;
	assert_true(query.from_here);
	assert_false(query.to_here);
	/* No directory, no groups. */
	assert_true(access_find(core.sm->access, &query).allowed);
	domain->people = people_open(&people, "people", DRIVERS, &listener,
				     NULL, &err);
	if (domain->people == NULL)
		fail_msg("%s", err.text);
	/* One that has not said a word yet. */
	assert_true(access_find(core.sm->access, &query).unknown);
	assert_false(access_find(core.sm->access, &query).allowed);
	world_run(&core.world, 10);
	assert_false(access_find(core.sm->access, &query).unknown);
	assert_false(access_find(core.sm->access, &query).allowed);
	jid_free(&from);
	from = jid_parse("alice@example.org/x");
	query.from = from;
	assert_true(access_find(core.sm->access, &query).allowed);
	jid_free(&from);
	jid_free(&to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_in, setup, teardown),
		cmocka_unit_test_setup_teardown(test_trust, setup, teardown),
		cmocka_unit_test_setup_teardown(test_own, setup, teardown),
		cmocka_unit_test_setup_teardown(test_groups, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
