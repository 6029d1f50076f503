/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands about one account. Passwords come in and go to the driver; they are
 * neither logged nor answered.
 */
#include "sm/admin.h"

#include <inttypes.h>
#include <stdio.h>

#include "sm/domain.h"
#include "sm/session.h"
#include "sm/stamp.h"
#include "sm/throttle.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* A command that waits for a driver. */
struct request {
	struct sm *sm;
	struct command_call *call;
	struct sm_domain *domain;
	struct auth *auth;
	struct jid *jid;
	struct user *user; /* pinned; may be NULL */
};

static void request_finish(struct request *request, const char *status,
			   const char *text)
{
	struct command_call *call = request->call;
	struct sm *sm = request->sm;

	if (request->user != NULL)
		user_unpin(request->user);
	jid_free(&request->jid);
	mem_free(request);
	admin_finish(sm, call, status, text);
}

static void request_finish_status(struct request *request,
				  enum storage_status status)
{
	const char *text = NULL;

	if (status == STORAGE_NOT_FOUND)
		text = "there is no such account";
	else if (status == STORAGE_CONFLICT)
		text = "this account exists already";
	else if (status != STORAGE_OK)
		text = "the storage is unavailable";
	request_finish(request, admin_status(status), text);
}

/* The account that the command is about; NULL: it was answered. */
static struct request *request_new(struct sm *sm, struct command_call *call)
{
	const char *text = command_argument(call, "jid");
	struct jid *jid = text != NULL ? jid_parse(text) : NULL;
	struct request *request;
	struct sm_domain *domain;

	if (jid == NULL || !jid_is_bare(jid)) {
		jid_free(&jid);
		command_finish(call, "invalid",
			       "a JID of the form NAME@DOMAIN is needed");
		return NULL;
	}
	domain = sm_domain(sm, jid_domain(jid));
	if (domain == NULL) {
		jid_free(&jid);
		command_finish(call, "not-found",
			       "this domain is not served here");
		return NULL;
	}
	admin_begin(sm);
	request = mem_new(struct request);
	request->sm = sm;
	request->call = call;
	request->domain = domain;
	request->jid = jid;
	return request;
}

/* The same with a driver that can write. */
static struct request *request_new_writing(struct sm *sm,
					   struct command_call *call)
{
	struct request *request = request_new(sm, call);

	if (request == NULL)
		return NULL;
	request->auth = domain_writable_auth(request->domain);
	if (request->auth != NULL)
		return request;
	request_finish(request, "failed",
		       "the accounts of this domain are kept elsewhere");
	return NULL;
}

/* Prepared; NULL: the request was answered. Wipe what comes. */
static char *request_password(struct request *request)
{
	const char *text = command_argument(request->call, "password");
	char *password = text != NULL ? jid_prepare_password(text) : NULL;

	if (password != NULL && *password != '\0')
		return password;
	mem_free_secret(password);
	request_finish(request, "invalid",
		       "the password is empty or has characters that are not "
		       "allowed");
	return NULL;
}

static void log_account(const struct request *request, const char *event)
{
	log_notice(request->sm->log, event,
		   LOG_S("jid", jid_full(request->jid)));
}

/* -- add, passwd ----------------------------------------------------------- */

static void added(const struct auth_result *result, void *ctx)
{
	struct request *request = ctx;

	if (result->status == STORAGE_OK) {
		log_account(request, "account.created");
		user_created(request->sm, jid_full(request->jid));
	}
	request_finish_status(request, result->status);
}

void admin_user_add(struct command_call *call, void *ctx)
{
	struct request *request = request_new_writing(ctx, call);
	char *password = request != NULL ? request_password(request) : NULL;

	if (password == NULL)
		return;
	auth_create(request->auth, jid_full(request->jid), password, added,
		    request);
	mem_free_secret(password);
}

static void password_set(const struct auth_result *result, void *ctx)
{
	struct request *request = ctx;
	struct user *user = user_find(request->sm, jid_full(request->jid));
	struct session *session, *next;

	if (result->status == STORAGE_OK) {
		log_account(request, "account.password");
		/* Whoever is logged in may be why it was changed. */
		DL_FOREACH_SAFE(user != NULL ? user->sessions : NULL, session,
				next)
			session_kick(session, STREAM_RESET,
				     "the password was changed");
	}
	request_finish_status(request, result->status);
}

void admin_user_passwd(struct command_call *call, void *ctx)
{
	struct request *request = request_new_writing(ctx, call);
	char *password = request != NULL ? request_password(request) : NULL;

	if (password == NULL)
		return;
	auth_set_password(request->auth, jid_full(request->jid), password,
			  password_set, request);
	mem_free_secret(password);
}

/* -- del ------------------------------------------------------------------- */

/* A directory may have had the account; here is the rest. */
static void data_removed(const struct storage_result *result, void *ctx)
{
	struct request *request = ctx;

	if (result->status == STORAGE_OK ||
	    result->status == STORAGE_NOT_FOUND) {
		log_account(request, "account.removed");
		request_finish(request, "ok", NULL);
	} else {
		request_finish_status(request, result->status);
	}
}

static void account_removed(const struct auth_result *result, void *ctx)
{
	struct request *request = ctx;

	if (result->status == STORAGE_OK ||
	    result->status == STORAGE_NOT_FOUND)
		storage_account_remove(request->domain->storage,
				       jid_full(request->jid), data_removed,
				       request);
	else
		request_finish_status(request, result->status);
}

static void del_ready(struct user *user, void *ctx)
{
	struct request *request = ctx;

	if (user->state != USER_READY) {
		request_finish_status(request, STORAGE_UNAVAILABLE);
	} else if (!user->has_account) {
		request_finish_status(request, STORAGE_NOT_FOUND);
	} else {
		/* Contacts are told while it is known who they are. */
		user_removed(user);
		auth_remove(request->auth, jid_full(request->jid),
			    account_removed, request);
	}
}

static void request_need_user(struct request *request, user_ready_cb *ready)
{
	request->user = user_get(request->sm, request->domain, request->jid);
	user_pin(request->user);
	user_need(request->user, ready, request);
}

void admin_user_del(struct command_call *call, void *ctx)
{
	struct request *request = request_new_writing(ctx, call);

	if (request != NULL)
		request_need_user(request, del_ready);
}

/* -- show ------------------------------------------------------------------ */

static void show_row(struct request *request, const struct account *account)
{
	const struct user *user = request->user;
	char sessions[24], offline[24], contacts[24], created[STAMP_MAX];
	bool has_date = account != NULL && account->created > 0;

	snprintf(sessions, sizeof(sessions), "%zu", user->session_count);
	snprintf(offline, sizeof(offline), "%zu", user->offline_count);
	snprintf(contacts, sizeof(contacts), "%u", HASH_COUNT(user->roster));
	if (has_date)
		stamp_write(created, account->created);
	if (request->sm->link != NULL)
		command_row(request->call, "jid", jid_full(request->jid),
			    "sessions", sessions, "offline", offline,
			    "contacts", contacts, "created",
			    has_date ? created : NULL, NULL);
	request_finish(request, "ok", NULL);
}

static void show_account(const struct auth_result *result, void *ctx)
{
	show_row(ctx, result->status == STORAGE_OK ? &result->account : NULL);
}

static void show_ready(struct user *user, void *ctx)
{
	struct request *request = ctx;
	struct auth *auth = domain_writable_auth(request->domain);

	if (user->state != USER_READY)
		request_finish_status(request, STORAGE_UNAVAILABLE);
	else if (!user->has_account)
		request_finish_status(request, STORAGE_NOT_FOUND);
	else if (auth != NULL)
		auth_lookup(auth, jid_full(request->jid), show_account,
			    request);
	else
		show_row(request, NULL);
}

void admin_user_show(struct command_call *call, void *ctx)
{
	struct request *request = request_new(ctx, call);

	if (request != NULL)
		request_need_user(request, show_ready);
}

/* -- unlock ---------------------------------------------------------------- */

/* Comes to all sms; one that does not serve the domain counts nothing. */
void admin_user_unlock(struct command_call *call, void *ctx)
{
	struct sm *sm = ctx;
	const char *text = command_argument(call, "jid");
	struct jid *jid = text != NULL ? jid_parse(text) : NULL;
	char failures[24];

	if (jid == NULL || !jid_is_bare(jid)) {
		command_finish(call, "invalid",
			       "a JID of the form NAME@DOMAIN is needed");
	} else if (sm_domain(sm, jid_domain(jid)) == NULL) {
		command_finish(call, "ok", NULL);
	} else {
		snprintf(failures, sizeof(failures), "%" PRIu64,
			 throttle_forgive(sm->throttle, jid_full(jid)));
		log_notice(sm->log, "account.unlocked",
			   LOG_S("jid", jid_full(jid)));
		command_row(call, "jid", jid_full(jid), "forgotten", failures,
			    NULL);
		command_finish(call, "ok", NULL);
	}
	jid_free(&jid);
}
