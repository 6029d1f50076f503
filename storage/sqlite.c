/* SPDX-License-Identifier: Apache-2.0
 *
 * The driver "sqlite": one thread that owns the connection, working on all
 * requests that wait in one transaction, so that one sync of the disk serves
 * many writes. A database that cannot be used makes its requests UNAVAILABLE
 * and is tried again, ever more slowly, until it heals.
 *
 * In the thread: `db` and the requests given to it. On the loop: the rest.
 */
#include <string.h>

#include "storage/driver.h"
#include "storage/drivers.h"
#include "storage/sqlite_admin.h"
#include "storage/sqlite_db.h"
#include "storage/sqlite_ops.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/net/timer.h"

#define BATCH_MAX 256
#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 5000
#define HEALTHY_MS 10000 /* after so long the retries begin anew */

struct sqlite_store {
	struct sqlite_db db;
	struct loop *loop;
	struct log *log;
	struct worker *worker;
	/* Opens when necessary, and proves that writing works. */
	struct worker_job probe;
	char probe_reason[160]; /* empty: it worked */
	bool probing;
	bool failing;
	bool closing;
	struct timer retry;
	uint64_t retry_ms;
	uint64_t healed; /* loop_now() */
};

/* -- in the thread ------------------------------------------------------- */

static struct storage_request *request_of(struct worker_job *job)
{
	return container_of(job, struct storage_request, job);
}

static void set_unavailable(struct storage_request *request,
			    const struct sqlite_db *db)
{
	storage_result_clear(&request->result);
	request->result.status = STORAGE_UNAVAILABLE;
	storage_request_reason(request, "%s", db->reason);
}

/* Runs the requests in one transaction; when it is not a writing one, only
 * those that read. -1: the transaction came to nothing. */
static int run_transaction(struct sqlite_store *store, struct worker_job *jobs,
			   bool writing)
{
	struct sqlite_db *db = &store->db;

	if (sqlite_db_begin(db, writing) < 0)
		return -1;
	for (struct worker_job *job = jobs; job != NULL; job = job->next) {
		struct storage_request *request = request_of(job);
		bool writes;

		if (job == &store->probe)
			continue;
		writes = storage_op_writes(request->op);
		if (writes && !writing)
			continue;
		if (sqlite_op_run(db, request) == 0)
			continue;
		set_unavailable(request, db);
		/* Its own fault spoils nobody else's; a transaction that is
		 * gone, or a disk that fails, does. */
		if (writing && (sqlite3_get_autocommit(db->db) ||
				(writes && db->broken)))
			return -1;
	}
	return sqlite_db_run(db, SQL_COMMIT);
}

static bool is_of_kind(const struct sqlite_store *store,
		       struct worker_job *job, bool writes)
{
	return job != &store->probe &&
	       storage_op_writes(request_of(job)->op) == writes;
}

static void fail_kind(struct sqlite_store *store, struct worker_job *jobs,
		      bool writes)
{
	for (struct worker_job *job = jobs; job != NULL; job = job->next) {
		if (is_of_kind(store, job, writes))
			set_unavailable(request_of(job), &store->db);
	}
}

static bool has_kind(const struct sqlite_store *store,
		     struct worker_job *jobs, bool writes)
{
	for (struct worker_job *job = jobs; job != NULL; job = job->next) {
		if (is_of_kind(store, job, writes))
			return true;
	}
	return false;
}

/* What was read in a transaction that came to nothing may be what it wrote,
 * so the readers are run again, on their own: they also work on a disk that
 * is full. */
static void run_requests(struct sqlite_store *store, struct worker_job *jobs)
{
	struct sqlite_db *db = &store->db;

	if (has_kind(store, jobs, true)) {
		if (run_transaction(store, jobs, true) == 0)
			return;
		sqlite_db_rollback(db);
		fail_kind(store, jobs, true);
	}
	if (has_kind(store, jobs, false) &&
	    run_transaction(store, jobs, false) < 0) {
		sqlite_db_rollback(db);
		fail_kind(store, jobs, false);
	}
}

static void run_probe(struct sqlite_store *store)
{
	struct sqlite_db *db = &store->db;

	if (sqlite_db_open(db) == 0 && sqlite_db_probe(db) == 0) {
		store->probe_reason[0] = '\0';
		return;
	}
	str_copy(store->probe_reason, sizeof(store->probe_reason), db->reason);
}

static void run_batch(struct worker_job *jobs, size_t count, void *ctx)
{
	struct sqlite_store *store = ctx;
	struct sqlite_db *db = &store->db;

	(void)count;
	/* Whoever puts another file in its place wants that one used. */
	if (db->db != NULL && sqlite_db_moved(db)) {
		sqlite_db_close(db);
		sqlite_db_open(db);
	}
	for (struct worker_job *job = jobs; job != NULL; job = job->next) {
		if (job == &store->probe)
			run_probe(store);
	}
	if (db->db != NULL) {
		run_requests(store, jobs);
	} else {
		fail_kind(store, jobs, true);
		fail_kind(store, jobs, false);
	}
	if (db->broken)
		sqlite_db_close(db);
}

/* -- on the loop --------------------------------------------------------- */

static void probe_done(struct worker_job *job);

static void start_probe(struct sqlite_store *store)
{
	if (store->probing || store->closing)
		return;
	store->probing = true;
	store->probe.done = probe_done;
	worker_submit(store->worker, &store->probe);
}

static void retry_due(struct timer *timer)
{
	start_probe(container_of(timer, struct sqlite_store, retry));
}

static void note_failure(struct sqlite_store *store, const char *reason)
{
	if (store->closing)
		return;
	if (!store->failing) {
		log_error(store->log, "storage.unavailable",
			  LOG_S("driver", "sqlite"), LOG_S("reason", reason));
		store->failing = true;
		if (store->retry_ms == 0 ||
		    loop_now(store->loop) - store->healed > HEALTHY_MS)
			store->retry_ms = RETRY_MIN_MS;
	}
	if (!timer_running(&store->retry) && !store->probing) {
		timer_start(&store->retry, store->loop,
			    loop_jitter(store->loop, store->retry_ms),
			    retry_due);
		store->retry_ms *= 2;
		if (store->retry_ms > RETRY_MAX_MS)
			store->retry_ms = RETRY_MAX_MS;
	}
}

static void probe_done(struct worker_job *job)
{
	struct sqlite_store *store =
		container_of(job, struct sqlite_store, probe);

	store->probing = false;
	if (store->probe_reason[0] != '\0') {
		note_failure(store, store->probe_reason);
	} else if (store->failing) {
		store->failing = false;
		store->healed = loop_now(store->loop);
		log_notice(store->log, "storage.available",
			   LOG_S("driver", "sqlite"));
	}
}

static void request_done(struct worker_job *job)
{
	struct storage_request *request = request_of(job);

	if (request->result.status == STORAGE_UNAVAILABLE)
		note_failure(request->driver_data, request->result.reason);
	storage_request_done(request, request->result.status);
}

static void *sqlite_open(struct loop *loop, struct log *log,
			 const char *connection, struct error *err)
{
	struct sqlite_store *store;

	if (connection == NULL || connection[0] == '\0' ||
	    connection[0] == ':') {
		error_set(err, "\"%s\" is not the path of a database file",
			  connection != NULL ? connection : "");
		return NULL;
	}
	store = mem_new(struct sqlite_store);
	store->loop = loop;
	store->log = log;
	store->db.path = mem_strdup(connection);
	store->worker = worker_new(loop, "sqlite", 1, BATCH_MAX, run_batch,
				   store, err);
	if (store->worker == NULL) {
		mem_free(store->db.path);
		mem_free(store);
		return NULL;
	}
	start_probe(store);
	return store;
}

static void sqlite_submit(void *ctx, struct storage_request *request)
{
	struct sqlite_store *store = ctx;

	request->driver_data = store;
	request->job.done = request_done;
	worker_submit(store->worker, &request->job);
}

static void sqlite_close(void *ctx)
{
	struct sqlite_store *store = ctx;

	store->closing = true;
	timer_stop(&store->retry);
	worker_free(&store->worker);
	sqlite_db_close(&store->db);
	mem_free(store->db.path);
	mem_free(store);
}

const struct storage_driver storage_driver_sqlite = {
	.abi = STORAGE_DRIVER_ABI,
	.name = "sqlite",
	.open = sqlite_open,
	.close = sqlite_close,
	.submit = sqlite_submit,
	.admin = &sqlite_admin,
};
