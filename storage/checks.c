/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of checks; none of them changes anything. A column that one names
 * and the database lacks is found by preparing all statements, before.
 */
#include "storage/checks.h"

#include <stddef.h>

#define WITHOUT_ACCOUNT(table)                                               \
	"SELECT DISTINCT owner FROM " table " WHERE NOT EXISTS (SELECT 1"    \
	" FROM account WHERE account.owner = " table ".owner)"

const struct storage_check storage_checks[] = {
	{ "account-domain",
	  "SELECT owner FROM account"
	  " WHERE owner <> domain AND owner NOT LIKE '%_@' || domain",
	  "the account is listed under another domain" },
	{ "account-keys",
	  "SELECT owner FROM account WHERE sha1_rounds < 0"
	  " OR sha256_rounds < 0 OR (sha1_rounds > 0 AND"
	  " (length(sha1_stored_key) <> 20 OR length(sha1_server_key) <> 20"
	  " OR length(sha1_salt) < 1 OR length(sha1_salt) > 64))"
	  " OR (sha256_rounds > 0 AND (length(sha256_stored_key) <> 32"
	  " OR length(sha256_server_key) <> 32"
	  " OR length(sha256_salt) < 1 OR length(sha256_salt) > 64))",
	  "the account has keys of a wrong length" },
	{ "account-flags",
	  "SELECT owner FROM account WHERE disabled NOT IN (0, 1)",
	  "the account is neither enabled nor disabled" },
	{ "roster-values",
	  "SELECT owner || ' ' || contact FROM roster"
	  " WHERE subscription NOT IN (0, 1, 2, 3) OR ask NOT IN (0, 1)"
	  " OR approved NOT IN (0, 1) OR listed NOT IN (0, 1)"
	  " OR contact = ''",
	  "the roster item has a value that has no meaning" },
	{ "roster-version",
	  "SELECT DISTINCT owner FROM roster WHERE listed = 1"
	  " AND NOT EXISTS (SELECT 1 FROM roster_version"
	  " WHERE roster_version.owner = roster.owner)",
	  "the roster has no version" },
	{ "offline-values",
	  "SELECT owner FROM offline WHERE stanza = '' OR stamp <= 0"
	  " OR expires < 0",
	  "an offline message has no stanza or no time" },
	{ STORAGE_CHECK_ACCOUNT, WITHOUT_ACCOUNT("roster"),
	  "there is a roster, but no account" },
	{ STORAGE_CHECK_ACCOUNT, WITHOUT_ACCOUNT("offline"),
	  "there are offline messages, but no account" },
	{ STORAGE_CHECK_ACCOUNT, WITHOUT_ACCOUNT("document"),
	  "there are documents, but no account" },
	{ .name = NULL },
};
