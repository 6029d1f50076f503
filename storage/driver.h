/* SPDX-License-Identifier: Apache-2.0
 *
 * What a storage driver provides. A driver is a const struct; built-in ones
 * stand in storage/drivers.c, others are loadable objects DRIVERDIR/NAME.so
 * that export it under the name `chappe_storage_driver`. This header is
 * installed, so that drivers can be written outside of this project.
 */
#ifndef STORAGE_DRIVER_H
#define STORAGE_DRIVER_H

#include "storage/storage.h"
#include "storage/storage_admin.h"
#include "util/net/worker.h"

/* Grows whenever this header or storage.h changes what a driver sees; an
 * object with another number is refused. */
#define STORAGE_DRIVER_ABI 3

enum storage_op {
	STORAGE_OP_ACCOUNT_GET,
	STORAGE_OP_ACCOUNT_CREATE,
	STORAGE_OP_ACCOUNT_SET,
	STORAGE_OP_ACCOUNT_REMOVE,
	STORAGE_OP_ACCOUNT_LIST,
	STORAGE_OP_OWNER_LIST,
	STORAGE_OP_LOAD,
	STORAGE_OP_ROSTER_PUT,
	STORAGE_OP_ROSTER_REMOVE,
	STORAGE_OP_OFFLINE_ADD,
	STORAGE_OP_OFFLINE_LIST,
	STORAGE_OP_OFFLINE_REMOVE,
	STORAGE_OP_DOCUMENT_GET,
	STORAGE_OP_DOCUMENT_PUT,
	STORAGE_OP_DOCUMENT_LIST,
	STORAGE_OP_COUNT
};

/* One call, with copies of all its arguments. The driver fills `result` (heap
 * memory that the front end frees) and then calls storage_request_done(), on
 * the loop's thread. */
struct storage_request {
	struct worker_job job; /* for the driver's use */
	enum storage_op op;
	char *owner;  /* or the domain, for ACCOUNT_LIST; after whom, for
			 OWNER_LIST */
	char *kind;
	char *key;    /* document key, contact, `after` of ACCOUNT_LIST */
	char *data;
	size_t data_len;
	struct account account;
	struct roster_item item;
	uint64_t number; /* roster version, `after`, `upto` */
	size_t limit;
	int64_t stamp, expires;
	struct storage_result result;
	void *driver_data;
	/* private to the front end: */
	struct storage *storage;
	storage_done_cb *done; /* NULL once it ran */
	void *ctx;
	bool cancelled;
	bool submitted;
	uint64_t started_us;
	struct storage_request *prev, *next;
};

/* What an object that is loaded exports:
 *	const struct storage_driver chappe_storage_driver = { ... };
 * Its calls resolve against the program that loads it. */
#define STORAGE_DRIVER_SYMBOL "chappe_storage_driver"

struct storage_driver {
	unsigned abi; /* STORAGE_DRIVER_ABI */
	const char *name;
	/* NULL and err only when `connection` makes no sense. */
	void *(*open)(struct loop *loop, struct log *log,
		      const char *connection, struct error *err);
	/* Finishes what was submitted, blocking, calling
	 * storage_request_done() for each. */
	void (*close)(void *store);
	/* Takes the request until storage_request_done(); never calls that
	 * itself, but at a later turn of the loop. Requests for one owner
	 * take effect in the order of submission. */
	void (*submit)(void *store, struct storage_request *request);
	/* What an operator asks of the database itself; NULL: nothing, as
	 * there is none. */
	const struct storage_admin *admin;
};

/* Whether the operation changes anything. */
bool storage_op_writes(enum storage_op op);

/* Runs the callback and frees the request. On the loop's thread, never inside
 * submit(). */
void storage_request_done(struct storage_request *request,
			  enum storage_status status);

/* Sets result.reason, for UNAVAILABLE: a sentence for the log, without what
 * the request holds. In whatever thread the driver has the request. */
void storage_request_reason(struct storage_request *request,
			    const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Frees what the result holds, for an attempt that is made again. */
void storage_result_clear(struct storage_result *result);

/* Overwrites `to`, without freeing what was there, by a copy of all that
 * `from` holds. */
void storage_result_copy(struct storage_result *to,
			 const struct storage_result *from);

#endif
