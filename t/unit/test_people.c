/* SPDX-License-Identifier: Apache-2.0
 *
 * storage/people: the picture that a driver tells of, what its listener hears,
 * digests that are the same everywhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "storage/people_driver.h"
#include "t/unit/storage_world.h"
#include "util/base/buf.h"
#include "util/base/mem.h"

#define DRIVERS "t/drivers/.libs"

struct test {
	struct world world;
	struct people *people;
	struct buf heard;
};

static void on_person(void *ctx, struct people_person *person,
		      unsigned changes)
{
	struct test *test = ctx;

	buf_addf(&test->heard, "%s %u\n", person->jid, changes);
}

static void on_members(void *ctx, struct people_group *group,
		       struct people_members *before,
		       struct people_members *after)
{
	struct test *test = ctx;

	buf_addf(&test->heard, "%s %zu %zu\n", group->name, before->count,
		 after->count);
	assert_ptr_equal(group->members, after);
}

static void on_ready(void *ctx)
{
	struct test *test = ctx;

	buf_add_str(&test->heard, "ready\n");
}

static const struct people_listener listener = { on_person, on_members,
						 on_ready };

static struct people *open_people(struct test *test, const char *domain,
				  struct error *err)
{
	struct people_setup setup = { .loop = test->world.loop,
				      .log = &test->world.log,
				      .domain = domain };

	return people_open(&setup, "people", DRIVERS, &listener, test, err);
}

static int setup(void **state)
{
	struct test *test = mem_new(struct test);
	struct error err;

	world_init(&test->world);
	test->people = open_people(test, "example.org", &err);
	assert_non_null(test->people);
	*state = test;
	return 0;
}

static int teardown(void **state)
{
	struct test *test = *state;

	people_close(&test->people);
	world_free(&test->world);
	buf_free(&test->heard);
	mem_free(test);
	return 0;
}

static void heard(struct test *test, const char *text)
{
	assert_string_equal(buf_data(&test->heard), text);
	buf_clear(&test->heard, 0);
}

static void test_open(void **state)
{
	struct test *test = *state;
	struct error err = { "" };

	assert_null(open_people(test, "localhost", &err));
	assert_string_equal(err.text, "the domain has to have a dot");
	assert_false(people_ready(test->people));
	assert_null(people_find(test->people, "romeo@example.org"));
	world_run(&test->world, 1);
	/* How it came about is nothing new. */
	heard(test, "ready\n");
	assert_true(people_ready(test->people));
	assert_int_equal(people_count(test->people), 2);
	assert_string_equal(people_groups(test->people)->name, "Lovers");
}

static void test_changes_of_people(void **state)
{
	struct test *test = *state;
	struct people *people = test->people;
	struct people_person *romeo;

	world_run(&test->world, 1);
	heard(test, "ready\n");
	romeo = people_put(people, "romeo@example.org", "Romeo", false, 1);
	assert_ptr_equal(romeo, people_find(people, "romeo@example.org"));
	heard(test, "");
	people_put(people, "romeo@example.org", "R.", true, 2);
	heard(test, "romeo@example.org 44\n");
	/* A stamp that is not there says nothing. */
	people_put(people, "romeo@example.org", "R.", false, 0);
	heard(test, "romeo@example.org 16\n");
	people_put(people, "tybalt@example.org", NULL, false, 0);
	heard(test, "tybalt@example.org 1\n");
	people_person_hold(romeo);
	people_remove(people, romeo);
	heard(test, "Lovers 2 1\nromeo@example.org 2\n");
	assert_true(romeo->gone);
	assert_int_equal(romeo->group_count, 0);
	assert_null(people_find(people, "romeo@example.org"));
	people_person_release(&romeo);
}

static void test_changes_of_groups(void **state)
{
	struct test *test = *state;
	struct people *people = test->people;
	struct people_person *list[3], *tybalt;
	struct people_group *group;
	struct people_members *before;

	world_run(&test->world, 1);
	heard(test, "ready\n");
	tybalt = people_put(people, "tybalt@example.org", NULL, false, 0);
	group = people_groups(people);
	before = people_members_hold(group->members);
	list[0] = list[1] = tybalt;
	list[2] = people_find(people, "juliet@example.org");
	people_group_set(group, list, 3);
	heard(test, "tybalt@example.org 1\nLovers 2 2\n");
	people_group_set(group, list, 3);
	heard(test, "");
	assert_true(people_members_have(group->members, tybalt));
	assert_false(people_members_have(before, tybalt));
	assert_int_equal(before->count, 2);
	people_members_release(&before);
	assert_int_equal(tybalt->group_count, 1);
	people_group_remove(&group);
	heard(test, "Lovers 2 0\n");
	assert_int_equal(tybalt->group_count, 0);
	assert_null(people_groups(people));
}

/* Clients keep it as the version of their rosters. */
static void test_digest(void **state)
{
	struct test *test = *state;
	struct people *people = test->people, *other;
	struct people_person *romeo, *juliet;
	struct people_group *group;
	uint64_t first, renamed;
	struct error err;

	world_run(&test->world, 1);
	romeo = people_find(people, "romeo@example.org");
	juliet = people_find(people, "juliet@example.org");
	first = people_shared_digest(romeo);
	assert_int_not_equal(first, 0);
	assert_int_equal(first, people_shared_digest(juliet));
	people_put(people, "juliet@example.org", "Juliet", false, 1);
	renamed = people_shared_digest(romeo);
	assert_int_not_equal(renamed, first);
	group = people_group_add(people, "Silent", false);
	people_group_set(group, &romeo, 1);
	assert_int_equal(people_shared_digest(romeo), renamed);
	group = people_group_add(people, "Loud", true);
	people_group_set(group, &romeo, 1);
	assert_int_not_equal(people_shared_digest(romeo), renamed);
	people_group_remove(&group);
	assert_int_equal(people_shared_digest(romeo), renamed);
	people_put(people, "juliet@example.org", NULL, false, 1);
	assert_int_equal(people_shared_digest(romeo), first);

	other = open_people(test, "example.org", &err);
	world_run(&test->world, 1);
	assert_int_equal(people_shared_digest(
				 people_find(other, "romeo@example.org")),
			 first);
	people_close(&other);
}

static void on_card(const struct people_result *result, void *ctx)
{
	struct test *test = ctx;

	buf_addf(&test->heard, "%s %s\n", storage_status_text(result->status),
		 result->count > 0 ? result->rows[0].values[0].data : "-");
}

static void test_requests(void **state)
{
	struct test *test = *state;
	struct people_term term = { (char *)"last", (char *)"m*" };

	world_run(&test->world, 1);
	heard(test, "ready\n");
	assert_true(people_has_cards(test->people));
	assert_null(people_search_fields(test->people));
	people_card(test->people, "romeo@example.org", on_card, test);
	people_search(test->people, &term, 1, 10, on_card, test);
	heard(test, "");
	world_run(&test->world, 1);
	heard(test, "ok Somebody\nok -\n");
	people_card(test->people, "romeo@example.org", on_card, test);
	people_close(&test->people);
	heard(test, "ok Somebody\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_open, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changes_of_people, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_changes_of_groups, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_digest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_requests, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
