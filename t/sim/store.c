/* SPDX-License-Identifier: Apache-2.0
 *
 * The shared database of a simulated world, over the driver "memory", which
 * runs in a process of its own. What the network does on the way to it is
 * done here.
 */
#include "t/sim/store.h"

#include <assert.h>
#include <string.h>

#include "storage/drivers.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"
#include "util/net/timer.h"

#define SCRAM_ROUNDS 4

struct sim_db {
	struct world *world;
	struct loop *loop;
	struct log log;
	struct storage *memory;
	uint64_t low, high; /* latency, us */
	bool out;
};

struct store {
	struct sim_db *db;
	struct loop *loop;
	struct call *calls;
	struct call *answers;
	struct deferred deferred;
	uint64_t last_arrival, last_answer;
};

/* GOING -> AT_WORK -> COMING; without AT_WORK during an outage. */
enum call_state { CALL_GOING, CALL_AT_WORK, CALL_COMING };

/* One request on its way. It outlives the store when the database is at work
 * on it. */
struct call {
	struct store *store; /* NULL: its sm is gone */
	struct sim_db *db;
	struct storage_request *request;
	struct sim_event event;
	enum storage_status status;
	enum call_state state;
	struct call *prev, *next;
};

/* -- answers ---------------------------------------------------------------- */

static void finish(struct call *call, enum storage_status status)
{
	DL_DELETE(call->store->calls, call);
	storage_request_done(call->request, status);
	mem_free(call);
}

static void on_answers(struct deferred *deferred)
{
	struct store *store = container_of(deferred, struct store, deferred);
	struct call *call, *next;

	call = store->answers;
	store->answers = NULL;
	DL_FOREACH_SAFE (call, call, next) {
		DL_APPEND(store->calls, call);
		finish(call, call->status);
	}
}

static void on_answer(struct sim_event *event)
{
	struct call *call = container_of(event, struct call, event);
	struct store *store = call->store;

	DL_DELETE(store->calls, call);
	DL_APPEND(store->answers, call);
	sim_loop_post(store->loop, &store->deferred, on_answers);
}

static uint64_t later(struct sim_db *db, uint64_t *last)
{
	uint64_t at = db->world->now +
		      rng_range(&db->world->rng, db->low, db->high);

	if (at <= *last)
		at = *last + 1; /* events of one moment have no order */
	*last = at;
	return at;
}

static void answer(struct call *call, enum storage_status status)
{
	call->status = status;
	call->state = CALL_COMING;
	world_at(call->db->world, &call->event,
		 later(call->db, &call->store->last_answer), on_answer);
}

/* From the memory driver. */
static void done(const struct storage_result *result, void *ctx)
{
	struct call *call = ctx;

	if (!call->store) {
		mem_free(call);
		return;
	}
	storage_result_copy(&call->request->result, result);
	answer(call, result->status);
}

/* -- arrival ---------------------------------------------------------------- */

static void do_account(struct storage *memory, struct call *call)
{
	const struct storage_request *r = call->request;

	switch (r->op) {
	case STORAGE_OP_ACCOUNT_GET:
		storage_account_get(memory, r->owner, done, call);
		break;
	case STORAGE_OP_ACCOUNT_CREATE:
		storage_account_create(memory, r->owner, &r->account, done,
				       call);
		break;
	case STORAGE_OP_ACCOUNT_SET:
		storage_account_set(memory, r->owner, &r->account, done, call);
		break;
	case STORAGE_OP_ACCOUNT_REMOVE:
		storage_account_remove(memory, r->owner, done, call);
		break;
	default:
		storage_account_list(memory, r->owner, r->key, r->limit, done,
				     call);
	}
}

static void do_document(struct storage *memory, struct call *call)
{
	const struct storage_request *r = call->request;

	if (r->op == STORAGE_OP_DOCUMENT_GET)
		storage_document_get(memory, r->owner, r->kind, r->key, done,
				     call);
	else if (r->op == STORAGE_OP_DOCUMENT_PUT)
		storage_document_put(memory, r->owner, r->kind, r->key,
				     r->data, r->data_len, done, call);
	else
		storage_document_list(memory, r->owner, r->kind, done, call);
}

static void do_request(struct storage *memory, struct call *call)
{
	const struct storage_request *r = call->request;

	switch (r->op) {
	case STORAGE_OP_LOAD:
		storage_load(memory, r->owner, done, call);
		break;
	case STORAGE_OP_ROSTER_PUT:
		storage_roster_put(memory, r->owner, &r->item, r->number, done,
				   call);
		break;
	case STORAGE_OP_ROSTER_REMOVE:
		storage_roster_remove(memory, r->owner, r->key, r->number,
				      done, call);
		break;
	case STORAGE_OP_OFFLINE_ADD:
		storage_offline_add(memory, r->owner, r->stamp, r->expires,
				    r->data, r->data_len, done, call);
		break;
	case STORAGE_OP_OFFLINE_LIST:
		storage_offline_list(memory, r->owner, r->number, r->limit,
				     done, call);
		break;
	case STORAGE_OP_OFFLINE_REMOVE:
		storage_offline_remove(memory, r->owner, r->number, done, call);
		break;
	case STORAGE_OP_DOCUMENT_GET:
	case STORAGE_OP_DOCUMENT_PUT:
	case STORAGE_OP_DOCUMENT_LIST:
		do_document(memory, call);
		break;
	default:
		do_account(memory, call);
	}
}

static void arrive(struct call *call)
{
	struct sim_db *db = call->db;

	if (db->out) {
		storage_request_reason(call->request, "the database is out");
		answer(call, STORAGE_UNAVAILABLE);
		return;
	}
	call->state = CALL_AT_WORK;
	sim_loop_enter(db->loop);
	do_request(db->memory, call);
	sim_loop_leave(db->loop);
}

static void on_arrival(struct sim_event *event)
{
	arrive(container_of(event, struct call, event));
}

/* -- the driver ------------------------------------------------------------- */

static void *store_open(struct loop *loop, struct log *log,
			const char *connection, struct error *err)
{
	struct store *store = mem_new(struct store);

	(void)log;
	(void)connection;
	(void)err;
	store->loop = loop;
	store->db = sim_loop_world(loop)->db;
	assert(store->db);
	return store;
}

static void store_submit(void *ctx, struct storage_request *request)
{
	struct store *store = ctx;
	struct call *call = mem_new(struct call);

	call->store = store;
	call->db = store->db;
	call->request = request;
	DL_APPEND(store->calls, call);
	if (sim_loop_is_dead(store->loop))
		return; /* store_close() answers */
	world_at(store->db->world, &call->event,
		 later(store->db, &store->last_arrival), on_arrival);
}

/* Blocks for a process that ends; of one that was killed, what had left it
 * still arrives: some first part of what is on its way. */
static void store_close(void *ctx)
{
	struct store *store = ctx;
	struct world *world = store->db->world;
	bool arrives = true;
	struct call *call;

	sim_loop_post_cancel(store->loop, &store->deferred);
	DL_CONCAT(store->answers, store->calls);
	store->calls = store->answers;
	store->answers = NULL;
	while ((call = store->calls)) {
		if (sim_loop_is_dead(store->loop))
			arrives = arrives && rng_chance(&world->rng, 50);
		if (call->state == CALL_GOING && arrives)
			arrive(call);
		world_cancel(world, &call->event);
		DL_DELETE(store->calls, call);
		storage_request_done(call->request, STORAGE_CANCELLED);
		if (call->state == CALL_AT_WORK)
			call->store = NULL; /* freed by done() */
		else
			mem_free(call);
	}
	mem_free(store);
}

const struct storage_driver storage_driver_sim = {
	.abi = STORAGE_DRIVER_ABI,
	.name = "sim",
	.open = store_open,
	.close = store_close,
	.submit = store_submit,
};

/* -- the database ----------------------------------------------------------- */

void sim_db_start(struct world *world)
{
	struct sim_db *db = mem_new(struct sim_db);

	db->world = world;
	db->loop = sim_loop_new(host_new(world, "database"));
	log_init(&db->log, "database");
	db->memory = storage_open(db->loop, &db->log, "memory", NULL, NULL,
				  NULL);
	db->low = 200;
	db->high = 5000;
	world->db = db;
}

void sim_db_stop(struct world *world)
{
	struct sim_leaks leaks;

	storage_close(&world->db->memory);
	sim_loop_free(&world->db->loop, &leaks);
	mem_free(world->db);
	world->db = NULL;
}

static void created(const struct storage_result *result, void *ctx)
{
	(void)ctx;
	assert(result->status == STORAGE_OK);
}

void sim_db_add_account(struct world *world, const char *jid,
			const char *password)
{
	struct sim_db *db = world->db;
	struct account account = { 0 };
	struct scram_keys *keys[] = { &account.sha1, &account.sha256 };
	static const enum digest digests[] = { DIGEST_SHA1, DIGEST_SHA256 };
	unsigned char salted[DIGEST_MAX];

	for (unsigned i = 0; i < 2; i++) {
		keys[i]->rounds = SCRAM_ROUNDS;
		keys[i]->salt_len = 16;
		loop_random(db->loop, keys[i]->salt, 16);
		crypto_pbkdf2(digests[i], password, keys[i]->salt, 16,
			      SCRAM_ROUNDS, salted);
		crypto_scram_keys(digests[i], salted, keys[i]->stored_key,
				  keys[i]->server_key);
	}
	sim_loop_enter(db->loop);
	storage_account_create(db->memory, jid, &account, created, NULL);
	sim_loop_leave(db->loop);
}

void sim_db_set_outage(struct world *world, bool out)
{
	world_say(world, "fault", "database %s", out ? "out" : "back");
	world->db->out = out;
}

void sim_db_set_latency(struct world *world, uint64_t low, uint64_t high)
{
	world->db->low = low;
	world->db->high = high;
}
