/* SPDX-License-Identifier: Apache-2.0
 *
 * An example of a loadable driver, storage and authentication in one object.
 * The storage keeps documents (one list, gone with the process) and says that
 * it cannot do anything else; the one password of everybody is the text of
 * the options. It uses installed headers only.
 */
#include <stddef.h>
#include <string.h>

#include "storage/auth_driver.h"
#include "storage/driver.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/net/timer.h"

struct document {
	char *owner, *kind, *key, *data;
	size_t len;
	struct document *next;
};

struct example {
	struct loop *loop;
	struct document *documents;
	struct worker_job *waiting, **tail;
	struct deferred deferred;
};

static void *example_open(struct loop *loop, struct log *log,
			  const char *connection, struct error *err)
{
	struct example *example;

	if (!str_equal(connection, "example")) {
		error_set(err, "the connection has to be \"example\"");
		return NULL;
	}
	example = mem_new(struct example);
	example->loop = loop;
	example->tail = &example->waiting;
	log_info(log, "example.open", LOG_S("connection", connection));
	return example;
}

/* Where the document is linked, or would be. */
static struct document **find(struct example *example,
			      const struct storage_request *request)
{
	struct document **at = &example->documents;

	while (*at != NULL && !(str_equal((*at)->owner, request->owner) &&
				str_equal((*at)->kind, request->kind) &&
				str_equal((*at)->key, request->key)))
		at = &(*at)->next;
	return at;
}

static void drop(struct document **at)
{
	struct document *document = *at;

	*at = document->next;
	mem_free(document->owner);
	mem_free(document->kind);
	mem_free(document->key);
	mem_free(document->data);
	mem_free(document);
}

static enum storage_status put(struct example *example,
			       const struct storage_request *request)
{
	struct document **at = find(example, request);
	struct document *document;

	if (*at != NULL)
		drop(at);
	if (request->data == NULL)
		return STORAGE_OK;
	document = mem_new(struct document);
	document->owner = mem_strdup(request->owner);
	document->kind = mem_strdup(request->kind);
	document->key = mem_strdup(request->key);
	document->data = mem_dup(request->data, request->data_len + 1);
	document->len = request->data_len;
	document->next = example->documents;
	example->documents = document;
	return STORAGE_OK;
}

static enum storage_status get(struct example *example,
			       struct storage_request *request)
{
	struct document *document = *find(example, request);

	if (document == NULL)
		return STORAGE_NOT_FOUND;
	request->result.data = mem_dup(document->data, document->len + 1);
	request->result.data_len = document->len;
	return STORAGE_OK;
}

static void answer(struct example *example)
{
	struct worker_job *job = example->waiting;

	example->waiting = NULL;
	example->tail = &example->waiting;
	while (job != NULL) {
		struct storage_request *request =
			container_of(job, struct storage_request, job);

		job = job->next;
		storage_request_done(request, request->result.status);
	}
}

static void run_deferred(struct deferred *deferred)
{
	answer(container_of(deferred, struct example, deferred));
}

static void example_submit(void *store, struct storage_request *request)
{
	struct example *example = store;

	switch (request->op) {
	case STORAGE_OP_DOCUMENT_GET:
		request->result.status = get(example, request);
		break;
	case STORAGE_OP_DOCUMENT_PUT:
		request->result.status = put(example, request);
		break;
	default:
		request->result.status = STORAGE_UNAVAILABLE;
		storage_request_reason(request, "the example has only "
						"documents");
	}
	request->job.next = NULL;
	*example->tail = &request->job;
	example->tail = &request->job.next;
	loop_defer(example->loop, &example->deferred, run_deferred);
}

static void example_close(void *store)
{
	struct example *example = store;

	loop_defer_cancel(example->loop, &example->deferred);
	while (example->waiting != NULL)
		answer(example);
	while (example->documents != NULL)
		drop(&example->documents);
	mem_free(example);
}

extern const struct storage_driver chappe_storage_driver;
const struct storage_driver chappe_storage_driver = {
	.abi = STORAGE_DRIVER_ABI,
	.name = "example",
	.open = example_open,
	.close = example_close,
	.submit = example_submit,
};

/* -- authentication ------------------------------------------------------ */

struct example_auth {
	struct loop *loop;
	char *password;
	struct auth_request *waiting; /* by driver_data; the latest first */
	struct deferred deferred;
};

static void *example_auth_open(const struct auth_setup *setup,
			       struct error *err)
{
	struct example_auth *auth;

	if (setup->options == NULL) {
		error_set(err, "the options have to be the password");
		return NULL;
	}
	auth = mem_new(struct example_auth);
	auth->loop = setup->loop;
	auth->password = mem_strdup(setup->options);
	return auth;
}

static void answer_checks(struct example_auth *auth)
{
	struct auth_request *request;

	while ((request = auth->waiting) != NULL) {
		auth->waiting = request->driver_data;
		auth_request_done(request, STORAGE_OK);
	}
}

static void run_checks(struct deferred *deferred)
{
	answer_checks(container_of(deferred, struct example_auth, deferred));
}

static void example_check(void *ctx, struct auth_request *request)
{
	struct example_auth *auth = ctx;
	size_t len = strlen(auth->password);

	request->result.matches =
		strlen(request->password) == len &&
		mem_equal_secret(request->password, auth->password, len);
	request->driver_data = auth->waiting;
	auth->waiting = request;
	loop_defer(auth->loop, &auth->deferred, run_checks);
}

static void example_auth_close(void *ctx)
{
	struct example_auth *auth = ctx;

	loop_defer_cancel(auth->loop, &auth->deferred);
	answer_checks(auth);
	mem_free_secret(auth->password);
	mem_free(auth);
}

extern const struct auth_driver chappe_auth_driver;
const struct auth_driver chappe_auth_driver = {
	.abi = AUTH_DRIVER_ABI,
	.name = "example",
	.open = example_auth_open,
	.close = example_auth_close,
	.check = example_check,
};
