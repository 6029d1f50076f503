/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection to PostgreSQL. libpq looks names up and reads files while it
 * connects, so that happens in a worker; everything after does not block.
 * What is sent through it is the business of postgres_batch.c.
 */
#include "storage/postgres_conn.h"

#include <string.h>

#include "storage/postgres_batch.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 5000
#define HEALTHY_MS 10000   /* after that, or a batch, retries begin anew */
#define GRACE_MS 2000	   /* beyond the time-out that the server keeps */
#define SCHEMA_MS 600000   /* for the lock and the migrations */
#define TLS_MS 2
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

void pg_conn_set_state(struct pg_conn *conn, enum pg_state state)
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

bool pg_conn_is_new(const struct pg_conn *conn)
{
	return conn->state == PG_DOWN && conn->retry_ms == 0;
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
void pg_conn_lost(struct pg_conn *conn, const char *why)
{
	struct pg_store *store = conn->store;
	bool was_up = pg_conn_is_up(conn);
	struct pg_job *jobs, *poison, *job, *next;
	char reason[PG_REASON_SIZE];

	pg_reason(reason, sizeof(reason), why);
	conn_drop(conn);
	pg_conn_set_state(conn, PG_DOWN);
	pg_batch_mark_unknown(conn);
	pg_batch_back(conn);
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

void pg_conn_failed(struct pg_conn *conn)
{
	char *text = mem_strdup(PQerrorMessage(conn->pg));

	/* libpq's guesses come in further lines. */
	text[strcspn(text, "\n")] = '\0';
	/* What the server said last explains more than that it has gone. */
	if (conn->state == PG_BUSY && conn->progress.failed)
		pg_conn_lost(conn, conn->progress.reason);
	else
		pg_conn_lost(conn, text);
	mem_free(text);
}

static void patience_over(struct timer *timer)
{
	pg_conn_lost(container_of(timer, struct pg_conn, timer),
		  "the database does not answer");
}

void pg_conn_be_patient(struct pg_conn *conn)
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

PGconn *pg_connect(const struct pg_options *options)
{
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
		options->conninfo, "UTF8", NULL,
	};

	return PQconnectdbParams(keys, values, 1);
}

void pg_conn_connect(struct worker_job *job)
{
	struct pg_conn *conn = container_of(job, struct pg_conn, connect);

	conn->pg = pg_connect(&conn->store->options);
}

static void came(struct watch *watch, unsigned events, void *ctx)
{
	struct pg_conn *conn = ctx;

	(void)watch;
	(void)events;
	if (timer_running(&conn->timer) && conn->state != PG_READY)
		pg_conn_be_patient(conn);
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
	if (pg_schema_start(&conn->schema, conn->pg, false) < 0)
		return error_set(err, "%s", PQerrorMessage(conn->pg));
	return 0;
}

static void connect_done(struct worker_job *job)
{
	struct pg_conn *conn = container_of(job, struct pg_conn, connect);
	struct error err;

	if (conn_check(conn, &err) < 0) {
		pg_conn_lost(conn, err.text);
		return;
	}
	pg_conn_set_state(conn, PG_CHECKING);
	pg_conn_be_patient(conn);
	conn_turn(conn);
}

/* In a turn of its own: a store that is closed in the turn that has opened it,
 * as one of a configuration that is refused, waits for no connection. */
void pg_conn_begin(struct pg_conn *conn)
{
	timer_start(&conn->timer, conn->store->loop, 0, retry_due);
}

void pg_conn_start(struct pg_conn *conn)
{
	pg_conn_set_state(conn, PG_CONNECTING);
	conn->connect.done = connect_done;
	worker_submit(conn->store->worker, &conn->connect);
}

static void schema_done(struct pg_conn *conn)
{
	if (!PQenterPipelineMode(conn->pg)) {
		pg_conn_failed(conn);
		return;
	}
	pg_conn_set_state(conn, PG_READY);
	conn->up_since = loop_now(conn->store->loop);
	pg_store_up(conn->store);
}

static void checking(struct pg_conn *conn, const PGresult *result)
{
	struct error err;

	if (result != NULL) {
		if (pg_schema_result(&conn->schema, result, &err) < 0)
			pg_conn_lost(conn, err.text);
		return;
	}
	if (pg_schema_next(&conn->schema, conn->pg) < 0)
		pg_conn_failed(conn);
	else if (conn->schema.step == PG_SCHEMA_DONE)
		schema_done(conn);
	else
		pg_conn_be_patient(conn);
}

static void take_results(struct pg_conn *conn)
{
	while ((conn->state == PG_CHECKING || conn->state == PG_BUSY) &&
	       !PQisBusy(conn->pg)) {
		PGresult *result = PQgetResult(conn->pg);
		bool bad = PQstatus(conn->pg) == CONNECTION_BAD;

		/* What came before the end counts. */
		if (result != NULL || !bad) {
			if (conn->state == PG_CHECKING)
				checking(conn, result);
			else
				pg_batch_result(conn, result);
		}
		PQclear(result);
		if (bad && conn->pg != NULL)
			pg_conn_failed(conn);
	}
}

void pg_conn_flush(struct pg_conn *conn)
{
	int left;

	if (conn->pg == NULL)
		return;
	left = PQflush(conn->pg);
	if (left < 0) {
		pg_conn_failed(conn);
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
		pg_conn_failed(conn);
		return;
	}
	pg_conn_flush(conn);
}

/* -- what waits ----------------------------------------------------------- */

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
	conn->limit = PG_BATCH_MAX;
	return conn;
}

void pg_conn_free(struct pg_conn **conn)
{
	struct pg_conn *c = *conn;

	*conn = NULL;
	if (c->state != PG_DOWN)
		pg_conn_lost(c, "the store is closed");
	timer_stop(&c->timer);
	mem_free(c);
}
