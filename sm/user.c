/* SPDX-License-Identifier: Apache-2.0
 *
 * Users in memory: loading, waiting for that, and leaving again. What a user
 * does is in other files.
 */
#include "sm/user.h"

#include <assert.h>
#include <string.h>

#include "sm/domain.h"
#include "sm/handover.h"
#include "sm/management.h"
#include "sm/module.h"
#include "sm/route.h"
#include "sm/session.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* Milliseconds for which it is remembered that somebody does not exist, or
 * could not be loaded. */
#define NOBODY_IDLE 5000

/* After the members of a domain changed: a moment for further changes. */
#define REBALANCE_DELAY 100

/* For the c2s to ask for the sessions of users who moved away. */
#define RELEASE_WAIT 5000

/* Origins that are remembered of a user, a power of two. */
#define SEEN_MOST 256

struct user_waiter {
	struct user *user; /* pinned */
	user_ready_cb *ready;
	void *ctx;
	struct user_waiter *next;
};

/* Loading: first the storage, then, when that knows nobody of the name, the
 * other places where accounts are. */
struct loading {
	struct user *user; /* pinned */
	size_t auth;	   /* the next driver to ask */
};

static void loading_ask_auth(struct loading *loading);

struct user *user_find(struct sm *sm, const char *bare)
{
	struct user *user;

	HASH_FIND_STR(sm->users, bare, user);
	return user;
}

struct contact *user_contact(const struct user *user, const char *bare)
{
	struct contact *contact;

	HASH_FIND_STR(user->roster, bare, contact);
	return contact;
}

/* Without a router, who served the domain before is believed to do so still:
 * envelopes come as soon as a router knows us, before we know all of what it
 * knows, and what is in memory elsewhere must not be loaded here as well. */
bool user_is_ours(const struct sm *sm, const struct jid *jid)
{
	size_t count = 0;

	if (sm->link == NULL ||
	    members_get(link_members(sm->link), jid_domain(jid), &count) ==
		    NULL)
		return true;
	return link_owns(sm->link, jid_bare(jid));
}

/* -- leaving memory -------------------------------------------------------- */

static void user_free(struct user *user)
{
	struct sm *sm = user->sm;

	for (size_t i = 0; i < sm->module_count; i++) {
		if (sm->modules[i]->user_unloaded != NULL)
			sm->modules[i]->user_unloaded(user);
	}
	roster_free(user);
	timer_stop(&user->idle);
	HASH_DEL(sm->users, user);
	sm->user_count--;
	for (size_t i = 0; i < sm->module_count; i++)
		mem_free(user->module_data[i]);
	mem_free(user->module_data);
	jid_free(&user->jid);
	mem_free(user->ended);
	mem_free(user->seen);
	mem_free(user->copies);
	mem_free(user);
}

static bool user_is_needed(const struct user *user)
{
	return user->pins > 0 || user->sessions != NULL ||
	       user->waiting_count > 0 || user->waiters != NULL ||
	       user->state == USER_LOADING;
}

static void user_idle(struct timer *timer)
{
	struct user *user = container_of(timer, struct user, idle);

	if (!user_is_needed(user))
		user_free(user);
}

void user_rest(struct user *user)
{
	uint64_t idle = (uint64_t)user->sm->options->user_idle;

	if (user_is_needed(user))
		return;
	if (!user->has_account || user->state != USER_READY)
		idle = NOBODY_IDLE;
	if (user->leaving || user->barred)
		idle = 0;
	timer_start(&user->idle, user->sm->loop, idle, user_idle);
}

void user_pin(struct user *user)
{
	user->pins++;
}

void user_unpin(struct user *user)
{
	assert(user->pins > 0);
	user->pins--;
	user_rest(user);
}

/* -- waiting --------------------------------------------------------------- */

void users_run_waiters(struct sm *sm)
{
	struct user_waiter *waiter;

	while ((waiter = sm->waiters) != NULL) {
		struct user *user = waiter->user;

		sm->waiters = waiter->next;
		if (sm->waiters == NULL)
			sm->waiters_last = NULL;
		/* Without a callback it was taken back. */
		if (waiter->ready != NULL)
			waiter->ready(user, waiter->ctx);
		mem_free(waiter);
		user_unpin(user);
	}
}

static void waiters_run(struct deferred *deferred)
{
	users_run_waiters(container_of(deferred, struct sm, run_waiters));
}

/* Hands the waiter over to the end of this turn. */
static void waiter_queue(struct sm *sm, struct user_waiter *waiter)
{
	waiter->next = NULL;
	if (sm->waiters_last != NULL)
		sm->waiters_last->next = waiter;
	else
		sm->waiters = waiter;
	sm->waiters_last = waiter;
	loop_defer(sm->loop, &sm->run_waiters, waiters_run);
}

static void user_load(struct user *user);

void user_need(struct user *user, user_ready_cb *ready, void *ctx)
{
	struct user_waiter *waiter = mem_new(struct user_waiter);

	waiter->user = user;
	waiter->ready = ready;
	waiter->ctx = ctx;
	user_pin(user);
	if (user->state == USER_FAILED)
		user_load(user);
	if (user->state == USER_LOADING)
		LL_APPEND(user->waiters, waiter);
	else
		waiter_queue(user->sm, waiter);
}

void user_need_cancel(struct user *user, void *ctx)
{
	struct user_waiter *waiter;

	LL_FOREACH(user->waiters, waiter) {
		if (waiter->ctx == ctx)
			waiter->ready = NULL;
	}
	LL_FOREACH(user->sm->waiters, waiter) {
		if (waiter->user == user && waiter->ctx == ctx)
			waiter->ready = NULL;
	}
}

/* -- loading --------------------------------------------------------------- */

static void user_loaded(struct user *user, enum user_state state)
{
	struct sm *sm = user->sm;
	struct user_waiter *waiter;

	user->state = state;
	if (state == USER_READY) {
		for (size_t i = 0; i < sm->module_count; i++) {
			if (sm->modules[i]->user_loaded != NULL)
				sm->modules[i]->user_loaded(user);
		}
	}
	while ((waiter = user->waiters) != NULL) {
		user->waiters = waiter->next;
		waiter_queue(sm, waiter);
	}
	if (!user->held)
		tasks_resume(user);
}

void user_fetch(struct user *user)
{
	if (!user->unfetched)
		return;
	user->unfetched = false;
	user_load(user);
}

void user_reload(struct user *user)
{
	if (user->state == USER_READY && !user->has_account)
		user_load(user);
}

void user_settle(struct user *user)
{
	if (!user->held)
		return;
	user->held = false;
	user_fetch(user);
	if (user->state != USER_LOADING)
		tasks_resume(user);
}

bool user_saw(struct user *user, const char *origin)
{
	uint64_t hash = management_hash(origin);

	for (size_t i = 0; i < user->seen_room; i++) {
		if (user->seen[i] == hash)
			return true;
	}
	/* As large as is needed, for most people never more than this. */
	if (user->seen_at == user->seen_room && user->seen_room < SEEN_MOST) {
		size_t room = user->seen_room == 0 ? 8 : user->seen_room * 2;

		user->seen = mem_realloc(user->seen, room, sizeof(*user->seen));
		memset(user->seen + user->seen_room, 0,
		       (room - user->seen_room) * sizeof(*user->seen));
		user->seen_room = room;
	}
	user->seen_at %= user->seen_room;
	user->seen[user->seen_at++] = hash;
	return false;
}

static void loading_done(struct loading *loading, enum user_state state)
{
	struct user *user = loading->user;

	mem_free(loading);
	user_loaded(user, state);
	user_unpin(user);
}

static void loading_auth_done(const struct auth_result *result, void *ctx)
{
	struct loading *loading = ctx;

	if (result->status == STORAGE_NOT_FOUND) {
		loading_ask_auth(loading);
		return;
	}
	loading->user->has_account = result->status == STORAGE_OK;
	loading_done(loading, result->status == STORAGE_OK ? USER_READY :
							     USER_FAILED);
}

static void loading_ask_auth(struct loading *loading)
{
	struct user *user = loading->user;
	struct sm_domain *domain = user->domain;

	while (loading->auth < domain->auth_count &&
	       str_equal(domain->auth_names[loading->auth], "storage"))
		loading->auth++;
	if (loading->auth < domain->auth_count)
		auth_lookup(domain->auth[loading->auth++],
			    jid_full(user->jid), loading_auth_done, loading);
	else
		loading_done(loading, USER_READY);
}

/* `result` NULL: there are none any more. */
static void read_documents(struct user *user,
			   const struct storage_result *result)
{
	struct sm *sm = user->sm;

	for (size_t i = 0; i < sm->module_count; i++) {
		const struct sm_module *module = sm->modules[i];
		const struct storage_document *found = NULL;

		if (module->document == NULL)
			continue;
		for (size_t k = 0; result && k < result->document_count; k++) {
			if (str_equal(result->documents[k].key,
				      module->document))
				found = &result->documents[k];
		}
		module->document_loaded(user, found != NULL ? found->data : "",
					found != NULL ? found->len : 0);
	}
}

static void loading_storage_done(const struct storage_result *result,
				 void *ctx)
{
	struct loading *loading = ctx;
	struct user *user = loading->user;

	if (result->status != STORAGE_OK) {
		log_warning(user->sm->log, "user.unavailable",
			    LOG_S("jid", jid_full(user->jid)),
			    LOG_S("status",
				  storage_status_text(result->status)),
			    LOG_S("reason", *result->reason != '\0' ?
						    result->reason : NULL));
		loading_done(loading, USER_FAILED);
		return;
	}
	user->has_account = result->has_account;
	user->roster_version = result->roster_version;
	user->offline_count = result->offline_count;
	roster_free(user);
	roster_load(user, result);
	read_documents(user, result);
	if (user->has_account)
		loading_done(loading, USER_READY);
	else
		loading_ask_auth(loading);
}

static void user_load(struct user *user)
{
	struct loading *loading = mem_new(struct loading);

	loading->user = user;
	user_pin(user);
	user->state = USER_LOADING;
	storage_load(user->domain->storage, jid_full(user->jid),
		     loading_storage_done, loading);
}

struct user *user_get(struct sm *sm, struct sm_domain *domain,
		      const struct jid *jid)
{
	struct user *user = user_find(sm, jid_bare(jid));

	if (user != NULL) {
		if (user->state == USER_FAILED)
			user_load(user);
		return user;
	}
	user = mem_new(struct user);
	user->sm = sm;
	user->domain = domain;
	user->jid = jid_with_resource(jid, NULL);
	user->module_data =
		mem_calloc(sm->module_count, sizeof(*user->module_data));
	for (size_t i = 0; i < sm->module_count; i++) {
		if (sm->modules[i]->user_size > 0)
			user->module_data[i] =
				mem_alloc(sm->modules[i]->user_size);
	}
	HASH_ADD_KEYPTR(hh, sm->users, jid_full(user->jid),
			strlen(jid_full(user->jid)), user);
	sm->user_count++;
	if (handover_is_open(sm, domain)) {
		user->held = user->unfetched = true;
		user->state = USER_LOADING;
	} else {
		user_load(user);
	}
	return user;
}

/* -- the end of an account, or of being ours ------------------------------- */

void user_created(struct sm *sm, const char *bare)
{
	struct user *user = user_find(sm, bare);

	if (user != NULL && user->state == USER_READY)
		user->has_account = true;
}

void user_removed(struct user *user)
{
	struct session *session, *next;

	user_pin(user);
	DL_FOREACH_SAFE(user->sessions, session, next)
		session_kick(session, STREAM_NOT_AUTHORIZED,
			     "this account was removed");
	presence_account_removed(user);
	user->has_account = false;
	user->offline_count = 0;
	roster_free(user);
	read_documents(user, NULL);
	user_unpin(user);
}

/* A user who is not ours any more goes with his sessions. Those that have a
 * connection are asked for by their c2s; if one does not, it is sent away. */
static bool user_leave(struct user *user, bool wait)
{
	struct session *session, *next;
	bool awake = false;

	/* What is in memory here will not be true any longer. */
	user->leaving = true;
	/* They go on from here. */
	if (user->waiting_count > 0)
		tasks_resume(user);
	DL_FOREACH_SAFE(user->sessions, session, next) {
		if (!session_is_awake(session))
			continue;
		awake = true;
		if (!wait)
			session_release(session);
	}
	if (!awake || !wait)
		handover_leave(user);
	user_rest(user);
	return awake && wait;
}

static void rebalance(struct timer *timer)
{
	struct sm *sm = container_of(timer, struct sm, rebalance);
	bool wait = loop_now(sm->loop) < sm->rebalance_until;
	struct user *user, *next;
	bool left = false;

	HASH_ITER(hh, sm->users, user, next) {
		if (user->domain->stale || user_is_ours(sm, user->jid))
			user->leaving = false;
		else
			left |= user_leave(user, wait);
	}
	if (left)
		timer_start(timer, sm->loop, RELEASE_WAIT, rebalance);
}

void users_rebalance(struct sm *sm)
{
	sm->rebalance_until = loop_now(sm->loop) + RELEASE_WAIT;
	timer_start(&sm->rebalance, sm->loop, REBALANCE_DELAY, rebalance);
}

void users_free(struct sm *sm)
{
	struct session *session, *next_session;
	struct user *user, *next;
	struct user_waiter *waiter;

	loop_defer_cancel(sm->loop, &sm->run_waiters);
	timer_stop(&sm->rebalance);
	openings_cancel(sm, NULL, NULL);
	while ((waiter = sm->waiters) != NULL) {
		sm->waiters = waiter->next;
		mem_free(waiter);
	}
	HASH_ITER(hh, sm->sessions, session, next_session)
		session_forget(session);
	HASH_ITER(hh, sm->users, user, next) {
		while ((waiter = user->waiters) != NULL) {
			user->waiters = waiter->next;
			mem_free(waiter);
		}
		user_free(user);
	}
}
