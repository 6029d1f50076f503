/* SPDX-License-Identifier: Apache-2.0
 *
 * What can go wrong with the driver "postgres". Without a database in
 * CHAPPE_TEST_POSTGRES (see test_storage.c), only its connection text.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "storage/postgres_options.h"
#include "storage/schema.h"
#include "t/unit/storage_world.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define ROMEO "romeo@example.org"
#define MANY 600

/* -- the connection text ------------------------------------------------- */

struct text {
	const char *text;
	const char *conninfo; /* NULL: refused */
	uint64_t connections, timeout_ms;
};

static const struct text texts[] = {
	{ "", "", 4, 5000 },
	{ "host=a", "host=a ", 4, 5000 },
	{ "connections=7 host=a timeout=2", "host=a ", 7, 2000 },
	{ "  host = a\tconnections = '7' ", "host = a ", 7, 5000 },
	{ "connections='7", NULL, 0, 0 },
	{ "connections='", NULL, 0, 0 },
	{ "host = 'a b\\' connections=1' port=5 connections = 64",
	  "host = 'a b\\' connections=1' port=5 ", 64, 5000 },
	{ "host=a\\ connections=3", "host=a\\ connections=3 ", 4, 5000 },
	{ "connections=0", NULL, 0, 0 },
	{ "connections=65", NULL, 0, 0 },
	{ "timeout=", NULL, 0, 0 },
	{ "timeout=1s", NULL, 0, 0 },
	{ "nonsense=1", NULL, 0, 0 },
	{ "host", NULL, 0, 0 },
	{ "host='a", NULL, 0, 0 },
	{ "postgresql://u@h:5/d", "postgresql://u@h:5/d", 4, 5000 },
	{ "postgres://h,i/d?connections=2", "postgres://h,i/d", 2, 5000 },
	{ "postgres:///d?timeout=9&sslmode=require&connections=2&user=u",
	  "postgres:///d?sslmode=require&user=u", 2, 9000 },
	{ "postgres:///d?connections=x", NULL, 0, 0 },
	{ "postgres:///d?what=x", NULL, 0, 0 },
};

static void test_options(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const struct text *wanted = &texts[i];
		struct pg_options options;
		struct error err = { "" };
		int result = pg_options_parse(&options, wanted->text, &err);

		print_message("# %s\n", wanted->text);
		if (wanted->conninfo == NULL) {
			assert_int_equal(result, -1);
			assert_true(strlen(err.text) > 10);
			assert_null(strchr(err.text, '\n'));
			continue;
		}
		assert_string_equal(err.text, "");
		assert_int_equal(result, 0);
		assert_string_equal(options.conninfo, wanted->conninfo);
		assert_int_equal(options.connections, wanted->connections);
		assert_int_equal(options.timeout_ms, wanted->timeout_ms);
		pg_options_clear(&options);
	}
}

/* -- with a server ------------------------------------------------------- */

struct test {
	struct world world;
	struct storage *storage;
	struct answer answer;
	struct answer many[MANY];
};

static int setup(void **state)
{
	struct test *t = mem_new(struct test);

	world_init(&t->world);
	world_empty_postgres();
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct test *t = *state;

	storage_close(&t->storage);
	answer_clear(&t->answer);
	for (int i = 0; i < MANY; i++)
		answer_clear(&t->many[i]);
	world_free(&t->world);
	mem_free(t);
	return 0;
}

/* The server's conninfo with words after it. */
static struct storage *open_with(struct test *t, const char *words)
{
	char *conninfo = mem_printf("%s %s", getenv(WORLD_POSTGRES), words);
	struct storage *storage = world_open(&t->world, "postgres", conninfo);

	mem_free(conninfo);
	return storage;
}

#define ASK(t, wanted, call, ...)                                            \
	EXPECT(&(t)->world, &(t)->answer, wanted, call, __VA_ARGS__)

static void check_psql(const char *sql, const char *wanted)
{
	char *found = world_psql(sql);

	assert_string_equal(found, wanted);
	mem_free(found);
}

static void add(struct test *t, int number, const char *owner,
		const char *stanza)
{
	storage_offline_add(t->storage, owner, number, 0, stanza,
			    strlen(stanza), answer_cb, &t->many[number]);
}

static void wait_many(struct test *t, int count)
{
	for (int i = 0; i < count; i++) {
		if (t->many[i].count == 0)
			answer_wait(&t->world, &t->many[i]);
	}
}

/* One that the database does not take is nobody else's fault. */
static void test_culprits(void **state)
{
	struct test *t = *state;
	uint64_t last = 0;

	t->storage = open_with(t, "connections=2");
	for (int i = 0; i < MANY; i++)
		add(t, i, ROMEO, i % 97 == 5 ? "<\xff/>" : "<m/>");
	wait_many(t, MANY);
	for (int i = 0; i < MANY; i++) {
		const struct storage_result *result = &t->many[i].result;

		if (i % 97 == 5) {
			assert_int_equal(result->status, STORAGE_UNAVAILABLE);
			assert_string_equal(result->reason, "the database "
					    "does not take this");
			continue;
		}
		assert_int_equal(result->status, STORAGE_OK);
		assert_true(result->id > last);
		last = result->id;
	}
	assert_int_equal(world_logged(&t->world, "storage.unavailable"), 0);
	check_psql("SELECT count(*) FROM offline WHERE stanza = '<m/>'",
		   "593");
}

/* All backends die, again and again: nothing is lost, nothing comes twice,
 * and the order stays. */
static void test_killed_backends(void **state)
{
	struct test *t = *state;

	t->storage = open_with(t, "connections=3");
	ASK(t, STORAGE_OK, storage_load, t->storage, ROMEO);
	for (int i = 0; i < MANY; i++) {
		char owner[32];

		snprintf(owner, sizeof(owner), "u%d@example.org", i % 7);
		add(t, i, owner, "<m/>");
		if (i % 20 == 0)
			world_run(&t->world, 1);
		if (i % 100 == 50)
			mem_free(world_psql(
				"SELECT pg_terminate_backend(pid) FROM"
				" pg_stat_activity WHERE application_name ="
				" 'chappe'"));
	}
	wait_many(t, MANY);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(t->many[i].result.status, STORAGE_OK);
		if (i >= 7)
			assert_true(t->many[i].result.id >
				    t->many[i - 7].result.id);
	}
	check_psql("SELECT count(*), count(DISTINCT stamp) FROM offline",
		   "600|600");
}

/* Transactions that are in each other's way are made again. */
static void test_conflicts(void **state)
{
	struct test *t = *state;
	struct storage *stores[2];

	for (int i = 0; i < 2; i++)
		stores[i] = open_with(t, "connections=1 options="
				      "'-c default_transaction_isolation="
				      "serializable'");
	t->storage = stores[0];
	ASK(t, STORAGE_OK, storage_load, stores[0], ROMEO);
	ASK(t, STORAGE_OK, storage_load, stores[1], ROMEO);
	for (int i = 0; i < 200; i++) {
		storage_document_put(stores[i % 2], ROMEO, "k", "", "x", 1,
				     answer_cb, &t->many[i]);
		if (i % 2)
			world_run(&t->world, 2);
	}
	wait_many(t, 200);
	for (int i = 0; i < 200; i++)
		assert_int_equal(t->many[i].result.status, STORAGE_OK);
	storage_close(&stores[1]);
}

/* Whoever holds a lock makes others wait for the time-out, and no longer. */
static void test_lock(void **state)
{
	struct test *t = *state;
	FILE *locker;
	uint64_t start;

	t->storage = open_with(t, "timeout=1");
	ASK(t, STORAGE_OK, storage_load, t->storage, ROMEO);
	world_run(&t->world, 500); /* all of the pool is there */
	locker = popen("psql -X -q -d \"$" WORLD_POSTGRES "\" -c 'BEGIN;"
		       "LOCK TABLE document; SELECT pg_sleep(2.5)'"
		       " >/dev/null", "r");
	for (int i = 0; i < 200; i++) {
		char *locked = world_psql("SELECT count(*) FROM pg_locks WHERE"
					  " mode = 'AccessExclusiveLock' AND"
					  " relation = 'document'::regclass");
		bool yes = str_equal(locked, "1");

		mem_free(locked);
		if (yes)
			break;
	}
	start = loop_now_us(t->world.loop);
	storage_document_put(t->storage, ROMEO, "k", "", "x", 1, answer_cb,
			     &t->many[0]);
	/* Somebody else's work goes on meanwhile. */
	ASK(t, STORAGE_NOT_FOUND, storage_account_get, t->storage,
	    "juliet@example.org");
	assert_true(loop_now_us(t->world.loop) - start < 900000);
	answer_wait(&t->world, &t->many[0]);
	assert_int_equal(t->many[0].result.status, STORAGE_UNAVAILABLE);
	assert_string_equal(t->many[0].result.reason, "canceling statement "
			    "due to statement timeout");
	assert_int_equal(world_logged(&t->world, "storage.unavailable"), 1);
	pclose(locker);
	ASK(t, STORAGE_OK, storage_document_put, t->storage, ROMEO, "k", "",
	    "x", 1);
	assert_int_equal(world_logged(&t->world, "storage.available"), 1);
}

/* No room for what is written; what is there can be read all the same. */
static void test_disk_full(void **state)
{
	struct test *t = *state;

	t->storage = open_with(t, "connections=1");
	ASK(t, STORAGE_OK, storage_load, t->storage, ROMEO);
	mem_free(world_psql(
		"CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql"
		" AS $$BEGIN RAISE 'no space left' USING ERRCODE ="
		" 'disk_full'; END$$; CREATE TRIGGER full_disk BEFORE INSERT"
		" ON offline EXECUTE FUNCTION full_disk()"));
	for (int i = 0; i < MANY; i++) {
		if (i % 2)
			storage_load(t->storage, ROMEO, answer_cb,
				     &t->many[i]);
		else
			add(t, i, ROMEO, "<m/>");
	}
	wait_many(t, MANY);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(t->many[i].result.status,
				 i % 2 ? STORAGE_OK : STORAGE_UNAVAILABLE);
		if (i % 2 == 0)
			assert_string_equal(t->many[i].result.reason,
					    "no space left");
		answer_clear(&t->many[i]);
	}
	assert_int_equal(world_logged(&t->world, "no space left"), 1);
	mem_free(world_psql("DROP TRIGGER full_disk ON offline"));
	add(t, 0, ROMEO, "<m/>");
	wait_many(t, 1);
	assert_int_equal(t->many[0].result.status, STORAGE_OK);
	assert_int_equal(world_logged(&t->world, "storage.available"), 1);
}

/* Two stores on an empty database, at the same time; and one from the
 * future. */
static void test_schema(void **state)
{
	struct test *t = *state;
	struct storage *other = open_with(t, "connections=8");
	char *back = mem_printf("UPDATE chappe_schema SET version = %d",
				schema_version);

	t->storage = open_with(t, "connections=8");
	ASK(t, STORAGE_OK, storage_load, t->storage, ROMEO);
	ASK(t, STORAGE_OK, storage_load, other, ROMEO);
	storage_close(&other);
	storage_close(&t->storage);
	assert_int_equal(world_logged(&t->world, "storage.unavailable"), 0);
	mem_free(world_psql("UPDATE chappe_schema SET version = 99"));
	t->storage = open_with(t, "connections=1");
	ASK(t, STORAGE_UNAVAILABLE, storage_load, t->storage, ROMEO);
	assert_non_null(strstr(t->answer.result.reason,
			       "the database has schema 99"));
	assert_int_equal(world_logged(&t->world, "schema 99"), 1);
	mem_free(world_psql(back));
	mem_free(back);
	for (int i = 0; i < 100 && world_logged(&t->world,
						"storage.available") == 0; i++)
		world_run(&t->world, 50);
	ASK(t, STORAGE_OK, storage_load, t->storage, ROMEO);
}

static void test_password(void **state)
{
	struct test *t = *state;

	t->storage = open_with(t, "password=open-sesame connections=2");
	ASK(t, STORAGE_UNAVAILABLE, storage_load, t->storage, ROMEO);
	assert_non_null(strstr(t->answer.result.reason,
			       "password authentication failed"));
	assert_int_equal(world_logged(&t->world, "storage.unavailable"), 1);
	assert_int_equal(world_logged(&t->world, "open-sesame"), 0);
	/* At once, without asking. */
	ASK(t, STORAGE_UNAVAILABLE, storage_load, t->storage, ROMEO);
	world_run(&t->world, 300);
	assert_int_equal(world_logged(&t->world, "storage.unavailable"), 1);
}

static void test_no_server(void **state)
{
	static const char *const words[] = {
		"host=127.0.0.1 port=1", "host=/nonexistent",
		"host=no-such-host.invalid", "sslmode=verify-full",
		"dbname=nothing", "target_session_attrs=standby",
	};
	struct test *t = *state;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		print_message("# %s\n", words[i]);
		t->storage = open_with(t, words[i]);
		ASK(t, STORAGE_UNAVAILABLE, storage_load, t->storage, ROMEO);
		assert_int_not_equal(t->answer.result.reason[0], '\0');
		storage_close(&t->storage);
	}
}

/* Nobody is left behind by the end. */
static void test_close_without_server(void **state)
{
	struct test *t = *state;

	t->storage = open_with(t, "host=127.0.0.1 port=1");
	for (int i = 0; i < 3; i++)
		add(t, i, ROMEO, "<m/>");
	storage_close(&t->storage);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(t->many[i].count, 1);
		assert_int_equal(t->many[i].result.status,
				 STORAGE_UNAVAILABLE);
	}
}

/* As at a reload that is refused: nobody waits for a server that accepts
 * connections and says nothing. */
static void test_close_at_once(void **state)
{
	struct test *t = *state;
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(address);
	int silent = socket(AF_INET, SOCK_STREAM, 0);
	uint64_t began;
	char words[64];

	assert_int_equal(bind(silent, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(silent, 8), 0);
	getsockname(silent, (struct sockaddr *)&address, &len);
	snprintf(words, sizeof(words), "host=127.0.0.1 port=%d",
		 ntohs(address.sin_port));
	began = loop_now_us(t->world.loop);
	t->storage = open_with(t, words);
	storage_close(&t->storage);
	assert_true(loop_now_us(t->world.loop) - began < 1000000);
	close(silent);
	/* What was asked in the same turn is done all the same. */
	t->storage = open_with(t, "");
	add(t, 0, ROMEO, "<m/>");
	storage_close(&t->storage);
	assert_int_equal(t->many[0].result.status, STORAGE_OK);
}

static void test_read_only(void **state)
{
	struct test *t = *state;

	t->storage = open_with(t, "connections=2");
	ASK(t, STORAGE_OK, storage_load, t->storage, ROMEO);
	/* As a primary that has become a standby under our connections. */
	mem_free(world_psql("ALTER ROLE chappe SET"
			    " default_transaction_read_only = on"));
	mem_free(world_psql("SELECT pg_terminate_backend(pid) FROM"
			    " pg_stat_activity WHERE application_name ="
			    " 'chappe'"));
	ASK(t, STORAGE_UNAVAILABLE, storage_document_put, t->storage, ROMEO,
	    "k", "", "x", 1);
	assert_non_null(strstr(t->answer.result.reason, "read-only"));
	mem_free(world_psql("SET default_transaction_read_only = off;"
			    "ALTER ROLE chappe RESET"
			    " default_transaction_read_only"));
	for (int i = 0; i < 100 && world_logged(&t->world,
						"storage.available") == 0; i++)
		world_run(&t->world, 100);
	ASK(t, STORAGE_OK, storage_document_put, t->storage, ROMEO, "k", "",
	    "x", 1);
}

int main(void)
{
	const struct CMUnitTest options[] = {
		cmocka_unit_test(test_options),
	};
#define FAULT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest faults[] = {
		FAULT(test_culprits),
		FAULT(test_killed_backends),
		FAULT(test_conflicts),
		FAULT(test_lock),
		FAULT(test_disk_full),
		FAULT(test_schema),
		FAULT(test_password),
		FAULT(test_no_server),
		FAULT(test_close_without_server),
		FAULT(test_close_at_once),
		FAULT(test_read_only),
	};

	if (getenv(WORLD_POSTGRES) == NULL)
		return cmocka_run_group_tests(options, NULL, NULL);
	return cmocka_run_group_tests(faults, NULL, NULL);
}
