/* SPDX-License-Identifier: Apache-2.0
 *
 * The driver "memory": everything in tables, gone with the process. For tests
 * and for the simulator. It works on a request when it is submitted (so order
 * is trivial) and answers at the end of that turn of the loop.
 */
#include <stdlib.h>
#include <string.h>

#include "storage/driver.h"
#include "storage/drivers.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"
#include "util/net/timer.h"

struct document {
	char *kind;
	char *key;
	char *data;
	size_t len;
	struct document *prev, *next;
};

struct contact {
	struct roster_item item;
	struct contact *prev, *next;
};

struct message {
	struct offline_message message;
	struct message *prev, *next;
};

struct owner {
	char *jid;
	bool has_account;
	struct account account;
	struct contact *roster; /* in order */
	uint64_t roster_version;
	struct message *messages;
	struct document *documents; /* in order */
	UT_hash_handle hh;
};

struct memory_store {
	struct loop *loop;
	struct owner *owners;
	uint64_t last_id;
	struct worker_job *answers; /* in order */
	struct worker_job **tail;   /* where the next goes */
	struct deferred deferred;
};

static void *memory_open(struct loop *loop, struct log *log,
			 const char *connection, struct error *err)
{
	struct memory_store *store = mem_new(struct memory_store);

	(void)log;
	(void)connection;
	(void)err;
	store->loop = loop;
	store->tail = &store->answers;
	return store;
}

static void document_free(struct owner *owner, struct document *document)
{
	DL_DELETE(owner->documents, document);
	mem_free(document->kind);
	mem_free(document->key);
	mem_free(document->data);
	mem_free(document);
}

static void contact_free(struct owner *owner, struct contact *contact)
{
	DL_DELETE(owner->roster, contact);
	roster_item_clear(&contact->item);
	mem_free(contact);
}

static void message_free(struct owner *owner, struct message *message)
{
	DL_DELETE(owner->messages, message);
	mem_free(message->message.stanza);
	mem_free(message);
}

static void owner_free(struct memory_store *store, struct owner *owner)
{
	while (owner->roster != NULL)
		contact_free(owner, owner->roster);
	while (owner->messages != NULL)
		message_free(owner, owner->messages);
	while (owner->documents != NULL)
		document_free(owner, owner->documents);
	HASH_DEL(store->owners, owner);
	mem_free(owner->jid);
	mem_wipe(&owner->account, sizeof(owner->account));
	mem_free(owner);
}

static struct owner *owner_find(struct memory_store *store, const char *jid)
{
	struct owner *owner;

	HASH_FIND_STR(store->owners, jid, owner);
	return owner;
}

static struct owner *owner_get(struct memory_store *store, const char *jid)
{
	struct owner *owner = owner_find(store, jid);

	if (owner == NULL) {
		owner = mem_new(struct owner);
		owner->jid = mem_strdup(jid);
		HASH_ADD_KEYPTR(hh, store->owners, owner->jid,
				strlen(owner->jid), owner);
	}
	return owner;
}

/* -- accounts ------------------------------------------------------------ */

static enum storage_status account_get(struct memory_store *store,
				       struct storage_request *request)
{
	struct owner *owner = owner_find(store, request->owner);

	if (owner == NULL || !owner->has_account)
		return STORAGE_NOT_FOUND;
	request->result.account = owner->account;
	return STORAGE_OK;
}

static enum storage_status account_create(struct memory_store *store,
					  struct storage_request *request)
{
	struct owner *owner = owner_get(store, request->owner);

	if (owner->has_account)
		return STORAGE_CONFLICT;
	owner->has_account = true;
	owner->account = request->account;
	return STORAGE_OK;
}

static enum storage_status account_set(struct memory_store *store,
				       struct storage_request *request)
{
	struct owner *owner = owner_find(store, request->owner);
	int64_t created;

	if (owner == NULL || !owner->has_account)
		return STORAGE_NOT_FOUND;
	created = owner->account.created;
	owner->account = request->account;
	owner->account.created = created;
	return STORAGE_OK;
}

static enum storage_status account_remove(struct memory_store *store,
					  struct storage_request *request)
{
	struct owner *owner = owner_find(store, request->owner);
	bool had_account = owner != NULL && owner->has_account;

	if (owner != NULL)
		owner_free(store, owner);
	return had_account ? STORAGE_OK : STORAGE_NOT_FOUND;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names that are being collected for a page. */
struct names {
	char **list;
	size_t count;
};

static struct names names_new(const struct memory_store *store)
{
	return (struct names){
		.list = mem_calloc(HASH_COUNT(store->owners) + 1,
				   sizeof(char *)),
	};
}

static void names_add(struct names *names, const char *name)
{
	names->list[names->count++] = mem_strdup(name);
}

/* The first of them, in order, become the result. */
static void names_page(struct names *names, struct storage_request *request)
{
	qsort(names->list, names->count, sizeof(*names->list), compare_names);
	while (names->count > request->limit)
		mem_free(names->list[--names->count]);
	request->result.names = names->list;
	request->result.count = names->count;
}

static enum storage_status account_list(struct memory_store *store,
					struct storage_request *request)
{
	const char *after = request->key != NULL ? request->key : "";
	struct names names = names_new(store);
	struct owner *owner, *next;

	HASH_ITER(hh, store->owners, owner, next) {
		const char *at = strchr(owner->jid, '@');

		if (owner->has_account && strcmp(owner->jid, after) > 0 &&
		    str_equal(at ? at + 1 : owner->jid, request->owner))
			names_add(&names, owner->jid);
	}
	names_page(&names, request);
	return STORAGE_OK;
}

static bool is_empty(const struct owner *owner)
{
	return !owner->has_account && owner->roster == NULL &&
	       owner->messages == NULL && owner->documents == NULL;
}

static enum storage_status owner_list(struct memory_store *store,
				      struct storage_request *request)
{
	struct owner *owner, *next;
	struct names names = names_new(store);

	HASH_ITER(hh, store->owners, owner, next) {
		if (!is_empty(owner) && strcmp(owner->jid, request->owner) > 0)
			names_add(&names, owner->jid);
	}
	names_page(&names, request);
	return STORAGE_OK;
}

/* -- rosters ------------------------------------------------------------- */

static void *bytes_copy(const char *bytes, size_t len)
{
	char *copy = mem_alloc(len + 1);

	if (len > 0)
		memcpy(copy, bytes, len);
	return copy;
}

static void load_active(const struct owner *owner,
			struct storage_result *result)
{
	const struct document *document;
	int count;

	DL_COUNT(owner->documents, document, count);
	result->documents =
		mem_calloc((size_t)count + 1, sizeof(*result->documents));
	DL_FOREACH(owner->documents, document) {
		if (!str_equal(document->kind, STORAGE_KIND_ACTIVE))
			continue;
		result->documents[result->document_count++] =
			(struct storage_document){
				.key = mem_strdup(document->key),
				.data = bytes_copy(document->data,
						   document->len),
				.len = document->len,
			};
	}
}

static enum storage_status load(struct memory_store *store,
				struct storage_request *request)
{
	struct storage_result *result = &request->result;
	struct owner *owner = owner_find(store, request->owner);
	struct contact *contact;
	struct message *message;
	int count;

	if (owner == NULL)
		return STORAGE_OK;
	result->has_account = owner->has_account;
	result->roster_version = owner->roster_version;
	DL_COUNT(owner->messages, message, count);
	result->offline_count = (size_t)count;
	load_active(owner, result);
	DL_COUNT(owner->roster, contact, count);
	result->roster = mem_calloc((size_t)count + 1, sizeof(*result->roster));
	DL_FOREACH(owner->roster, contact)
		roster_item_copy(&result->roster[result->count++],
				 &contact->item);
	return STORAGE_OK;
}

static struct contact *contact_find(struct owner *owner, const char *jid)
{
	struct contact *contact;

	DL_FOREACH(owner->roster, contact) {
		if (str_equal(contact->item.jid, jid))
			return contact;
	}
	return NULL;
}

static int compare_contacts(const struct contact *a, const struct contact *b)
{
	return strcmp(a->item.jid, b->item.jid);
}

static enum storage_status roster_put(struct memory_store *store,
				      struct storage_request *request)
{
	struct owner *owner = owner_get(store, request->owner);
	struct contact *contact = contact_find(owner, request->item.jid);

	if (contact != NULL)
		contact_free(owner, contact);
	contact = mem_new(struct contact);
	roster_item_copy(&contact->item, &request->item);
	DL_INSERT_INORDER(owner->roster, contact, compare_contacts);
	owner->roster_version = request->number;
	return STORAGE_OK;
}

static enum storage_status roster_remove(struct memory_store *store,
					 struct storage_request *request)
{
	struct owner *owner = owner_get(store, request->owner);
	struct contact *contact = contact_find(owner, request->key);

	if (contact != NULL)
		contact_free(owner, contact);
	owner->roster_version = request->number;
	return STORAGE_OK;
}

/* -- offline messages ---------------------------------------------------- */

static enum storage_status offline_add(struct memory_store *store,
				       struct storage_request *request)
{
	struct owner *owner = owner_get(store, request->owner);
	struct message *message = mem_new(struct message);

	message->message = (struct offline_message){
		.id = ++store->last_id,
		.stamp = request->stamp,
		.expires = request->expires,
		.stanza = mem_strndup(request->data, request->data_len),
		.len = request->data_len,
	};
	DL_APPEND(owner->messages, message);
	request->result.id = message->message.id;
	return STORAGE_OK;
}

static enum storage_status offline_list(struct memory_store *store,
					struct storage_request *request)
{
	struct storage_result *result = &request->result;
	struct owner *owner = owner_find(store, request->owner);
	struct message *message;

	if (owner == NULL)
		return STORAGE_OK;
	DL_FOREACH(owner->messages, message) {
		struct offline_message *copy;

		if (message->message.id <= request->number)
			continue;
		if (result->count == request->limit)
			break;
		result->messages = mem_realloc(result->messages,
					       result->count + 1,
					       sizeof(*result->messages));
		copy = &result->messages[result->count++];
		*copy = message->message;
		copy->stanza = mem_strndup(copy->stanza, copy->len);
	}
	return STORAGE_OK;
}

static enum storage_status offline_remove(struct memory_store *store,
					  struct storage_request *request)
{
	struct owner *owner = owner_find(store, request->owner);

	while (owner != NULL && owner->messages != NULL &&
	       owner->messages->message.id <= request->number)
		message_free(owner, owner->messages);
	return STORAGE_OK;
}

/* -- documents ----------------------------------------------------------- */

static struct document *document_find(struct owner *owner,
				      const struct storage_request *request)
{
	struct document *document;

	DL_FOREACH(owner->documents, document) {
		if (str_equal(document->kind, request->kind) &&
		    str_equal(document->key, request->key))
			return document;
	}
	return NULL;
}

static enum storage_status document_get(struct memory_store *store,
					struct storage_request *request)
{
	struct owner *owner = owner_find(store, request->owner);
	struct document *document = owner ? document_find(owner, request)
					  : NULL;

	if (document == NULL)
		return STORAGE_NOT_FOUND;
	request->result.data = bytes_copy(document->data, document->len);
	request->result.data_len = document->len;
	return STORAGE_OK;
}

static int compare_documents(const struct document *a,
			     const struct document *b)
{
	return strcmp(a->key, b->key);
}

static enum storage_status document_put(struct memory_store *store,
					struct storage_request *request)
{
	struct owner *owner = owner_get(store, request->owner);
	struct document *document = document_find(owner, request);

	if (document != NULL)
		document_free(owner, document);
	if (request->data == NULL)
		return STORAGE_OK;
	document = mem_new(struct document);
	document->kind = mem_strdup(request->kind);
	document->key = mem_strdup(request->key);
	document->data = bytes_copy(request->data, request->data_len);
	document->len = request->data_len;
	DL_INSERT_INORDER(owner->documents, document, compare_documents);
	return STORAGE_OK;
}

static enum storage_status document_list(struct memory_store *store,
					 struct storage_request *request)
{
	struct storage_result *result = &request->result;
	struct owner *owner = owner_find(store, request->owner);
	struct document *document;

	if (owner == NULL)
		return STORAGE_OK;
	DL_FOREACH(owner->documents, document) {
		if (!str_equal(document->kind, request->kind))
			continue;
		result->names = mem_realloc(result->names, result->count + 1,
					    sizeof(*result->names));
		result->names[result->count++] = mem_strdup(document->key);
	}
	return STORAGE_OK;
}

/* -- the driver ---------------------------------------------------------- */

typedef enum storage_status memory_op_fn(struct memory_store *store,
					 struct storage_request *request);

static memory_op_fn *const memory_ops[STORAGE_OP_COUNT] = {
	[STORAGE_OP_ACCOUNT_GET] = account_get,
	[STORAGE_OP_ACCOUNT_CREATE] = account_create,
	[STORAGE_OP_ACCOUNT_SET] = account_set,
	[STORAGE_OP_ACCOUNT_REMOVE] = account_remove,
	[STORAGE_OP_ACCOUNT_LIST] = account_list,
	[STORAGE_OP_OWNER_LIST] = owner_list,
	[STORAGE_OP_LOAD] = load,
	[STORAGE_OP_ROSTER_PUT] = roster_put,
	[STORAGE_OP_ROSTER_REMOVE] = roster_remove,
	[STORAGE_OP_OFFLINE_ADD] = offline_add,
	[STORAGE_OP_OFFLINE_LIST] = offline_list,
	[STORAGE_OP_OFFLINE_REMOVE] = offline_remove,
	[STORAGE_OP_DOCUMENT_GET] = document_get,
	[STORAGE_OP_DOCUMENT_PUT] = document_put,
	[STORAGE_OP_DOCUMENT_LIST] = document_list,
};

/* Answers what is there now; what the callbacks request has its own turn. */
static void answer(struct memory_store *store)
{
	struct worker_job *job = store->answers;

	store->answers = NULL;
	store->tail = &store->answers;
	while (job != NULL) {
		struct storage_request *request =
			container_of(job, struct storage_request, job);

		job = job->next;
		storage_request_done(request, request->result.status);
	}
}

static void run_deferred(struct deferred *deferred)
{
	answer(container_of(deferred, struct memory_store, deferred));
}

static void memory_submit(void *ctx, struct storage_request *request)
{
	struct memory_store *store = ctx;

	request->result.status = memory_ops[request->op](store, request);
	request->job.next = NULL;
	*store->tail = &request->job;
	store->tail = &request->job.next;
	loop_defer(store->loop, &store->deferred, run_deferred);
}

static void memory_close(void *ctx)
{
	struct memory_store *store = ctx;

	loop_defer_cancel(store->loop, &store->deferred);
	while (store->answers != NULL)
		answer(store);
	while (store->owners != NULL)
		owner_free(store, store->owners);
	mem_free(store);
}

const struct storage_driver storage_driver_memory = {
	.abi = STORAGE_DRIVER_ABI,
	.name = "memory",
	.open = memory_open,
	.close = memory_close,
	.submit = memory_submit,
};
