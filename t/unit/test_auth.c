/* SPDX-License-Identifier: Apache-2.0
 *
 * Authentication over a storage: keys that a SCRAM client would accept, order,
 * cancelling, closing, and what an absent user or a dead storage looks like.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "storage/auth.h"
#include "storage/auth_driver.h"
#include "t/unit/storage_world.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"

#define ROMEO "romeo@example.org"

struct test {
	struct world world;
	struct storage *storage;
	struct auth *auth;
};

struct reply {
	struct world *world;
	unsigned count;
	struct auth_result result; /* without names */
	char names[256];
	unsigned *order; /* a counter shared by several */
	unsigned place;
};

static void open_auth(struct test *t, struct error *err)
{
	struct auth_setup setup = { .loop = t->world.loop,
				    .log = &t->world.log,
				    .storage = t->storage };

	t->auth = auth_open(&setup, "storage", NULL, err);
}

static int setup(void **state)
{
	struct test *t = mem_new(struct test);
	struct error err = { "" };

	world_init(&t->world);
	t->storage = world_open(&t->world, "memory", NULL);
	open_auth(t, &err);
	assert_string_equal(err.text, "");
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct test *t = *state;

	auth_close(&t->auth);
	storage_close(&t->storage);
	world_free(&t->world);
	mem_free(t);
	return 0;
}

static void reply_cb(const struct auth_result *result, void *ctx)
{
	struct reply *reply = ctx;
	size_t len = 0;

	reply->count++;
	reply->result = *result;
	reply->result.names = NULL;
	for (size_t i = 0; i < result->count; i++)
		len += (size_t)snprintf(reply->names + len,
					sizeof(reply->names) - len, "%s ",
					result->names[i]);
	if (reply->order != NULL)
		reply->place = ++*reply->order;
	if (reply->world != NULL)
		loop_stop(reply->world->loop);
}

static void wait_for(struct test *t, struct reply *reply)
{
	reply->world = &t->world;
	for (int i = 0; i < 10000 && reply->count == 0; i++)
		loop_run(t->world.loop);
	assert_int_equal(reply->count, 1);
	reply->world = NULL;
}

#define ASK(t, reply, wanted, call, ...)                                     \
	do {                                                                 \
		memset((reply), 0, sizeof(*(reply)));                        \
		call((t)->auth, __VA_ARGS__, reply_cb, (reply));             \
		assert_int_equal((reply)->count, 0);                         \
		wait_for((t), (reply));                                      \
		assert_string_equal(                                         \
			storage_status_text((reply)->result.status),         \
			storage_status_text(wanted));                        \
	} while (0)

/* -- keys ---------------------------------------------------------------- */

static void check_keys(enum digest digest, const char *password,
		       const struct scram_keys *keys)
{
	unsigned char salted[DIGEST_MAX];
	unsigned char stored[DIGEST_MAX], server[DIGEST_MAX];

	assert_int_equal(keys->rounds, AUTH_SCRAM_ROUNDS);
	assert_int_equal(keys->salt_len, 16);
	crypto_pbkdf2(digest, password, keys->salt, keys->salt_len,
		      keys->rounds, salted);
	crypto_scram_keys(digest, salted, stored, server);
	assert_memory_equal(stored, keys->stored_key, digest_size(digest));
	assert_memory_equal(server, keys->server_key, digest_size(digest));
}

static void test_keys(void **state)
{
	struct test *t = *state;
	struct reply reply;
	struct account first;

	assert_true(auth_is_writable(t->auth));
	ASK(t, &reply, STORAGE_NOT_FOUND, auth_lookup, ROMEO);
	ASK(t, &reply, STORAGE_NOT_FOUND, auth_set_password, ROMEO, "x");
	ASK(t, &reply, STORAGE_OK, auth_create, ROMEO, "pencil");
	ASK(t, &reply, STORAGE_CONFLICT, auth_create, ROMEO, "other");
	ASK(t, &reply, STORAGE_OK, auth_lookup, ROMEO);
	first = reply.result.account;
	assert_true(first.created > 1700000000000000);
	check_keys(DIGEST_SHA1, "pencil", &first.sha1);
	check_keys(DIGEST_SHA256, "pencil", &first.sha256);
	assert_memory_not_equal(first.sha1.salt, first.sha256.salt, 16);

	/* The same password again: fresh salts, the same date. */
	ASK(t, &reply, STORAGE_OK, auth_set_password, ROMEO, "pencil");
	ASK(t, &reply, STORAGE_OK, auth_lookup, ROMEO);
	check_keys(DIGEST_SHA256, "pencil", &reply.result.account.sha256);
	assert_memory_not_equal(first.sha1.salt,
				reply.result.account.sha1.salt, 16);
	assert_int_equal(first.created, reply.result.account.created);
}

static void test_check(void **state)
{
	struct test *t = *state;
	struct reply reply;

	ASK(t, &reply, STORAGE_OK, auth_create, ROMEO, "pencil");
	ASK(t, &reply, STORAGE_OK, auth_check, ROMEO, "pencil");
	assert_true(reply.result.matches);
	assert_int_equal(reply.result.account.sha1.rounds, 0);
	ASK(t, &reply, STORAGE_OK, auth_check, ROMEO, "Pencil");
	assert_false(reply.result.matches);
	ASK(t, &reply, STORAGE_OK, auth_check, ROMEO, "");
	assert_false(reply.result.matches);
	ASK(t, &reply, STORAGE_OK, auth_check, "nobody@example.org", "pencil");
	assert_false(reply.result.matches);
	ASK(t, &reply, STORAGE_OK, auth_set_password, ROMEO, "p\xc3\xa4n");
	ASK(t, &reply, STORAGE_OK, auth_check, ROMEO, "pencil");
	assert_false(reply.result.matches);
	ASK(t, &reply, STORAGE_OK, auth_check, ROMEO, "p\xc3\xa4n");
	assert_true(reply.result.matches);
	ASK(t, &reply, STORAGE_OK, auth_remove, ROMEO);
	ASK(t, &reply, STORAGE_OK, auth_check, ROMEO, "p\xc3\xa4n");
	assert_false(reply.result.matches);
	ASK(t, &reply, STORAGE_NOT_FOUND, auth_remove, ROMEO);
}

/* Stores an account by hand: "pencil" with the example of RFC 5802. */
static void store_account(struct test *t, bool sha1, bool disabled)
{
	static const unsigned char salt[] = {
		0x41, 0x25, 0xc2, 0x47, 0xe4, 0x3a, 0xb1, 0xe9,
		0x3c, 0x6d, 0xff, 0x76,
	};
	struct account account = { .disabled = disabled };
	struct scram_keys *keys = sha1 ? &account.sha1 : &account.sha256;
	enum digest digest = sha1 ? DIGEST_SHA1 : DIGEST_SHA256;
	unsigned char salted[DIGEST_MAX];
	struct answer answer = { 0 };

	keys->rounds = 4096;
	keys->salt_len = sizeof(salt);
	memcpy(keys->salt, salt, sizeof(salt));
	crypto_pbkdf2(digest, "pencil", salt, sizeof(salt), 4096, salted);
	crypto_scram_keys(digest, salted, keys->stored_key, keys->server_key);
	storage_account_remove(t->storage, ROMEO, answer_cb, &answer);
	answer_wait(&t->world, &answer);
	answer_clear(&answer);
	EXPECT(&t->world, &answer, STORAGE_OK, storage_account_create,
	       t->storage, ROMEO, &account);
	answer_clear(&answer);
}

static void test_foreign_accounts(void **state)
{
	static const struct {
		bool sha1, disabled, matches;
	} rows[] = {
		{ true, false, true },
		{ false, false, true },
		{ true, true, false },
		{ false, true, false },
	};
	struct test *t = *state;
	struct reply reply;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		store_account(t, rows[i].sha1, rows[i].disabled);
		ASK(t, &reply, STORAGE_OK, auth_check, ROMEO, "pencil");
		assert_int_equal(reply.result.matches, rows[i].matches);
		ASK(t, &reply, STORAGE_OK, auth_check, ROMEO, "pen");
		assert_false(reply.result.matches);
		ASK(t, &reply,
		    rows[i].disabled ? STORAGE_NOT_FOUND : STORAGE_OK,
		    auth_lookup, ROMEO);
	}
}

static void test_no_keys(void **state)
{
	struct test *t = *state;
	struct account account = { .disabled = false };
	struct answer answer = { 0 };
	struct reply reply;

	EXPECT(&t->world, &answer, STORAGE_OK, storage_account_create,
	       t->storage, ROMEO, &account);
	answer_clear(&answer);
	ASK(t, &reply, STORAGE_OK, auth_check, ROMEO, "");
	assert_false(reply.result.matches);
}

static void test_list(void **state)
{
	struct test *t = *state;
	struct reply reply;

	ASK(t, &reply, STORAGE_OK, auth_create, "b@example.org", "x");
	ASK(t, &reply, STORAGE_OK, auth_create, "a@example.org", "x");
	ASK(t, &reply, STORAGE_OK, auth_create, "c@example.com", "x");
	ASK(t, &reply, STORAGE_OK, auth_list, "example.org", NULL, 10);
	assert_string_equal(reply.names, "a@example.org b@example.org ");
	ASK(t, &reply, STORAGE_OK, auth_list, "example.org", "a@example.org",
	    10);
	assert_string_equal(reply.names, "b@example.org ");
}

/* -- what holds for every call ------------------------------------------- */

/* Made at once, for one user: each sees what those before it did. */
static void test_order(void **state)
{
	struct test *t = *state;
	struct reply r[9];
	static const enum storage_status wanted[9] = {
		STORAGE_NOT_FOUND, STORAGE_OK, STORAGE_OK, STORAGE_OK,
		STORAGE_OK, STORAGE_CONFLICT, STORAGE_OK, STORAGE_NOT_FOUND,
		STORAGE_OK,
	};

	memset(r, 0, sizeof(r));
	auth_lookup(t->auth, ROMEO, reply_cb, &r[0]);
	auth_create(t->auth, ROMEO, "one", reply_cb, &r[1]);
	auth_check(t->auth, ROMEO, "one", reply_cb, &r[2]);
	auth_set_password(t->auth, ROMEO, "two", reply_cb, &r[3]);
	auth_check(t->auth, ROMEO, "two", reply_cb, &r[4]);
	auth_create(t->auth, ROMEO, "three", reply_cb, &r[5]);
	auth_remove(t->auth, ROMEO, reply_cb, &r[6]);
	auth_set_password(t->auth, ROMEO, "four", reply_cb, &r[7]);
	auth_check(t->auth, ROMEO, "two", reply_cb, &r[8]);
	for (int i = 0; i < 9; i++) {
		wait_for(t, &r[i]);
		assert_string_equal(storage_status_text(r[i].result.status),
				    storage_status_text(wanted[i]));
	}
	assert_true(r[2].result.matches);
	assert_true(r[4].result.matches);
	assert_false(r[8].result.matches);
}

/* A person who logs in does not wait for an import. */
static void test_check_first(void **state)
{
	enum { IMPORT = 60 };
	struct test *t = *state;
	struct reply imports[IMPORT], check;
	unsigned order = 0;

	ASK(t, &check, STORAGE_OK, auth_create, ROMEO, "pencil");
	memset(imports, 0, sizeof(imports));
	memset(&check, 0, sizeof(check));
	for (int i = 0; i < IMPORT; i++) {
		char user[32];

		snprintf(user, sizeof(user), "u%d@example.org", i);
		imports[i].order = &order;
		auth_create(t->auth, user, "x", reply_cb, &imports[i]);
	}
	check.order = &order;
	auth_check(t->auth, ROMEO, "pencil", reply_cb, &check);
	for (int i = 0; i < IMPORT; i++) {
		wait_for(t, &imports[i]);
		assert_int_equal(imports[i].result.status, STORAGE_OK);
	}
	assert_true(check.result.matches);
	assert_true(check.place < IMPORT / 2);
}

static void test_cancel(void **state)
{
	struct test *t = *state;
	struct reply r[4];

	memset(r, 0, sizeof(r));
	auth_cancel(NULL);
	auth_cancel(auth_create(t->auth, ROMEO, "x", reply_cb, &r[0]));
	auth_cancel(auth_check(t->auth, ROMEO, "x", reply_cb, &r[1]));
	auth_cancel(auth_check(t->auth, "a@b", "x", reply_cb, &r[2]));
	assert_int_equal(r[0].count + r[1].count + r[2].count, 0);
	auth_lookup(t->auth, ROMEO, reply_cb, &r[3]);
	for (int i = 0; i < 4; i++)
		wait_for(t, &r[i]);
	for (int i = 0; i < 3; i++)
		assert_int_equal(r[i].result.status, STORAGE_CANCELLED);
}

static void test_close(void **state)
{
	struct test *t = *state;
	struct reply r[40];
	struct error err;

	memset(r, 0, sizeof(r));
	for (int i = 0; i < 40; i++) {
		char user[32];

		snprintf(user, sizeof(user), "u%d@example.org", i / 8);
		if (i % 4 == 0)
			auth_create(t->auth, user, "x", reply_cb, &r[i]);
		else if (i % 4 == 1)
			auth_check(t->auth, user, "x", reply_cb, &r[i]);
		else
			auth_lookup(t->auth, user, reply_cb, &r[i]);
		if (i % 7 == 0 && i % 4 < 2)
			assert_int_equal(r[i].count, 0);
	}
	auth_close(&t->auth);
	for (int i = 0; i < 40; i++) {
		assert_int_equal(r[i].count, 1);
		assert_true(r[i].result.status == STORAGE_CANCELLED ||
			    r[i].result.status == STORAGE_OK);
	}
	open_auth(t, &err);
}

static void test_unavailable(void **state)
{
	struct test *t = *state;
	char *path = world_path(&t->world, "missing/chappe.db");
	struct reply reply;
	struct error err;

	auth_close(&t->auth);
	storage_close(&t->storage);
	t->storage = world_open(&t->world, "sqlite", path);
	open_auth(t, &err);
	ASK(t, &reply, STORAGE_UNAVAILABLE, auth_check, ROMEO, "x");
	assert_non_null(strstr(reply.result.reason, "chappe.db"));
	ASK(t, &reply, STORAGE_UNAVAILABLE, auth_lookup, ROMEO);
	ASK(t, &reply, STORAGE_UNAVAILABLE, auth_create, ROMEO, "geheim");
	ASK(t, &reply, STORAGE_UNAVAILABLE, auth_remove, ROMEO);
	ASK(t, &reply, STORAGE_UNAVAILABLE, auth_list, "example.org", NULL, 1);
	assert_int_equal(world_logged(&t->world, "geheim"), 0);
	mem_free(path);
}

static void test_open_refused(void **state)
{
	struct test *t = *state;
	struct auth_setup setup = { .loop = t->world.loop,
				    .log = &t->world.log,
				    .storage = t->storage,
				    .options = "what" };
	struct error err;

	assert_null(auth_open(&setup, "nothing", "/nowhere", &err));
	assert_non_null(strstr(err.text, "nothing"));
	assert_null(auth_open(&setup, "storage", NULL, &err));
	assert_non_null(strstr(err.text, "options"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_keys),
		TEST(test_check),
		TEST(test_foreign_accounts),
		TEST(test_no_keys),
		TEST(test_list),
		TEST(test_order),
		TEST(test_check_first),
		TEST(test_cancel),
		TEST(test_close),
		TEST(test_unavailable),
		TEST(test_open_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
