/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection of the pool: made in a worker, then driven by the loop,
 * taking its jobs in batches.
 */
#ifndef STORAGE_POSTGRES_CONN_H
#define STORAGE_POSTGRES_CONN_H

#include "storage/postgres.h"
#include "storage/postgres_schema.h"
#include "util/net/watch.h"

/*	DOWN --timer--> CONNECTING --> CHECKING --> READY <--> BUSY
 *	  ^-----------------'--------------'----------'----------'	*/
enum pg_state {
	PG_DOWN,       /* until the timer */
	PG_CONNECTING, /* the worker has it */
	PG_CHECKING,   /* asks for the schema */
	PG_READY,      /* for a batch, once no pause is running */
	PG_BUSY	       /* a batch is on its way */
};

/* Where in a batch the server is, and what went wrong there first. */
struct pg_progress {
	unsigned statement; /* BEGIN, two SET LOCAL, then those of the jobs */
	unsigned syncs;
	struct pg_job *job;
	unsigned job_statement;
	size_t job_number;
	bool committed;
	bool failed;
	bool failed_in_job;
	size_t failed_at; /* number of the job */
	char sqlstate[6];
	char reason[PG_REASON_SIZE];
};

struct pg_conn {
	struct pg_store *store;
	enum pg_state state;
	PGconn *pg;
	struct watch *watch;
	bool writing; /* libpq has more than the socket took */
	struct worker_job connect;
	char reason[PG_REASON_SIZE]; /* why connecting failed */
	struct pg_schema schema;
	struct timer timer; /* retry, patience, or pause */
	struct timer tls;   /* runs while an answer is awaited through TLS */
	uint64_t retry_ms;
	uint64_t up_since;
	struct pg_job *waiting;
	size_t waiting_count;
	struct pg_job *flight; /* the batch */
	size_t flight_count;
	size_t limit; /* jobs of the next batch */
	unsigned conflicts; /* batches in a row that met one */
	struct pg_progress progress;
};

/* Connects, blocking; PQstatus() says whether that worked. */
PGconn *pg_connect(const struct pg_options *options);

struct pg_conn *pg_conn_new(struct pg_store *store);

/* Starts connecting, at the next turn of the loop or at once. */
void pg_conn_begin(struct pg_conn *conn);
void pg_conn_start(struct pg_conn *conn);

/* In the worker: connects, blocking. */
void pg_conn_connect(struct worker_job *job);

/* True when it can be given jobs. */
bool pg_conn_is_up(const struct pg_conn *conn);

/* True until it has started to connect for the first time. */
bool pg_conn_is_new(const struct pg_conn *conn);

/* True when it may be so soon. */
bool pg_conn_is_coming(const struct pg_conn *conn);

/* Appends to what waits. */
void pg_conn_take(struct pg_conn *conn, struct pg_job *job);

/* Takes a job that waits away again. */
void pg_conn_leave(struct pg_conn *conn, struct pg_job *job);

/* Blocks for the server for at most `ms`: for the end of the store. False when
 * there is nothing to wait for. */
bool pg_conn_drive(struct pg_conn *conn, unsigned ms);

/* Closes; its jobs go back to the store. */
void pg_conn_free(struct pg_conn **conn);

/* -- for the batch ------------------------------------------------------- */

void pg_conn_set_state(struct pg_conn *conn, enum pg_state state);

/* Hands what libpq holds to the socket. */
void pg_conn_flush(struct pg_conn *conn);

/* Waits for an answer, from now on for so long as one may take. */
void pg_conn_be_patient(struct pg_conn *conn);

/* The one way out of a connection: its jobs go back to the store, and it will
 * be made again. With a sentence, or with libpq's. */
void pg_conn_lost(struct pg_conn *conn, const char *why);
void pg_conn_failed(struct pg_conn *conn);

#endif
