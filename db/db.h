/* SPDX-License-Identifier: Apache-2.0
 *
 * chappe-db: work on the databases themselves, for an operator. It runs with
 * the configuration and as the user of an sm, beside running roles or without
 * them, and keeps to what is safe beside them: a schema is brought up to date
 * as an sm does it, an import only adds accounts that are not there.
 *
 * Glossary: a *store* is a storage section, opened; what a file holds and how
 * (XEP-0227, "pie" for portable import and export) is in db/pie.h.
 */
#ifndef DB_DB_H
#define DB_DB_H

#include <stdbool.h>
#include <stdio.h>

#include "sm/options.h"
#include "storage/drivers.h"
#include "storage/storage.h"
#include "util/role/domain_options.h"

/* Exit codes: those of chappectl that can happen here. */
enum db_exit {
	DB_OK = 0,
	DB_FAILED = 1,
	DB_USAGE = 2,
	DB_NOT_FOUND = 3,
	DB_CONFLICT = 4,
	DB_UNAVAILABLE = 5
};

struct report;

struct db {
	const char *config_file;
	const char *instance;	/* whose sm section counts */
	const char *storage;	/* --storage: its title; NULL: the domains' */
	const char *user;	/* --user, prepared; NULL: all */
	const char *domain;	/* --domain, prepared; NULL: all */
	bool json, dry_run;
	char **arguments;	/* of the command, NULL-terminated */
	struct db_file {
		const char *path; /* NULL: standard input or output */
		FILE *stream;
	} *files;		/* that the command reads or writes */
	size_t file_count;
	const char *output_path;
	FILE *output;		/* --output; NULL: there is none */
	struct config *config;
	const struct sm_options *sm;
	struct loop *loop;
	struct log log;
	struct store *stores;	/* opened (db/stores.c) */
	struct report *report;
};

/* main() in all but name. */
int db_main(int argc, char *argv[]);

/* Says "chappe-db: ..." on the standard error output. */
void db_complain(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* -- commands: each returns an exit code ---------------------------------- */

int db_migrate(struct db *db);	/* db/schema.c */
int db_check(struct db *db);
int db_export(struct db *db);	/* db/pie_write.c */
int db_import(struct db *db);	/* db/pie_import.c */
int db_jabberd2(struct db *db); /* db/jabberd2.c */

/* -- db/stores.c: what the configuration names ---------------------------- */

/* The storage section of a domain, or of --storage; NULL with err. */
const struct storage_options *db_storage_options(const struct db *db,
						 const char *domain,
						 const char **title,
						 struct error *err);

/* That section opened, once; NULL after a complaint. */
struct storage *db_store(struct db *db, const char *domain);

/* The same database once more: what is read there does not wait for what is
 * being written to that of db_store(), and does not see it before it is done.
 * After db_store() has given the other; NULL after a complaint. */
struct storage *db_reader(struct db *db, const char *domain);

/* Those sections, each once: for each, until it returns not 0. Gives that. */
typedef int db_storage_cb(struct db *db, const char *title,
			  const struct storage_options *options,
			  const struct storage_admin *admin);
int db_each_storage(struct db *db, db_storage_cb *each);

/* Whether the domain has accounts in its storage, and not only somewhere
 * else. */
bool db_keeps_accounts(const struct db *db, const char *domain);

/* Finishes all writes. */
void db_stores_close(struct db *db);

/* Runs the loop until `done` says so. Whatever may change its mind calls
 * loop_stop(). */
void db_wait(struct db *db, bool (*done)(void *ctx), void *ctx);

/* -- db/report.c: what was done, for a person or a script ------------------ */

struct report *report_new(void);
void report_free(struct report **report);

/* Counts one more thing of a kind ("offline messages") that was `done`
 * ("kept", "skipped") for a reason (NULL: none is needed). */
void report_count(struct report *report, const char *kind, const char *done,
		  const char *why);
/* Adds all that the other has counted. */
void report_merge(struct report *report, const struct report *other);

unsigned long report_total(const struct report *report, const char *done);

/* Something about somebody or something: a row of its own, printed at
 * once. */
void report_note(const struct db *db, const char *kind, const char *where,
		 const char *text);

/* Prints what was counted, in the order of first coming. */
void report_print(const struct report *report, bool json, FILE *to);

#endif
