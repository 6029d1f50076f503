/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages for users (RFC 6121 section 8.5): finds the resources, as the
 * table in sm/message_rules.c says, and hands what none can take to the
 * modules that keep messages.
 */
#include "sm/message_rules.h"

#include "sm/copies.h"
#include "sm/management.h"
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

/* A message on its way to a user's clients. */
struct delivery {
	struct user *user;
	struct stanza *stanza;
	const char *origin; /* may be NULL */
	struct work *work;  /* may be NULL */
	bool again;	    /* another session was to get it */
	unsigned count;	    /* sessions that were given it */
};

/* What went to several sessions, and not all of them got it. */
static bool has_it(const struct delivery *delivery,
		   const struct session *session)
{
	return delivery->again && delivery->origin != NULL &&
	       session->management != NULL &&
	       management_has(session->management, delivery->origin);
}

/* It is the session's, whatever way it gets there. */
static void note(struct delivery *delivery, struct session *session)
{
	session->delivery = session->sm->delivery;
	delivery->count++;
}

static void deliver_one(struct delivery *delivery, struct session *session)
{
	note(delivery, session);
	if (has_it(delivery, session))
		return;
	session_deliver(session, delivery->stanza, delivery->origin,
			delivery->work);
}

/* Those who have a connection come first. When one of them has it, a session
 * that is asleep need not have it stored. */
static void deliver(struct delivery *delivery, int least)
{
	struct session *session;
	bool any;

	DL_FOREACH(delivery->user->sessions, session) {
		if (!session->available || session->priority < least ||
		    !session_is_awake(session))
			continue;
		deliver_one(delivery, session);
	}
	any = delivery->count > 0;
	DL_FOREACH(delivery->user->sessions, session) {
		if (!session->available || session->priority < least ||
		    session_is_awake(session))
			continue;
		if (!any) {
			deliver_one(delivery, session);
			continue;
		}
		note(delivery, session);
		if (!has_it(delivery, session))
			management_keep(session, delivery->stanza,
					delivery->origin);
	}
}

/* Modules give it to others who are to have it too. */
static void deliver_further(struct delivery *delivery)
{
	struct user *user = delivery->user;
	struct sm *sm = user->sm;

	for (size_t i = 0; !delivery->again && i < sm->module_count; i++) {
		if (sm->modules[i]->message_delivered != NULL)
			delivery->count += sm->modules[i]->message_delivered(
				user, delivery->stanza, delivery->origin,
				delivery->work);
	}
	copies_note(user, delivery->origin, delivery->count);
}

static enum verdict keep(const struct delivery *delivery)
{
	struct user *user = delivery->user;
	struct sm *sm = user->sm;

	for (size_t i = 0; i < sm->module_count; i++) {
		const struct sm_module *module = sm->modules[i];

		if (module->message_offline != NULL &&
		    module->message_offline(user, delivery->stanza,
					    delivery->origin,
					    delivery->work) == DONE)
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

static void store(struct delivery *delivery)
{
	const struct stanza *stanza = delivery->stanza;

	if (!message_is_lasting(stanza->root))
		drop(delivery->user, stanza);
	else if (message_forbids_store(stanza) || keep(delivery) != DONE)
		refuse(delivery->user, stanza);
	else
		delivery->count++;
}

/* While older messages are still coming from the storage this one must not
 * overtake them: it goes behind them. True when it did. */
static bool queue_behind(struct delivery *delivery,
			 const struct session *session,
			 enum message_type type)
{
	const struct stanza *stanza = delivery->stanza;
	struct session *flooded = offline_flooded(delivery->user);

	if ((type != MESSAGE_CHAT && type != MESSAGE_NORMAL) ||
	    flooded == NULL || (session != NULL && flooded != session) ||
	    !message_is_lasting(stanza->root) || message_forbids_store(stanza) ||
	    keep(delivery) != DONE)
		return false;
	note(delivery, flooded);
	return true;
}

static void handle(struct delivery *delivery, enum message_place place,
		   struct session *session)
{
	struct user *user = delivery->user;
	enum message_type type = message_type_of(delivery->stanza);
	int best = best_priority(user);

	user->sm->delivery++;
	switch (message_fate(type, place, best >= 0)) {
	case FATE_RESOURCE:
		if (!queue_behind(delivery, session, type))
			deliver_one(delivery, session);
		break;
	case FATE_BEST:
		if (!queue_behind(delivery, NULL, type))
			deliver(delivery, best);
		break;
	case FATE_ALL:
		deliver(delivery, 0);
		break;
	case FATE_STORE:
		store(delivery);
		break;
	case FATE_REFUSE:
		refuse(user, delivery->stanza);
		return;
	case FATE_DROP:
		drop(user, delivery->stanza);
		return;
	}
	deliver_further(delivery);
}

void message_to_user(struct task *task)
{
	struct delivery delivery = { task->user, task->stanza, task->origin,
				     task->work, false, 0 };
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
	handle(&delivery, place, session);
}

void message_redeliver(struct task *task)
{
	struct delivery delivery = { task->user, task->stanza, task->origin,
				     task->work, true, 0 };

	if (copies_spare(task->user, task->origin))
		management_store_copies(task->user, task->origin, task->work);
	else
		handle(&delivery,
		       task->user->has_account ? PLACE_NO_RESOURCE
					       : PLACE_NO_ACCOUNT,
		       NULL);
}
