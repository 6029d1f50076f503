/* SPDX-License-Identifier: Apache-2.0
 *
 * A batch is one pipeline: BEGIN, two SET LOCAL (the time-out and the path of
 * schemas), the statements of many jobs, sync, COMMIT, sync. The first sync stops what follows an
 * error; the COMMIT behind it ends the transaction in any case. No state stays
 * in the session, so a pooler may give every transaction to another one; what
 * somebody else left in that is overridden, or the connection is made again.
 *
 * When a job fails, the transaction comes to nothing and the others must not
 * suffer: those before it are run again, then it is the first of its batch,
 * and a job that fails as the first has only itself to blame.
 */
#include "storage/postgres_batch.h"

#include <string.h>

#include "storage/postgres_conn.h"
#include "util/base/str.h"

#define PREAMBLE 3 /* statements before those of the jobs */
#define BATCH_BYTES ((size_t)4 << 20)
#define FAILING_MAX 16 /* jobs of a batch after one that failed */
#define SESSIONS_MAX 2 /* connections that a job may hold to be spoilt */
#define PAUSE_MS 5     /* after the first conflict; it doubles */
#define CONFLICTS_MAX 8

/* Puts the batch back before what waits. */
void pg_batch_back(struct pg_conn *conn)
{
	struct pg_job *job;

	DL_FOREACH(conn->flight, job)
		storage_result_clear(&job->request->result);
	DL_CONCAT(conn->flight, conn->waiting);
	conn->waiting = conn->flight;
	conn->waiting_count += conn->flight_count;
	conn->flight = NULL;
	conn->flight_count = 0;
}

/* What was on its way may have been committed or not. */
void pg_batch_mark_unknown(struct pg_conn *conn)
{
	struct pg_job *job;

	DL_FOREACH(conn->flight, job) {
		job->again = true;
		job->losses++;
	}
	if (conn->flight_count > 0)
		conn->limit = conn->flight_count / 2 + 1;
}

/* -- its end -------------------------------------------------- */

/* A database that is full can still be read: that alone is no good news. */
static bool has_write(const struct pg_conn *conn)
{
	const struct pg_job *job;

	DL_FOREACH(conn->flight, job) {
		if (storage_op_writes(job->request->op))
			return true;
	}
	return false;
}

static void batch_committed(struct pg_conn *conn)
{
	struct pg_store *store = conn->store;
	struct pg_job *jobs = conn->flight, *job, *next;

	if (store->failing && has_write(conn))
		pg_store_worked(store);
	conn->flight = NULL;
	conn->flight_count = 0;
	conn->limit = PG_BATCH_MAX;
	conn->conflicts = 0;
	conn->retry_ms = 0;
	DL_FOREACH_SAFE(jobs, job, next) {
		DL_DELETE(jobs, job);
		pg_store_done(store, job, job->request->result.status, NULL);
	}
}

static bool sqlstate_is(const char *sqlstate, const char *const *among)
{
	for (; *among != NULL; among++) {
		if (str_starts(sqlstate, *among))
			return true;
	}
	return false;
}

/* Not the statement's fault, but perhaps that of a session that somebody else
 * has used: with another role, or without the tables in sight. */
static bool is_session(const char *sqlstate)
{
	static const char *const among[] = {
		"42501", "42P01", "3F000", "28", NULL
	};

	return sqlstate_is(sqlstate, among);
}

/* Another transaction was in the way; the same work can succeed next time. */
static bool is_conflict(const char *sqlstate)
{
	static const char *const among[] = { "40", NULL };

	return sqlstate_is(sqlstate, among);
}

/* Nothing will work on this connection: it is shut down, it became a standby,
 * or it is broken. */
static bool is_fatal(const char *sqlstate)
{
	static const char *const among[] = {
		"08", "25006", "57P", "25P", "26", NULL
	};

	return sqlstate_is(sqlstate, among);
}

/* The fault of what the request holds. */
static bool is_data(const char *sqlstate)
{
	static const char *const among[] = { "22", "23", NULL };

	return sqlstate_is(sqlstate, among);
}

static void pause_over(struct timer *timer)
{
	struct pg_conn *conn = container_of(timer, struct pg_conn, timer);

	pg_store_schedule(conn->store);
}

/* All of it once more, after a while. */
static void batch_conflict(struct pg_conn *conn)
{
	struct loop *loop = conn->store->loop;
	struct pg_job *job;

	/* 40003: the server cannot tell whether it was committed. */
	if (str_equal(conn->progress.sqlstate, "40003")) {
		DL_FOREACH(conn->flight, job)
			job->again = true;
	}
	pg_batch_back(conn);
	if (!conn->store->closing)
		timer_start(&conn->timer, loop,
			    loop_jitter(loop, PAUSE_MS << conn->conflicts),
			    pause_over);
	conn->conflicts++;
}

static void culprit_done(struct pg_conn *conn, struct pg_job *job)
{
	const struct pg_progress *progress = &conn->progress;
	const char *reason = progress->reason;

	/* Such a sentence shows what the request holds. */
	if (is_data(progress->sqlstate))
		reason = "the database does not take this";
	else
		pg_store_failed(conn->store, reason);
	pg_store_done(conn->store, job, STORAGE_UNAVAILABLE, reason);
}

static void batch_failed(struct pg_conn *conn)
{
	struct pg_progress *progress = &conn->progress;
	struct pg_job *job = conn->flight;

	if (is_fatal(progress->sqlstate)) {
		pg_batch_back(conn);
		pg_conn_lost(conn, progress->reason);
		return;
	}
	if (is_conflict(progress->sqlstate) &&
	    conn->conflicts < CONFLICTS_MAX) {
		batch_conflict(conn);
		return;
	}
	conn->conflicts = 0;
	/* Not in a job but in the COMMIT: any of them. */
	if (!progress->failed_in_job)
		progress->failed_at = conn->flight_count / 2;
	if (progress->failed_at > 0) {
		conn->limit = progress->failed_at;
		pg_batch_back(conn);
		return;
	}
	if (is_session(progress->sqlstate) && job->losses < SESSIONS_MAX) {
		job->losses++;
		pg_batch_back(conn);
		pg_conn_lost(conn, progress->reason);
		return;
	}
	DL_DELETE(conn->flight, job);
	conn->flight_count--;
	pg_batch_back(conn);
	/* When all of them fail, they shall not all be sent each time. */
	conn->limit = FAILING_MAX;
	culprit_done(conn, job);
}

static void batch_end(struct pg_conn *conn)
{
	pg_conn_set_state(conn, PG_READY);
	if (conn->progress.committed)
		batch_committed(conn);
	else
		batch_failed(conn);
	pg_store_schedule(conn->store);
}

/* -- results ------------------------------------------------------------- */

static void note_failure(struct pg_progress *progress, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (progress->failed)
		return;
	progress->failed = true;
	progress->failed_in_job = progress->job != NULL &&
				  progress->statement >= PREAMBLE;
	progress->failed_at = progress->job_number;
	str_copy(progress->sqlstate, sizeof(progress->sqlstate),
		 sqlstate != NULL ? sqlstate : "08000");
	pg_reason(progress->reason, sizeof(progress->reason),
		  text != NULL ? text : PQresultErrorMessage(result));
}

static void statement_ended(struct pg_progress *progress)
{
	struct pg_job *job = progress->job;

	if (progress->statement++ < PREAMBLE || job == NULL)
		return;
	if (++progress->job_statement < pg_op_count(job))
		return;
	progress->job_statement = 0;
	progress->job_number++;
	progress->job = job->next;
}

static void statement_worked(struct pg_progress *progress,
			     const PGresult *result)
{
	if (progress->syncs > 0)
		progress->committed = strcmp(PQcmdStatus((PGresult *)result),
					     "COMMIT") == 0;
	else if (progress->statement >= PREAMBLE && progress->job != NULL)
		pg_op_result(progress->job, progress->job_statement, result);
}

void pg_batch_result(struct pg_conn *conn, const PGresult *result)
{
	struct pg_progress *progress = &conn->progress;

	if (result == NULL) {
		statement_ended(progress);
		return;
	}
	switch (PQresultStatus(result)) {
	case PGRES_TUPLES_OK:
	case PGRES_COMMAND_OK:
		statement_worked(progress, result);
		break;
	case PGRES_PIPELINE_SYNC:
		if (++progress->syncs == 2)
			batch_end(conn);
		break;
	case PGRES_PIPELINE_ABORTED:
		break;
	default:
		note_failure(progress, result);
	}
}

/* -- sending ------------------------------------------------------------- */

static void fill_batch(struct pg_conn *conn)
{
	size_t bytes = 0;

	while (conn->waiting != NULL && conn->flight_count < conn->limit &&
	       (conn->flight_count == 0 || bytes < BATCH_BYTES)) {
		struct pg_job *job = conn->waiting;

		pg_conn_leave(conn, job);
		DL_APPEND(conn->flight, job);
		conn->flight_count++;
		bytes += job->request->data_len;
	}
}

static int send_text(PGconn *pg, const char *sql)
{
	return PQsendQueryParams(pg, sql, 0, NULL, NULL, NULL, NULL, 0) ? 0
									 : -1;
}

static int send_batch(struct pg_conn *conn)
{
	PGconn *pg = conn->pg;
	struct pg_job *job;

	if (send_text(pg, "BEGIN") < 0 ||
	    send_text(pg, conn->store->set_timeout) < 0 ||
	    send_text(pg, PG_SCHEMA_PATH) < 0)
		return -1;
	DL_FOREACH(conn->flight, job) {
		if (pg_op_send(conn->store->statements, pg, job) < 0)
			return -1;
	}
	if (!PQpipelineSync(pg) || send_text(pg, "COMMIT") < 0 ||
	    !PQpipelineSync(pg))
		return -1;
	return 0;
}

void pg_batch_send(struct pg_conn *conn)
{
	if (conn->state != PG_READY || timer_running(&conn->timer) ||
	    conn->waiting == NULL)
		return;
	fill_batch(conn);
	pg_conn_set_state(conn, PG_BUSY);
	conn->progress = (struct pg_progress){ .job = conn->flight };
	if (send_batch(conn) < 0) {
		pg_conn_failed(conn);
		return;
	}
	pg_conn_be_patient(conn);
	pg_conn_flush(conn);
}

