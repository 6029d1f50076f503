/* SPDX-License-Identifier: Apache-2.0
 *
 * From a file into the storage. Only accounts that are not there are added,
 * each in the end, when all its data is stored: so an sm never has them in
 * memory before, and what an import left that was interrupted is replaced by
 * the next. An account that is there is compared: the same is fine, anything
 * else is a conflict, and nothing of it is changed.
 *
 * Whether somebody is there is asked of a second connection: on the one that
 * stores, each answer would wait for a commit of those before.
 */
#include "db/pie.h"

#include <string.h>

#include "storage/auth.h"
#include "storage/auth_derive.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"
#include "util/net/timer.h"

#define KIND	    "accounts"
#define SALT_LEN    16
#define USERS_MAX   64	  /* complete, and not yet stored */
#define RECORDS_MAX 1000  /* on their way: few enough for the storage */

struct import {
	struct db *db;
	struct deriver *deriver;
	char *domain;		 /* of the current <host/>, as it is configured;
				    NULL: it is passed over */
	bool keeps_accounts;	 /* that domain, in its storage */
	struct storage *storage; /* of that domain */
	struct storage *reader;	 /* the same, for what is there */
	struct pie_user *user;	 /* the current one */
	bool answered;		 /* whether somebody is there */
	bool is_there, has_account;
	struct account account; /* that is there */
	struct storing *users;	/* that are being stored */
	size_t storing;		/* how many */
	bool unavailable;
	struct stanza_parser *parser;
};

/* A user who is complete. */
struct storing {
	struct import *import;
	struct pie_user *user;
	bool keeps_accounts;
	struct derivation derivation;
	struct storing *prev, *next;
};

/* -- the end of a user ------------------------------------------------------ */

/* Counts of a user who was kept are everybody's. */
static void count_user(struct import *import, const struct pie_user *user,
		       const char *done, const char *why)
{
	if (why == NULL || str_equal(done, "kept"))
		report_merge(import->db->report, user->report);
	report_count(import->db->report, KIND, done, why);
}

static void storing_end(struct storing *storing, const char *done,
			const char *why)
{
	struct import *import = storing->import;

	count_user(import, storing->user, done, why);
	DL_DELETE(import->users, storing);
	import->storing--;
	pie_user_free(&storing->user);
	mem_free(storing);
	loop_stop(import->db->loop);
}

static void storing_failed(struct storing *storing,
			   enum storage_status status, const char *reason)
{
	struct import *import = storing->import;

	if (status == STORAGE_CONFLICT) {
		report_note(import->db, "conflict", storing->user->jid,
			    "the account was made by somebody else just now");
		storing_end(storing, "conflict",
			    "there is another account of the name");
		return;
	}
	if (!import->unavailable)
		db_complain("%s: %s", storing->user->jid,
			    *reason != '\0' ? reason
					    : storage_status_text(status));
	import->unavailable = true;
	storing_end(storing, "failed", "the storage cannot be used");
}

static void account_created(const struct storage_result *result, void *ctx)
{
	struct storing *storing = ctx;
	const struct pie_user *user = storing->user;

	if (result->status != STORAGE_OK)
		storing_failed(storing, result->status, result->reason);
	else
		storing_end(storing, "kept",
			    user->account.sha1.rounds == 0 &&
					    user->account.sha256.rounds == 0
				    ? "without a password: chappectl user "
				      "passwd sets one"
				    : NULL);
}

static void create_account(struct storing *storing)
{
	struct pie_user *user = storing->user;

	if (user->account.created == 0)
		user->account.created = loop_time_us(user->db->loop);
	storage_account_create(user->storage, user->jid, &user->account,
			       account_created, storing);
}

static void derived(struct derivation *derivation)
{
	create_account(container_of(derivation, struct storing, derivation));
}

static void derive_keys(struct storing *storing)
{
	struct pie_user *user = storing->user;
	struct account *account = &user->account;

	account->sha1.rounds = account->sha256.rounds = AUTH_SCRAM_ROUNDS;
	account->sha1.salt_len = account->sha256.salt_len = SALT_LEN;
	loop_random(user->db->loop, account->sha1.salt, SALT_LEN);
	loop_random(user->db->loop, account->sha256.salt, SALT_LEN);
	storing->derivation = (struct derivation){
		.password = user->password,
		.account = account,
		.done = derived,
	};
	deriver_submit(storing->import->deriver, &storing->derivation);
}

/* All data is stored. */
static void data_stored(struct storing *storing)
{
	struct pie_user *user = storing->user;

	if (user->status != STORAGE_OK)
		storing_failed(storing, user->status, user->reason);
	else if (!storing->keeps_accounts)
		storing_end(storing, "kept",
			    "data alone: the domain's accounts are elsewhere");
	else if (user->db->dry_run)
		storing_end(storing, "kept", NULL);
	else if (user->password != NULL && !user->has_keys)
		derive_keys(storing);
	else
		create_account(storing);
}

static void settled(struct pie_user *user)
{
	data_stored(user->owner);
}

static void store_user(struct import *import, struct pie_user *user)
{
	struct storing *storing = mem_new(struct storing);

	storing->import = import;
	storing->user = user;
	storing->keeps_accounts = import->keeps_accounts;
	DL_APPEND(import->users, storing);
	import->storing++;
	pie_put_items(user);
	user->owner = storing;
	if (user->pending > 0)
		user->settled = settled;
	else
		data_stored(storing);
}

/* -- comparing -------------------------------------------------------------- */

static void compare_data(const struct pie_kind *kind,
			 const struct element *element, void *ctx)
{
	struct pie_user *there = ctx;

	kind->read(there, element);
}

static bool compare_user(const char *name, const char *password, void *ctx)
{
	(void)name;
	(void)password;
	(void)ctx;
	return true;
}

static void compare_unknown(const char *what, void *ctx)
{
	(void)what;
	(void)ctx;
}

static void compare_end(void *ctx)
{
	pie_put_items(ctx);
}

static const struct pie_events compare_events = {
	.user = compare_user,
	.data = compare_data,
	.unknown = compare_unknown,
	.user_end = compare_end,
};

static bool owner_is_done(void *ctx)
{
	return ((struct pie_owner *)ctx)->done;
}

/* The sum of what the storage has: written as a file, and read from it. */
static int sum_of_storage(struct import *import, const struct pie_user *user,
			  uint64_t *sum)
{
	struct report *report = import->db->report;
	struct pie_user *there =
		pie_user_new(import->db, user->storage, user->jid);
	struct pie_owner *owner;
	struct error err;
	int result = -1;

	/* What is written for this counts nowhere. */
	import->db->report = there->report;
	owner = pie_owner_new(import->db, import->reader, import->parser,
			      user->jid);
	db_wait(import->db, owner_is_done, owner);
	there->compare = true;
	if (owner->failed)
		import->unavailable = true;
	else
		result = pie_read_user(&owner->xml, &compare_events, there,
				       &err);
	*sum = there->sum;
	import->db->report = report;
	pie_owner_free(&owner);
	pie_user_free(&there);
	return result;
}

struct checking {
	struct derivation derivation;
	struct db *db;
	bool done;
};

static void checked(struct derivation *derivation)
{
	struct checking *checking =
		container_of(derivation, struct checking, derivation);

	checking->done = true;
	loop_stop(checking->db->loop);
}

static bool is_checked(void *ctx)
{
	return ((struct checking *)ctx)->done;
}

static bool same_keys(const struct scram_keys *a, const struct scram_keys *b)
{
	return a->rounds == b->rounds &&
	       mem_equal_secret(a->stored_key, b->stored_key,
				sizeof(a->stored_key));
}

/* Whether the file's password is that of the account. A file without one
 * says nothing about it. */
static bool same_password(struct import *import, struct pie_user *user)
{
	struct checking checking = { .db = import->db };

	if (user->has_keys)
		return (user->account.sha1.rounds == 0 ||
			same_keys(&user->account.sha1,
				  &import->account.sha1)) &&
		       (user->account.sha256.rounds == 0 ||
			same_keys(&user->account.sha256,
				  &import->account.sha256));
	if (user->password == NULL || !import->has_account)
		return true;
	if (import->account.sha1.rounds == 0 &&
	    import->account.sha256.rounds == 0)
		return false;
	checking.derivation = (struct derivation){
		.password = user->password,
		.account = &import->account,
		.check = true,
		.done = checked,
	};
	deriver_submit(import->deriver, &checking.derivation);
	db_wait(import->db, is_checked, &checking);
	return checking.derivation.matches;
}

static void compare(struct import *import, struct pie_user *user)
{
	const char *what = NULL;
	uint64_t sum;

	pie_put_items(user);
	if (sum_of_storage(import, user, &sum) < 0)
		what = "the data that is there cannot be read";
	else if (sum != user->sum)
		what = "the account is there, with other data";
	else if (!same_password(import, user))
		what = "the account is there, with another password";
	if (what != NULL)
		report_note(import->db, "conflict", user->jid, what);
	report_count(import->db->report, KIND,
		     what != NULL ? "conflict" : "unchanged",
		     what != NULL ? what : NULL);
	pie_user_free(&user);
}

/* -- what the file says ----------------------------------------------------- */

static bool has_answer(void *ctx)
{
	return ((struct import *)ctx)->answered;
}

static void got_account(const struct storage_result *result, void *ctx)
{
	struct import *import = ctx;

	import->has_account = result->status == STORAGE_OK;
	import->account = result->account;
	import->answered = true;
	loop_stop(import->db->loop);
}

static void got_load(const struct storage_result *result, void *ctx)
{
	struct import *import = ctx;

	if (result->status != STORAGE_OK) {
		if (!import->unavailable)
			db_complain("the storage: %s", result->reason);
		import->unavailable = true;
	}
	import->is_there = result->has_account ||
			   (!import->keeps_accounts &&
			    (result->count > 0 || result->offline_count > 0));
}

static void got_removed(const struct storage_result *result, void *ctx)
{
	pie_ended(ctx, result);
}

static bool has_room(void *ctx)
{
	const struct import *import = ctx;
	struct storage_stats stats;

	storage_get_stats(import->storage, &stats);
	return import->storing < USERS_MAX && stats.pending < RECORDS_MAX;
}

/* Nobody of that name is on the way, as when a file has somebody twice. */
static bool is_settled(void *ctx)
{
	const struct import *import = ctx;
	const struct storing *storing;

	DL_FOREACH(import->users, storing) {
		if (str_equal(storing->user->jid, import->user->jid))
			return false;
	}
	return true;
}

/* Whether the user is to be compared or to be added. */
static void look(struct import *import, struct pie_user *user)
{
	struct db *db = import->db;

	import->answered = false;
	db_wait(db, is_settled, import);
	storage_load(import->reader, user->jid, got_load, import);
	storage_account_get(import->reader, user->jid, got_account, import);
	db_wait(db, has_answer, import);
	user->compare = import->is_there;
	if (user->compare || !import->keeps_accounts || db->dry_run)
		return;
	/* Of an import that was interrupted. */
	pie_begun(user);
	storage_account_remove(user->storage, user->jid, got_removed, user);
}

static void host(const char *jid, void *ctx)
{
	struct import *import = ctx;
	char *domain = jid_prepare_domain(jid);

	mem_free(import->domain);
	import->domain = NULL;
	import->storage = NULL;
	if (domain != NULL &&
	    config_find(import->db->config, "domain", domain) == NULL) {
		report_note(import->db, "domain", domain,
			    "it has no section in the configuration");
	} else if (domain != NULL && (import->db->domain == NULL ||
				      str_equal(domain, import->db->domain))) {
		import->domain = mem_strdup(domain);
		import->storage = db_store(import->db, domain);
		import->reader = db_reader(import->db, domain);
		import->keeps_accounts = db_keeps_accounts(import->db, domain);
		import->unavailable |= import->reader == NULL;
	}
	mem_free(domain);
}

static char *prepared_password(struct pie_user *user, const char *password)
{
	char *prepared = jid_prepare_password(password);

	if (prepared != NULL && *prepared != '\0')
		return prepared;
	mem_free_secret(prepared);
	pie_skipped(user, "passwords", "it has characters that none has");
	return NULL;
}

static bool user(const char *name, const char *password, void *ctx)
{
	struct import *import = ctx;
	struct jid *jid;

	if (import->storage == NULL || import->unavailable) {
		report_count(import->db->report, KIND, "skipped",
			     import->unavailable ? "the storage cannot be used"
						 : "the domain is not meant");
		return false;
	}
	jid = jid_new(name, import->domain, NULL);
	if (jid == NULL || !jid_is_bare(jid)) {
		report_note(import->db, "account", name, "this is no name");
		report_count(import->db->report, KIND, "skipped",
			     "the name is none");
	} else if (import->db->user == NULL ||
		   str_equal(jid_full(jid), import->db->user)) {
		import->user = pie_user_new(import->db, import->storage,
					    jid_full(jid));
		if (password != NULL && *password != '\0')
			import->user->password =
				prepared_password(import->user, password);
		db_wait(import->db, has_room, import);
		look(import, import->user);
	}
	jid_free(&jid);
	return import->user != NULL;
}

static void data(const struct pie_kind *kind, const struct element *element,
		 void *ctx)
{
	struct import *import = ctx;

	db_wait(import->db, has_room, import);
	kind->read(import->user, element);
}

static void unknown(const char *what, void *ctx)
{
	struct import *import = ctx;

	report_count(import->user != NULL ? import->user->report
					  : import->db->report,
		     what, "skipped", "it is not understood");
}

static void user_end(void *ctx)
{
	struct import *import = ctx;
	struct pie_user *complete = import->user;

	import->user = NULL;
	if (complete->compare)
		compare(import, complete);
	else
		store_user(import, complete);
}

static const struct pie_events events = {
	.host = host,
	.user = user,
	.data = data,
	.unknown = unknown,
	.user_end = user_end,
};

/* -- the command ------------------------------------------------------------ */

static bool is_stored(void *ctx)
{
	const struct import *import = ctx;

	return import->storing == 0 &&
	       (import->user == NULL || import->user->pending == 0);
}

static int exit_code(const struct import *import, int read)
{
	if (import->unavailable)
		return DB_UNAVAILABLE;
	if (read < 0)
		return DB_FAILED;
	return report_total(import->db->report, "conflict") > 0 ? DB_CONFLICT
								: DB_OK;
}

int pie_import(struct db *db, const struct db_file *files, size_t count)
{
	struct import import = { .db = db };
	struct error err;
	int result = 0;

	import.deriver = deriver_new(db->loop, &err);
	if (import.deriver == NULL) {
		db_complain("%s", err.text);
		return DB_FAILED;
	}
	import.parser = stanza_parser_new();
	for (size_t i = 0; i < count && result == 0; i++) {
		result = pie_read(files[i].stream, files[i].path, &events,
				  &import, &err);
		db_wait(db, is_stored, &import);
		/* A user of whom the file has no end is not added. */
		pie_user_free(&import.user);
	}
	if (result < 0)
		db_complain("%s", err.text);
	report_print(db->report, db->json, stdout);
	stanza_parser_free(&import.parser);
	deriver_free(&import.deriver);
	mem_free(import.domain);
	mem_wipe(&import.account, sizeof(import.account));
	return exit_code(&import, result);
}

int db_import(struct db *db)
{
	return pie_import(db, db->files, db->file_count);
}
