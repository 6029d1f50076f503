/* SPDX-License-Identifier: Apache-2.0
 *
 * The calls of storage_admin.h on an SQLite file. Blocking; roles may use the
 * file at the same time. Nothing is created by looking.
 */
#include "storage/sqlite_admin.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "storage/checks.h"
#include "storage/schema.h"
#include "storage/sqlite_db.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define BUSY_MS 10000
#define PROBLEMS_MAX 100 /* of one check */

static int fail(sqlite3 *db, const char *path, struct error *err)
{
	return error_set(err, "%s: %s", path, sqlite3_errmsg(db));
}

/* Writing is allowed, since the log of a file that nobody has open may have
 * to be taken over; nothing here writes. */
static int open_file(const char *path, sqlite3 **db, struct error *err)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
			  SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;

	*db = NULL;
	if (access(path, R_OK) < 0)
		return error_set(err, "%s: %s", path, strerror(errno));
	if (sqlite3_open_v2(path, db, flags, NULL) != SQLITE_OK) {
		fail(*db, path, err);
		sqlite3_close(*db);
		*db = NULL;
		return -1;
	}
	sqlite3_busy_timeout(*db, BUSY_MS);
	sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	return 0;
}

/* -- queries ------------------------------------------------------------- */

static int give_row(sqlite3_stmt *statement, storage_row_cb *row, void *ctx)
{
	size_t count = (size_t)sqlite3_column_count(statement);
	const char **names = mem_calloc(count * 2, sizeof(*names));
	const char **values = names + count;
	int enough;

	for (size_t i = 0; i < count; i++) {
		names[i] = sqlite3_column_name(statement, (int)i);
		values[i] = (const char *)sqlite3_column_text(statement,
							      (int)i);
	}
	enough = row(count, names, values, ctx);
	mem_free(names);
	return enough;
}

static int query(sqlite3 *db, const char *path, const char *sql,
		 storage_row_cb *row, void *ctx, struct error *err)
{
	sqlite3_stmt *statement;
	int code;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
		return fail(db, path, err);
	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		if (give_row(statement, row, ctx) != 0) {
			code = SQLITE_DONE;
			break;
		}
	}
	if (code != SQLITE_DONE)
		fail(db, path, err);
	sqlite3_finalize(statement);
	return code == SQLITE_DONE ? 0 : -1;
}

static int admin_query(const char *connection, const char *sql,
		       storage_row_cb *row, void *ctx, struct error *err)
{
	sqlite3 *db;
	int result;

	if (open_file(connection, &db, err) < 0)
		return -1;
	result = query(db, connection, sql, row, ctx, err);
	sqlite3_close(db);
	return result;
}

/* -- version ------------------------------------------------------------- */

static int take_number(size_t count, const char *const *names,
		       const char *const *values, void *ctx)
{
	int64_t *number = ctx;

	(void)names;
	if (count != 1 || values[0] == NULL ||
	    str_to_i64(values[0], 0, INT32_MAX, number) != 0)
		*number = -1;
	return 0;
}

static int version_of(sqlite3 *db, const char *path, int *version,
		      struct error *err)
{
	int64_t tables = 0, ours = 0, number = -1;

	*version = -1;
	if (query(db, path, "SELECT count(*) FROM sqlite_master", take_number,
		  &tables, err) < 0 ||
	    query(db, path, "SELECT count(*) FROM sqlite_master"
			    " WHERE type = 'table' AND name = 'chappe_schema'",
		  take_number, &ours, err) < 0)
		return -1;
	if (tables == 0)
		return 0;
	if (ours != 1)
		return error_set(err, "%s is the database of another program",
				 path);
	if (query(db, path, "SELECT version FROM chappe_schema", take_number,
		  &number, err) < 0)
		return -1;
	*version = (int)number;
	return number >= 0 ? 0
			   : error_set(err, "%s: the table chappe_schema has "
				       "no version", path);
}

static int admin_version(const char *connection, int *version,
			 struct error *err)
{
	sqlite3 *db;
	int result;

	*version = -1;
	if (access(connection, F_OK) < 0 && errno == ENOENT)
		return 0;
	if (open_file(connection, &db, err) < 0)
		return -1;
	result = version_of(db, connection, version, err);
	sqlite3_close(db);
	return result;
}

/* Opening for work does it. */
static int admin_migrate(const char *connection, struct error *err)
{
	struct sqlite_db db = {
		.path = mem_strdup(connection),
		.upgrade = true,
	};
	int result = sqlite_db_open(&db);

	if (result < 0)
		error_set(err, "%s", db.reason);
	else
		sqlite_db_close(&db);
	mem_free(db.path);
	return result;
}

/* -- check --------------------------------------------------------------- */

struct checking {
	sqlite3 *db;
	const char *path;
	const char *name, *sentence;
	storage_finding_cb *found;
	void *ctx;
	unsigned problems;
};

static int take_integrity(size_t count, const char *const *names,
			  const char *const *values, void *ctx)
{
	struct checking *checking = ctx;

	(void)names;
	if (count == 1 && !str_equal(values[0], "ok")) {
		checking->found("integrity", "", values[0], checking->ctx);
		checking->problems++;
	}
	return 0;
}

static int take_place(size_t count, const char *const *names,
		      const char *const *values, void *ctx)
{
	struct checking *checking = ctx;

	(void)names;
	checking->found(checking->name,
			count > 0 && values[0] != NULL ? values[0] : "",
			checking->sentence, checking->ctx);
	return ++checking->problems >= PROBLEMS_MAX;
}

/* What cannot be prepared has no table or no column. */
static bool statements_fit(struct checking *checking)
{
	bool fit = true;

	for (int i = 0; i < SQL_STATEMENT_COUNT; i++) {
		sqlite3_stmt *statement = NULL;

		if (sqlite3_prepare_v2(checking->db, sql_statements[i], -1,
				       &statement, NULL) != SQLITE_OK) {
			checking->found("schema", "",
					sqlite3_errmsg(checking->db),
					checking->ctx);
			fit = false;
		}
		sqlite3_finalize(statement);
	}
	return fit;
}

static int check_rows(struct checking *checking, struct error *err)
{
	const struct storage_check *check;

	for (check = storage_checks; check->name != NULL; check++) {
		checking->name = check->name;
		checking->sentence = check->sentence;
		checking->problems = 0;
		if (query(checking->db, checking->path, check->sql, take_place,
			  checking, err) < 0)
			return -1;
	}
	return 0;
}

static int admin_check(const char *connection, storage_finding_cb *found,
		       void *ctx, struct error *err)
{
	struct checking checking = {
		.path = connection, .found = found, .ctx = ctx,
	};
	int result;

	if (open_file(connection, &checking.db, err) < 0)
		return -1;
	result = query(checking.db, connection, "PRAGMA integrity_check(100)",
		       take_integrity, &checking, err);
	/* The rows of a damaged file say nothing. */
	if (result == 0 && checking.problems == 0 &&
	    statements_fit(&checking))
		result = check_rows(&checking, err);
	sqlite3_close(checking.db);
	return result;
}

const struct storage_admin sqlite_admin = {
	.version = admin_version,
	.migrate = admin_migrate,
	.check = admin_check,
	.query = admin_query,
};
