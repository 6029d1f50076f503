/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection to an SQLite file, with the schema that this program
 * knows and its statements prepared. Lives in the thread of the store: nothing here
 * touches the loop or the log; what goes wrong is kept as a sentence.
 */
#ifndef STORAGE_SQLITE_DB_H
#define STORAGE_SQLITE_DB_H

#include <sqlite3.h>
#include <stdbool.h>

#include "storage/statements.h"

struct sqlite_db {
	char *path;
	sqlite3 *db; /* NULL while it cannot be used */
	sqlite3_stmt *statements[SQL_STATEMENT_COUNT];
	bool upgrade;	/* tables of an older version are brought up to date */
	bool seen;	/* was open once: a file that has gone is an accident
			   since then, not a fresh start */
	bool impatient; /* the last one to wait for the lock waited in vain */
	bool broken;	/* only a new connection can help */
	int code;	/* SQLite's, of the last failure */
	char reason[160];
};

/* Opens the file, creating it (mode 0600, its directory must be there) unless
 * it was open before; makes the tables in an empty one. -1 with the reason when
 * any of that is impossible now. */
int sqlite_db_open(struct sqlite_db *db);
void sqlite_db_close(struct sqlite_db *db);

/* Whether the file that is open is no longer the one under that path. */
bool sqlite_db_moved(struct sqlite_db *db);

/* The statement, reset and without parameters. */
sqlite3_stmt *sqlite_db_statement(struct sqlite_db *db,
				  enum sql_statement number);

/* One step: 1 when there is a row, 0 at the end (the statement is reset
 * then), -1 with the reason. */
int sqlite_db_step(struct sqlite_db *db, sqlite3_stmt *statement);

/* Runs a statement that gives no row. */
int sqlite_db_run(struct sqlite_db *db, enum sql_statement number);

/* Starts a transaction; a writing one waits for other writers, though not
 * long when the one before waited in vain. */
int sqlite_db_begin(struct sqlite_db *db, bool writing);

/* Ends whatever transaction there still is. */
void sqlite_db_rollback(struct sqlite_db *db);

/* Writes and commits, to know whether that is possible again. */
int sqlite_db_probe(struct sqlite_db *db);

#endif
