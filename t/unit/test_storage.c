/* SPDX-License-Identifier: Apache-2.0
 *
 * The conformance test of storage drivers: every case runs against every
 * driver. "sqlite twice" writes through one store and reads through another
 * on the same file, as two processes do.
 *
 * With a conninfo in CHAPPE_TEST_POSTGRES, it is the driver "postgres" that is
 * tested, in that database, whose tables go: t/lib/postgres.py gives one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "t/unit/storage_world.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define ROMEO "romeo@example.org"
#define JULIET "juliet@example.org"

struct subject {
	const char *name;
	const char *driver;
	bool durable;
	bool twice;
};

static const struct subject subjects[] = {
	{ "memory", "memory", false, false },
	{ "sqlite", "sqlite", true, false },
	{ "sqlite twice", "sqlite", true, true },
	{ "postgres", "postgres", true, false },
	{ "postgres twice", "postgres", true, true },
};

struct test {
	const struct subject *subject;
	struct world world;
	char *path;
	struct storage *storage;
	struct storage *reader; /* the same, or another */
	struct answer answer;
};

static void open_store(struct test *t)
{
	t->storage = world_open(&t->world, t->subject->driver, t->path);
	t->reader = t->subject->twice
			    ? world_open(&t->world, t->subject->driver,
					 t->path)
			    : t->storage;
}

static void close_store(struct test *t)
{
	if (t->reader != t->storage)
		storage_close(&t->reader);
	storage_close(&t->storage);
}

static int setup(void **state)
{
	struct test *t = mem_new(struct test);

	t->subject = *state;
	world_init(&t->world);
	if (str_equal(t->subject->driver, "postgres")) {
		t->path = mem_strdup(getenv(WORLD_POSTGRES));
		world_empty_postgres();
	} else {
		t->path = world_path(&t->world, "chappe.db");
	}
	open_store(t);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct test *t = *state;

	close_store(t);
	answer_clear(&t->answer);
	world_free(&t->world);
	mem_free(t->path);
	mem_free(t);
	return 0;
}

#define ASK(t, wanted, call, ...)                                            \
	EXPECT(&(t)->world, &(t)->answer, wanted, call, __VA_ARGS__)

/* -- accounts ------------------------------------------------------------ */

static void check_account(struct test *t, const char *owner,
			  const struct account *wanted)
{
	ASK(t, STORAGE_OK, storage_account_get, t->reader, owner);
	assert_memory_equal(&t->answer.result.account, wanted,
			    sizeof(*wanted));
}

static void test_account(void **state)
{
	struct test *t = *state;
	struct account one = account_made_of(1), two = account_made_of(2);

	ASK(t, STORAGE_NOT_FOUND, storage_account_get, t->reader, ROMEO);
	ASK(t, STORAGE_NOT_FOUND, storage_account_set, t->storage, ROMEO,
	    &one);
	ASK(t, STORAGE_OK, storage_account_create, t->storage, ROMEO, &one);
	check_account(t, ROMEO, &one);
	ASK(t, STORAGE_CONFLICT, storage_account_create, t->storage, ROMEO,
	    &two);
	check_account(t, ROMEO, &one);
	two.disabled = true;
	memset(&two.sha1, 0, sizeof(two.sha1));
	ASK(t, STORAGE_OK, storage_account_set, t->storage, ROMEO, &two);
	two.created = one.created;
	check_account(t, ROMEO, &two);
	ASK(t, STORAGE_NOT_FOUND, storage_account_get, t->reader, JULIET);
	ASK(t, STORAGE_OK, storage_account_remove, t->storage, ROMEO);
	ASK(t, STORAGE_NOT_FOUND, storage_account_get, t->reader, ROMEO);
	ASK(t, STORAGE_NOT_FOUND, storage_account_remove, t->storage, ROMEO);
}

static void check_names(struct test *t, const char *wanted)
{
	struct buf names = { 0 };

	for (size_t i = 0; i < t->answer.result.count; i++)
		buf_addf(&names, "%s ", t->answer.result.names[i]);
	assert_string_equal(buf_data(&names), wanted);
	buf_free(&names);
}

static void test_account_list(void **state)
{
	static const char *const owners[] = {
		"c@example.org", "a@example.org", "B@example.org",
		"a@example.com", "b@example.org", "example.org",
		"\xc3\xa9@example.org", "x@sub.example.org",
	};
	struct test *t = *state;
	struct account account = account_made_of(1);

	for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++)
		ASK(t, STORAGE_OK, storage_account_create, t->storage,
		    owners[i], &account);
	/* An owner without an account is not in the list. */
	ASK(t, STORAGE_OK, storage_document_put, t->storage, "d@example.org",
	    "k", "", "x", 1);
	ASK(t, STORAGE_OK, storage_account_list, t->reader, "example.org",
	    NULL, 100);
	check_names(t, "B@example.org a@example.org b@example.org "
		       "c@example.org example.org \xc3\xa9@example.org ");
	ASK(t, STORAGE_OK, storage_account_list, t->reader, "example.org",
	    "a@example.org", 2);
	check_names(t, "b@example.org c@example.org ");
	ASK(t, STORAGE_OK, storage_account_list, t->reader, "example.org",
	    "\xc3\xa9@example.org", SIZE_MAX);
	check_names(t, "");
	ASK(t, STORAGE_OK, storage_account_list, t->reader, "nowhere.org",
	    NULL, 100);
	check_names(t, "");
}

static void test_owner_list(void **state)
{
	struct test *t = *state;
	struct account account = account_made_of(1);
	struct roster_item item = { .jid = "x@example.org", .listed = true };

	ASK(t, STORAGE_OK, storage_owner_list, t->reader, NULL, 100);
	check_names(t, "");
	ASK(t, STORAGE_OK, storage_account_create, t->storage,
	    "c@example.org", &account);
	ASK(t, STORAGE_OK, storage_document_put, t->storage, "a@example.org",
	    "k", "", "x", 1);
	ASK(t, STORAGE_OK, storage_document_put, t->storage, "a@example.org",
	    "k", "2", "x", 1);
	ASK(t, STORAGE_OK, storage_roster_put, t->storage, "b@example.com",
	    &item, 1);
	item.jid = "y@example.org";
	ASK(t, STORAGE_OK, storage_roster_put, t->storage, "b@example.com",
	    &item, 2);
	ASK(t, STORAGE_OK, storage_roster_put, t->storage, "c@example.org",
	    &item, 2);
	ASK(t, STORAGE_OK, storage_offline_add, t->storage, "d@example.org",
	    1, 0, "<message/>", 10);
	ASK(t, STORAGE_OK, storage_owner_list, t->reader, NULL, 100);
	check_names(t, "a@example.org b@example.com c@example.org "
		       "d@example.org ");
	ASK(t, STORAGE_OK, storage_owner_list, t->reader, "a@example.org", 2);
	check_names(t, "b@example.com c@example.org ");
	ASK(t, STORAGE_OK, storage_owner_list, t->reader, "d@example.org",
	    SIZE_MAX);
	check_names(t, "");
	/* A version alone is nothing that is kept for somebody. */
	ASK(t, STORAGE_OK, storage_roster_remove, t->storage, "b@example.com",
	    "x@example.org", 3);
	ASK(t, STORAGE_OK, storage_roster_remove, t->storage, "b@example.com",
	    "y@example.org", 4);
	ASK(t, STORAGE_OK, storage_owner_list, t->reader, "a@example.org", 1);
	check_names(t, "c@example.org ");
}

/* -- rosters ------------------------------------------------------------- */

static void check_item(const struct roster_item *found,
		       const struct roster_item *wanted)
{
	size_t i = 0;

	assert_string_equal(found->jid, wanted->jid);
	if (wanted->name != NULL)
		assert_string_equal(found->name, wanted->name);
	else
		assert_null(found->name);
	if (wanted->request != NULL)
		assert_string_equal(found->request, wanted->request);
	else
		assert_null(found->request);
	assert_int_equal(found->subscription, wanted->subscription);
	assert_int_equal(found->ask, wanted->ask);
	assert_int_equal(found->approved, wanted->approved);
	assert_int_equal(found->listed, wanted->listed);
	if (wanted->groups == NULL || wanted->groups[0] == NULL) {
		assert_null(found->groups);
		return;
	}
	for (; wanted->groups[i] != NULL; i++)
		assert_string_equal(found->groups[i], wanted->groups[i]);
	assert_null(found->groups[i]);
}

static void test_roster(void **state)
{
	struct test *t = *state;
	char *many[] = { "Friends", "", "a\nb'c\"<\xf0\x9f\x98\x80>", NULL };
	char *none[] = { NULL };
	struct roster_item items[] = {
		{ .jid = "a@x", .name = "A", .groups = many,
		  .subscription = SUBSCRIPTION_BOTH, .listed = true },
		{ .jid = "b@x", .subscription = SUBSCRIPTION_FROM,
		  .ask = true, .approved = true, .listed = true },
		{ .jid = "c@x", .name = "", .groups = none,
		  .request = "<presence type='subscribe'/>" },
	};
	const struct storage_result *result = &t->answer.result;

	ASK(t, STORAGE_OK, storage_load, t->reader, ROMEO);
	assert_int_equal(result->count, 0);
	assert_int_equal(result->roster_version, 0);
	assert_int_equal(result->offline_count, 0);
	assert_false(result->has_account);
	for (size_t i = 3; i-- > 0;)
		ASK(t, STORAGE_OK, storage_roster_put, t->storage, ROMEO,
		    &items[i], 10 + i);
	ASK(t, STORAGE_OK, storage_load, t->reader, ROMEO);
	assert_int_equal(result->count, 3);
	assert_int_equal(result->roster_version, 10);
	for (size_t i = 0; i < 3; i++)
		check_item(&result->roster[i], &items[i]);

	items[0].groups = NULL;
	items[0].name = NULL;
	items[0].subscription = SUBSCRIPTION_TO;
	ASK(t, STORAGE_OK, storage_roster_put, t->storage, ROMEO, &items[0],
	    UINT64_MAX);
	ASK(t, STORAGE_OK, storage_load, t->reader, ROMEO);
	assert_int_equal(result->count, 3);
	assert_true(result->roster_version == UINT64_MAX);
	check_item(&result->roster[0], &items[0]);

	ASK(t, STORAGE_OK, storage_roster_remove, t->storage, ROMEO, "a@x",
	    14);
	ASK(t, STORAGE_OK, storage_roster_remove, t->storage, ROMEO, "a@x",
	    15);
	ASK(t, STORAGE_OK, storage_load, t->reader, ROMEO);
	assert_int_equal(result->count, 2);
	assert_int_equal(result->roster_version, 15);
	check_item(&result->roster[0], &items[1]);
	ASK(t, STORAGE_OK, storage_load, t->reader, JULIET);
	assert_int_equal(result->count, 0);
	assert_int_equal(result->roster_version, 0);
}

/* -- offline messages ---------------------------------------------------- */

static uint64_t add_message(struct test *t, const char *owner, int64_t stamp,
			    const char *stanza)
{
	ASK(t, STORAGE_OK, storage_offline_add, t->storage, owner, stamp,
	    stamp + 5, stanza, strlen(stanza));
	assert_true(t->answer.result.id > 0);
	return t->answer.result.id;
}

static void check_messages(struct test *t, uint64_t after, size_t limit,
			   const char *wanted)
{
	struct buf text = { 0 };

	ASK(t, STORAGE_OK, storage_offline_list, t->reader, ROMEO, after,
	    limit);
	for (size_t i = 0; i < t->answer.result.count; i++) {
		const struct offline_message *message =
			&t->answer.result.messages[i];

		assert_int_equal(message->expires, message->stamp + 5);
		assert_int_equal(message->len, strlen(message->stanza));
		buf_addf(&text, "%s ", message->stanza);
		if (i > 0)
			assert_true(message->id > message[-1].id);
	}
	assert_string_equal(buf_data(&text), wanted);
	buf_free(&text);
}

static void test_offline(void **state)
{
	struct test *t = *state;
	uint64_t first, second, third, fourth;

	check_messages(t, 0, 10, "");
	first = add_message(t, ROMEO, 30, "<a>\xc3\xa9</a>");
	add_message(t, JULIET, 10, "<other/>");
	second = add_message(t, ROMEO, 20, "<b/>");
	third = add_message(t, ROMEO, -10, "<c/>");
	assert_true(first < second && second < third);
	ASK(t, STORAGE_OK, storage_load, t->reader, ROMEO);
	assert_int_equal(t->answer.result.offline_count, 3);
	check_messages(t, 0, 10, "<a>\xc3\xa9</a> <b/> <c/> ");
	check_messages(t, first, 1, "<b/> ");
	check_messages(t, third, 10, "");
	check_messages(t, UINT64_MAX, 10, "");
	ASK(t, STORAGE_OK, storage_offline_remove, t->storage, ROMEO, second);
	check_messages(t, 0, SIZE_MAX, "<c/> ");
	ASK(t, STORAGE_OK, storage_offline_remove, t->storage, ROMEO, third);
	ASK(t, STORAGE_OK, storage_offline_remove, t->storage, JULIET,
	    UINT64_MAX);
	check_messages(t, 0, 10, "");
	/* Numbers are never used again. */
	close_store(t);
	open_store(t);
	if (t->subject->durable) {
		fourth = add_message(t, ROMEO, 1, "<d/>");
		assert_true(fourth > third);
	}
}

/* -- documents ----------------------------------------------------------- */

static void check_document(struct test *t, const char *owner,
			   const char *kind, const char *key,
			   const char *data, size_t len)
{
	ASK(t, STORAGE_OK, storage_document_get, t->reader, owner, kind, key);
	assert_int_equal(t->answer.result.data_len, len);
	assert_memory_equal(t->answer.result.data, data, len);
}

static void test_document(void **state)
{
	struct test *t = *state;
	static const char bytes[] = "\0\1\xff'\"\0end";

	ASK(t, STORAGE_NOT_FOUND, storage_document_get, t->reader, ROMEO,
	    "vcard", "");
	ASK(t, STORAGE_OK, storage_document_put, t->storage, ROMEO, "vcard",
	    "", "<vCard/>", 8);
	check_document(t, ROMEO, "vcard", "", "<vCard/>", 8);
	ASK(t, STORAGE_OK, storage_document_put, t->storage, ROMEO, "vcard",
	    "", bytes, sizeof(bytes));
	check_document(t, ROMEO, "vcard", "", bytes, sizeof(bytes));
	ASK(t, STORAGE_OK, storage_document_put, t->storage, ROMEO, "vcard",
	    "", "", 0);
	check_document(t, ROMEO, "vcard", "", "", 0);
	ASK(t, STORAGE_NOT_FOUND, storage_document_get, t->reader, JULIET,
	    "vcard", "");
	ASK(t, STORAGE_OK, storage_document_put, t->storage, ROMEO, "vcard",
	    "", NULL, 0);
	ASK(t, STORAGE_OK, storage_document_put, t->storage, ROMEO, "vcard",
	    "", NULL, 0);
	ASK(t, STORAGE_NOT_FOUND, storage_document_get, t->reader, ROMEO,
	    "vcard", "");
}

static void test_document_list(void **state)
{
	static const char *const keys[] = { "b x", "a y", "\xc3\xa9", "B" };
	struct test *t = *state;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		ASK(t, STORAGE_OK, storage_document_put, t->storage, ROMEO,
		    "private", keys[i], keys[i], 1);
		ASK(t, STORAGE_OK, storage_document_put, t->storage, ROMEO,
		    "other", keys[i], "o", 1);
	}
	ASK(t, STORAGE_OK, storage_document_put, t->storage, ROMEO, "other",
	    "B", NULL, 0);
	ASK(t, STORAGE_OK, storage_document_list, t->reader, ROMEO,
	    "private");
	check_names(t, "B a y b x \xc3\xa9 ");
	check_document(t, ROMEO, "private", "b x", "b", 1);
	check_document(t, ROMEO, "other", "b x", "o", 1);
	ASK(t, STORAGE_OK, storage_document_list, t->reader, ROMEO, "other");
	check_names(t, "a y b x \xc3\xa9 ");
	ASK(t, STORAGE_OK, storage_document_list, t->reader, JULIET, "other");
	check_names(t, "");
}

static void test_documents_loaded(void **state)
{
	static const char bytes[] = "\0\xff'";
	const struct storage_result *result;
	struct test *t = *state;

	result = &t->answer.result;
	ASK(t, STORAGE_OK, storage_load, t->reader, ROMEO);
	assert_int_equal(result->document_count, 0);
	ASK(t, STORAGE_OK, storage_document_put, t->storage, ROMEO,
	    STORAGE_KIND_ACTIVE, "two", bytes, sizeof(bytes));
	ASK(t, STORAGE_OK, storage_document_put, t->storage, ROMEO,
	    STORAGE_KIND_ACTIVE, "one", "", 0);
	ASK(t, STORAGE_OK, storage_document_put, t->storage, ROMEO, "other",
	    "three", "x", 1);
	ASK(t, STORAGE_OK, storage_load, t->reader, ROMEO);
	assert_int_equal(result->document_count, 2);
	assert_string_equal(result->documents[0].key, "one");
	assert_int_equal(result->documents[0].len, 0);
	assert_string_equal(result->documents[0].data, "");
	assert_string_equal(result->documents[1].key, "two");
	assert_int_equal(result->documents[1].len, sizeof(bytes));
	assert_memory_equal(result->documents[1].data, bytes, sizeof(bytes));
	ASK(t, STORAGE_OK, storage_load, t->reader, JULIET);
	assert_int_equal(result->document_count, 0);
}

static void test_big(void **state)
{
	struct test *t = *state;
	size_t len = 3000000;
	char *text = mem_alloc(len + 1);

	memset(text, 'x', len);
	ASK(t, STORAGE_OK, storage_document_put, t->storage, ROMEO, "k", "",
	    text, len);
	check_document(t, ROMEO, "k", "", text, len);
	ASK(t, STORAGE_OK, storage_offline_add, t->storage, ROMEO, 1, 6, text,
	    len);
	ASK(t, STORAGE_OK, storage_offline_list, t->reader, ROMEO, 0, 1);
	assert_int_equal(t->answer.result.messages[0].len, len);
	mem_free(text);
}

/* -- all of a user ------------------------------------------------------- */

static void fill(struct test *t, const char *owner)
{
	struct account account = account_made_of(3);
	struct roster_item item = { .jid = "c@x", .listed = true };

	ASK(t, STORAGE_OK, storage_account_create, t->storage, owner,
	    &account);
	ASK(t, STORAGE_OK, storage_roster_put, t->storage, owner, &item, 7);
	ASK(t, STORAGE_OK, storage_document_put, t->storage, owner, "k", "n",
	    "d", 1);
	add_message(t, owner, 1, "<m/>");
}

static void check_filled(struct test *t, const char *owner, bool filled)
{
	const struct storage_result *result = &t->answer.result;

	ASK(t, STORAGE_OK, storage_load, t->reader, owner);
	assert_int_equal(result->has_account, filled);
	assert_int_equal(result->count, filled);
	assert_int_equal(result->offline_count, filled);
	assert_int_equal(result->roster_version, filled ? 7 : 0);
	ASK(t, STORAGE_OK, storage_document_list, t->reader, owner, "k");
	assert_int_equal(result->count, filled);
}

static void test_account_remove(void **state)
{
	struct test *t = *state;

	fill(t, ROMEO);
	fill(t, JULIET);
	ASK(t, STORAGE_OK, storage_account_remove, t->storage, ROMEO);
	check_filled(t, ROMEO, false);
	check_filled(t, JULIET, true);
	fill(t, ROMEO);
	check_filled(t, ROMEO, true);
	/* Without an account the rest goes as well. */
	add_message(t, "nobody@example.org", 1, "<m/>");
	ASK(t, STORAGE_NOT_FOUND, storage_account_remove, t->storage,
	    "nobody@example.org");
	check_filled(t, "nobody@example.org", false);
}

/* -- what holds for every call ------------------------------------------- */

#define MANY 600

static void test_order(void **state)
{
	struct test *t = *state;
	struct answer *puts = mem_calloc(MANY, sizeof(*puts));
	struct answer *gets = mem_calloc(MANY, sizeof(*gets));

	for (size_t i = 0; i < MANY; i++) {
		char text[16];
		int len = snprintf(text, sizeof(text), "%zu", i);

		storage_document_put(t->storage, ROMEO, "k", "", text,
				     (size_t)len, answer_cb, &puts[i]);
		storage_document_get(t->storage, ROMEO, "k", "", answer_cb,
				     &gets[i]);
	}
	answer_wait(&t->world, &gets[MANY - 1]);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(puts[i].count, 1);
		assert_int_equal(puts[i].result.status, STORAGE_OK);
		assert_int_equal(gets[i].count, 1);
		assert_int_equal(strtoul(gets[i].result.data, NULL, 10), i);
		answer_clear(&puts[i]);
		answer_clear(&gets[i]);
	}
	mem_free(puts);
	mem_free(gets);
}

static void test_cancel(void **state)
{
	struct test *t = *state;
	struct answer answers[3] = { { 0 } };
	struct storage_request *requests[3];

	storage_cancel(NULL);
	for (int i = 0; i < 3; i++)
		requests[i] = storage_document_put(t->storage, ROMEO, "k", "",
						   "x", 1, answer_cb,
						   &answers[i]);
	storage_cancel(requests[1]);
	storage_cancel(requests[1]);
	assert_int_equal(answers[1].count, 0);
	answer_wait(&t->world, &answers[2]);
	assert_int_equal(answers[0].result.status, STORAGE_OK);
	assert_int_equal(answers[1].count, 1);
	assert_int_equal(answers[1].result.status, STORAGE_CANCELLED);
	assert_int_equal(answers[2].result.status, STORAGE_OK);
	for (int i = 0; i < 3; i++)
		answer_clear(&answers[i]);
}

static void test_close(void **state)
{
	struct test *t = *state;
	struct answer *answers = mem_calloc(MANY, sizeof(*answers));

	for (size_t i = 0; i < MANY; i++) {
		struct storage_request *request = storage_offline_add(
			t->storage, ROMEO, 1, 6, "<m/>", 4, answer_cb,
			&answers[i]);

		if (i == 0)
			storage_cancel(request);
	}
	close_store(t);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(answers[i].count, 1);
		assert_int_equal(answers[i].result.status,
				 i == 0 ? STORAGE_CANCELLED : STORAGE_OK);
	}
	mem_free(answers);
	open_store(t);
	ASK(t, STORAGE_OK, storage_load, t->reader, ROMEO);
	if (t->subject->durable)
		assert_in_range(t->answer.result.offline_count, MANY - 1,
				MANY);
}

static void count_unavailable(const struct storage_result *result, void *ctx)
{
	unsigned *unavailable = ctx;

	if (result->status == STORAGE_UNAVAILABLE) {
		assert_string_equal(result->reason, "too many requests wait");
		++*unavailable;
	}
}

/* A store that stalls makes callers fail, not memory grow. */
static void test_flood(void **state)
{
	struct test *t = *state;
	unsigned unavailable = 0;

	for (int i = 0; i < 60000; i++)
		storage_account_get(t->storage, ROMEO, count_unavailable,
				    &unavailable);
	assert_int_equal(unavailable, 0);
	ASK(t, STORAGE_UNAVAILABLE, storage_load, t->storage, ROMEO);
	while (unavailable < 10000)
		world_run(&t->world, 10);
	/* Before a slow machine makes the others wait for too long. */
	assert_int_equal(unavailable, 10000);
	close_store(t);
	open_store(t);
	ASK(t, STORAGE_OK, storage_load, t->storage, ROMEO);
}

struct again {
	struct storage *storage;
	struct answer answer;
};

static void ask_again(const struct storage_result *result, void *ctx)
{
	struct again *again = ctx;

	(void)result;
	storage_load(again->storage, ROMEO, answer_cb, &again->answer);
}

/* A callback may ask; also while the store closes. */
static void test_ask_in_callback(void **state)
{
	struct test *t = *state;
	struct again again = { .storage = t->storage };

	storage_load(t->storage, ROMEO, ask_again, &again);
	answer_wait(&t->world, &again.answer);
	assert_int_equal(again.answer.result.status, STORAGE_OK);
	answer_clear(&again.answer);
	storage_load(t->storage, ROMEO, ask_again, &again);
	close_store(t);
	assert_int_equal(again.answer.count, 1);
	assert_int_equal(again.answer.result.status, STORAGE_CANCELLED);
	open_store(t);
}

static void test_stats(void **state)
{
	struct test *t = *state;
	struct storage_stats stats;
	uint64_t answered = 0;

	for (int i = 0; i < 5; i++)
		ASK(t, STORAGE_OK, storage_load, t->storage, ROMEO);
	storage_load(t->storage, ROMEO, answer_cb, &t->answer);
	storage_get_stats(t->storage, &stats);
	assert_int_equal(stats.requests, 6);
	assert_int_equal(stats.pending, 1);
	assert_int_equal(stats.unavailable, 0);
	for (int i = 0; i < 12; i++)
		answered += stats.latency_buckets[i];
	assert_int_equal(answered, 5);
	t->answer.count = 0;
	answer_wait(&t->world, &t->answer);
	storage_get_stats(t->storage, &stats);
	assert_int_equal(stats.pending, 0);
}

static const struct CMUnitTest cases[] = {
	cmocka_unit_test_setup_teardown(test_account, setup, teardown),
	cmocka_unit_test_setup_teardown(test_account_list, setup, teardown),
	cmocka_unit_test_setup_teardown(test_owner_list, setup, teardown),
	cmocka_unit_test_setup_teardown(test_roster, setup, teardown),
	cmocka_unit_test_setup_teardown(test_offline, setup, teardown),
	cmocka_unit_test_setup_teardown(test_document, setup, teardown),
	cmocka_unit_test_setup_teardown(test_document_list, setup, teardown),
	cmocka_unit_test_setup_teardown(test_documents_loaded, setup, teardown),
	cmocka_unit_test_setup_teardown(test_big, setup, teardown),
	cmocka_unit_test_setup_teardown(test_account_remove, setup, teardown),
	cmocka_unit_test_setup_teardown(test_order, setup, teardown),
	cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
	cmocka_unit_test_setup_teardown(test_close, setup, teardown),
	cmocka_unit_test_setup_teardown(test_ask_in_callback, setup,
					teardown),
	cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
	cmocka_unit_test_setup_teardown(test_stats, setup, teardown),
};

#define SUBJECTS (sizeof(subjects) / sizeof(subjects[0]))
#define CASES (sizeof(cases) / sizeof(cases[0]))

int main(void)
{
	bool postgres = getenv(WORLD_POSTGRES) != NULL;
	struct CMUnitTest tests[SUBJECTS * CASES];
	char names[SUBJECTS * CASES][64];
	size_t count = 0;

	for (size_t i = 0; i < SUBJECTS * CASES; i++) {
		const struct subject *subject = &subjects[i / CASES];

		if (str_equal(subject->driver, "postgres") != postgres)
			continue;
		tests[count] = cases[i % CASES];
		snprintf(names[count], sizeof(names[count]), "%s: %s",
			 subject->name, cases[i % CASES].name);
		tests[count].name = names[count];
		/* setup() gets the subject as its state. */
		tests[count++].initial_state = (void *)(uintptr_t)subject;
	}
	return _cmocka_run_group_tests("storage", tests, count, NULL, NULL);
}
