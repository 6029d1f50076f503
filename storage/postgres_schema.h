/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether a database has the tables of this program, and bringing it there:
 * the first thing on a new connection.
 */
#ifndef STORAGE_POSTGRES_SCHEMA_H
#define STORAGE_POSTGRES_SCHEMA_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "util/base/error.h"

/* In each transaction: a pooler may give it any session, and a stranger may
 * have changed the path of that one. */
#define PG_SCHEMA_PATH "SET LOCAL search_path TO DEFAULT"

enum pg_schema_step {
	PG_SCHEMA_CLEAN,   /* what a stranger left in a pooler's session */
	PG_SCHEMA_LOOK,	   /* is there a table of versions? */
	PG_SCHEMA_VERSION, /* which one is it? */
	PG_SCHEMA_LOCK,	   /* nobody else migrates now */
	PG_SCHEMA_MIGRATE,
	PG_SCHEMA_DONE
};

/*	CLEAN --> LOOK --> VERSION --> DONE
 *	            |         |
 *	            v         v		once more, under the lock
 *	          LOCK --> LOOK ... --> MIGRATE --> LOOK ...	*/
struct pg_schema {
	enum pg_schema_step step;
	bool upgrade; /* also what is not empty */
	bool found;   /* there is a table of versions */
	bool locked;
	int version; /* that the database has */
};

/* Sends the first query, outside of pipeline mode. An empty database gets its
 * tables; one that has older ones is brought up to date when `upgrade` is true
 * and refused otherwise: processes of the version before may be using it. -1
 * when libpq refuses. */
int pg_schema_start(struct pg_schema *schema, PGconn *pg, bool upgrade);

/* Takes one result of the query, of which there may be several. -1 with the
 * sentence when that means that the database cannot be used. */
int pg_schema_result(struct pg_schema *schema, const PGresult *result,
		     struct error *err);

/* All results of the query were taken: sends the next one, or is DONE. */
int pg_schema_next(struct pg_schema *schema, PGconn *pg);

#endif
