/* SPDX-License-Identifier: Apache-2.0
 *
 * What the LDAP driver reads from the values of an entry.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "storage/ldap_person.h"
#include "util/base/mem.h"

/* 2026-11-22 00:00:00 UTC */
#define NOW INT64_C(1795305600000000)

static void test_disabled(void **state)
{
	static const struct {
		const char *attribute, *value;
		bool disabled;
	} cases[] = {
		{ "pwdAccountLockedTime", "000001010000Z", true },
		{ "pwdAccountLockedTime", "20261121000000Z", false },
		{ "nsAccountLock", "TRUE", true },
		{ "nsAccountLock", "true", true },
		{ "nsAccountLock", "FALSE", false },
		{ "loginDisabled", "TRUE", true },
		{ "userAccountControl", "512", false },
		{ "userAccountControl", "514", true },
		{ "userAccountControl", "66050", true },
		{ "userAccountControl", "66048", false },
		{ "userAccountControl", "rubbish", false },
		{ "msDS-User-Account-Control-Computed", "0", false },
		{ "msDS-User-Account-Control-Computed", "16", true },
		{ "msDS-User-Account-Control-Computed", "8388608", true },
		{ "accountExpires", "0", false },
		{ "accountExpires", "9223372036854775807", false },
		/* A second before and after. */
		{ "accountExpires", "134397791990000000", true },
		{ "accountExpires", "134397792010000000", false },
		{ "shadowExpire", "-1", false },
		{ "shadowExpire", "0", false },
		{ "shadowExpire", "1", true },
		{ "shadowExpire", "20778", true },
		{ "shadowExpire", "20779", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *why = ldap_person_disabled(cases[i].attribute,
						       cases[i].value, NOW);

		if ((why != NULL) != cases[i].disabled)
			fail_msg("%s: %s", cases[i].attribute,
				 cases[i].value);
	}
}

static void test_names(void **state)
{
	static const struct {
		const char *value, *jid;
	} cases[] = {
		{ "alice", "alice@example.org" },
		{ "Alice", "alice@example.org" },
		{ "alice@example.org", "alice@example.org" },
		{ "Alice@EXAMPLE.ORG", "alice@example.org" },
		{ "alice@example.com", "alice\\40example.com@example.org" },
		{ "a@b@example.org", "a\\40b@example.org" },
		{ "@example.org", "\\40example.org@example.org" },
		{ "O'Neil", "o\\27neil@example.org" },
		{ "", NULL },
		{ "line\nfeed", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct berval value = { .bv_val = (char *)cases[i].value,
					.bv_len = strlen(cases[i].value) };
		char *jid = ldap_person_jid(&value, "example.org");

		if (cases[i].jid == NULL)
			assert_null(jid);
		else
			assert_string_equal(jid, cases[i].jid);
		mem_free(jid);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_disabled),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
