/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of jabberd2 from wherever they are, into a temporary database of
 * ours (which SQLite keeps in a file without a name when it is large): a dump
 * has a user's rows in many places.
 */
#include "db/jabberd2.h"

#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"

/* What jabberd2 names them (its tools/db-setup.*). */
const struct jabberd2_table jabberd2_tables[] = {
	{ "authreg", { "username", "realm", "password" } },
	{ "active", { "collection-owner", "time" } },
	{ "logout", { "collection-owner", "time" } },
	{ "roster-items",
	  { "collection-owner", "jid", "name", "to", "from", "ask" } },
	{ "roster-groups", { "collection-owner", "jid", "group" } },
	{ "vcard",
	  { "collection-owner", "fn", "nickname", "url", "tel", "email",
	    "jabberid", "mailer", "title", "role", "bday", "tz", "n-family",
	    "n-given", "n-middle", "n-prefix", "n-suffix", "adr-street",
	    "adr-extadd", "adr-pobox", "adr-locality", "adr-region",
	    "adr-pcode", "adr-country", "geo-lat", "geo-lon", "org-orgname",
	    "org-orgunit", "agent-extval", "sort-string", "desc", "note",
	    "uid", "photo-type", "photo-binval", "photo-extval", "logo-type",
	    "logo-binval", "logo-extval", "sound-phonetic", "sound-binval",
	    "sound-extval", "key-type", "key-cred", "rev" } },
	{ "queue", { "collection-owner", "object-sequence", "xml" } },
	{ "private", { "collection-owner", "ns", "xml" } },
	{ "privacy-default", { "collection-owner", "default" } },
	{ "privacy-items",
	  { "collection-owner", "list", "type", "value", "deny", "order",
	    "block" } },
	/* Only counted. */
	{ "disco-items", { "collection-owner" } },
	{ "motd-message", { "collection-owner" } },
	{ "motd-times", { "collection-owner" } },
	{ "published-roster", { "collection-owner" } },
	{ "status", { "collection-owner" } },
	{ "vacation-settings", { "collection-owner" } },
	{ .name = NULL },
};

struct copying {
	sqlite3 *to;
	const struct jabberd2_table *table;
	sqlite3_stmt *insert;
	bool any; /* a table of jabberd2 was there */
	/* A dump: the columns of the table created last, for INSERTs that
	 * name none. */
	char *created;
	char **columns;
	size_t column_count;
};

/* -- our side ---------------------------------------------------------------- */

static void add_columns(struct buf *sql, const struct jabberd2_table *table,
			const char *suffix)
{
	for (size_t i = 0; table->columns[i] != NULL; i++)
		buf_addf(sql, "%s\"%s\"%s", i > 0 ? ", " : "",
			 table->columns[i], suffix);
}

static int create_tables(sqlite3 *to)
{
	struct buf sql = { 0 };
	int code;

	buf_add_str(&sql, "PRAGMA journal_mode = OFF; BEGIN;");
	for (const struct jabberd2_table *t = jabberd2_tables; t->name; t++) {
		buf_addf(&sql, "CREATE TABLE \"%s\" (", t->name);
		add_columns(&sql, t,
			    " TEXT");
		buf_add_str(&sql, ");");
	}
	code = sqlite3_exec(to, buf_data(&sql), NULL, NULL, NULL);
	buf_free(&sql);
	return code == SQLITE_OK ? 0 : -1;
}

static void prepare_insert(struct copying *copying,
			   const struct jabberd2_table *table)
{
	struct buf sql = { 0 };

	sqlite3_finalize(copying->insert);
	copying->insert = NULL;
	copying->table = table;
	buf_addf(&sql, "INSERT INTO \"%s\" (", table->name);
	add_columns(&sql, table, "");
	buf_add_str(&sql, ") VALUES (");
	for (size_t i = 0; table->columns[i] != NULL; i++)
		buf_add_str(&sql, i > 0 ? ", ?" : "?");
	buf_add_str(&sql, ")");
	sqlite3_prepare_v2(copying->to, buf_data(&sql), -1, &copying->insert,
			   NULL);
	buf_free(&sql);
}

/* Columns that we do not know are left out, those that it lacks are NULL. */
static int insert(struct copying *copying, size_t count,
		  const char *const *names, const char *const *values)
{
	sqlite3_stmt *statement = copying->insert;
	int code;

	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	for (size_t i = 0; copying->table->columns[i] != NULL; i++) {
		for (size_t j = 0; j < count; j++) {
			if (str_equal(copying->table->columns[i], names[j]))
				sqlite3_bind_text(statement, (int)i + 1,
						  values[j], -1,
						  SQLITE_TRANSIENT);
		}
	}
	code = sqlite3_step(statement);
	sqlite3_reset(statement);
	return code == SQLITE_DONE ? 0 : -1;
}

static const struct jabberd2_table *find_table(const char *name)
{
	const struct jabberd2_table *table = jabberd2_tables;

	while (table->name != NULL && !str_equal(table->name, name))
		table++;
	return table->name != NULL ? table : NULL;
}

/* -- from a database ---------------------------------------------------------- */

static int got_row(size_t count, const char *const *names,
		   const char *const *values, void *ctx)
{
	return insert(ctx, count, names, values);
}

/* A table that is not there has no rows; without accounts and people who were
 * seen it is no jabberd2, or cannot be reached. */
static int copy_tables(struct copying *copying,
		       const struct storage_driver *driver,
		       const char *connection, struct error *err)
{
	for (const struct jabberd2_table *t = jabberd2_tables; t->name; t++) {
		char *sql = mem_printf("SELECT * FROM \"%s\"", t->name);
		struct error ignored;
		int result;

		prepare_insert(copying, t);
		result = driver->admin->query(connection, sql, got_row,
					      copying,
					      copying->any ? &ignored : err);
		mem_free(sql);
		if (result == 0)
			copying->any = true;
		else if (!copying->any && str_equal(t->name, "active"))
			return -1;
	}
	return 0;
}

static int copy_database(struct db *db, struct copying *copying,
			 const char *driver_name, const char *connection,
			 struct error *err)
{
	struct loaded_driver loaded = { .handle = NULL };
	const struct storage_driver *driver = storage_driver_find(
		driver_name, db->sm->driver_dir, &loaded, err);
	int result = -1;

	if (driver != NULL)
		result = copy_tables(copying, driver, connection, err);
	driver_unload(&loaded);
	return result;
}

/* -- from a dump --------------------------------------------------------------- */

static void forget_columns(struct copying *copying)
{
	for (size_t i = 0; i < copying->column_count; i++)
		mem_free(copying->columns[i]);
	mem_free(copying->columns);
	mem_free(copying->created);
	copying->columns = NULL;
	copying->created = NULL;
	copying->column_count = 0;
}

static void got_table(const char *table, char *const *columns, size_t count,
		      void *ctx)
{
	struct copying *copying = ctx;

	forget_columns(copying);
	copying->created = mem_strdup(table);
	copying->columns = mem_calloc(count + 1, sizeof(*copying->columns));
	copying->column_count = count;
	for (size_t i = 0; i < count; i++)
		copying->columns[i] = mem_strdup(columns[i]);
}

static int got_dump_row(const char *name, char *const *columns,
			size_t column_count, char *const *values, size_t count,
			void *ctx)
{
	struct copying *copying = ctx;
	const struct jabberd2_table *table = find_table(name);

	if (table == NULL)
		return 0;
	copying->any = true;
	if (column_count == 0 && str_equal(copying->created, name)) {
		columns = copying->columns;
		column_count = copying->column_count;
	}
	if (column_count != count)
		return -1;
	if (copying->table != table)
		prepare_insert(copying, table);
	return insert(copying, count, (const char *const *)columns,
		      (const char *const *)values);
}

static int copy_dump(struct db *db, struct copying *copying,
		     struct error *err)
{
	int result = mysql_dump_read(db->files[0].stream, got_table,
				     got_dump_row, copying, err);

	forget_columns(copying);
	if (result == 0 && !copying->any)
		return error_set(err, "it has no table of jabberd2");
	return result;
}

/* -- the call ------------------------------------------------------------------ */

static int copy(struct db *db, struct copying *copying, const char *source,
		struct error *err)
{
	static const char sqlite[] = "sqlite:";

	if (db->file_count > 0)
		return copy_dump(db, copying, err);
	if (str_starts(source, sqlite))
		return copy_database(db, copying, "sqlite",
				     source + strlen(sqlite), err);
	if (str_starts(source, "postgresql://") ||
	    str_starts(source, "postgres://"))
		return copy_database(db, copying, "postgres", source, err);
	return error_set(err, "it is neither sqlite:FILE, "
			 "postgresql://USER@HOST/DATABASE nor "
			 "mysql-dump:FILE");
}

sqlite3 *jabberd2_open(struct db *db, const char *source)
{
	struct copying copying = { .to = NULL };
	struct error err;
	int result = -1;

	if (sqlite3_open("", &copying.to) == SQLITE_OK &&
	    create_tables(copying.to) == 0)
		result = copy(db, &copying, source, &err);
	else
		error_set(&err, "there is no room for a temporary database");
	sqlite3_finalize(copying.insert);
	if (result == 0)
		return copying.to;
	db_complain("%s: %s", source, err.text);
	sqlite3_close(copying.to);
	return NULL;
}
