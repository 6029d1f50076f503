/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of the driver "postgres": a store with its pool of connections.
 *
 * Glossary: a *job* is a request on its way; jobs are *parked* while no
 * connection can take them; a *batch* is what one connection does at a time,
 * in one transaction.
 */
#ifndef STORAGE_POSTGRES_H
#define STORAGE_POSTGRES_H

#include <libpq-fe.h>

#include "storage/postgres_ops.h"
#include "storage/postgres_options.h"
#include "util/base/log.h"
#include "util/base/table.h"
#include "util/net/timer.h"
#include "util/net/worker.h"

struct pg_conn;

#define PG_REASON_SIZE 160 /* as in struct storage_result */

/* Somebody with jobs. They all are on one connection, or all are parked, so
 * they stay in order. */
struct pg_owner {
	char *name;
	struct pg_conn *conn; /* NULL: none yet */
	size_t count;
	UT_hash_handle hh;
};

struct pg_store {
	struct loop *loop;
	struct log *log;
	struct pg_options options;
	char *set_timeout; /* a statement */
	struct pg_statements *statements;
	struct worker *worker; /* connects */
	struct pg_conn **conns;
	size_t conn_count;
	size_t up; /* connections that can be used */
	struct pg_owner *owners;
	struct pg_job *parked;
	size_t outstanding; /* jobs */
	unsigned char token_prefix[8];
	uint64_t tokens;
	struct deferred work;
	struct timer tick;   /* runs while there are jobs */
	struct timer refuse; /* answers what is parked */
	uint64_t down_since; /* in ms, not of a turn that may be long; while
				nothing is up */
	bool was_up;
	bool refusing; /* down for so long that nobody shall wait */
	bool failing;  /* and that was logged */
	bool closing;
	char reason[PG_REASON_SIZE]; /* of the last failure */
};

/* -- what a connection tells its store ----------------------------------- */

/* Work can be given to it. */
void pg_store_up(struct pg_store *store);

/* It cannot be used, or never could. Gives back its jobs, in order. */
void pg_store_down(struct pg_store *store, bool was_up, struct pg_job *jobs,
		   const char *reason);

/* Something was written, or one statement failed for a reason that lies in
 * the database and not in the request. */
void pg_store_worked(struct pg_store *store);
void pg_store_failed(struct pg_store *store, const char *reason);

/* The end of a job: `reason` for UNAVAILABLE. Frees it, and runs callbacks. */
void pg_store_done(struct pg_store *store, struct pg_job *job,
		   enum storage_status status, const char *reason);

/* There may be something to send, at the end of this turn. */
void pg_store_schedule(struct pg_store *store);

/* A sentence of libpq's on one line. */
void pg_reason(char *to, size_t size, const char *text);

#endif
