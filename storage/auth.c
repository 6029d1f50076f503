/* SPDX-License-Identifier: Apache-2.0
 *
 * The front end of authentication: copies arguments, has keys derived beside
 * the loop, asks the driver, and runs the callback at the end of a turn of
 * the loop. Who the users are is the driver's to know.
 *
 * A call that makes new keys is with the deriver before the driver gets it;
 * later calls for the same user wait behind it, so that their order stays.
 */
#include "storage/auth.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "storage/auth_derive.h"
#include "storage/auth_driver.h"
#include "storage/drivers.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"
#include "util/net/timer.h"

#define SALT_LEN 16

/* What may wait while the store or the threads are slow. */
#define OUTSTANDING_MAX 50000

struct auth {
	struct loop *loop;
	struct loaded_driver loaded;
	const struct auth_driver *driver;
	void *state;
	struct deriver *deriver;
	struct user *users; /* those whose new keys are being derived */
	struct auth_call *answers; /* to be answered at the end of the turn */
	struct deferred deferred;
	unsigned outstanding; /* calls that are not freed */
	unsigned answering;   /* callbacks that are running */
	bool closing;
};

struct auth_call {
	struct auth_request request;
	struct auth *auth;
	auth_done_cb *done; /* NULL once it ran */
	void *ctx;
	struct derivation derivation;
	bool known;	/* check: there is such a user */
	bool cancelled; /* answered or about to be, work goes on */
	bool finished;	/* nobody works on it any more */
	struct auth_call *prev, *next; /* in `answers` */
	/* Behind a user; one that was cancelled is in both lists. */
	struct auth_call *wait_prev, *wait_next;
};

struct user {
	char *name;
	struct auth_call *waiting;
	UT_hash_handle hh;
};

static struct auth_call *call_of(struct auth_request *request)
{
	return container_of(request, struct auth_call, request);
}

struct auth *auth_open(const struct auth_setup *setup, const char *driver,
		       const char *driver_dir, struct error *err)
{
	struct auth *auth = mem_new(struct auth);

	auth->loop = setup->loop;
	auth->driver = auth_driver_find(driver, driver_dir, &auth->loaded,
					err);
	if (auth->driver == NULL)
		goto failed;
	auth->deriver = deriver_new(auth->loop, err);
	if (auth->deriver == NULL)
		goto failed;
	auth->state = auth->driver->open(setup, err);
	if (auth->state == NULL) {
		error_prefix(err, "auth driver %s", driver);
		goto failed;
	}
	return auth;
failed:
	deriver_free(&auth->deriver);
	driver_unload(&auth->loaded);
	mem_free(auth);
	return NULL;
}

unsigned auth_abilities(const struct auth *auth)
{
	if (auth->driver->abilities != NULL)
		return auth->driver->abilities(auth->state);
	return AUTH_CAN_CHECK | AUTH_CAN_SCRAM | AUTH_CAN_SCRAM_ALL;
}

bool auth_is_writable(const struct auth *auth)
{
	return auth->driver->create != NULL && auth->driver->set != NULL &&
	       (auth_abilities(auth) & AUTH_READ_ONLY) == 0;
}

/* -- answering ----------------------------------------------------------- */

static void result_clear(struct auth_result *result)
{
	for (size_t i = 0; i < result->count; i++)
		mem_free(result->names[i]);
	mem_free(result->names);
	mem_wipe(result, sizeof(*result));
}

static void call_free(struct auth_call *call)
{
	struct auth_request *request = &call->request;

	call->auth->outstanding--;
	result_clear(&request->result);
	mem_free(request->user);
	mem_free_secret(request->password);
	mem_free(request->after);
	mem_wipe(&request->account, sizeof(request->account));
	mem_free(call);
}

/* The one place where a callback runs. */
static void answer_all(struct auth *auth)
{
	struct auth_call *call;

	while ((call = auth->answers) != NULL) {
		auth_done_cb *done = call->done;
		const struct auth_result cancelled = {
			.status = STORAGE_CANCELLED,
		};

		DL_DELETE(auth->answers, call);
		call->done = NULL;
		auth->answering++;
		done(call->cancelled ? &cancelled : &call->request.result,
		     call->ctx);
		auth->answering--;
		if (call->finished)
			call_free(call);
	}
}

static void run_deferred(struct deferred *deferred)
{
	answer_all(container_of(deferred, struct auth, deferred));
}

static void answer_later(struct auth_call *call)
{
	struct auth *auth = call->auth;

	DL_APPEND(auth->answers, call);
	loop_defer(auth->loop, &auth->deferred, run_deferred);
}

static void finish(struct auth_call *call, enum storage_status status)
{
	struct auth_result *result = &call->request.result;

	if (status != STORAGE_OK) {
		struct auth_result failure = { .status = status };

		str_copy(failure.reason, sizeof(failure.reason),
			 result->reason);
		failure.disabled = result->disabled;
		if (failure.disabled)
			failure.account = result->account;
		result_clear(result);
		*result = failure;
	}
	result->status = status;
	call->finished = true;
	if (!call->cancelled)
		answer_later(call);
	else if (call->done == NULL)
		call_free(call);
}

void auth_cancel(struct auth_request *request)
{
	struct auth_call *call = request != NULL ? call_of(request) : NULL;

	if (call == NULL || call->cancelled)
		return;
	call->cancelled = true;
	if (call->finished)
		return;
	answer_later(call);
	/* Nobody waits for the check any more: save the work. New keys are
	 * made all the same, others may wait behind them. */
	if (request->op == AUTH_OP_CHECK &&
	    deriver_cancel(&call->derivation))
		call->finished = true;
}

/* -- deriving keys ------------------------------------------------------- */

static void derivation_done(struct derivation *derivation);

static void derive(struct auth_call *call, bool check)
{
	call->derivation = (struct derivation){
		.password = call->request.password,
		.account = &call->request.account,
		.check = check,
		.done = derivation_done,
	};
	deriver_submit(call->auth->deriver, &call->derivation);
}

static void make_salts(struct auth_call *call)
{
	struct account *account = &call->request.account;
	struct loop *loop = call->auth->loop;

	account->sha1.rounds = account->sha256.rounds = AUTH_SCRAM_ROUNDS;
	account->sha1.salt_len = account->sha256.salt_len = SALT_LEN;
	loop_random(loop, account->sha1.salt, SALT_LEN);
	loop_random(loop, account->sha256.salt, SALT_LEN);
	account->created = loop_time_us(loop);
}

/* What a driver found out for a check that the front end has to do. Somebody
 * unknown costs what a user with our own rounds costs. */
static void check_account(struct auth_call *call, bool found)
{
	struct account *account = &call->request.account;

	*account = call->request.result.account;
	call->known = found && (account->sha256.rounds > 0 ||
				account->sha1.rounds > 0);
	if (!call->known) {
		memset(account, 0, sizeof(*account));
		account->sha256.rounds = AUTH_SCRAM_ROUNDS;
		account->sha256.salt_len = SALT_LEN;
	}
	derive(call, true);
}

/* -- the driver's part --------------------------------------------------- */

typedef void driver_call_fn(void *auth, struct auth_request *request);

static driver_call_fn *driver_call(const struct auth_driver *driver,
				   enum auth_op op)
{
	switch (op) {
	case AUTH_OP_LOOKUP:
		return driver->lookup;
	case AUTH_OP_CHECK:
		return driver->check != NULL ? driver->check : driver->lookup;
	case AUTH_OP_CREATE:
		return driver->create;
	case AUTH_OP_SET:
		return driver->set;
	case AUTH_OP_REMOVE:
		return driver->remove;
	case AUTH_OP_LIST:
		return driver->list;
	}
	return NULL;
}

static bool changes_accounts(enum auth_op op)
{
	return op == AUTH_OP_CREATE || op == AUTH_OP_SET ||
	       op == AUTH_OP_REMOVE;
}

static void ask_driver(struct auth_call *call)
{
	struct auth *auth = call->auth;
	enum auth_op op = call->request.op;
	driver_call_fn *ask = driver_call(auth->driver, op);

	if (changes_accounts(op) && (auth_abilities(auth) & AUTH_READ_ONLY))
		ask = NULL;
	if (ask != NULL) {
		ask(auth->state, &call->request);
		return;
	}
	snprintf(call->request.result.reason,
		 sizeof(call->request.result.reason),
		 "auth driver %s cannot do that", auth->driver->name);
	finish(call, STORAGE_UNAVAILABLE);
}

void auth_request_done(struct auth_request *request,
		       enum storage_status status)
{
	struct auth_call *call = call_of(request);
	const struct auth_driver *driver = call->auth->driver;

	if (request->op == AUTH_OP_LOOKUP && status == STORAGE_OK &&
	    request->result.account.disabled) {
		request->result.disabled = true;
		status = STORAGE_NOT_FOUND;
	}
	if (request->op != AUTH_OP_CHECK || driver->check != NULL)
		finish(call, status);
	else if (call->auth->closing || call->cancelled)
		finish(call, STORAGE_CANCELLED);
	else if (status == STORAGE_OK || status == STORAGE_NOT_FOUND)
		check_account(call, status == STORAGE_OK);
	else
		finish(call, status);
}

/* -- the order of calls for one user ------------------------------------- */

static bool makes_keys(const struct auth_call *call)
{
	return call->request.op == AUTH_OP_CREATE ||
	       call->request.op == AUTH_OP_SET;
}

static struct user *user_find(const struct auth *auth, const char *name)
{
	struct user *user;

	HASH_FIND_STR(auth->users, name, user);
	return user;
}

static void user_free(struct auth *auth, struct user *user)
{
	HASH_DEL(auth->users, user);
	mem_free(user->name);
	mem_free(user);
}

static void start(struct auth_call *call)
{
	struct auth *auth = call->auth;
	struct user *user = user_find(auth, call->request.user);

	if (user != NULL) {
		DL_APPEND2(user->waiting, call, wait_prev, wait_next);
		return;
	}
	/* A driver that cannot do it need not wait for keys. */
	if (!makes_keys(call) ||
	    driver_call(auth->driver, call->request.op) == NULL) {
		ask_driver(call);
		return;
	}
	user = mem_new(struct user);
	user->name = mem_strdup(call->request.user);
	HASH_ADD_KEYPTR(hh, auth->users, user->name, strlen(user->name), user);
	make_salts(call);
	derive(call, false);
}

/* The user's new keys are with the driver: on with those who waited, up to
 * the next that makes keys. */
static void user_release(struct auth *auth, const char *name)
{
	struct user *user = user_find(auth, name);
	struct auth_call *waiting = user->waiting;
	struct auth_call *call, *next;

	user_free(auth, user);
	DL_FOREACH_SAFE2(waiting, call, next, wait_next) {
		DL_DELETE2(waiting, call, wait_prev, wait_next);
		if (auth->closing)
			finish(call, STORAGE_CANCELLED);
		else
			start(call);
	}
}

static void derivation_done(struct derivation *derivation)
{
	struct auth_call *call =
		container_of(derivation, struct auth_call, derivation);
	struct auth *auth = call->auth;
	bool matches, disabled;
	char *name;

	if (derivation->check) {
		mem_wipe(&call->request.result, sizeof(call->request.result));
		matches = call->known && derivation->matches;
		disabled = matches && call->request.account.disabled;
		call->request.result.matches = matches && !disabled;
		call->request.result.disabled = disabled;
		finish(call, STORAGE_OK);
		return;
	}
	/* The driver may end the call, and with it the name. */
	name = mem_strdup(call->request.user);
	ask_driver(call);
	user_release(auth, name);
	mem_free(name);
}

static void take_back_all(struct auth *auth)
{
	struct derivation *derivation;

	while ((derivation = deriver_take_back(auth->deriver)) != NULL) {
		struct auth_call *call =
			container_of(derivation, struct auth_call, derivation);

		if (makes_keys(call))
			user_release(auth, call->request.user);
		finish(call, STORAGE_CANCELLED);
	}
}

void auth_close(struct auth **auth)
{
	struct auth *a = *auth;

	if (a == NULL)
		return;
	assert(a->answering == 0);
	a->closing = true;
	take_back_all(a);
	deriver_free(&a->deriver);
	a->driver->close(a->state);
	answer_all(a);
	assert(a->outstanding == 0);
	loop_defer_cancel(a->loop, &a->deferred);
	driver_unload(&a->loaded);
	mem_free(a);
	*auth = NULL;
}

/* -- the calls ----------------------------------------------------------- */

static struct auth_call *call_new(struct auth *auth, enum auth_op op,
				  const char *user, auth_done_cb *done,
				  void *ctx)
{
	struct auth_call *call = mem_new(struct auth_call);

	auth->outstanding++;
	call->auth = auth;
	call->done = done;
	call->ctx = ctx;
	call->request.op = op;
	call->request.user = mem_strdup(user);
	return call;
}

static struct auth_request *submit(struct auth_call *call)
{
	if (call->auth->closing) {
		finish(call, STORAGE_CANCELLED);
	} else if (call->auth->outstanding > OUTSTANDING_MAX) {
		str_copy(call->request.result.reason,
			 sizeof(call->request.result.reason),
			 "too many requests wait");
		finish(call, STORAGE_UNAVAILABLE);
	} else {
		start(call);
	}
	return &call->request;
}

static struct auth_request *submit_password(struct auth_call *call,
					    const char *password)
{
	call->request.password = mem_strdup(password);
	return submit(call);
}

struct auth_request *auth_lookup(struct auth *auth, const char *user,
				 auth_done_cb *done, void *ctx)
{
	return submit(call_new(auth, AUTH_OP_LOOKUP, user, done, ctx));
}

struct auth_request *auth_check(struct auth *auth, const char *user,
				const char *password, auth_done_cb *done,
				void *ctx)
{
	return submit_password(call_new(auth, AUTH_OP_CHECK, user, done, ctx),
			       password);
}

struct auth_request *auth_create(struct auth *auth, const char *user,
				 const char *password, auth_done_cb *done,
				 void *ctx)
{
	return submit_password(call_new(auth, AUTH_OP_CREATE, user, done, ctx),
			       password);
}

struct auth_request *auth_set_password(struct auth *auth, const char *user,
				       const char *password,
				       auth_done_cb *done, void *ctx)
{
	return submit_password(call_new(auth, AUTH_OP_SET, user, done, ctx),
			       password);
}

struct auth_request *auth_remove(struct auth *auth, const char *user,
				 auth_done_cb *done, void *ctx)
{
	return submit(call_new(auth, AUTH_OP_REMOVE, user, done, ctx));
}

struct auth_request *auth_list(struct auth *auth, const char *domain,
			       const char *after, size_t limit,
			       auth_done_cb *done, void *ctx)
{
	struct auth_call *call = call_new(auth, AUTH_OP_LIST, domain, done,
					  ctx);

	call->request.after = mem_strdup(after);
	call->request.limit = limit;
	return submit(call);
}
