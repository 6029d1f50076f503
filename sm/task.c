/* SPDX-License-Identifier: Apache-2.0
 *
 * The queue of stanzas for local addresses: in order, at the end of the turn,
 * and held back while their user is being loaded.
 */
#include "sm/route.h"

#include "sm/module.h"
#include "sm/roster_shared.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* Stanzas that wait for one user to be loaded. */
#define WAITING_MAX 10000

int stanza_kind(const struct stanza *stanza)
{
	const struct element *root = stanza->root;

	if (!str_equal(root->ns, NS_CLIENT))
		return -1;
	if (str_equal(root->name, "message"))
		return 0;
	if (str_equal(root->name, "presence"))
		return 1;
	return str_equal(root->name, "iq") ? 2 : -1;
}

static void task_free(struct task **task)
{
	struct task *old = *task;
	struct user *user = old->user;

	*task = NULL;
	stanza_free(&old->stanza);
	jid_free(&old->from);
	jid_free(&old->to);
	mem_free(old->origin);
	work_release(&old->work);
	mem_free(old);
	if (user != NULL)
		user_unpin(user);
}

/* -- running --------------------------------------------------------------- */

/* Somebody who wants to see our presence is told that there is none; what
 * else comes as presence is of no interest to a server. */
static void presence_to_server(struct sm *sm, struct task *task)
{
	const char *type = element_attr(task->stanza->root, "type");
	struct stanza *reply;

	if (!str_equal(type, "subscribe") && !str_equal(type, "probe"))
		return;
	reply = stanza_new("presence", NS_CLIENT);
	element_set_attr(reply->root, "type", "unsubscribed");
	element_set_attr(reply->root, "from", jid_full(task->to));
	element_set_attr(reply->root, "to", jid_bare(task->from));
	route_stanza(sm, reply, NULL, task->work);
}

static void task_to_server(struct sm *sm, struct task *task)
{
	switch (stanza_kind(task->stanza)) {
	case 0:
		route_error(sm, task->stanza, STANZA_SERVICE_UNAVAILABLE,
			    NULL);
		break;
	case 1:
		presence_to_server(sm, task);
		break;
	default:
		iq_to_server(task);
		break;
	}
}

/* True: a module took care of it. */
static bool is_stopped(struct task *task)
{
	struct sm *sm = task->sm;

	for (size_t i = 0; i < sm->module_count; i++) {
		if (sm->modules[i]->incoming != NULL &&
		    sm->modules[i]->incoming(task) == DONE)
			return true;
	}
	return false;
}

static void task_to_user(struct task *task)
{
	bool saw;

	/* While it waited, the user may have become another's. */
	if (task->waited && !user_is_ours(task->sm, task->user->jid)) {
		if (task->again)
			route_leftover(task->sm, task->stanza, task->origin,
				       task->work);
		else
			route_stanza(task->sm, task->stanza, task->origin,
				     task->work);
		task->stanza = NULL;
		return;
	}
	saw = task->origin != NULL && user_saw(task->user, task->origin);
	if (task->again) {
		message_redeliver(task);
		return;
	}
	if (saw) {
		task->sm->stats.repeats++;
		return;
	}
	if (is_stopped(task))
		return;
	switch (stanza_kind(task->stanza)) {
	case 0:
		message_to_user(task);
		break;
	case 1:
		presence_to_user(task);
		break;
	default:
		iq_to_user(task);
		break;
	}
}

static void task_run(struct sm *sm, struct task *task)
{
	if (task->refused && user_is_ours(sm, task->to))
		route_error(sm, task->stanza, STANZA_INTERNAL_SERVER_ERROR,
			    "the storage is unavailable");
	else if (task->domain->stale)
		route_error(sm, task->stanza, STANZA_REMOTE_SERVER_NOT_FOUND,
			    NULL);
	else if (task->user == NULL)
		task_to_server(sm, task);
	else
		task_to_user(task);
}

static struct task *task_take(struct task **first, struct task **last)
{
	struct task *task = *first;

	if (task == NULL)
		return NULL;
	*first = task->next;
	if (*first == NULL)
		*last = NULL;
	return task;
}

/* What a session has left is older than what has come since. */
static void tasks_run(struct deferred *deferred)
{
	struct sm *sm = container_of(deferred, struct sm, run_tasks);
	struct task *task;

	/* Something else may have asked for this turn before the user of a task
	 * was loaded: without his session he would be taken to be away. */
	users_run_waiters(sm);
	while ((task = task_take(&sm->leftovers, &sm->leftovers_last)) ||
	       (task = task_take(&sm->tasks, &sm->tasks_last))) {
		sm->task_count--;
		task_run(sm, task);
		task_free(&task);
	}
}

/* -- the queues ------------------------------------------------------------ */

static void task_append(struct task **first, struct task **last,
			struct task *task)
{
	task->next = NULL;
	if (*last != NULL)
		(*last)->next = task;
	else
		*first = task;
	*last = task;
}

static void task_queue(struct sm *sm, struct task *task)
{
	if (task->again)
		task_append(&sm->leftovers, &sm->leftovers_last, task);
	else
		task_append(&sm->tasks, &sm->tasks_last, task);
	loop_defer(sm->loop, &sm->run_tasks, tasks_run);
}

static void task_wait(struct user *user, struct task *task)
{
	user->waiting_count++;
	if (task->again)
		task_append(&user->left, &user->left_last, task);
	else
		task_append(&user->waiting, &user->waiting_last, task);
}

void tasks_resume(struct user *user)
{
	struct task *task;

	while ((task = task_take(&user->left, &user->left_last)) ||
	       (task = task_take(&user->waiting, &user->waiting_last))) {
		task->waited = true;
		task->refused = user->state == USER_FAILED;
		task_queue(user->sm, task);
	}
	user->waiting_count = 0;
}

void task_add(struct sm *sm, struct sm_domain *domain, struct stanza *stanza,
	      const struct jid *from, const struct jid *to,
	      const char *origin, struct work *work)
{
	struct user *user = NULL;
	struct task *task;

	if (jid_local(to) != NULL &&
	    roster_is_unheard(sm, domain, stanza, from, to)) {
		stanza_free(&stanza);
		return;
	}
	if (jid_local(to) != NULL)
		user = user_get(sm, domain, to);
	if (user != NULL && user->waiting_count >= WAITING_MAX) {
		route_error(sm, stanza, STANZA_RESOURCE_CONSTRAINT, NULL);
		stanza_free(&stanza);
		return;
	}
	task = mem_new(struct task);
	task->user = user;
	task->sm = sm;
	task->domain = domain;
	task->stanza = stanza;
	task->from = jid_copy(from);
	task->to = jid_copy(to);
	task->again = origin != NULL && *origin == '~';
	if (task->again)
		origin++;
	if (origin != NULL && *origin != '\0')
		task->origin = mem_strdup(origin);
	task->work = work_hold(work);
	sm->task_count++;
	if (user == NULL) {
		task_queue(sm, task);
		return;
	}
	user_pin(user);
	if (user->state == USER_LOADING || user->held)
		task_wait(user, task);
	else
		task_queue(sm, task);
}

static void task_list_free(struct task *tasks)
{
	while (tasks != NULL) {
		struct task *next = tasks->next;

		task_free(&tasks);
		tasks = next;
	}
}

void tasks_free(struct sm *sm)
{
	struct user *user, *next;

	loop_defer_cancel(sm->loop, &sm->run_tasks);
	task_list_free(sm->leftovers);
	task_list_free(sm->tasks);
	sm->leftovers = sm->leftovers_last = NULL;
	sm->tasks = sm->tasks_last = NULL;
	HASH_ITER(hh, sm->users, user, next) {
		struct task *waiting = user->waiting, *left = user->left;

		user->waiting = user->waiting_last = NULL;
		user->left = user->left_last = NULL;
		task_list_free(left);
		task_list_free(waiting);
	}
	sm->task_count = 0;
}
