-- SPDX-License-Identifier: Apache-2.0
--
-- Accounts, rosters, offline messages, documents. An owner is a prepared bare
-- JID. Times are microseconds since 1970; truth values are 0 and 1.

CREATE TABLE chappe_schema (
	version INTEGER NOT NULL
);
INSERT INTO chappe_schema (version) VALUES (0);

-- SCRAM keys (RFC 5802 section 3); rounds 0: no keys of this hash.
CREATE TABLE account (
	owner TEXT NOT NULL PRIMARY KEY,
	domain TEXT NOT NULL,
	sha1_rounds INTEGER NOT NULL,
	sha1_salt BLOB NOT NULL,
	sha1_stored_key BLOB NOT NULL,
	sha1_server_key BLOB NOT NULL,
	sha256_rounds INTEGER NOT NULL,
	sha256_salt BLOB NOT NULL,
	sha256_stored_key BLOB NOT NULL,
	sha256_server_key BLOB NOT NULL,
	disabled INTEGER NOT NULL,
	created INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX account_domain ON account (domain, owner);

-- group_names: each name followed by a zero byte.
CREATE TABLE roster (
	owner TEXT NOT NULL,
	contact TEXT NOT NULL,
	name TEXT,
	group_names BLOB,
	subscription INTEGER NOT NULL,
	ask INTEGER NOT NULL,
	approved INTEGER NOT NULL,
	listed INTEGER NOT NULL,
	request TEXT,
	PRIMARY KEY (owner, contact)
) WITHOUT ROWID;

CREATE TABLE roster_version (
	owner TEXT NOT NULL PRIMARY KEY,
	version INTEGER NOT NULL
) WITHOUT ROWID;

-- An id is never used again, so that "all up to this one" stays true.
CREATE TABLE offline (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	owner TEXT NOT NULL,
	stamp INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	stanza TEXT NOT NULL
);
CREATE INDEX offline_owner ON offline (owner, id);

CREATE TABLE document (
	owner TEXT NOT NULL,
	kind TEXT NOT NULL,
	name TEXT NOT NULL,
	data BLOB NOT NULL,
	PRIMARY KEY (owner, kind, name)
);
