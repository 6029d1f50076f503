/* SPDX-License-Identifier: Apache-2.0
 *
 * The front end of the storage: turns each call into a request with copies of
 * its arguments, hands it to the driver, measures, cancels, and runs the
 * callback. It knows nothing about how a driver keeps things.
 */
#include "storage/storage.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "storage/driver.h"
#include "storage/drivers.h"
#include "storage/schema.h"
#include "util/base/mem.h"
#include "util/base/table.h"
#include "util/net/timer.h"

/* What may wait while a store stalls; more is UNAVAILABLE at once. */
#define PENDING_MAX 50000
#define PENDING_BYTES_MAX ((size_t)128 << 20)

struct storage {
	struct loop *loop;
	struct loaded_driver loaded;
	const struct storage_driver *driver;
	void *store;
	struct storage_request *requests; /* the driver has them */
	struct storage_request *answers;  /* cancelled, or never submitted */
	struct deferred deferred;
	struct storage_stats stats;
	size_t pending_bytes;
	unsigned answering; /* callbacks that are running */
	bool closing;
};

const char *storage_status_text(enum storage_status status)
{
	static const char *const texts[] = {
		[STORAGE_OK] = "ok",
		[STORAGE_NOT_FOUND] = "not found",
		[STORAGE_CONFLICT] = "exists already",
		[STORAGE_UNAVAILABLE] = "unavailable",
		[STORAGE_CANCELLED] = "cancelled",
	};

	return texts[status];
}

bool storage_op_writes(enum storage_op op)
{
	static const bool writes[STORAGE_OP_COUNT] = {
		[STORAGE_OP_ACCOUNT_CREATE] = true,
		[STORAGE_OP_ACCOUNT_SET] = true,
		[STORAGE_OP_ACCOUNT_REMOVE] = true,
		[STORAGE_OP_ROSTER_PUT] = true,
		[STORAGE_OP_ROSTER_REMOVE] = true,
		[STORAGE_OP_OFFLINE_ADD] = true,
		[STORAGE_OP_OFFLINE_REMOVE] = true,
		[STORAGE_OP_DOCUMENT_PUT] = true,
	};

	return writes[op];
}

struct storage *storage_open(struct loop *loop, struct log *log,
			     const char *driver, const char *connection,
			     const char *driver_dir, struct error *err)
{
	struct storage *storage = mem_new(struct storage);

	storage->loop = loop;
	storage->driver = storage_driver_find(driver, driver_dir,
					      &storage->loaded, err);
	if (storage->driver == NULL)
		goto failed;
	storage->store = storage->driver->open(loop, log, connection, err);
	if (storage->store == NULL) {
		error_prefix(err, "storage driver %s", driver);
		goto failed;
	}
	return storage;
failed:
	driver_unload(&storage->loaded);
	mem_free(storage);
	return NULL;
}

int storage_check_schema(const struct storage *storage,
			 const char *connection, struct error *err)
{
	const struct storage_admin *admin = storage->driver->admin;
	struct error unable;
	int version;

	if (admin == NULL ||
	    admin->version(connection != NULL ? connection : "", &version,
			   &unable) < 0 ||
	    version < 0 || version >= schema_version)
		return 0;
	return error_set(err, SCHEMA_OLD_TEXT, version, schema_version);
}

static void request_free(struct storage_request *request)
{
	request->storage->pending_bytes -= request->data_len;
	mem_free(request->owner);
	mem_free(request->kind);
	mem_free(request->key);
	mem_free(request->data);
	roster_item_clear(&request->item);
	storage_result_clear(&request->result);
	mem_wipe(&request->account, sizeof(request->account));
	mem_free(request);
}

/* The one place where a callback runs. */
static void request_answer(struct storage_request *request,
			   enum storage_status status)
{
	struct storage *storage = request->storage;
	storage_done_cb *done = request->done;

	request->done = NULL;
	request->result.status = status;
	storage->stats.pending--;
	storage->answering++;
	done(&request->result, request->ctx);
	storage->answering--;
}

static void count_latency(struct storage *storage, uint64_t started_us)
{
	const size_t last =
		sizeof(storage->stats.latency_buckets) / sizeof(uint64_t) - 1;
	uint64_t us = loop_now_us(storage->loop) - started_us;
	size_t bucket = 0;

	while (bucket < last && us > (uint64_t)1000 << bucket)
		bucket++;
	storage->stats.latency_buckets[bucket]++;
	storage->stats.latency_sum_us += us;
}

void storage_request_done(struct storage_request *request,
			  enum storage_status status)
{
	struct storage *storage = request->storage;

	count_latency(storage, request->started_us);
	if (status == STORAGE_UNAVAILABLE)
		storage->stats.unavailable++;
	if (status != STORAGE_OK) {
		char reason[sizeof(request->result.reason)];

		/* Nobody sees half of an answer. */
		memcpy(reason, request->result.reason, sizeof(reason));
		storage_result_clear(&request->result);
		memcpy(request->result.reason, reason, sizeof(reason));
	}
	if (request->cancelled) {
		if (request->done != NULL) {
			DL_DELETE(storage->answers, request);
			storage_result_clear(&request->result);
			request_answer(request, STORAGE_CANCELLED);
		}
	} else {
		DL_DELETE(storage->requests, request);
		request_answer(request, status);
	}
	request_free(request);
}

void storage_request_reason(struct storage_request *request,
			    const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(request->result.reason, sizeof(request->result.reason),
		  format, args);
	va_end(args);
}

static void answer_waiting(struct storage *storage)
{
	struct storage_request *request;

	while ((request = storage->answers) != NULL) {
		DL_DELETE(storage->answers, request);
		if (request->submitted) {
			/* The driver may be filling the result of its own in
			 * this moment, in a thread: show another. */
			struct storage_request shown = {
				.storage = storage,
				.done = request->done,
				.ctx = request->ctx,
			};

			request->done = NULL;
			request_answer(&shown, STORAGE_CANCELLED);
		} else {
			request_answer(request, request->result.status);
			request_free(request);
		}
	}
}

static void run_deferred(struct deferred *deferred)
{
	answer_waiting(container_of(deferred, struct storage, deferred));
}

static void answer_later(struct storage_request *request)
{
	struct storage *storage = request->storage;

	DL_APPEND(storage->answers, request);
	loop_defer(storage->loop, &storage->deferred, run_deferred);
}

void storage_cancel(struct storage_request *request)
{
	struct storage *storage;

	if (request == NULL || request->cancelled)
		return;
	storage = request->storage;
	request->cancelled = true;
	if (request->submitted) {
		DL_DELETE(storage->requests, request);
		answer_later(request);
	} else {
		request->result.status = STORAGE_CANCELLED;
	}
}

void storage_close(struct storage **storage)
{
	struct storage *s = *storage;

	if (s == NULL)
		return;
	assert(s->answering == 0);
	s->closing = true;
	s->driver->close(s->store);
	answer_waiting(s);
	assert(s->requests == NULL);
	loop_defer_cancel(s->loop, &s->deferred);
	driver_unload(&s->loaded);
	mem_free(s);
	*storage = NULL;
}

void storage_get_stats(const struct storage *storage,
		       struct storage_stats *stats)
{
	*stats = storage->stats;
}

/* -- the calls ----------------------------------------------------------- */

static struct storage_request *request_new(struct storage *storage,
					   enum storage_op op,
					   const char *owner,
					   storage_done_cb *done, void *ctx)
{
	struct storage_request *request = mem_new(struct storage_request);

	request->storage = storage;
	request->op = op;
	request->owner = mem_strdup(owner);
	request->done = done;
	request->ctx = ctx;
	return request;
}

static struct storage_request *refuse(struct storage_request *request,
				      enum storage_status status)
{
	request->result.status = status;
	answer_later(request);
	return request;
}

static struct storage_request *request_submit(struct storage_request *request)
{
	struct storage *storage = request->storage;
	struct storage_stats *stats = &storage->stats;

	stats->requests++;
	stats->pending++;
	storage->pending_bytes += request->data_len;
	request->started_us = loop_now_us(storage->loop);
	if (storage->closing)
		return refuse(request, STORAGE_CANCELLED);
	if (stats->pending > PENDING_MAX ||
	    storage->pending_bytes > PENDING_BYTES_MAX) {
		stats->unavailable++;
		storage_request_reason(request, "too many requests wait");
		return refuse(request, STORAGE_UNAVAILABLE);
	}
	request->submitted = true;
	DL_APPEND(storage->requests, request);
	storage->driver->submit(storage->store, request);
	return request;
}

struct storage_request *storage_account_get(struct storage *storage,
					    const char *owner,
					    storage_done_cb *done, void *ctx)
{
	return request_submit(request_new(storage, STORAGE_OP_ACCOUNT_GET,
					  owner, done, ctx));
}

struct storage_request *storage_account_create(struct storage *storage,
					       const char *owner,
					       const struct account *account,
					       storage_done_cb *done,
					       void *ctx)
{
	struct storage_request *request = request_new(
		storage, STORAGE_OP_ACCOUNT_CREATE, owner, done, ctx);

	request->account = *account;
	return request_submit(request);
}

struct storage_request *storage_account_set(struct storage *storage,
					    const char *owner,
					    const struct account *account,
					    storage_done_cb *done, void *ctx)
{
	struct storage_request *request = request_new(
		storage, STORAGE_OP_ACCOUNT_SET, owner, done, ctx);

	request->account = *account;
	return request_submit(request);
}

struct storage_request *storage_account_remove(struct storage *storage,
					       const char *owner,
					       storage_done_cb *done, void *ctx)
{
	return request_submit(request_new(storage, STORAGE_OP_ACCOUNT_REMOVE,
					  owner, done, ctx));
}

struct storage_request *storage_account_list(struct storage *storage,
					     const char *domain,
					     const char *after, size_t limit,
					     storage_done_cb *done, void *ctx)
{
	struct storage_request *request = request_new(
		storage, STORAGE_OP_ACCOUNT_LIST, domain, done, ctx);

	request->key = mem_strdup(after);
	request->limit = limit;
	return request_submit(request);
}

struct storage_request *storage_owner_list(struct storage *storage,
					   const char *after, size_t limit,
					   storage_done_cb *done, void *ctx)
{
	struct storage_request *request =
		request_new(storage, STORAGE_OP_OWNER_LIST,
			    after != NULL ? after : "", done, ctx);

	request->limit = limit;
	return request_submit(request);
}

struct storage_request *storage_load(struct storage *storage,
				     const char *owner, storage_done_cb *done,
				     void *ctx)
{
	return request_submit(request_new(storage, STORAGE_OP_LOAD, owner,
					  done, ctx));
}

struct storage_request *storage_roster_put(struct storage *storage,
					   const char *owner,
					   const struct roster_item *item,
					   uint64_t version,
					   storage_done_cb *done, void *ctx)
{
	struct storage_request *request = request_new(
		storage, STORAGE_OP_ROSTER_PUT, owner, done, ctx);

	roster_item_copy(&request->item, item);
	request->number = version;
	return request_submit(request);
}

struct storage_request *storage_roster_remove(struct storage *storage,
					      const char *owner,
					      const char *contact,
					      uint64_t version,
					      storage_done_cb *done, void *ctx)
{
	struct storage_request *request = request_new(
		storage, STORAGE_OP_ROSTER_REMOVE, owner, done, ctx);

	request->key = mem_strdup(contact);
	request->number = version;
	return request_submit(request);
}

struct storage_request *storage_offline_add(struct storage *storage,
					    const char *owner, int64_t stamp,
					    int64_t expires,
					    const char *stanza, size_t len,
					    storage_done_cb *done, void *ctx)
{
	struct storage_request *request = request_new(
		storage, STORAGE_OP_OFFLINE_ADD, owner, done, ctx);

	request->stamp = stamp;
	request->expires = expires;
	request->data = mem_strndup(stanza, len);
	request->data_len = len;
	return request_submit(request);
}

struct storage_request *storage_offline_list(struct storage *storage,
					     const char *owner, uint64_t after,
					     size_t limit,
					     storage_done_cb *done, void *ctx)
{
	struct storage_request *request = request_new(
		storage, STORAGE_OP_OFFLINE_LIST, owner, done, ctx);

	request->number = after;
	request->limit = limit;
	return request_submit(request);
}

struct storage_request *storage_offline_remove(struct storage *storage,
					       const char *owner, uint64_t upto,
					       storage_done_cb *done, void *ctx)
{
	struct storage_request *request = request_new(
		storage, STORAGE_OP_OFFLINE_REMOVE, owner, done, ctx);

	request->number = upto;
	return request_submit(request);
}

struct storage_request *storage_document_get(struct storage *storage,
					     const char *owner,
					     const char *kind, const char *key,
					     storage_done_cb *done, void *ctx)
{
	struct storage_request *request = request_new(
		storage, STORAGE_OP_DOCUMENT_GET, owner, done, ctx);

	request->kind = mem_strdup(kind);
	request->key = mem_strdup(key);
	return request_submit(request);
}

struct storage_request *storage_document_put(struct storage *storage,
					     const char *owner,
					     const char *kind, const char *key,
					     const char *data, size_t len,
					     storage_done_cb *done, void *ctx)
{
	struct storage_request *request = request_new(
		storage, STORAGE_OP_DOCUMENT_PUT, owner, done, ctx);

	request->kind = mem_strdup(kind);
	request->key = mem_strdup(key);
	if (data != NULL) {
		request->data = mem_alloc(len + 1);
		memcpy(request->data, data, len);
	}
	request->data_len = len;
	return request_submit(request);
}

struct storage_request *storage_document_list(struct storage *storage,
					      const char *owner,
					      const char *kind,
					      storage_done_cb *done, void *ctx)
{
	struct storage_request *request = request_new(
		storage, STORAGE_OP_DOCUMENT_LIST, owner, done, ctx);

	request->kind = mem_strdup(kind);
	return request_submit(request);
}
