/* SPDX-License-Identifier: Apache-2.0
 *
 * Choosing members: the values are part of the protocol, so they stand here
 * as numbers that were computed elsewhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "util/base/buf.h"
#include "util/role/members.h"

static struct member member(const char *name)
{
	return (struct member){ .name = (char *)name, .kind = (char *)"sm",
				.epoch = (char *)"00000000000000aa" };
}

static void set(struct members *members, const char *name, const char *a,
		const char *b, const char *c)
{
	struct member list[3];
	size_t count = 0;

	if (a)
		list[count++] = member(a);
	if (b)
		list[count++] = member(b);
	if (c)
		list[count++] = member(c);
	members_set(members, name, list, count);
}

static void test_score(void **state)
{
	char key[601];

	(void)state;
	memset(key, 'x', 600);
	key[600] = '\0';
	assert_true(members_score("sm-1", "alice@example.org") ==
		    0x4aa93e8d941d74d4ULL);
	assert_true(members_score("sm-2", "alice@example.org") ==
		    0xf5d8d0552fac686eULL);
	assert_true(members_score("sm-1", "") == 0xdf2b000495c8a06cULL);
	assert_true(members_score("sm-1", key) == 0x5b2c9eb113d7d818ULL);
}

static void test_route(void **state)
{
	static const struct {
		const char *to, *member;
	} cases[] = {
		{ "alice@example.org", "sm-2" },
		{ "alice@example.org/phone", "sm-2" },
		{ "alice@example.org/a@b/c", "sm-2" },
		{ "bob@example.org", "sm-3" },
		{ "carol@example.org", "sm-2" },
		{ "erin@example.org/x", "sm-3" },
		{ "one.example.org", "sm-1" },
		{ "u@one.example.org", "sm-1" },
		{ "one.example.org/u@example.org", "sm-1" },
		{ "a.org", "s2s-2" },
		{ "u@a.org", "s2s-2" },
		{ "v@a.org/x", "s2s-2" },
		{ "u@b.org", "s2s-1" },
		{ "c.org/x", "s2s-1" },
	};
	struct members *members = members_new();

	(void)state;
	set(members, "example.org", "sm-1", "sm-2", "sm-3");
	set(members, "one.example.org", "sm-1", NULL, NULL);
	set(members, "*", "s2s-1", "s2s-2", NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct member *found =
			members_route(members, cases[i].to);

		assert_non_null(found);
		assert_string_equal(found->name, cases[i].member);
	}
	assert_string_equal(members_pick(members, "example.org",
					 "alice@example.org")
				    ->name,
			    "sm-2");
	assert_null(members_pick(members, "example.net", "x"));
	members_set(members, "*", NULL, 0);
	assert_null(members_route(members, "u@a.org"));
	assert_null(members_route(members, ""));
	members_free(&members);
	assert_null(members);
}

/* Who is added or removed takes and gives only his own share. */
static void test_stability(void **state)
{
	struct members *two = members_new(), *three = members_new();
	unsigned moved = 0;

	(void)state;
	set(two, "x", "sm-1", "sm-2", NULL);
	set(three, "x", "sm-3", "sm-2", "sm-1");
	for (unsigned i = 0; i < 3000; i++) {
		char key[32];
		const char *before, *after;

		snprintf(key, sizeof(key), "user%u@x", i);
		before = members_route(two, key)->name;
		after = members_route(three, key)->name;
		if (strcmp(before, after) != 0) {
			assert_string_equal(after, "sm-3");
			moved++;
		}
	}
	assert_true(moved > 850 && moved < 1150);
	members_free(&two);
	members_free(&three);
}

static void test_set(void **state)
{
	struct members *members = members_new();
	const struct member *list;
	size_t count;

	(void)state;
	assert_null(members_get(members, "x", &count));
	assert_int_equal(count, 0);
	set(members, "x", "a", "b", NULL);
	list = members_get(members, "x", &count);
	assert_int_equal(count, 2);
	/* A list may be replaced by a part of itself. */
	members_set(members, "x", list + 1, 1);
	list = members_get(members, "x", &count);
	assert_int_equal(count, 1);
	assert_string_equal(list[0].name, "b");
	assert_string_equal(list[0].epoch, "00000000000000aa");
	members_set(members, "x", NULL, 0);
	assert_null(members_get(members, "x", &count));
	members_set(members, "never", NULL, 0);
	members_free(&members);
}

static void collect(const char *name, const struct member *list, size_t count,
		    void *ctx)
{
	(void)list;
	buf_addf(ctx, "%s:%zu ", name, count);
}

static void test_each(void **state)
{
	struct members *members = members_new();
	struct buf text = { .data = NULL };

	(void)state;
	set(members, "z", "a", NULL, NULL);
	set(members, "a", "a", "b", NULL);
	set(members, "m", "a", NULL, NULL);
	set(members, "z", "a", "b", "c");
	members_each(members, collect, &text);
	assert_string_equal(buf_data(&text), "z:3 a:2 m:1 ");
	buf_free(&text);
	members_free(&members);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_score),
		cmocka_unit_test(test_route),
		cmocka_unit_test(test_stability),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
