/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages for later (XEP-0160): kept in the storage when no resource can
 * take them, sent with the time they came (XEP-0203) to the first that can, in
 * order. A message is acknowledged to its sender's side when it is durable.
 *
 * While stored messages are being sent ("the flood"), newer ones are stored
 * behind them (sm/message.c asks), so the flood ends when none is left.
 */
#include "sm/offline.h"

#include "sm/modules.h"
#include "sm/stamp.h"
#include "util/base/mem.h"

#define BATCH	  50
#define CONGESTED 100	/* ms until the next look at a slow client's c2s */
#define RETRY	  10000 /* ms until the next try when the storage is down */

struct flood {
	struct session *session; /* NULL: there is none now */
	struct user *user;
	uint64_t after; /* the newest message that was sent */
	bool running;	/* between its start and its end */
	bool listing;	/* the storage was asked */
	bool added;	/* a message was stored since it was asked */
	struct timer timer;
};

static struct flood *flood_of(const struct user *user)
{
	return module_user_data(user, &sm_module_offline);
}

bool offline_is_flooding(const struct user *user, const struct session *session)
{
	const struct flood *flood = flood_of(user);

	return flood->running && flood->session != NULL &&
	       (session == NULL || flood->session == session);
}

/* -- keeping ------------------------------------------------------------- */

struct keeping {
	struct user *user;
	char *xml; /* for the error, if it cannot be kept */
	size_t len;
	struct work *work;
};

/* The sender hears that the message was not kept. */
static void keeping_failed(struct keeping *keeping, const char *reason)
{
	struct user *user = keeping->user;
	struct sm *sm = user->sm;
	struct stanza *stanza = stanza_parse(sm->parser, &stream_ns_client,
					     keeping->xml, keeping->len, NULL);

	user->offline_count -= user->offline_count > 0;
	log_warning(sm->log, "offline.unavailable",
		    LOG_S("user", jid_bare(user->jid)),
		    LOG_S("reason", reason));
	if (stanza != NULL)
		route_error(sm, stanza, STANZA_INTERNAL_SERVER_ERROR, NULL);
	stanza_free(&stanza);
}

static void kept(const struct storage_result *result, void *ctx)
{
	struct keeping *keeping = ctx;
	struct user *user = keeping->user;

	if (result->status == STORAGE_OK)
		user->sm->stats.offline_stored++;
	else
		keeping_failed(keeping, result->reason);
	work_release(&keeping->work);
	mem_free(keeping->xml);
	mem_free(keeping);
	user_unpin(user);
}

static enum verdict keep(struct user *user, struct stanza *stanza,
			 struct work *work)
{
	struct sm *sm = user->sm;
	struct keeping *keeping;
	struct buf xml = { 0 };

	if (user->offline_count >= (size_t)sm->options->offline_max) {
		sm->stats.offline_refused++;
		log_notice(sm->log, "offline.full",
			   LOG_S("user", jid_bare(user->jid)));
		return PASS;
	}
	stanza_write(stanza, &xml);
	keeping = mem_new(struct keeping);
	keeping->user = user;
	keeping->len = xml.len;
	keeping->xml = buf_take(&xml);
	keeping->work = work_hold(work);
	user_pin(user);
	user->offline_count++;
	flood_of(user)->added = true;
	storage_offline_add(user->domain->storage, jid_bare(user->jid),
			    loop_time_us(sm->loop), 0, keeping->xml,
			    keeping->len, kept, keeping);
	return DONE;
}

/* -- sending ------------------------------------------------------------- */

static void flood_list(struct flood *flood);

static struct session *ready_session(const struct user *user,
				     const struct session *not_this)
{
	struct session *session, *best = NULL;

	DL_FOREACH(user->sessions, session) {
		if (session != not_this && session->available &&
		    session->priority >= 0 &&
		    (best == NULL || session->priority > best->priority))
			best = session;
	}
	return best;
}

static void flood_timer(struct timer *timer)
{
	struct flood *flood = container_of(timer, struct flood, timer);

	if (flood->session == NULL)
		flood->running = false;
	else
		flood_list(flood);
}

static void flood_wait(struct flood *flood, uint64_t ms)
{
	timer_start(&flood->timer, flood->user->sm->loop, ms, flood_timer);
}

static void removed(const struct storage_result *result, void *ctx)
{
	struct user *user = ctx;

	/* They stay, and will be sent once more. */
	if (result->status != STORAGE_OK)
		log_warning(user->sm->log, "offline.not-removed",
			    LOG_S("user", jid_bare(user->jid)),
			    LOG_S("reason", result->reason));
	user_unpin(user);
}

static void send_one(struct flood *flood, const struct offline_message *message)
{
	struct user *user = flood->user;
	struct sm *sm = user->sm;
	struct stanza *stanza;

	if (message->expires != 0 &&
	    message->expires <= loop_time_us(sm->loop)) {
		log_info(sm->log, "offline.expired",
			 LOG_S("user", jid_bare(user->jid)));
		return;
	}
	stanza = stanza_parse(sm->parser, &stream_ns_client, message->stanza,
			      message->len, NULL);
	if (stanza == NULL) {
		log_error(sm->log, "offline.corrupt",
			  LOG_S("user", jid_bare(user->jid)),
			  LOG_N("id", message->id));
		return;
	}
	stamp_delay(stanza, user->domain->name, message->stamp);
	session_send(flood->session, stanza);
	sm->stats.offline_delivered++;
	stanza_free(&stanza);
}

/* The storage forgets them after the link to the c2s has them. */
static void send_batch(struct flood *flood, const struct storage_result *result)
{
	struct user *user = flood->user;

	for (size_t i = 0; i < result->count; i++) {
		send_one(flood, &result->messages[i]);
		flood->after = result->messages[i].id;
	}
	user->offline_count -= user->offline_count < result->count
				       ? user->offline_count
				       : result->count;
	user_pin(user);
	storage_offline_remove(user->domain->storage, jid_bare(user->jid),
			       flood->after, removed, user);
}

static void listed(const struct storage_result *result, void *ctx)
{
	struct flood *flood = ctx;
	struct user *user = flood->user;

	flood->listing = false;
	if (flood->session == NULL) {
		flood->running = false;
	} else if (result->status == STORAGE_CANCELLED) {
		flood->running = false;
	} else if (result->status != STORAGE_OK) {
		/* Newer messages need not wait for a storage that is down. */
		log_warning(user->sm->log, "offline.unavailable",
			    LOG_S("user", jid_bare(user->jid)),
			    LOG_S("reason", result->reason));
		flood->running = false;
		flood_wait(flood, RETRY);
	} else {
		if (result->count > 0)
			send_batch(flood, result);
		if (result->count == BATCH || flood->added) {
			flood_list(flood);
		} else {
			flood->running = false;
			flood->session = NULL;
			user->offline_count = 0;
		}
	}
	user_unpin(user);
}

static void flood_list(struct flood *flood)
{
	struct user *user = flood->user;
	struct sm *sm = user->sm;

	flood->running = true;
	if (link_congested(sm->link, flood->session->c2s)) {
		flood_wait(flood, CONGESTED);
		return;
	}
	flood->listing = true;
	flood->added = false;
	user_pin(user);
	storage_offline_list(user->domain->storage, jid_bare(user->jid),
			     flood->after, BATCH, listed, flood);
}

static void session_ready(struct session *session)
{
	struct user *user = session->user;
	struct flood *flood = flood_of(user);

	flood->user = user;
	if (flood->running && flood->session == NULL)
		flood->session = session;
	if (flood->running || user->offline_count == 0)
		return;
	timer_stop(&flood->timer);
	flood->session = session;
	flood_list(flood);
}

/* What was not sent goes to another resource, or stays. */
static void session_closed(struct session *session)
{
	struct flood *flood = flood_of(session->user);

	if (flood->session == session)
		flood->session = ready_session(session->user, session);
}

static void user_unloaded(struct user *user)
{
	timer_stop(&flood_of(user)->timer);
}

static const char *const offline_features[] = { "msgoffline", NULL };

const struct sm_module sm_module_offline = {
	.name = "offline",
	.features = offline_features,
	.user_size = sizeof(struct flood),
	.session_ready = session_ready,
	.session_closed = session_closed,
	.message_offline = keep,
	.user_unloaded = user_unloaded,
};
