/* SPDX-License-Identifier: Apache-2.0
 *
 * Every SQL statement that users' data need. Each finds its rows by an index,
 * which a test asserts.
 */
#include "storage/statements.h"

const char *const sql_statements[SQL_STATEMENT_COUNT] = {
	[SQL_BEGIN_READ] = "BEGIN",
	[SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_SAVEPOINT] = "SAVEPOINT request",
	[SQL_SAVEPOINT_ROLLBACK] = "ROLLBACK TO request",
	[SQL_SAVEPOINT_RELEASE] = "RELEASE request",
	/* Writes a page without changing anything. */
	[SQL_PROBE] = "UPDATE chappe_schema SET version = version",

	[SQL_ACCOUNT_GET] =
		"SELECT sha1_rounds, sha1_salt, sha1_stored_key,"
		" sha1_server_key, sha256_rounds, sha256_salt,"
		" sha256_stored_key, sha256_server_key, disabled, created"
		" FROM account WHERE owner = ?1",
	/* Parameters 2 to 10 are those of SQL_ACCOUNT_SET. */
	[SQL_ACCOUNT_CREATE] =
		"INSERT INTO account (owner, sha1_rounds, sha1_salt,"
		" sha1_stored_key, sha1_server_key, sha256_rounds,"
		" sha256_salt, sha256_stored_key, sha256_server_key,"
		" disabled, domain, created)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
		" ON CONFLICT (owner) DO NOTHING",
	[SQL_ACCOUNT_SET] =
		"UPDATE account SET sha1_rounds = ?2, sha1_salt = ?3,"
		" sha1_stored_key = ?4, sha1_server_key = ?5,"
		" sha256_rounds = ?6, sha256_salt = ?7,"
		" sha256_stored_key = ?8, sha256_server_key = ?9,"
		" disabled = ?10 WHERE owner = ?1",
	[SQL_ACCOUNT_REMOVE] = "DELETE FROM account WHERE owner = ?1",
	[SQL_ACCOUNT_LIST] =
		"SELECT owner FROM account WHERE domain = ?1 AND owner > ?2"
		" ORDER BY owner LIMIT ?3",

	/* SQLite merges the indexes as far as the page goes. */
	[SQL_OWNER_LIST] =
		"SELECT owner FROM account WHERE owner > ?1"
		" UNION SELECT owner FROM roster WHERE owner > ?1"
		" UNION SELECT owner FROM offline WHERE owner > ?1"
		" UNION SELECT owner FROM document WHERE owner > ?1"
		" ORDER BY owner LIMIT ?2",

	/* One row; NULL where there is none. */
	[SQL_LOAD] =
		"SELECT (SELECT 1 FROM account WHERE owner = ?1),"
		" (SELECT version FROM roster_version WHERE owner = ?1),"
		" (SELECT count(*) FROM offline WHERE owner = ?1)",
	[SQL_ACTIVE_LIST] =
		"SELECT name, data FROM document"
		" WHERE owner = ?1 AND kind = 'active' ORDER BY name",
	[SQL_ROSTER_LIST] =
		"SELECT contact, name, group_names, subscription, ask,"
		" approved, listed, request FROM roster WHERE owner = ?1"
		" ORDER BY contact",
	[SQL_ROSTER_PUT] =
		"INSERT INTO roster (owner, contact, name, group_names,"
		" subscription, ask, approved, listed, request)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
		" ON CONFLICT (owner, contact) DO UPDATE SET"
		" name = ?3, group_names = ?4, subscription = ?5, ask = ?6,"
		" approved = ?7, listed = ?8, request = ?9",
	[SQL_ROSTER_REMOVE] =
		"DELETE FROM roster WHERE owner = ?1 AND contact = ?2",
	[SQL_ROSTER_CLEAR] = "DELETE FROM roster WHERE owner = ?1",
	[SQL_ROSTER_VERSION_SET] =
		"INSERT INTO roster_version (owner, version) VALUES (?1, ?2)"
		" ON CONFLICT (owner) DO UPDATE SET version = ?2",
	[SQL_ROSTER_VERSION_CLEAR] =
		"DELETE FROM roster_version WHERE owner = ?1",

	[SQL_OFFLINE_ADD] =
		"INSERT INTO offline (owner, stamp, expires, stanza)"
		" VALUES (?1, ?2, ?3, ?4)",
	[SQL_OFFLINE_LIST] =
		"SELECT id, stamp, expires, stanza FROM offline"
		" WHERE owner = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
	[SQL_OFFLINE_REMOVE] =
		"DELETE FROM offline WHERE owner = ?1 AND id <= ?2",
	[SQL_OFFLINE_CLEAR] = "DELETE FROM offline WHERE owner = ?1",

	[SQL_DOCUMENT_GET] =
		"SELECT data FROM document"
		" WHERE owner = ?1 AND kind = ?2 AND name = ?3",
	[SQL_DOCUMENT_PUT] =
		"INSERT INTO document (owner, kind, name, data)"
		" VALUES (?1, ?2, ?3, ?4)"
		" ON CONFLICT (owner, kind, name) DO UPDATE SET data = ?4",
	[SQL_DOCUMENT_REMOVE] =
		"DELETE FROM document"
		" WHERE owner = ?1 AND kind = ?2 AND name = ?3",
	[SQL_DOCUMENT_LIST] =
		"SELECT name FROM document WHERE owner = ?1 AND kind = ?2"
		" ORDER BY name",
	[SQL_DOCUMENT_CLEAR] = "DELETE FROM document WHERE owner = ?1",
};
