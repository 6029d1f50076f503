/* SPDX-License-Identifier: Apache-2.0
 *
 * Databases that cannot be used: each is UNAVAILABLE with a reason, is logged
 * once, never takes anything back that was said to be stored, and heals
 * without being opened again. And what the driver promises about its file.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "storage/schema.h"
#include "storage/statements.h"
#include "t/unit/storage_world.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define ROMEO "romeo@example.org"
#define JULIET "juliet@example.org"

struct test {
	struct world world;
	char *dir;  /* in the world's */
	char *path; /* in dir */
	struct storage *storage;
	struct answer answer;
};

static int setup(void **state)
{
	struct test *t = mem_new(struct test);

	world_init(&t->world);
	t->dir = world_path(&t->world, "db");
	t->path = world_path(&t->world, "db/chappe.db");
	assert_int_equal(mkdir(t->dir, 0700), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", ".old",
						".old-wal", ".old-shm" };
	struct test *t = *state;

	storage_close(&t->storage);
	answer_clear(&t->answer);
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char *path = mem_printf("%s%s", t->path, suffixes[i]);

		unlink(path);
		mem_free(path);
	}
	rmdir(t->dir);
	world_free(&t->world);
	mem_free(t->dir);
	mem_free(t->path);
	mem_free(t);
	return 0;
}

#define ASK(t, wanted, call, ...)                                            \
	EXPECT(&(t)->world, &(t)->answer, wanted, call, (t)->storage,        \
	       __VA_ARGS__)

static void open_store(struct test *t)
{
	t->storage = world_open(&t->world, "sqlite", t->path);
}

static void put(struct test *t, enum storage_status wanted, const char *data)
{
	ASK(t, wanted, storage_document_put, ROMEO, "k", "", data,
	    strlen(data));
}

static void check_data(struct test *t, const char *data)
{
	ASK(t, STORAGE_OK, storage_document_get, ROMEO, "k", "");
	assert_string_equal(t->answer.result.data, data);
}

static void check_reason(struct test *t, const char *word)
{
	if (strstr(t->answer.result.reason, word) == NULL)
		fail_msg("\"%s\" lacks \"%s\"", t->answer.result.reason, word);
}

/* The cause is gone: within some seconds writing works, and the log says so,
 * once, as it had said the contrary. */
static void check_heals(struct test *t)
{
	for (int i = 0; i < 100; i++) {
		world_run(&t->world, 100);
		answer_clear(&t->answer);
		storage_document_put(t->storage, ROMEO, "k", "", "healed", 6,
				     answer_cb, &t->answer);
		answer_wait(&t->world, &t->answer);
		if (t->answer.result.status == STORAGE_OK &&
		    world_logged(&t->world, "storage.available"))
			break;
	}
	check_data(t, "healed");
	assert_int_equal(world_logged(&t->world, "storage.unavailable"), 1);
	assert_int_equal(world_logged(&t->world, "storage.available"), 1);
}

static sqlite3 *open_raw(struct test *t)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(t->path, &db), SQLITE_OK);
	return db;
}

static void run_raw(sqlite3 *db, const char *sql)
{
	char *message = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", sql, message);
}

static void run_on_file(struct test *t, const char *sql)
{
	sqlite3 *db = open_raw(t);

	run_raw(db, sql);
	sqlite3_close(db);
}

/* -- faults -------------------------------------------------------------- */

static void test_no_folder(void **state)
{
	struct test *t = *state;

	assert_int_equal(rmdir(t->dir), 0);
	open_store(t);
	put(t, STORAGE_UNAVAILABLE, "x");
	check_reason(t, "No such file");
	ASK(t, STORAGE_UNAVAILABLE, storage_load, ROMEO);
	assert_int_equal(mkdir(t->dir, 0700), 0);
	check_heals(t);
}

/* Root may write everywhere, so it has to be somebody else for a while. */
static void test_folder_not_writable(void **state)
{
	struct test *t = *state;
	bool root = geteuid() == 0;

	assert_int_equal(chmod(t->world.dir, 0755), 0);
	assert_int_equal(chmod(t->dir, 0555), 0);
	if (root)
		assert_int_equal(seteuid(65534), 0);
	open_store(t);
	put(t, STORAGE_UNAVAILABLE, "x");
	check_reason(t, "Permission denied");
	if (root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(t->dir, 0755), 0);
	check_heals(t);
}

static void test_not_a_database(void **state)
{
	struct test *t = *state;
	FILE *file = fopen(t->path, "w");

	for (int i = 0; i < 1000; i++)
		fputs("This is no database at all.\n", file);
	fclose(file);
	open_store(t);
	put(t, STORAGE_UNAVAILABLE, "x");
	check_reason(t, "not an SQLite database");
	assert_int_equal(unlink(t->path), 0);
	check_heals(t);
}

static void test_foreign_database(void **state)
{
	struct test *t = *state;

	run_on_file(t, "CREATE TABLE theirs (x); PRAGMA user_version = 5");
	open_store(t);
	put(t, STORAGE_UNAVAILABLE, "x");
	check_reason(t, "another program");
	run_on_file(t, "SELECT x FROM theirs; DROP TABLE theirs");
	check_heals(t);
}

static void test_newer_schema(void **state)
{
	struct test *t = *state;
	char word[32];

	open_store(t);
	put(t, STORAGE_OK, "x");
	storage_close(&t->storage);
	run_on_file(t, "UPDATE chappe_schema SET version = version + 1");
	open_store(t);
	put(t, STORAGE_UNAVAILABLE, "y");
	snprintf(word, sizeof(word), "schema %d,", schema_version + 1);
	check_reason(t, word);
	check_reason(t, "newer");
	ASK(t, STORAGE_UNAVAILABLE, storage_document_get, ROMEO, "k", "");
	run_on_file(t, "UPDATE chappe_schema SET version = version - 1");
	check_heals(t);
}

/* Only an empty file gets its tables by being opened. */
static void test_older_schema(void **state)
{
	struct test *t = *state;
	char sql[64];
	struct error err;

	open_store(t);
	assert_int_equal(storage_check_schema(t->storage, t->path, &err), 0);
	put(t, STORAGE_OK, "x");
	assert_int_equal(storage_check_schema(t->storage, t->path, &err), 0);
	storage_close(&t->storage);
	run_on_file(t, "UPDATE chappe_schema SET version = 0");
	open_store(t);
	assert_int_equal(storage_check_schema(t->storage, t->path, &err), -1);
	assert_non_null(strstr(err.text, "chappectl db migrate"));
	put(t, STORAGE_UNAVAILABLE, "y");
	check_reason(t, "schema 0,");
	check_reason(t, "chappectl db migrate");
	snprintf(sql, sizeof(sql), "UPDATE chappe_schema SET version = %d",
		 schema_version);
	run_on_file(t, sql);
	check_heals(t);
}

/* Reading goes on while somebody else holds the lock, and after the first to
 * wait in vain nobody waits as long. */
static void test_locked(void **state)
{
	struct test *t = *state;
	uint64_t start;
	sqlite3 *db;

	open_store(t);
	put(t, STORAGE_OK, "before");
	db = open_raw(t);
	run_raw(db, "BEGIN IMMEDIATE");
	put(t, STORAGE_UNAVAILABLE, "x");
	check_reason(t, "locked");
	check_data(t, "before");
	start = loop_now_us(t->world.loop);
	put(t, STORAGE_UNAVAILABLE, "x");
	assert_true(loop_now_us(t->world.loop) - start < 1000000);
	run_raw(db, "COMMIT");
	sqlite3_close(db);
	check_heals(t);
}

static void limit_file_size(rlim_t size)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* No byte more can be written, as on a full disk. */
static void test_full_disk(void **state)
{
	struct test *t = *state;
	struct answer answers[20] = { { 0 } };

	open_store(t);
	put(t, STORAGE_OK, "before");
	signal(SIGXFSZ, SIG_IGN);
	limit_file_size(1);
	put(t, STORAGE_UNAVAILABLE, "x");
	for (int i = 0; i < 20; i++) {
		if (i % 2)
			storage_document_get(t->storage, ROMEO, "k", "",
					     answer_cb, &answers[i]);
		else
			storage_offline_add(t->storage, ROMEO, 1, 2, "<m/>",
					    4, answer_cb, &answers[i]);
	}
	for (int i = 0; i < 20; i++) {
		answer_wait(&t->world, &answers[i]);
		if (answers[i].result.status == STORAGE_OK)
			assert_string_equal(answers[i].result.data, "before");
		assert_true(i % 2 || answers[i].result.status ==
					     STORAGE_UNAVAILABLE);
		answer_clear(&answers[i]);
	}
	limit_file_size(RLIM_INFINITY);
	check_heals(t);
	ASK(t, STORAGE_OK, storage_offline_list, ROMEO, 0, 10);
	assert_int_equal(t->answer.result.count, 0);
}

/* A whole batch fails when the file may not grow, and no part of it is there
 * later. SQLite itself says "full" then, and keeps the connection. */
static void test_full_database(void **state)
{
	struct test *t = *state;
	struct storage_stats stats;
	size_t len = 200000;
	char *text = mem_alloc(len + 1);

	memset(text, 'x', len);
	open_store(t);
	put(t, STORAGE_OK, "before");
	signal(SIGXFSZ, SIG_IGN);
	limit_file_size(150000);
	ASK(t, STORAGE_UNAVAILABLE, storage_document_put, ROMEO, "big", "",
	    text, len);
	limit_file_size(RLIM_INFINITY);
	mem_free(text);
	check_heals(t);
	ASK(t, STORAGE_NOT_FOUND, storage_document_get, ROMEO, "big", "");
	storage_get_stats(t->storage, &stats);
	assert_true(stats.unavailable >= 1);
}

static void rename_file(struct test *t, bool away)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };

	for (int i = 0; i < 3; i++) {
		char *here = mem_printf("%s%s", t->path, suffixes[i]);
		char *there = mem_printf("%s.old%s", t->path, suffixes[i]);

		rename(away ? here : there, away ? there : here);
		mem_free(here);
		mem_free(there);
	}
}

/* A file that has gone is an accident: no empty one takes its place, in which
 * nobody has an account. */
static void test_file_gone(void **state)
{
	struct test *t = *state;

	open_store(t);
	put(t, STORAGE_OK, "before");
	rename_file(t, true);
	put(t, STORAGE_UNAVAILABLE, "lost");
	check_reason(t, "gone");
	ASK(t, STORAGE_UNAVAILABLE, storage_document_get, ROMEO, "k", "");
	assert_int_equal(access(t->path, F_OK), -1);
	rename_file(t, false);
	check_heals(t);
}

static void test_damaged(void **state)
{
	struct test *t = *state;
	char *bytes = mem_alloc(4096);
	char *copy = mem_printf("%s.old", t->path);
	char *command = mem_printf("cp %s %s", t->path, copy);
	struct stat st;
	int fd;

	open_store(t);
	put(t, STORAGE_OK, "before");
	storage_close(&t->storage);
	assert_int_equal(system(command), 0);
	fd = open(t->path, O_RDWR);
	fstat(fd, &st);
	memset(bytes, 0xa5, 4096);
	/* All but the schema's page and chappe_schema's. */
	for (off_t page = 2; page < st.st_size / 4096; page++)
		assert_int_equal(pwrite(fd, bytes, 4096, page * 4096), 4096);
	close(fd);
	open_store(t);
	ASK(t, STORAGE_UNAVAILABLE, storage_document_get, ROMEO, "k", "");
	check_reason(t, "damaged");
	ASK(t, STORAGE_UNAVAILABLE, storage_load, ROMEO);
	/* In place: only a new connection sees it. */
	mem_free(command);
	command = mem_printf("cp %s %s", copy, t->path);
	assert_int_equal(system(command), 0);
	/* The log may have said several times that it is half available. */
	for (int i = 0; i < 100 && t->answer.result.status != STORAGE_OK;
	     i++) {
		world_run(&t->world, 100);
		answer_clear(&t->answer);
		storage_load(t->storage, ROMEO, answer_cb, &t->answer);
		answer_wait(&t->world, &t->answer);
	}
	check_data(t, "before");
	mem_free(bytes);
	mem_free(copy);
	mem_free(command);
}

/* -- the file ------------------------------------------------------------ */

static void test_mode(void **state)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	struct test *t = *state;
	struct stat st;

	umask(0);
	open_store(t);
	put(t, STORAGE_OK, "x");
	for (int i = 0; i < 3; i++) {
		char *path = mem_printf("%s%s", t->path, suffixes[i]);

		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
		mem_free(path);
	}
	umask(022);
}

static int raw_number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement;
	int number;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	number = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return number;
}

/* An empty file, as mktemp(1) makes it, becomes a database. */
static void test_schema(void **state)
{
	struct test *t = *state;
	sqlite3 *db;

	close(open(t->path, O_CREAT | O_RDWR, 0600));
	open_store(t);
	put(t, STORAGE_OK, "x");
	db = open_raw(t);
	assert_int_equal(raw_number(db, "SELECT version FROM chappe_schema"),
			 schema_version);
	assert_int_equal(raw_number(db, "SELECT count(*) FROM chappe_schema"),
			 1);
	sqlite3_close(db);
	for (int i = 0; i < schema_version; i++)
		assert_int_equal(strtol(schema_migrations[i].name, NULL, 10),
				 i + 1);
}

/* Every statement finds its rows by an index and needs no sorting. */
static void test_indexes(void **state)
{
	struct test *t = *state;
	sqlite3 *db;

	open_store(t);
	put(t, STORAGE_OK, "x");
	db = open_raw(t);
	for (int i = SQL_PROBE + 1; i < SQL_STATEMENT_COUNT; i++) {
		char *sql = mem_printf("EXPLAIN QUERY PLAN %s",
				       sql_statements[i]);
		sqlite3_stmt *plan;

		assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &plan, NULL),
				 SQLITE_OK);
		while (sqlite3_step(plan) == SQLITE_ROW) {
			const char *step = (const char *)sqlite3_column_text(
				plan, 3);

			/* A row made of subqueries is no table. */
			if (str_equal(step, "SCAN CONSTANT ROW"))
				continue;
			if (strstr(step, "SCAN") || strstr(step, "TEMP"))
				fail_msg("%s: %s", sql_statements[i], step);
		}
		sqlite3_finalize(plan);
		mem_free(sql);
	}
	sqlite3_close(db);
}

/* Two stores on one new file, opened and written at the same time. */
static void test_two_writers(void **state)
{
	enum { MANY = 100 };
	struct test *t = *state;
	struct storage *other;
	struct answer answers[2 * MANY];

	memset(answers, 0, sizeof(answers));
	open_store(t);
	other = world_open(&t->world, "sqlite", t->path);
	for (int i = 0; i < 2 * MANY; i++)
		storage_offline_add(i % 2 ? other : t->storage, ROMEO, 1, 2,
				    "<m/>", 4, answer_cb, &answers[i]);
	for (int i = 0; i < 2 * MANY; i++) {
		answer_wait(&t->world, &answers[i]);
		assert_int_equal(answers[i].result.status, STORAGE_OK);
	}
	ASK(t, STORAGE_OK, storage_load, ROMEO);
	assert_int_equal(t->answer.result.offline_count, 2 * MANY);
	storage_close(&other);
	assert_int_equal(world_logged(&t->world, "storage."), 0);
}

static void test_open_refused(void **state)
{
	static const char *const names[] = { NULL, "", ":memory:" };
	struct test *t = *state;
	struct error err;

	for (int i = 0; i < 3; i++)
		assert_null(storage_open(t->world.loop, &t->world.log,
					 "sqlite", names[i], NULL, &err));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_folder),
		TEST(test_folder_not_writable),
		TEST(test_not_a_database),
		TEST(test_foreign_database),
		TEST(test_newer_schema),
		TEST(test_older_schema),
		TEST(test_locked),
		TEST(test_full_disk),
		TEST(test_full_database),
		TEST(test_file_gone),
		TEST(test_damaged),
		TEST(test_mode),
		TEST(test_schema),
		TEST(test_indexes),
		TEST(test_two_writers),
		TEST(test_open_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
