/* SPDX-License-Identifier: Apache-2.0
 *
 * The version of the schema in a PostgreSQL database, and its migrations: in
 * one transaction under an advisory lock, so that of several processes that
 * start together one does the work, and the others find it done. Behind a
 * pooler a lock of the session could stay with a stranger; this one goes with
 * the transaction.
 *
 * Such a pooler also hands out sessions as the stranger before left them. What
 * can be mended is mended at the start; and as the next transaction may be in
 * yet another session, each of them says itself where its tables are.
 */
#include "storage/postgres_schema.h"

#include <string.h>

#include "storage/schema.h"
#include "util/base/buf.h"
#include "util/base/str.h"

/* "chappe" as a number. */
#define LOCK_KEY "109267186610277"

#define HERE PG_SCHEMA_PATH ";"

static int send_query(struct pg_schema *schema, PGconn *pg,
		      enum pg_schema_step step, const char *sql)
{
	schema->step = step;
	return PQsendQuery(pg, sql) ? 0 : -1;
}

/* Not to_regclass(): it remembers what there was not, also after waiting for
 * another process that has just made it. */
static int look(struct pg_schema *schema, PGconn *pg)
{
	return send_query(schema, pg, PG_SCHEMA_LOOK,
			  HERE "SELECT count(*) FROM information_schema.tables"
			  " WHERE table_name = 'chappe_schema'"
			  " AND table_schema = ANY (current_schemas(false))");
}

/* A session of one's own has nothing of this; that costs one round trip. The
 * encoding is the pooler's business, which keeps it for each client. */
int pg_schema_start(struct pg_schema *schema, PGconn *pg, bool upgrade)
{
	*schema = (struct pg_schema){ .upgrade = upgrade };
	return send_query(schema, pg, PG_SCHEMA_CLEAN,
			  "ROLLBACK; RESET SESSION AUTHORIZATION; RESET ROLE;"
			  "RESET search_path;"
			  "RESET default_transaction_read_only;"
			  "RESET default_transaction_isolation;"
			  "RESET synchronous_commit;"
			  "RESET statement_timeout; RESET lock_timeout");
}

static int migrate(struct pg_schema *schema, PGconn *pg)
{
	struct buf sql = { 0 };
	int sent;

	for (int i = schema->version; i < schema_version; i++)
		buf_addf(&sql, "%s\n", schema_migrations[i].postgres);
	buf_addf(&sql, "UPDATE chappe_schema SET version = %d;\nCOMMIT",
		 schema_version);
	sent = send_query(schema, pg, PG_SCHEMA_MIGRATE, buf_data(&sql));
	buf_free(&sql);
	return sent;
}

static int decide(struct pg_schema *schema, PGconn *pg)
{
	if (schema->version < schema_version && !schema->locked)
		return send_query(schema, pg, PG_SCHEMA_LOCK,
				  "BEGIN ISOLATION LEVEL READ COMMITTED;" HERE
				  "SELECT pg_advisory_xact_lock(" LOCK_KEY
				  ")");
	if (schema->version < schema_version)
		return migrate(schema, pg);
	if (schema->locked) {
		/* Another process was quicker: look again, without the lock. */
		schema->locked = false;
		return send_query(schema, pg, PG_SCHEMA_MIGRATE, "COMMIT");
	}
	schema->step = PG_SCHEMA_DONE;
	return 0;
}

int pg_schema_next(struct pg_schema *schema, PGconn *pg)
{
	switch (schema->step) {
	case PG_SCHEMA_CLEAN:
		return look(schema, pg);
	case PG_SCHEMA_LOOK:
		if (schema->found)
			return send_query(schema, pg, PG_SCHEMA_VERSION,
					  HERE "SELECT version FROM chappe_schema");
		return decide(schema, pg);
	case PG_SCHEMA_VERSION:
		return decide(schema, pg);
	case PG_SCHEMA_LOCK:
		schema->locked = true;
		return look(schema, pg);
	case PG_SCHEMA_MIGRATE:
		schema->locked = false;
		return look(schema, pg);
	case PG_SCHEMA_DONE:
		break;
	}
	return 0;
}

static int check_version(struct pg_schema *schema, const PGresult *result,
			 struct error *err)
{
	int64_t version;

	if (PQntuples(result) != 1 ||
	    str_to_i64(PQgetvalue(result, 0, 0), 0, INT32_MAX, &version) < 0)
		return error_set(err, "the table chappe_schema has no version");
	schema->version = (int)version;
	if (version < schema_version && !schema->upgrade)
		return error_set(err, SCHEMA_OLD_TEXT, schema->version,
				 schema_version);
	if (version <= schema_version)
		return 0;
	return error_set(err, "the database has schema %d, this program knows "
			 "schemas up to %d: a newer chappe is needed",
			 schema->version, schema_version);
}

int pg_schema_result(struct pg_schema *schema, const PGresult *result,
		     struct error *err)
{
	ExecStatusType status = PQresultStatus(result);

	/* What an engine does not know there, it does not need reset. */
	if (schema->step == PG_SCHEMA_CLEAN)
		return 0;
	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		return error_set(err, "%s",
				 PQresultErrorField(result,
						    PG_DIAG_MESSAGE_PRIMARY)
				 ?: PQresultErrorMessage(result));
	if (status != PGRES_TUPLES_OK)
		return 0;
	if (schema->step == PG_SCHEMA_LOOK) {
		schema->version = 0;
		schema->found = PQgetvalue(result, 0, 0)[0] != '0';
	} else if (schema->step == PG_SCHEMA_VERSION) {
		return check_version(schema, result, err);
	}
	return 0;
}
