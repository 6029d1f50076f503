/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands migrate and check: of every database that a domain uses.
 */
#include "db/db.h"

#include <string.h>

#include "storage/checks.h"
#include "storage/schema.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/jid.h"

static void say(const struct db *db, const char *title, const char *text)
{
	struct buf line = { 0 };

	if (db->json) {
		buf_add_str(&line, "{\"storage\":");
		buf_add_json(&line, title);
		buf_add_str(&line, ",\"result\":");
		buf_add_json(&line, text);
		buf_add_str(&line, "}");
	} else {
		buf_addf(&line, "storage \"%s\": %s", title, text);
	}
	printf("%s\n", buf_data(&line));
	buf_free(&line);
}

/* A failure to ask is no finding: it may pass. */
static int read_version(const char *title,
			const struct storage_options *options,
			const struct storage_admin *admin, int *version)
{
	struct error err;

	if (admin->version(options->connection, version, &err) == 0) {
		if (*version < 0)
			*version = 0; /* no tables: all of it is missing */
		return DB_OK;
	}
	db_complain("storage \"%s\": %s", title, err.text);
	return DB_UNAVAILABLE;
}

static int refuse_newer(const char *title, int version)
{
	db_complain("storage \"%s\": the database has schema %d, this program "
		    "knows schemas up to %d: a newer chappe is needed", title,
		    version, schema_version);
	return DB_FAILED;
}

static int migrate(struct db *db, const char *title,
		   const struct storage_options *options,
		   const struct storage_admin *admin)
{
	struct error err;
	int version;
	int code = read_version(title, options, admin, &version);

	if (code != DB_OK)
		return code;
	if (version > schema_version)
		return refuse_newer(title, version);
	if (version == schema_version) {
		say(db, title, "is up to date");
		return DB_OK;
	}
	if (!db->dry_run &&
	    admin->migrate(options->connection, &err) < 0) {
		db_complain("storage \"%s\": %s", title, err.text);
		return DB_UNAVAILABLE;
	}
	for (int i = version; i < schema_version; i++) {
		char *text = mem_printf("%s%s", schema_migrations[i].name,
					db->dry_run ? " is missing"
						    : " was applied");

		say(db, title, text);
		mem_free(text);
	}
	return DB_OK;
}

int db_migrate(struct db *db)
{
	return db_each_storage(db, migrate);
}

/* -- check ---------------------------------------------------------------- */

struct checking {
	const struct db *db;
	const char *title;
	unsigned long problems;
};

/* People whom a directory knows need no account here. */
static bool is_of_directory(const struct db *db, const char *owner)
{
	const char *at = strchr(owner, '@');
	const char *domain = at != NULL ? at + 1 : owner;

	return config_find(db->config, "domain", domain) != NULL &&
	       !db_keeps_accounts(db, domain);
}

static void found(const char *check, const char *where, const char *sentence,
		  void *ctx)
{
	struct checking *checking = ctx;

	if (str_equal(check, STORAGE_CHECK_ACCOUNT) &&
	    is_of_directory(checking->db, where))
		return;
	report_note(checking->db, check, where, sentence);
	checking->problems++;
}

static int check(struct db *db, const char *title,
		 const struct storage_options *options,
		 const struct storage_admin *admin)
{
	struct checking checking = { .db = db, .title = title };
	struct error err;
	int version;
	int code = read_version(title, options, admin, &version);

	if (code != DB_OK)
		return code;
	if (version > schema_version)
		return refuse_newer(title, version);
	if (version < schema_version) {
		db_complain("storage \"%s\": " SCHEMA_OLD_TEXT, title, version,
			    schema_version);
		return DB_FAILED;
	}
	if (admin->check(options->connection, found, &checking, &err) < 0) {
		db_complain("storage \"%s\": %s", title, err.text);
		return DB_UNAVAILABLE;
	}
	if (checking.problems == 0) {
		say(db, title, "is in order");
		return DB_OK;
	}
	db_complain("storage \"%s\": %lu problem%s", title, checking.problems,
		    checking.problems == 1 ? "" : "s");
	return DB_FAILED;
}

int db_check(struct db *db)
{
	return db_each_storage(db, check);
}
