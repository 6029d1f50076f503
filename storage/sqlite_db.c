/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening an SQLite file so that it can be relied on: private to its user,
 * write-ahead log, synchronous commits, the right schema or none; and the
 * sentence that says why not. What is asked of it is in sqlite_ops.c.
 */
#include "storage/sqlite_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "storage/schema.h"

/* Several processes may share the file. A commit takes milliseconds, so who
 * waits this long waits for something that is stuck. */
#define BUSY_MS 2000
#define BUSY_IMPATIENT_MS 20

static int fail(struct sqlite_db *db, const char *sentence)
{
	snprintf(db->reason, sizeof(db->reason), "%s (%s)", sentence,
		 db->path);
	return -1;
}

/* Failures that end with their cause, or touch only one statement. */
static bool is_passing(int code)
{
	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_FULL:
	case SQLITE_NOMEM:
	case SQLITE_TOOBIG:
	case SQLITE_CONSTRAINT:
		return true;
	}
	return false;
}

/* The reason of what SQLite refused just now. */
static int fail_sqlite(struct sqlite_db *db)
{
	int number = sqlite3_system_errno(db->db);
	const char *text;

	db->code = sqlite3_extended_errcode(db->db);
	if (!is_passing(db->code))
		db->broken = true;
	switch (db->code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return fail(db, "another program holds the database locked");
	case SQLITE_FULL:
		return fail(db, "there is no room left for the database");
	case SQLITE_NOTADB:
		return fail(db, "the file is not an SQLite database");
	case SQLITE_CORRUPT:
		return fail(db, "the database is damaged");
	case SQLITE_READONLY:
		return fail(db, "the database may not be written");
	}
	text = sqlite3_errmsg(db->db);
	switch (db->code & 0xff) {
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		errno = number;
		if (number != 0)
			snprintf(db->reason, sizeof(db->reason),
				 "%s: %m (%s)", text, db->path);
		else
			fail(db, text);
		return -1;
	}
	return fail(db, text);
}

bool sqlite_db_moved(struct sqlite_db *db)
{
	int moved = 0;

	sqlite3_file_control(db->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
	return moved != 0;
}

sqlite3_stmt *sqlite_db_statement(struct sqlite_db *db,
				  enum sql_statement number)
{
	sqlite3_stmt *statement = db->statements[number];

	sqlite3_reset(statement);
	/* Parameters point into requests, which do not live as long. */
	sqlite3_clear_bindings(statement);
	return statement;
}

int sqlite_db_step(struct sqlite_db *db, sqlite3_stmt *statement)
{
	int code = sqlite3_step(statement);

	if (code == SQLITE_ROW)
		return 1;
	if (code != SQLITE_DONE)
		fail_sqlite(db);
	sqlite3_reset(statement);
	return code == SQLITE_DONE ? 0 : -1;
}

int sqlite_db_run(struct sqlite_db *db, enum sql_statement number)
{
	return sqlite_db_step(db, sqlite_db_statement(db, number));
}

int sqlite_db_begin(struct sqlite_db *db, bool writing)
{
	if (!writing)
		return sqlite_db_run(db, SQL_BEGIN_READ);
	sqlite3_busy_timeout(db->db, db->impatient ? BUSY_IMPATIENT_MS
						   : BUSY_MS);
	if (sqlite_db_run(db, SQL_BEGIN_WRITE) < 0) {
		db->impatient = (db->code & 0xff) == SQLITE_BUSY;
		return -1;
	}
	db->impatient = false;
	return 0;
}

void sqlite_db_rollback(struct sqlite_db *db)
{
	/* Some failures have ended it already. */
	if (!sqlite3_get_autocommit(db->db)) {
		sqlite3_step(sqlite_db_statement(db, SQL_ROLLBACK));
		sqlite3_reset(db->statements[SQL_ROLLBACK]);
	}
}

int sqlite_db_probe(struct sqlite_db *db)
{
	if (sqlite_db_begin(db, true) == 0 &&
	    sqlite_db_run(db, SQL_PROBE) == 0 &&
	    sqlite_db_run(db, SQL_COMMIT) == 0)
		return 0;
	sqlite_db_rollback(db);
	return -1;
}

/* -- opening ------------------------------------------------------------- */

/* SQLite would create with the mode that the umask gives. Only a file that
 * was not there is opened here: closing a descriptor drops the locks that
 * this process has on the file. */
static int create_file(struct sqlite_db *db)
{
	int fd = open(db->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (errno == EEXIST)
		return 0;
	snprintf(db->reason, sizeof(db->reason), "cannot create %s: %m",
		 db->path);
	return -1;
}

static int open_file(struct sqlite_db *db)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
			  SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;

	if (access(db->path, F_OK) < 0 && errno == ENOENT) {
		if (db->seen)
			return fail(db, "the database file has gone");
		if (create_file(db) < 0)
			return -1;
	}
	if (sqlite3_open_v2(db->path, &db->db, flags, NULL) != SQLITE_OK)
		return fail_sqlite(db);
	if (sqlite3_db_readonly(db->db, "main") == 1)
		return fail(db, "the database may not be written");
	sqlite3_busy_timeout(db->db, BUSY_MS);
	sqlite3_db_config(db->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	return 0;
}

static int execute(struct sqlite_db *db, const char *sql)
{
	if (sqlite3_exec(db->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return fail_sqlite(db);
	return 0;
}

/* The number that a query gives; `missing` when it gives no row. */
static int query_number(struct sqlite_db *db, const char *sql, int missing,
			int *number)
{
	sqlite3_stmt *statement;
	int row;

	if (sqlite3_prepare_v2(db->db, sql, -1, &statement, NULL) != SQLITE_OK)
		return fail_sqlite(db);
	row = sqlite_db_step(db, statement);
	if (row >= 0)
		*number = row ? sqlite3_column_int(statement, 0) : missing;
	sqlite3_finalize(statement);
	return row < 0 ? -1 : 0;
}

/* 0 for an empty file. Refuses what is not ours or is from the future, and
 * what is old unless that is to be changed. */
static int read_version(struct sqlite_db *db, int *version)
{
	int tables, ours;

	if (query_number(db, "SELECT count(*) FROM sqlite_master", 0,
			 &tables) < 0 ||
	    query_number(db, "SELECT count(*) FROM sqlite_master"
			     " WHERE type = 'table'"
			     " AND name = 'chappe_schema'", 0, &ours) < 0)
		return -1;
	*version = 0;
	if (tables == 0)
		return 0;
	if (!ours)
		return fail(db, "the file is the database of another program");
	if (query_number(db, "SELECT version FROM chappe_schema", -1,
			 version) < 0)
		return -1;
	if (*version < 0 || *version > schema_version) {
		snprintf(db->reason, sizeof(db->reason),
			 "the database has schema %d, this program knows "
			 "schemas up to %d: a newer chappe is needed (%s)",
			 *version, schema_version, db->path);
		return -1;
	}
	if (*version < schema_version && !db->upgrade) {
		snprintf(db->reason, sizeof(db->reason),
			 SCHEMA_OLD_TEXT " (%s)", *version, schema_version,
			 db->path);
		return -1;
	}
	return 0;
}

static int migrate_from(struct sqlite_db *db, int version)
{
	for (; version < schema_version; version++) {
		char set[64];

		snprintf(set, sizeof(set),
			 "UPDATE chappe_schema SET version = %d", version + 1);
		if (execute(db, schema_migrations[version].sqlite) < 0 ||
		    execute(db, set) < 0)
			return -1;
	}
	return 0;
}

/* All in one transaction: another process sees the old schema or the new,
 * and one that comes second finds nothing left to do. */
static int migrate(struct sqlite_db *db)
{
	int version;

	if (read_version(db, &version) < 0)
		return -1;
	if (version == schema_version)
		return 0;
	if (execute(db, "BEGIN IMMEDIATE") < 0)
		return -1;
	if (read_version(db, &version) == 0 &&
	    migrate_from(db, version) == 0 && execute(db, "COMMIT") == 0)
		return 0;
	if (!sqlite3_get_autocommit(db->db))
		sqlite3_exec(db->db, "ROLLBACK", NULL, NULL, NULL);
	return -1;
}

/* With synchronous=NORMAL the log is not synced at a commit, and the last
 * ones are lost with the power; what we said is stored has to stay. */
static int configure(struct sqlite_db *db)
{
	static const char *const pragmas[] = {
		"PRAGMA journal_mode = WAL",
		"PRAGMA synchronous = FULL",
		"PRAGMA trusted_schema = OFF",
		"PRAGMA journal_size_limit = 67108864",
	};
	int version;

	/* What is not ours stays as it is, its journal mode too. */
	if (read_version(db, &version) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(pragmas) / sizeof(pragmas[0]); i++) {
		if (execute(db, pragmas[i]) < 0)
			return -1;
	}
	return 0;
}

/* Changing to WAL does not wait for a lock: when another process creates the
 * same file just now, ask again. */
static int configure_patiently(struct sqlite_db *db)
{
	for (int tries = 0; tries < 40; tries++) {
		db->code = SQLITE_OK;
		if (configure(db) == 0)
			return 0;
		if ((db->code & 0xff) != SQLITE_BUSY)
			return -1;
		sqlite3_sleep(25);
	}
	return -1;
}

static int prepare(struct sqlite_db *db)
{
	for (int i = 0; i < SQL_STATEMENT_COUNT; i++) {
		if (sqlite3_prepare_v3(db->db, sql_statements[i], -1,
				       SQLITE_PREPARE_PERSISTENT,
				       &db->statements[i], NULL) != SQLITE_OK)
			return fail_sqlite(db);
	}
	return 0;
}

int sqlite_db_open(struct sqlite_db *db)
{
	if (db->db != NULL)
		return 0;
	if (open_file(db) < 0 || configure_patiently(db) < 0)
		goto failed;
	if (migrate(db) < 0 || prepare(db) < 0)
		goto failed;
	db->seen = true;
	db->impatient = false;
	return 0;
failed:
	sqlite_db_close(db);
	return -1;
}

void sqlite_db_close(struct sqlite_db *db)
{
	for (int i = 0; i < SQL_STATEMENT_COUNT; i++) {
		sqlite3_finalize(db->statements[i]);
		db->statements[i] = NULL;
	}
	sqlite3_close(db->db);
	db->db = NULL;
	db->broken = false;
}
