/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages for users (RFC 6121 section 8.5): finds the resources, as the
 * table in sm/message_rules.c says, and hands what none can take to the
 * modules that keep messages.
 */
#include "sm/message_rules.h"

#include "sm/module.h"
#include "sm/offline.h"

/* The highest priority of an available resource; -1 or less: none takes
 * messages. */
static int best_priority(const struct user *user)
{
	struct session *session;
	int best = -1;

	DL_FOREACH(user->sessions, session) {
		if (session->available && session->priority > best)
			best = session->priority;
	}
	return best;
}

static void deliver(struct user *user, const struct stanza *stanza, int least)
{
	struct session *session;

	DL_FOREACH(user->sessions, session) {
		if (session->available && session->priority >= least)
			session_send(session, stanza);
	}
}

static enum verdict keep(struct user *user, struct stanza *stanza,
			 struct work *work)
{
	struct sm *sm = user->sm;

	for (size_t i = 0; i < sm->module_count; i++) {
		const struct sm_module *module = sm->modules[i];

		if (module->message_offline != NULL &&
		    module->message_offline(user, stanza, work) == DONE)
			return DONE;
	}
	return PASS;
}

static void refuse(struct user *user, const struct stanza *stanza)
{
	route_error(user->sm, stanza, STANZA_SERVICE_UNAVAILABLE, NULL);
}

static void drop(struct user *user, const struct stanza *stanza)
{
	log_debug(user->sm->log, "message.dropped",
		  LOG_S("from", element_attr(stanza->root, "from")),
		  LOG_S("to", element_attr(stanza->root, "to")),
		  LOG_S("type", element_attr(stanza->root, "type")));
}

static void store(struct user *user, struct stanza *stanza, struct work *work)
{
	if (!message_is_lasting(stanza))
		drop(user, stanza);
	else if (message_forbids_store(stanza) ||
		 keep(user, stanza, work) != DONE)
		refuse(user, stanza);
}

/* While older messages are still coming from the storage this one must not
 * overtake them: it goes behind them. True when it did. */
static bool queue_behind(struct user *user, const struct session *session,
			 enum message_type type, struct stanza *stanza,
			 struct work *work)
{
	return (type == MESSAGE_CHAT || type == MESSAGE_NORMAL) &&
	       offline_is_flooding(user, session) &&
	       message_is_lasting(stanza) && !message_forbids_store(stanza) &&
	       keep(user, stanza, work) == DONE;
}

static void handle(struct user *user, struct stanza *stanza,
		   enum message_place place, struct session *session,
		   struct work *work)
{
	enum message_type type = message_type_of(stanza);
	int best = best_priority(user);

	switch (message_fate(type, place, best >= 0)) {
	case FATE_RESOURCE:
		if (!queue_behind(user, session, type, stanza, work))
			session_send(session, stanza);
		break;
	case FATE_BEST:
		if (!queue_behind(user, NULL, type, stanza, work))
			deliver(user, stanza, best);
		break;
	case FATE_ALL:
		deliver(user, stanza, 0);
		break;
	case FATE_STORE:
		store(user, stanza, work);
		break;
	case FATE_REFUSE:
		refuse(user, stanza);
		break;
	case FATE_DROP:
		drop(user, stanza);
		break;
	}
}

void message_to_user(struct task *task)
{
	struct user *user = task->user;
	struct session *session = NULL;
	enum message_place place = PLACE_BARE;

	if (jid_is_full(task->to)) {
		session = session_by_resource(user, jid_resource(task->to));
		place = session != NULL ? PLACE_RESOURCE : PLACE_NO_RESOURCE;
	}
	/* A session outlives its account for a moment. */
	if (!user->has_account && place != PLACE_RESOURCE)
		place = PLACE_NO_ACCOUNT;
	handle(user, task->stanza, place, session, task->work);
}

void message_redeliver(struct user *user, struct stanza *stanza,
		       struct work *work)
{
	handle(user, stanza,
	       user->has_account ? PLACE_NO_RESOURCE : PLACE_NO_ACCOUNT, NULL,
	       work);
	stanza_free(&stanza);
}
