/* SPDX-License-Identifier: Apache-2.0
 *
 * Tickets: what they are bound to, and for how long.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "sm/ticket.h"
#include "util/base/mem.h"

#define SECOND INT64_C(1000000)
#define HOUR (3600 * SECOND)
#define NOW (1700000000 * SECOND)

static const struct ticket_facts facts = { "c2s-1", "c2s-1.abc",
					   "alice@example.org" };

struct check {
	const char *name;
	const char *secret;
	struct ticket_facts facts;
	int64_t later, life;
	bool good;
};

static const struct check checks[] = {
	{ "the same", "s", { "c2s-1", "c2s-1.abc", "alice@example.org" }, 0,
	  TICKET_LIFE, true },
	{ "just in time", "s", { "c2s-1", "c2s-1.abc", "alice@example.org" },
	  TICKET_LIFE, TICKET_LIFE, true },
	{ "a slow clock", "s", { "c2s-1", "c2s-1.abc", "alice@example.org" },
	  TICKET_LIFE + HOUR, TICKET_LIFE, true },
	{ "too late", "s", { "c2s-1", "c2s-1.abc", "alice@example.org" },
	  TICKET_LIFE + HOUR + SECOND, TICKET_LIFE, false },
	{ "any age", "s", { "c2s-1", "c2s-1.abc", "alice@example.org" },
	  1000 * TICKET_LIFE, 0, true },
	{ "a fast clock", "s", { "c2s-1", "c2s-1.abc", "alice@example.org" },
	  -HOUR, TICKET_LIFE, true },
	{ "the future", "s", { "c2s-1", "c2s-1.abc", "alice@example.org" },
	  -HOUR - SECOND, TICKET_LIFE, false },
	{ "the future of one that died", "s",
	  { "c2s-1", "c2s-1.abc", "alice@example.org" }, -24 * HOUR, 0, true },
	{ "another secret", "t", { "c2s-1", "c2s-1.abc", "alice@example.org" },
	  0, TICKET_LIFE, false },
	{ "another c2s", "s", { "c2s-2", "c2s-1.abc", "alice@example.org" },
	  0, TICKET_LIFE, false },
	{ "another session", "s",
	  { "c2s-1", "c2s-1.abd", "alice@example.org" }, 0, TICKET_LIFE,
	  false },
	{ "another user", "s", { "c2s-1", "c2s-1.abc", "bob@example.org" }, 0,
	  TICKET_LIFE, false },
	{ "shifted parts", "s", { "c2s-1c", "2s-1.abc", "alice@example.org" },
	  0, TICKET_LIFE, false },
};

static void test_bound(void **state)
{
	char *ticket = ticket_new("s", &facts, NOW);

	(void)state;
	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
		const struct check *check = &checks[i];

		if (ticket_check(check->secret, &check->facts, ticket,
				 NOW + check->later, check->life) !=
		    check->good)
			fail_msg("%s", check->name);
	}
	mem_free(ticket);
}

static void test_malformed(void **state)
{
	static const char *const tickets[] = {
		"", "-", "1700000000", "1700000000-", "1700000000-00", "x-00",
		"-1-00", "99999999999999999999999-00",
	};
	char *ticket = ticket_new("s", &facts, NOW);

	(void)state;
	for (size_t i = 0; i < sizeof(tickets) / sizeof(*tickets); i++)
		assert_false(ticket_check("s", &facts, tickets[i], NOW, 0));
	/* The time cannot be changed, nor any digit. */
	for (size_t i = 0; ticket[i] != '\0'; i++) {
		char kept = ticket[i];

		ticket[i] = kept == '1' ? '2' : '1';
		assert_false(ticket_check("s", &facts, ticket, NOW, 0));
		ticket[i] = kept;
	}
	assert_true(ticket_check("s", &facts, ticket, NOW, 0));
	mem_free(ticket);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
