/* SPDX-License-Identifier: Apache-2.0
 *
 * The SQL statements of the drivers that keep users' data in tables, in the
 * dialect that they share: parameters are ?1, ?2, ... (PostgreSQL's drivers
 * make $1, $2, ... of them), the first is the owner.
 */
#ifndef STORAGE_STATEMENTS_H
#define STORAGE_STATEMENTS_H

enum sql_statement {
	/* Transactions as sqlite has them; PostgreSQL has its own. */
	SQL_BEGIN_READ,
	SQL_BEGIN_WRITE,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_SAVEPOINT,
	SQL_SAVEPOINT_ROLLBACK,
	SQL_SAVEPOINT_RELEASE,
	SQL_PROBE,
	/* From here on for all. */
	SQL_ACCOUNT_GET,
	SQL_ACCOUNT_CREATE,
	SQL_ACCOUNT_SET,
	SQL_ACCOUNT_REMOVE,
	SQL_ACCOUNT_LIST,
	SQL_OWNER_LIST,
	SQL_LOAD,
	SQL_ACTIVE_LIST,
	SQL_ROSTER_LIST,
	SQL_ROSTER_PUT,
	SQL_ROSTER_REMOVE,
	SQL_ROSTER_CLEAR,
	SQL_ROSTER_VERSION_SET,
	SQL_ROSTER_VERSION_CLEAR,
	SQL_OFFLINE_ADD,
	SQL_OFFLINE_LIST,
	SQL_OFFLINE_REMOVE,
	SQL_OFFLINE_CLEAR,
	SQL_DOCUMENT_GET,
	SQL_DOCUMENT_PUT,
	SQL_DOCUMENT_REMOVE,
	SQL_DOCUMENT_LIST,
	SQL_DOCUMENT_CLEAR,
	SQL_STATEMENT_COUNT
};

extern const char *const sql_statements[SQL_STATEMENT_COUNT];

#endif
