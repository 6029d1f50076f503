/* SPDX-License-Identifier: Apache-2.0
 *
 * Drivers that are loaded by name from t/drivers, and those that are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "storage/auth.h"
#include "t/unit/storage_world.h"

#define DRIVERS "t/drivers/.libs"
#define ROMEO "romeo@example.org"

static int setup(void **state)
{
	static struct world world;

	world_init(&world);
	*state = &world;
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

static void test_storage_driver(void **state)
{
	struct world *world = *state;
	struct error err = { "" };
	struct answer answer = { 0 };
	struct storage *storage = storage_open(world->loop, &world->log,
					       "example", "example", DRIVERS,
					       &err);

	assert_string_equal(err.text, "");
	assert_int_equal(world_logged(world, "example.open"), 1);
	EXPECT(world, &answer, STORAGE_OK, storage_document_put, storage,
	       ROMEO, "k", "n", "data", 4);
	EXPECT(world, &answer, STORAGE_OK, storage_document_get, storage,
	       ROMEO, "k", "n");
	assert_string_equal(answer.result.data, "data");
	EXPECT(world, &answer, STORAGE_NOT_FOUND, storage_document_get,
	       storage, ROMEO, "k", "other");
	EXPECT(world, &answer, STORAGE_UNAVAILABLE, storage_load, storage,
	       ROMEO);
	assert_string_equal(answer.result.reason,
			    "the example has only documents");
	answer_clear(&answer);
	storage_load(storage, ROMEO, answer_cb, &answer);
	storage_close(&storage);
	assert_int_equal(answer.count, 1);
	answer_clear(&answer);
}

struct reply {
	struct loop *loop;
	struct auth_result result;
};

static void reply_cb(const struct auth_result *result, void *ctx)
{
	struct reply *reply = ctx;

	reply->result = *result;
	loop_stop(reply->loop);
}

static void test_auth_driver(void **state)
{
	struct world *world = *state;
	struct error err = { "" };
	struct reply reply = { .loop = world->loop };
	struct auth_setup setup = { .loop = world->loop, .log = &world->log,
				    .options = "secret" };
	struct auth *auth = auth_open(&setup, "example", DRIVERS, &err);

	assert_string_equal(err.text, "");
	assert_false(auth_is_writable(auth));
	auth_check(auth, ROMEO, "secret", reply_cb, &reply);
	loop_run(world->loop);
	assert_int_equal(reply.result.status, STORAGE_OK);
	assert_true(reply.result.matches);
	auth_check(auth, ROMEO, "secrets", reply_cb, &reply);
	loop_run(world->loop);
	assert_int_equal(reply.result.status, STORAGE_OK);
	assert_false(reply.result.matches);
	/* What a driver cannot do says so, and never "no such user". */
	auth_lookup(auth, ROMEO, reply_cb, &reply);
	loop_run(world->loop);
	assert_int_equal(reply.result.status, STORAGE_UNAVAILABLE);
	auth_create(auth, ROMEO, "x", reply_cb, &reply);
	loop_run(world->loop);
	assert_int_equal(reply.result.status, STORAGE_UNAVAILABLE);
	assert_non_null(strstr(reply.result.reason, "example cannot"));
	auth_close(&auth);
}

static void test_refused(void **state)
{
	static const struct {
		const char *name, *connection, *dir, *word;
	} rows[] = {
		{ "example", "what", DRIVERS, "has to be" },
		{ "old", "x", DRIVERS, "this program has version" },
		{ "nothing", "x", DRIVERS, "nothing.so" },
		{ "example", "example", "/nowhere", "example.so" },
		{ "../drivers/.libs/example", "x", DRIVERS, "not the name" },
		{ "", "x", DRIVERS, "not the name" },
	};
	struct world *world = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct error err = { "" };

		assert_null(storage_open(world->loop, &world->log,
					 rows[i].name, rows[i].connection,
					 rows[i].dir, &err));
		if (strstr(err.text, rows[i].word) == NULL)
			fail_msg("\"%s\" lacks \"%s\"", err.text,
				 rows[i].word);
	}
}

static void test_auth_refused(void **state)
{
	struct world *world = *state;
	struct error err = { "" };
	struct auth_setup setup = { .loop = world->loop, .log = &world->log };

	assert_null(auth_open(&setup, "old", DRIVERS, &err));
	assert_non_null(strstr(err.text, "chappe_auth_driver"));
	assert_null(auth_open(&setup, "example", DRIVERS, &err));
	assert_non_null(strstr(err.text, "password"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_storage_driver),
		TEST(test_auth_driver),
		TEST(test_refused),
		TEST(test_auth_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
