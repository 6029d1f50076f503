/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sm/kerberos_map.h"
#include "util/base/mem.h"

static void test_users(void **state)
{
	char *const rules[] = {
		"*/admin@EXAMPLE.ORG = admin-*", "root@EXAMPLE.ORG=",
		"Eve@EXAMPLE.ORG = eve.moneypenny",
		"*@PARTNER.COM = *.partner", "svc-*@EXAMPLE.ORG = robot.*", NULL
	};
	char *const realms[] = { "EXAMPLE.ORG", "EXAMPLE.NET", NULL };
	static const struct {
		const char *principal, *user;
	} cases[] = {
		{ "alice@EXAMPLE.ORG", "alice" },
		{ "alice@EXAMPLE.NET", "alice" },
		{ "Alice@EXAMPLE.NET", "Alice" },
		{ "Eve@EXAMPLE.ORG", "eve.moneypenny" },
		{ "alice/admin@EXAMPLE.ORG", "admin-alice" },
		{ "svc-print@EXAMPLE.ORG", "robot.print" },
		{ "svc-@EXAMPLE.ORG", "svc-" },
		{ "bob@PARTNER.COM", "bob.partner" },
		{ "root@EXAMPLE.ORG", NULL },
		{ "alice@example.org", NULL },
		{ "alice@ELSEWHERE.NET", NULL },
		{ "alice@EXAMPLE.ORG.EVIL", NULL },
		{ "alice/root@EXAMPLE.ORG", NULL },
		{ "a/b/admin@EXAMPLE.ORG", NULL },
		{ "/admin@EXAMPLE.ORG", NULL },
		{ "a\\/b@EXAMPLE.ORG", NULL },
		{ "a\\@EXAMPLE.ORG@EVIL", NULL },
		{ "eve\\@EXAMPLE.ORG", NULL },
		{ "b\\@x@PARTNER.COM", NULL },
		{ "@EXAMPLE.ORG", NULL },
		{ "@PARTNER.COM", NULL },
		{ "alice", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *user = kerberos_map_user(cases[i].principal, rules,
					       realms);

		if (cases[i].user == NULL)
			assert_null(user);
		else
			assert_string_equal(user, cases[i].user);
		mem_free(user);
	}
	assert_null(kerberos_map_user("alice@EXAMPLE.ORG", NULL, NULL));
}

static void test_rules(void **state)
{
	static const char *const good[] = {
		"*@EXAMPLE.ORG = *", "a@EXAMPLE.ORG=b", "a@EXAMPLE.ORG =",
		" */admin@EXAMPLE.ORG = *-admin ", "*@EXAMPLE.ORG = everybody",
	};
	static const char *const bad[] = {
		"", "alice", "alice = alice", "*@* = *", "a@EXAMPLE.ORG = *",
		"*@EXAMPLE.ORG = **",
	};
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(kerberos_map_check(good[i], &err), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(kerberos_map_check(bad[i], &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
