/* SPDX-License-Identifier: Apache-2.0
 *
 * Which storage section serves which domain, and opening them.
 */
#include "db/db.h"

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"

struct store {
	char *title;
	struct storage *storage;
	struct storage *reader; /* NULL: not needed so far */
	struct store *next;
};

const struct storage_options *db_storage_options(const struct db *db,
						 const char *domain,
						 const char **title,
						 struct error *err)
{
	const struct domain_options *options =
		config_find(db->config, "domain", domain);
	const struct storage_options *storage;

	if (options == NULL) {
		error_set(err, "there is no section domain \"%s\" in %s",
			  domain, db->config_file);
		return NULL;
	}
	*title = db->storage != NULL	    ? db->storage
		 : options->storage != NULL ? options->storage
					    : STORAGE_DEFAULT;
	storage = config_find(db->config, "storage", *title);
	if (storage == NULL)
		error_set(err, "there is no section storage \"%s\" in %s",
			  *title, db->config_file);
	return storage;
}

static struct storage *open_section(struct db *db,
				    const struct storage_options *options,
				    struct error *err)
{
	return storage_open(db->loop, &db->log, options->driver,
			    options->connection, db->sm->driver_dir, err);
}

static struct store *open_store(struct db *db, const char *title,
				const struct storage_options *options,
				struct error *err)
{
	struct store *store = mem_new(struct store);

	store->storage = open_section(db, options, err);
	if (store->storage == NULL) {
		mem_free(store);
		return NULL;
	}
	store->title = mem_strdup(title);
	LL_PREPEND(db->stores, store);
	return store;
}

struct storage *db_store(struct db *db, const char *domain)
{
	const struct storage_options *options;
	struct store *store;
	struct error err;
	const char *title;

	options = db_storage_options(db, domain, &title, &err);
	if (options != NULL && str_equal(options->driver, "memory")) {
		error_set(&err, "storage \"%s\": what the driver memory keeps "
			  "ends with its sm", title);
		options = NULL;
	}
	if (options == NULL) {
		db_complain("%s", err.text);
		return NULL;
	}
	LL_FOREACH(db->stores, store) {
		if (str_equal(store->title, title))
			return store->storage;
	}
	store = open_store(db, title, options, &err);
	if (store == NULL)
		db_complain("storage \"%s\": %s", title, err.text);
	return store != NULL ? store->storage : NULL;
}

struct storage *db_reader(struct db *db, const char *domain)
{
	const struct storage_options *options;
	struct store *store;
	struct error err;
	const char *title;

	options = db_storage_options(db, domain, &title, &err);
	LL_FOREACH(db->stores, store) {
		if (options != NULL && str_equal(store->title, title))
			break;
	}
	if (store == NULL)
		return NULL;
	if (store->reader == NULL)
		store->reader = open_section(db, options, &err);
	if (store->reader == NULL)
		db_complain("storage \"%s\": %s", title, err.text);
	return store->reader;
}

static int visit(struct db *db, const char *title,
		 const struct storage_options *options, db_storage_cb *each)
{
	struct loaded_driver loaded = { .handle = NULL };
	const struct storage_driver *driver;
	struct error err;
	int result = DB_OK;

	driver = storage_driver_find(options->driver, db->sm->driver_dir,
				     &loaded, &err);
	if (driver == NULL) {
		db_complain("storage \"%s\": %s", title, err.text);
		return DB_FAILED;
	}
	if (driver->admin == NULL)
		db_complain("storage \"%s\": the driver %s has no database",
			    title, options->driver);
	else
		result = each(db, title, options, driver->admin);
	driver_unload(&loaded);
	return result;
}

/* Whether a domain before this one has the same section. */
static bool was_visited(const struct db *db, size_t before, const char *title)
{
	const char *domain, *other;

	for (size_t i = 0; i < before; i++) {
		config_get(db->config, "domain", i, &domain);
		if (db_storage_options(db, domain, &other, NULL) != NULL &&
		    str_equal(other, title))
			return true;
	}
	return false;
}

int db_each_storage(struct db *db, db_storage_cb *each)
{
	size_t count = config_count(db->config, "domain");
	int worst = DB_OK;

	for (size_t i = 0; i < count; i++) {
		const struct storage_options *options;
		const char *domain, *title;
		struct error err;
		int code;

		config_get(db->config, "domain", i, &domain);
		options = db_storage_options(db, domain, &title, &err);
		if (options == NULL) {
			db_complain("%s", err.text);
			return DB_FAILED;
		}
		if (was_visited(db, i, title))
			continue;
		code = visit(db, title, options, each);
		worst = code > worst ? code : worst;
	}
	return worst;
}

bool db_keeps_accounts(const struct db *db, const char *domain)
{
	const struct domain_options *options =
		config_find(db->config, "domain", domain);

	for (char **at = options != NULL ? options->auth : NULL;
	     at != NULL && *at != NULL; at++) {
		if (str_equal(*at, "storage"))
			return true;
	}
	return false;
}

void db_stores_close(struct db *db)
{
	struct store *store, *next;

	LL_FOREACH_SAFE(db->stores, store, next) {
		storage_close(&store->reader);
		storage_close(&store->storage);
		mem_free(store->title);
		mem_free(store);
	}
	db->stores = NULL;
}

void db_wait(struct db *db, bool (*done)(void *ctx), void *ctx)
{
	while (!done(ctx))
		loop_run(db->loop);
}
