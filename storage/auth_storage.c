/* SPDX-License-Identifier: Apache-2.0
 *
 * The authentication driver "storage": accounts are those of the storage. It
 * has no check of its own; the front end compares keys.
 */
#include <string.h>

#include "storage/auth_driver.h"
#include "storage/drivers.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"

struct auth_storage {
	struct storage *storage;
	struct question *questions; /* asked, not answered */
};

/* Outlives the driver when the storage answers late. */
struct question {
	struct auth_storage *auth; /* NULL: nobody wants to know any more */
	struct auth_request *request;
	struct question *prev, *next;
};

static void *auth_storage_open(const struct auth_setup *setup,
			       struct error *err)
{
	struct auth_storage *auth;

	if (setup->options != NULL && setup->options[0] != '\0') {
		error_set(err, "it takes no options");
		return NULL;
	}
	auth = mem_new(struct auth_storage);
	auth->storage = setup->storage;
	return auth;
}

static void auth_storage_close(void *ctx)
{
	struct auth_storage *auth = ctx;
	struct question *question, *next;

	DL_FOREACH_SAFE(auth->questions, question, next) {
		question->auth = NULL;
		auth_request_done(question->request, STORAGE_CANCELLED);
	}
	mem_free(auth);
}

static struct question *question_new(struct auth_storage *auth,
				     struct auth_request *request)
{
	struct question *question = mem_new(struct question);

	question->auth = auth;
	question->request = request;
	DL_APPEND(auth->questions, question);
	return question;
}

static char **names_copy(char *const *names, size_t count)
{
	char **copy = mem_calloc(count + 1, sizeof(*copy));

	for (size_t i = 0; i < count; i++)
		copy[i] = mem_strdup(names[i]);
	return copy;
}

static void answered(const struct storage_result *result, void *ctx)
{
	struct question *question = ctx;
	struct auth_request *request = question->request;

	if (question->auth != NULL) {
		DL_DELETE(question->auth->questions, question);
		str_copy(request->result.reason,
			 sizeof(request->result.reason), result->reason);
		request->result.account = result->account;
		if (result->names != NULL) {
			request->result.names = names_copy(result->names,
							   result->count);
			request->result.count = result->count;
		}
		auth_request_done(request, result->status);
	}
	mem_free(question);
}

static void auth_storage_lookup(void *ctx, struct auth_request *request)
{
	struct auth_storage *auth = ctx;

	storage_account_get(auth->storage, request->user, answered,
			    question_new(auth, request));
}

static void auth_storage_create(void *ctx, struct auth_request *request)
{
	struct auth_storage *auth = ctx;

	storage_account_create(auth->storage, request->user, &request->account,
			       answered, question_new(auth, request));
}

static void auth_storage_set(void *ctx, struct auth_request *request)
{
	struct auth_storage *auth = ctx;

	storage_account_set(auth->storage, request->user, &request->account,
			    answered, question_new(auth, request));
}

static void auth_storage_remove(void *ctx, struct auth_request *request)
{
	struct auth_storage *auth = ctx;

	storage_account_remove(auth->storage, request->user, answered,
			       question_new(auth, request));
}

static void auth_storage_list(void *ctx, struct auth_request *request)
{
	struct auth_storage *auth = ctx;

	storage_account_list(auth->storage, request->user, request->after,
			     request->limit, answered,
			     question_new(auth, request));
}

const struct auth_driver auth_driver_storage = {
	.abi = AUTH_DRIVER_ABI,
	.name = "storage",
	.open = auth_storage_open,
	.close = auth_storage_close,
	.lookup = auth_storage_lookup,
	.create = auth_storage_create,
	.set = auth_storage_set,
	.remove = auth_storage_remove,
	.list = auth_storage_list,
};
