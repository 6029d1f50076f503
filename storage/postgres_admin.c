/* SPDX-License-Identifier: Apache-2.0
 *
 * The calls of storage_admin.h on a PostgreSQL database, over a connection of
 * their own, blocking.
 */
#include "storage/postgres_admin.h"

#include <libpq-fe.h>
#include <string.h>

#include "storage/checks.h"
#include "storage/postgres.h"
#include "storage/postgres_conn.h"
#include "storage/postgres_schema.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define PROBLEMS_MAX 100 /* of one check */

static int fail(const char *text, struct error *err)
{
	char reason[PG_REASON_SIZE];

	pg_reason(reason, sizeof(reason), text);
	return error_set(err, "%s", reason);
}

static PGconn *connect_to(const char *connection, struct error *err)
{
	struct pg_options options;
	PGconn *pg = NULL;

	if (pg_options_parse(&options, connection, err) == 0) {
		pg = pg_connect(&options);
		if (PQstatus(pg) != CONNECTION_OK) {
			fail(PQerrorMessage(pg), err);
			PQfinish(pg);
			pg = NULL;
		}
	}
	pg_options_clear(&options);
	return pg;
}

/* -- queries ------------------------------------------------------------- */

static int give_row(const PGresult *result, storage_row_cb *row, void *ctx)
{
	size_t count = (size_t)PQnfields(result);
	const char **names = mem_calloc(count * 2, sizeof(*names));
	const char **values = names + count;
	int enough;

	for (size_t i = 0; i < count; i++) {
		names[i] = PQfname(result, (int)i);
		values[i] = PQgetisnull(result, 0, (int)i)
				    ? NULL
				    : PQgetvalue(result, 0, (int)i);
	}
	enough = row(count, names, values, ctx);
	mem_free(names);
	return enough;
}

/* Row by row: a table may be larger than the memory. What comes after a row
 * that was enough is read and dropped. */
static int query(PGconn *pg, const char *sql, storage_row_cb *row, void *ctx,
		 struct error *err)
{
	bool enough = false;
	int code = 0;
	PGresult *result;

	if (!PQsendQueryParams(pg, sql, 0, NULL, NULL, NULL, NULL, 0) ||
	    !PQsetSingleRowMode(pg))
		return fail(PQerrorMessage(pg), err);
	while ((result = PQgetResult(pg)) != NULL) {
		switch (PQresultStatus(result)) {
		case PGRES_SINGLE_TUPLE:
			if (!enough)
				enough = give_row(result, row, ctx) != 0;
			break;
		case PGRES_TUPLES_OK:
		case PGRES_COMMAND_OK:
			break;
		default:
			code = fail(PQresultErrorMessage(result), err);
		}
		PQclear(result);
	}
	return code;
}

static int admin_query(const char *connection, const char *sql,
		       storage_row_cb *row, void *ctx, struct error *err)
{
	PGconn *pg = connect_to(connection, err);
	int result;

	if (pg == NULL)
		return -1;
	result = query(pg, sql, row, ctx, err);
	PQfinish(pg);
	return result;
}

/* -- version ------------------------------------------------------------- */

static int take_number(size_t count, const char *const *names,
		       const char *const *values, void *ctx)
{
	int64_t *number = ctx;

	(void)names;
	if (count != 1 || values[0] == NULL ||
	    str_to_i64(values[0], 0, INT32_MAX, number) != 0)
		*number = -1;
	return 0;
}

static int version_of(PGconn *pg, int *version, struct error *err)
{
	int64_t ours = 0, number = -1;

	*version = -1;
	if (query(pg, "SELECT count(*) FROM information_schema.tables"
		      " WHERE table_name = 'chappe_schema'"
		      " AND table_schema = ANY (current_schemas(false))",
		  take_number, &ours, err) < 0)
		return -1;
	if (ours == 0)
		return 0;
	if (query(pg, "SELECT version FROM chappe_schema", take_number,
		  &number, err) < 0)
		return -1;
	*version = (int)number;
	return number >= 0 ? 0
			   : error_set(err, "the table chappe_schema has no "
				       "version");
}

static int admin_version(const char *connection, int *version,
			 struct error *err)
{
	PGconn *pg = connect_to(connection, err);
	int result;

	*version = -1;
	if (pg == NULL)
		return -1;
	result = version_of(pg, version, err);
	PQfinish(pg);
	return result;
}

/* -- migrate ------------------------------------------------------------- */

static int take_results(struct pg_schema *schema, PGconn *pg,
			struct error *err)
{
	PGresult *result;
	int code = 0;

	while ((result = PQgetResult(pg)) != NULL) {
		if (code == 0)
			code = pg_schema_result(schema, result, err);
		PQclear(result);
	}
	return code;
}

static int admin_migrate(const char *connection, struct error *err)
{
	PGconn *pg = connect_to(connection, err);
	struct pg_schema schema;
	int result;

	if (pg == NULL)
		return -1;
	result = pg_schema_start(&schema, pg, true);
	while (result == 0 && schema.step != PG_SCHEMA_DONE) {
		if (take_results(&schema, pg, err) < 0)
			break;
		result = pg_schema_next(&schema, pg);
	}
	if (result < 0)
		fail(PQerrorMessage(pg), err);
	else if (schema.step != PG_SCHEMA_DONE)
		result = -1;
	PQfinish(pg);
	return result;
}

/* -- check --------------------------------------------------------------- */

struct checking {
	PGconn *pg;
	const char *name, *sentence;
	storage_finding_cb *found;
	void *ctx;
	unsigned problems;
};

static int take_place(size_t count, const char *const *names,
		      const char *const *values, void *ctx)
{
	struct checking *checking = ctx;

	(void)names;
	checking->found(checking->name,
			count > 0 && values[0] != NULL ? values[0] : "",
			checking->sentence, checking->ctx);
	return ++checking->problems >= PROBLEMS_MAX;
}

static const struct storage_check own_checks[] = {
	{ "encoding",
	  "SELECT current_setting('server_encoding')"
	  " WHERE current_setting('server_encoding') <> 'UTF8'",
	  "the database does not keep texts as UTF-8" },
	{ "index",
	  "SELECT c.relname FROM pg_index i"
	  " JOIN pg_class c ON c.oid = i.indexrelid"
	  " JOIN pg_class t ON t.oid = i.indrelid"
	  " JOIN pg_namespace n ON n.oid = t.relnamespace"
	  " WHERE n.nspname = ANY (current_schemas(false))"
	  " AND t.relname IN ('account', 'roster', 'roster_version',"
	  " 'offline', 'document') AND NOT (i.indisvalid AND i.indisready)",
	  "the index is not valid: REINDEX makes it anew" },
	{ .name = NULL },
};

static int check_rows(struct checking *checking,
		      const struct storage_check *check, struct error *err)
{
	for (; check->name != NULL; check++) {
		checking->name = check->name;
		checking->sentence = check->sentence;
		checking->problems = 0;
		if (query(checking->pg, check->sql, take_place, checking,
			  err) < 0)
			return -1;
	}
	return 0;
}

/* What cannot be prepared has no table or no column. */
static bool statements_fit(struct checking *checking)
{
	struct pg_statements *statements = pg_statements_new();
	const char *sql;
	bool fit = true;

	for (unsigned i = 0; (sql = pg_statements_get(statements, i)) != NULL;
	     i++) {
		PGresult *result = PQprepare(checking->pg, "", sql, 0, NULL);
		const char *text = PQresultErrorField(result,
						      PG_DIAG_MESSAGE_PRIMARY);

		if (PQresultStatus(result) != PGRES_COMMAND_OK) {
			checking->found("schema", "",
					text != NULL ? text : "lost",
					checking->ctx);
			fit = false;
		}
		PQclear(result);
	}
	pg_statements_free(&statements);
	return fit;
}

static int admin_check(const char *connection, storage_finding_cb *found,
		       void *ctx, struct error *err)
{
	struct checking checking = { .found = found, .ctx = ctx };
	int result;

	checking.pg = connect_to(connection, err);
	if (checking.pg == NULL)
		return -1;
	result = check_rows(&checking, own_checks, err);
	if (result == 0 && statements_fit(&checking))
		result = check_rows(&checking, storage_checks, err);
	PQfinish(checking.pg);
	return result;
}

const struct storage_admin postgres_admin = {
	.version = admin_version,
	.migrate = admin_migrate,
	.check = admin_check,
	.query = admin_query,
};
