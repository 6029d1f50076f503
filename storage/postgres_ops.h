/* SPDX-License-Identifier: Apache-2.0
 *
 * What each storage request is in PostgreSQL: which statements, with which
 * parameters, and what their results mean.
 */
#ifndef STORAGE_POSTGRES_OPS_H
#define STORAGE_POSTGRES_OPS_H

#include <libpq-fe.h>

#include "storage/driver.h"

#define PG_TOKEN_LEN 16

/* The statements as PostgreSQL wants them. */
struct pg_statements;
struct pg_statements *pg_statements_new(void);
void pg_statements_free(struct pg_statements **statements);

/* One after the other; NULL after the last. */
const char *pg_statements_get(const struct pg_statements *statements,
			      unsigned number);

struct pg_owner;

/* A request on its way. */
struct pg_job {
	struct storage_request *request;
	struct pg_owner *owner;
	uint64_t since_us; /* loop_now_us() of its coming */
	unsigned char token[PG_TOKEN_LEN]; /* nobody else's */
	/* A connection was lost while this one was on it: it may have been
	 * done, and what it gives now must not say otherwise. */
	bool again;
	unsigned losses;
	struct pg_job *prev, *next;
};

/* How many statements the job is made of: at least one. */
unsigned pg_op_count(const struct pg_job *job);

/* Hands them to libpq; -1 when it refused. */
int pg_op_send(const struct pg_statements *statements, PGconn *pg,
	       const struct pg_job *job);

/* Takes over what the statement of that number gave, into the request's
 * result. */
void pg_op_result(struct pg_job *job, unsigned number, const PGresult *rows);

#endif
