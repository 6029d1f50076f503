/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection to PostgreSQL. libpq looks names up and reads files while it
 * connects, so that happens in a worker; everything after does not block.
 *
 * A batch is one pipeline: BEGIN, SET LOCAL statement_timeout, the statements
 * of many jobs, sync, COMMIT, sync. The first sync stops what follows an
 * error; the COMMIT behind it ends the transaction in any case. No state stays
 * in the session, so a pooler may give every transaction to another one.
 *
 * When a job fails, the transaction comes to nothing and the others must not
 * suffer: those before it are run again, then it is the first of its batch,
 * and a job that fails as the first has only itself to blame.
 */
#include "storage/postgres_conn.h"

#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"

#define BATCH_MAX 256
#define BATCH_BYTES ((size_t)4 << 20)
#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 5000
#define HEALTHY_MS 10000   /* after that, or a batch, retries begin anew */
#define GRACE_MS 2000	   /* beyond the time-out that the server keeps */
#define SCHEMA_MS 600000   /* for the lock and the migrations */
#define PAUSE_MS 5	   /* after the first conflict; it doubles */
#define CONFLICTS_MAX 8
#define TLS_MS 2
#define FAILING_MAX 16	   /* jobs of a batch after one that failed */
#define LOSSES_MAX 4	   /* a job that breaks connections ends */

static void conn_turn(struct pg_conn *conn);

/* OpenSSL reads a whole record and libpq takes what it has room for: the rest
 * does not show at the socket, and libpq cannot be asked for it. */
static void tls_due(struct timer *timer)
{
	struct pg_conn *conn = container_of(timer, struct pg_conn, tls);

	timer_start(timer, conn->store->loop, TLS_MS, tls_due);
	conn_turn(conn);
}

static void conn_set_state(struct pg_conn *conn, enum pg_state state)
{
	timer_stop(&conn->timer);
	timer_stop(&conn->tls);
	conn->state = state;
	if ((state == PG_CHECKING || state == PG_BUSY) &&
	    PQsslInUse(conn->pg))
		timer_start(&conn->tls, conn->store->loop, TLS_MS, tls_due);
}

bool pg_conn_is_up(const struct pg_conn *conn)
{
	return conn->state == PG_READY || conn->state == PG_BUSY;
}

bool pg_conn_is_coming(const struct pg_conn *conn)
{
	return conn->state == PG_CONNECTING || conn->state == PG_CHECKING;
}

/* -- losing it ----------------------------------------------------------- */

static void retry_due(struct timer *timer)
{
	pg_conn_start(container_of(timer, struct pg_conn, timer));
}

static void conn_drop(struct pg_conn *conn)
{
	watch_stop(&conn->watch);
	PQfinish(conn->pg);
	conn->pg = NULL;
	conn->writing = false;
}

/* Puts the batch back before what waits. */
static void flight_back(struct pg_conn *conn)
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
static void mark_unknown(struct pg_conn *conn)
{
	struct pg_job *job;

	DL_FOREACH(conn->flight, job) {
		job->again = true;
		job->losses++;
	}
	if (conn->flight_count > 0)
		conn->limit = conn->flight_count / 2 + 1;
}

/* Those that went down with a connection again and again. */
static struct pg_job *take_poison(struct pg_conn *conn)
{
	struct pg_job *job, *next, *poison = NULL;

	DL_FOREACH_SAFE(conn->waiting, job, next) {
		if (job->losses > LOSSES_MAX) {
			pg_conn_leave(conn, job);
			DL_APPEND(poison, job);
		}
	}
	return poison;
}

/* The one way out of a connection. */
static void conn_lost(struct pg_conn *conn, const char *why)
{
	struct pg_store *store = conn->store;
	bool was_up = pg_conn_is_up(conn);
	struct pg_job *jobs, *poison, *job, *next;
	char reason[PG_REASON_SIZE];

	pg_reason(reason, sizeof(reason), why);
	conn_drop(conn);
	conn_set_state(conn, PG_DOWN);
	mark_unknown(conn);
	flight_back(conn);
	poison = take_poison(conn);
	jobs = conn->waiting;
	conn->waiting = NULL;
	conn->waiting_count = 0;
	if (conn->retry_ms == 0 ||
	    (was_up && loop_now(store->loop) - conn->up_since > HEALTHY_MS))
		conn->retry_ms = RETRY_MIN_MS;
	if (!store->closing)
		timer_start(&conn->timer, store->loop,
			    loop_jitter(store->loop, conn->retry_ms),
			    retry_due);
	conn->retry_ms *= 2;
	if (conn->retry_ms > RETRY_MAX_MS)
		conn->retry_ms = RETRY_MAX_MS;
	pg_store_down(store, was_up, jobs, reason);
	DL_FOREACH_SAFE(poison, job, next) {
		DL_DELETE(poison, job);
		pg_store_done(store, job, STORAGE_UNAVAILABLE, reason);
	}
}

static void conn_failed(struct pg_conn *conn)
{
	char *text = mem_strdup(PQerrorMessage(conn->pg));

	/* libpq's guesses come in further lines. */
	text[strcspn(text, "\n")] = '\0';
	/* What the server said last explains more than that it has gone. */
	if (conn->state == PG_BUSY && conn->progress.failed)
		conn_lost(conn, conn->progress.reason);
	else
		conn_lost(conn, text);
	mem_free(text);
}

static void patience_over(struct timer *timer)
{
	conn_lost(container_of(timer, struct pg_conn, timer),
		  "the database does not answer");
}

static void be_patient(struct pg_conn *conn)
{
	struct pg_store *store = conn->store;
	uint64_t ms = store->options.timeout_ms + GRACE_MS;

	if (conn->state == PG_CHECKING &&
	    (conn->schema.step == PG_SCHEMA_LOCK ||
	     conn->schema.step == PG_SCHEMA_MIGRATE))
		ms = SCHEMA_MS;
	timer_start(&conn->timer, store->loop, ms, patience_over);
}

/* -- connecting ---------------------------------------------------------- */

static void ignore_notice(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
}

void pg_conn_connect(struct worker_job *job)
{
	struct pg_conn *conn = container_of(job, struct pg_conn, connect);
	/* What stands before the conninfo is a default, what stands behind it
	 * is not to be changed. */
	static const char *const keys[] = {
		"connect_timeout", "target_session_attrs",
		"tcp_user_timeout", "keepalives_idle",
		"fallback_application_name", "dbname", "client_encoding",
		NULL,
	};
	const char *const values[] = {
		"5", "read-write", "10000", "30", "chappe",
		conn->store->options.conninfo, "UTF8", NULL,
	};

	conn->pg = PQconnectdbParams(keys, values, 1);
}

static void came(struct watch *watch, unsigned events, void *ctx)
{
	struct pg_conn *conn = ctx;

	(void)watch;
	(void)events;
	if (timer_running(&conn->timer) && conn->state != PG_READY)
		be_patient(conn);
	conn_turn(conn);
}

static int conn_check(struct pg_conn *conn, struct error *err)
{
	const char *encoding;

	if (PQstatus(conn->pg) != CONNECTION_OK)
		return error_set(err, "%s", PQerrorMessage(conn->pg));
	encoding = PQparameterStatus(conn->pg, "server_encoding");
	if (encoding != NULL && !str_equal(encoding, "UTF8"))
		return error_set(err, "the encoding of the database is %s, "
				 "it has to be UTF8", encoding);
	PQsetNoticeProcessor(conn->pg, ignore_notice, NULL);
	PQsetnonblocking(conn->pg, 1);
	conn->watch = watch_start(conn->store->loop, PQsocket(conn->pg),
				  WATCH_READ, came, conn, err);
	if (conn->watch == NULL)
		return -1;
	if (pg_schema_start(&conn->schema, conn->pg) < 0)
		return error_set(err, "%s", PQerrorMessage(conn->pg));
	return 0;
}

static void connect_done(struct worker_job *job)
{
	struct pg_conn *conn = container_of(job, struct pg_conn, connect);
	struct error err;

	if (conn_check(conn, &err) < 0) {
		conn_lost(conn, err.text);
		return;
	}
	conn_set_state(conn, PG_CHECKING);
	be_patient(conn);
	conn_turn(conn);
}

void pg_conn_start(struct pg_conn *conn)
{
	conn_set_state(conn, PG_CONNECTING);
	conn->connect.done = connect_done;
	worker_submit(conn->store->worker, &conn->connect);
}

static void schema_done(struct pg_conn *conn)
{
	if (!PQenterPipelineMode(conn->pg)) {
		conn_failed(conn);
		return;
	}
	conn_set_state(conn, PG_READY);
	conn->up_since = loop_now(conn->store->loop);
	pg_store_up(conn->store);
}

static void checking(struct pg_conn *conn, const PGresult *result)
{
	struct error err;

	if (result != NULL) {
		if (pg_schema_result(&conn->schema, result, &err) < 0)
			conn_lost(conn, err.text);
		return;
	}
	if (pg_schema_next(&conn->schema, conn->pg) < 0)
		conn_failed(conn);
	else if (conn->schema.step == PG_SCHEMA_DONE)
		schema_done(conn);
	else
		be_patient(conn);
}

/* -- the end of a batch -------------------------------------------------- */

static void batch_committed(struct pg_conn *conn)
{
	struct pg_store *store = conn->store;
	struct pg_job *jobs = conn->flight, *job, *next;

	conn->flight = NULL;
	conn->flight_count = 0;
	conn->limit = BATCH_MAX;
	conn->conflicts = 0;
	conn->retry_ms = 0;
	pg_store_worked(store);
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
	flight_back(conn);
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
		flight_back(conn);
		conn_lost(conn, progress->reason);
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
		flight_back(conn);
		return;
	}
	DL_DELETE(conn->flight, job);
	conn->flight_count--;
	flight_back(conn);
	/* When all of them fail, they shall not all be sent each time. */
	conn->limit = FAILING_MAX;
	culprit_done(conn, job);
}

static void batch_end(struct pg_conn *conn)
{
	conn_set_state(conn, PG_READY);
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
				  progress->statement >= 2;
	progress->failed_at = progress->job_number;
	str_copy(progress->sqlstate, sizeof(progress->sqlstate),
		 sqlstate != NULL ? sqlstate : "08000");
	pg_reason(progress->reason, sizeof(progress->reason),
		  text != NULL ? text : PQresultErrorMessage(result));
}

static void statement_ended(struct pg_progress *progress)
{
	struct pg_job *job = progress->job;

	if (progress->statement++ < 2 || job == NULL)
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
	else if (progress->statement >= 2 && progress->job != NULL)
		pg_op_result(progress->job, progress->job_statement, result);
}

static void busy(struct pg_conn *conn, const PGresult *result)
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

static void take_results(struct pg_conn *conn)
{
	while ((conn->state == PG_CHECKING || conn->state == PG_BUSY) &&
	       !PQisBusy(conn->pg)) {
		PGresult *result = PQgetResult(conn->pg);

		if (PQstatus(conn->pg) == CONNECTION_BAD) {
			if (result != NULL)
				note_failure(&conn->progress, result);
			PQclear(result);
			conn_failed(conn);
			return;
		}
		if (conn->state == PG_CHECKING)
			checking(conn, result);
		else
			busy(conn, result);
		PQclear(result);
	}
}

static void conn_flush(struct pg_conn *conn)
{
	int left;

	if (conn->pg == NULL)
		return;
	left = PQflush(conn->pg);
	if (left < 0) {
		conn_failed(conn);
		return;
	}
	conn->writing = left > 0;
	watch_set(conn->watch, conn->writing ? WATCH_READ | WATCH_WRITE
					     : WATCH_READ);
}

static void conn_turn(struct pg_conn *conn)
{
	bool readable = PQconsumeInput(conn->pg);

	take_results(conn);
	if (conn->pg == NULL)
		return;
	if (!readable) {
		conn_failed(conn);
		return;
	}
	conn_flush(conn);
}

/* -- sending ------------------------------------------------------------- */

void pg_conn_take(struct pg_conn *conn, struct pg_job *job)
{
	DL_APPEND(conn->waiting, job);
	conn->waiting_count++;
}

void pg_conn_leave(struct pg_conn *conn, struct pg_job *job)
{
	DL_DELETE(conn->waiting, job);
	conn->waiting_count--;
}

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
	    send_text(pg, conn->store->set_timeout) < 0)
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

void pg_conn_send(struct pg_conn *conn)
{
	if (conn->state != PG_READY || timer_running(&conn->timer) ||
	    conn->waiting == NULL)
		return;
	fill_batch(conn);
	conn_set_state(conn, PG_BUSY);
	conn->progress = (struct pg_progress){ .job = conn->flight };
	if (send_batch(conn) < 0) {
		conn_failed(conn);
		return;
	}
	be_patient(conn);
	conn_flush(conn);
}

/* -- birth and end ------------------------------------------------------- */

bool pg_conn_drive(struct pg_conn *conn, unsigned ms)
{
	unsigned events = WATCH_READ | (conn->writing ? WATCH_WRITE : 0);

	if (conn->state != PG_CHECKING && conn->state != PG_BUSY)
		return false;
	watch_wait(conn->watch, events, ms);
	conn_turn(conn); /* also for what TLS holds back */
	return true;
}

struct pg_conn *pg_conn_new(struct pg_store *store)
{
	struct pg_conn *conn = mem_new(struct pg_conn);

	conn->store = store;
	conn->limit = BATCH_MAX;
	return conn;
}

void pg_conn_free(struct pg_conn **conn)
{
	struct pg_conn *c = *conn;

	*conn = NULL;
	if (c->state != PG_DOWN)
		conn_lost(c, "the store is closed");
	timer_stop(&c->timer);
	mem_free(c);
}
