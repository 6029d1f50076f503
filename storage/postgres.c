/* SPDX-License-Identifier: Apache-2.0
 *
 * The driver "postgres": hands requests to a pool of connections. All requests
 * of an owner go through one connection at a time, so their order stays; who
 * has none outstanding may get another. When no connection is up, requests
 * wait a little, for a fail-over, and after that are UNAVAILABLE at once.
 *
 * A request that was on a connection when that was lost is made again on the
 * next one: nobody knows whether it was committed, so all are made such that
 * a second time does no harm (postgres_ops.c).
 */
#include "storage/postgres.h"

#include <assert.h>
#include <string.h>

#include "storage/driver.h"
#include "storage/postgres_admin.h"
#include "storage/postgres_batch.h"
#include "storage/postgres_conn.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define HOLD_MS 3000 /* what a restart or a fail-over may take unnoticed */
#define TICK_MS 250
#define THREADS_MAX 4

extern const struct storage_driver chappe_storage_driver;

void pg_reason(char *to, size_t size, const char *text)
{
	char *line = mem_strdup(text);

	for (char *at = line; *at != '\0'; at++) {
		if (*at == '\n' || *at == '\t')
			*at = ' ';
	}
	str_copy(to, size, str_trim(line));
	mem_free(line);
}

/* -- what is logged ------------------------------------------------------ */

void pg_store_failed(struct pg_store *store, const char *reason)
{
	if (store->failing || store->closing)
		return;
	store->failing = true;
	log_error(store->log, "storage.unavailable",
		  LOG_S("driver", "postgres"), LOG_S("reason", reason));
}

void pg_store_worked(struct pg_store *store)
{
	if (!store->failing)
		return;
	store->failing = false;
	log_notice(store->log, "storage.available",
		   LOG_S("driver", "postgres"));
}

/* -- jobs ---------------------------------------------------------------- */

static struct pg_owner *owner_get(struct pg_store *store, const char *name)
{
	struct pg_owner *owner;

	HASH_FIND_STR(store->owners, name, owner);
	if (owner == NULL) {
		owner = mem_new(struct pg_owner);
		owner->name = mem_strdup(name);
		HASH_ADD_KEYPTR(hh, store->owners, owner->name, strlen(name),
				owner);
	}
	owner->count++;
	return owner;
}

static void owner_put(struct pg_store *store, struct pg_owner *owner)
{
	if (--owner->count > 0)
		return;
	HASH_DEL(store->owners, owner);
	mem_free(owner->name);
	mem_free(owner);
}

void pg_store_done(struct pg_store *store, struct pg_job *job,
		   enum storage_status status, const char *reason)
{
	struct storage_request *request = job->request;

	if (status == STORAGE_UNAVAILABLE) {
		storage_result_clear(&request->result);
		storage_request_reason(request, "%s", reason);
	}
	owner_put(store, job->owner);
	mem_free(job);
	store->outstanding--;
	storage_request_done(request, status);
}

/* Answers the jobs of the list, and not what callbacks add meanwhile. */
static void fail_all(struct pg_store *store, struct pg_job *jobs,
		     const char *reason)
{
	struct pg_job *job, *next;

	DL_FOREACH_SAFE(jobs, job, next) {
		DL_DELETE(jobs, job);
		pg_store_done(store, job, STORAGE_UNAVAILABLE, reason);
	}
}

static void fail_parked(struct pg_store *store)
{
	struct pg_job *jobs = store->parked;

	store->parked = NULL;
	fail_all(store, jobs, store->reason);
}

/* In a turn of its own: who asks again at once must not keep the loop here. */
static void refuse_due(struct timer *timer)
{
	fail_parked(container_of(timer, struct pg_store, refuse));
}

static struct pg_conn *least_loaded(const struct pg_store *store)
{
	struct pg_conn *best = NULL;

	for (size_t i = 0; i < store->conn_count; i++) {
		struct pg_conn *conn = store->conns[i];

		if (pg_conn_is_up(conn) &&
		    (best == NULL ||
		     conn->waiting_count + conn->flight_count <
			     best->waiting_count + best->flight_count))
			best = conn;
	}
	return best;
}

static void hand_out(struct pg_store *store)
{
	struct pg_job *job;

	while ((job = store->parked) != NULL) {
		DL_DELETE(store->parked, job);
		if (job->owner->conn == NULL)
			job->owner->conn = least_loaded(store);
		pg_conn_take(job->owner->conn, job);
	}
}

static void store_work(struct pg_store *store)
{
	if (store->up > 0)
		hand_out(store);
	else if (store->refusing && store->parked != NULL &&
		 !timer_running(&store->refuse))
		timer_start(&store->refuse, store->loop, 1, refuse_due);
	for (size_t i = 0; i < store->conn_count; i++)
		pg_batch_send(store->conns[i]);
}

static void run_deferred(struct deferred *deferred)
{
	store_work(container_of(deferred, struct pg_store, work));
}

void pg_store_schedule(struct pg_store *store)
{
	if (!store->closing)
		loop_defer(store->loop, &store->work, run_deferred);
}

/* -- connections that come and go ---------------------------------------- */

void pg_store_up(struct pg_store *store)
{
	store->up++;
	store->was_up = true;
	store->refusing = false;
	pg_store_worked(store);
	pg_store_schedule(store);
}

static bool any_is_coming(const struct pg_store *store)
{
	for (size_t i = 0; i < store->conn_count; i++) {
		if (store->conns[i] != NULL &&
		    pg_conn_is_coming(store->conns[i]))
			return true;
	}
	return false;
}

void pg_store_down(struct pg_store *store, bool was_up, struct pg_job *jobs,
		   const char *reason)
{
	struct pg_job *job;

	str_copy(store->reason, sizeof(store->reason), reason);
	DL_FOREACH(jobs, job)
		job->owner->conn = NULL;
	DL_CONCAT(jobs, store->parked);
	store->parked = jobs;
	if (was_up && --store->up == 0)
		store->down_since = loop_now_us(store->loop) / 1000;
	if (store->up == 0 && !any_is_coming(store)) {
		pg_store_failed(store, reason);
		if (!store->was_up)
			store->refusing = true;
	}
	pg_store_schedule(store);
}

/* -- time ---------------------------------------------------------------- */

/* Whoever waited for longer than any statement may take waits for a database
 * that has more to do than it can. The first of a list is the oldest. */
static bool is_late(const struct pg_store *store, const struct pg_job *job)
{
	uint64_t us = loop_now_us(store->loop) - job->since_us;

	return us / 1000 > 2 * store->options.timeout_ms;
}

static struct pg_job *take_late(struct pg_store *store)
{
	struct pg_job *late = NULL, *job;

	while ((job = store->parked) != NULL && is_late(store, job)) {
		DL_DELETE(store->parked, job);
		DL_APPEND(late, job);
	}
	for (size_t i = 0; i < store->conn_count; i++) {
		struct pg_conn *conn = store->conns[i];

		while ((job = conn->waiting) != NULL && is_late(store, job)) {
			pg_conn_leave(conn, job);
			DL_APPEND(late, job);
		}
	}
	return late;
}

static void tick_due(struct timer *timer)
{
	struct pg_store *store = container_of(timer, struct pg_store, tick);

	if (store->outstanding == 0)
		return;
	timer_start(timer, store->loop, TICK_MS, tick_due);
	if (store->up == 0 && !store->refusing &&
	    loop_now_us(store->loop) / 1000 - store->down_since > HOLD_MS) {
		pg_store_failed(store, store->reason[0] != '\0'
					       ? store->reason
					       : "no connection so far");
		store->refusing = true;
		pg_store_schedule(store);
	}
	fail_all(store, take_late(store), "the database is too slow");
}

/* -- the driver ---------------------------------------------------------- */

static void connect_batch(struct worker_job *jobs, size_t count, void *ctx)
{
	(void)count;
	(void)ctx;
	for (; jobs != NULL; jobs = jobs->next)
		pg_conn_connect(jobs);
}

static void store_free(struct pg_store *store)
{
	pg_options_clear(&store->options);
	if (store->statements != NULL)
		pg_statements_free(&store->statements);
	mem_free(store->set_timeout);
	mem_free(store->conns);
	mem_free(store);
}

static void *pg_open(struct loop *loop, struct log *log,
		     const char *connection, struct error *err)
{
	struct pg_store *store = mem_new(struct pg_store);
	size_t threads;

	store->loop = loop;
	store->log = log;
	if (pg_options_parse(&store->options, connection != NULL ? connection
								 : "",
			     err) < 0)
		goto failed;
	store->conn_count = store->options.connections;
	threads = store->conn_count < THREADS_MAX ? store->conn_count
						  : THREADS_MAX;
	store->worker = worker_new(loop, "postgres", (unsigned)threads, 1,
				   connect_batch, store, err);
	if (store->worker == NULL)
		goto failed;
	store->set_timeout = mem_printf(
		"SET LOCAL statement_timeout = %llu",
		(unsigned long long)store->options.timeout_ms);
	store->statements = pg_statements_new();
	loop_random(loop, store->token_prefix, sizeof(store->token_prefix));
	store->down_since = loop_now_us(loop) / 1000;
	store->conns = mem_calloc(store->conn_count, sizeof(*store->conns));
	for (size_t i = 0; i < store->conn_count; i++) {
		store->conns[i] = pg_conn_new(store);
		pg_conn_begin(store->conns[i]);
	}
	return store;
failed:
	store_free(store);
	return NULL;
}

static void pg_submit(void *ctx, struct storage_request *request)
{
	struct pg_store *store = ctx;
	struct pg_job *job = mem_new(struct pg_job);
	uint64_t number = store->tokens++;

	job->request = request;
	job->owner = owner_get(store, request->owner);
	job->since_us = loop_now_us(store->loop);
	memcpy(job->token, store->token_prefix, sizeof(store->token_prefix));
	for (size_t i = PG_TOKEN_LEN; i-- > sizeof(store->token_prefix);) {
		job->token[i] = (unsigned char)number;
		number >>= 8;
	}
	store->outstanding++;
	DL_APPEND(store->parked, job);
	if (!timer_running(&store->tick))
		timer_start(&store->tick, store->loop, TICK_MS, tick_due);
	pg_store_schedule(store);
}

/* Without the loop: until all is done, or nothing can be done any more. */
static void finish_jobs(struct pg_store *store)
{
	uint64_t end = loop_now_us(store->loop) +
		       4 * store->options.timeout_ms * 1000;
	bool active = true;

	while (store->outstanding > 0 && active &&
	       loop_now_us(store->loop) < end) {
		active = false;
		if (store->up > 0)
			hand_out(store);
		for (size_t i = 0; i < store->conn_count; i++) {
			pg_batch_send(store->conns[i]);
			if (pg_conn_drive(store->conns[i], 5))
				active = true;
		}
	}
}

static void pg_close(void *ctx)
{
	struct pg_store *store = ctx;

	store->closing = true;
	timer_stop(&store->tick);
	timer_stop(&store->refuse);
	loop_defer_cancel(store->loop, &store->work);
	for (size_t i = 0; i < store->conn_count; i++) {
		bool fresh = pg_conn_is_new(store->conns[i]);

		timer_stop(&store->conns[i]->timer);
		if (fresh && store->outstanding > 0)
			pg_conn_start(store->conns[i]);
	}
	worker_free(&store->worker);
	finish_jobs(store);
	for (size_t i = 0; i < store->conn_count; i++)
		pg_conn_free(&store->conns[i]);
	fail_parked(store);
	assert(store->outstanding == 0);
	store_free(store);
}

const struct storage_driver chappe_storage_driver = {
	.abi = STORAGE_DRIVER_ABI,
	.name = "postgres",
	.open = pg_open,
	.close = pg_close,
	.submit = pg_submit,
	.admin = &postgres_admin,
};
