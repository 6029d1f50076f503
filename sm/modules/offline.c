/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages for later (XEP-0160): kept in the storage when no resource can
 * take them, sent with the time they came (XEP-0203) to the first that can, in
 * order. A message is acknowledged to its sender's side when it is durable, and
 * forgotten when a client's c2s has it.
 *
 * While stored messages are being sent ("the flood"), newer ones are stored
 * behind them (sm/message.c asks), so the flood ends when none is left.
 */
#include "sm/offline.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sm/blocklist.h"
#include "sm/management.h"
#include "sm/modules.h"
#include "sm/stamp.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define BATCH	  50
#define CONGESTED 100	/* ms until the next look at a slow client's c2s */
#define RETRY	  10000 /* ms until the next try when the storage is down */
#define UNACKED	  200	/* stanzas that a client is given at once */
#define RECENT	  64
#define NUMBER_MAX 24

/* What we need to know of a message beside it; never leaves the server. */
#define NS_HELD "urn:chappe:held:0"

struct flood {
	struct session *session; /* NULL: there is none now */
	struct user *user;
	uint64_t after; /* the newest message that was sent */
	bool running;	/* between its start and its end */
	bool listing;	/* the storage was asked */
	bool added;	/* a message was stored since it was asked */
	/* Origins of the last that this session was sent: what was stored
	 * twice, because a process died before it could say so, is sent
	 * once. */
	uint64_t recent[RECENT];
	unsigned recent_at;
	struct timer timer;
};

static struct flood *flood_of(const struct user *user)
{
	return module_user_data(user, &sm_module_offline);
}

struct session *offline_flooded(const struct user *user)
{
	const struct flood *flood = flood_of(user);

	return flood->running ? flood->session : NULL;
}

/* -- keeping ------------------------------------------------------------- */

struct keeping {
	struct user *user;
	char *xml; /* for the error, if it cannot be kept */
	size_t len;
	struct work *work;
	bool asleep; /* a session has it as well */
};

static void held_remove(struct stanza *stanza)
{
	struct element *held = element_child(stanza->root, "held", NS_HELD);

	if (held != NULL)
		element_remove(held);
}

static void held_add(struct stanza *stanza, const struct offline_held *held)
{
	struct element *element;
	char number[NUMBER_MAX];

	/* Nobody but us says such things. */
	held_remove(stanza);
	if (held->id == NULL && held->origin == NULL)
		return;
	element = element_add(stanza->root, "held", NS_HELD);
	element_set_attr(element, "origin", held->origin);
	if (held->id == NULL)
		return;
	snprintf(number, sizeof(number), "%" PRIu64, held->number);
	element_set_attr(element, "id", held->id);
	element_set_attr(element, "n", number);
}

/* The session for which it was kept still has it, and is told that it has it
 * alone; false: the session has ended meanwhile. */
static bool give_back(const struct user *user, const struct stanza *stanza)
{
	const struct element *held =
		element_child(stanza->root, "held", NS_HELD);
	const char *id = held != NULL ? element_attr(held, "id") : NULL;
	const char *text = held != NULL ? element_attr(held, "n") : NULL;
	struct session *session;
	uint64_t number;

	if (id == NULL || text == NULL ||
	    str_to_u64(text, 1, UINT64_MAX, &number) != 0)
		return false;
	DL_FOREACH(user->sessions, session) {
		struct unacked *unacked;

		if (session->management == NULL ||
		    !str_equal(session->management->id, id))
			continue;
		LL_FOREACH(session->management->queue, unacked) {
			if (unacked->number == number)
				unacked->stored = false;
		}
		return true;
	}
	return false;
}

/* The sender hears that the message was not kept, unless a session has it. */
static void keeping_failed(struct keeping *keeping, const char *reason)
{
	struct user *user = keeping->user;
	struct sm *sm = user->sm;
	struct stanza *stanza = stanza_parse(sm->parser, &stream_ns_client,
					     keeping->xml, keeping->len, NULL);
	bool asleep = stanza != NULL && keeping->asleep &&
		      give_back(user, stanza);

	user->offline_count -= user->offline_count > 0;
	if (stanza != NULL)
		held_remove(stanza);
	log_warning(sm->log, "offline.unavailable",
		    LOG_S("user", jid_bare(user->jid)),
		    LOG_S("reason", reason));
	if (stanza != NULL && !asleep)
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

static bool hold(struct user *user, struct stanza *stanza,
		 const struct offline_held *held, struct work *work)
{
	struct sm *sm = user->sm;
	struct keeping *keeping;
	struct buf xml = { 0 };

	if (user->offline_count >= (size_t)sm->options->offline_max) {
		sm->stats.offline_refused++;
		log_notice(sm->log, "offline.full",
			   LOG_S("user", jid_bare(user->jid)));
		return false;
	}
	held_add(stanza, held);
	stanza_write(stanza, &xml);
	held_remove(stanza);
	keeping = mem_new(struct keeping);
	keeping->user = user;
	keeping->len = xml.len;
	keeping->xml = buf_take(&xml);
	keeping->work = work_hold(work);
	keeping->asleep = held->id != NULL;
	user_pin(user);
	user->offline_count++;
	flood_of(user)->added = true;
	storage_offline_add(user->domain->storage, jid_bare(user->jid),
			    held->stamp, 0, keeping->xml, keeping->len, kept,
			    keeping);
	return true;
}

static enum verdict keep(struct user *user, struct stanza *stanza,
			 const char *origin, struct work *work)
{
	struct offline_held held = {
		.origin = origin,
		.stamp = loop_time_us(user->sm->loop),
	};

	return hold(user, stanza, &held, work) ? DONE : PASS;
}

bool offline_hold(struct user *user, struct stanza *stanza,
		  const struct offline_held *held, struct work *work)
{
	return hold(user, stanza, held, work);
}

/* -- sending ------------------------------------------------------------- */

static void flood_list(struct flood *flood);

static struct session *ready_session(const struct user *user,
				     const struct session *not_this)
{
	struct session *session, *best = NULL;

	DL_FOREACH(user->sessions, session) {
		if (session != not_this && session->available &&
		    session_is_awake(session) &&
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

/* The session that it was stored for is awake: it has had it from memory, or
 * has it on the way, and the work is held until it is there. */
static bool is_taken(const struct user *user, const struct element *held,
		     struct work *work)
{
	const char *id = element_attr(held, "id");
	const char *number = element_attr(held, "n");
	struct session *session =
		id != NULL ? management_find(user, id) : NULL;
	uint64_t n;

	if (session == NULL || !session_is_awake(session))
		return false;
	if (number != NULL && str_to_u64(number, 0, UINT64_MAX, &n) == 0)
		management_guard(session->management, n, work);
	return true;
}

static bool is_new(struct flood *flood, const struct element *held,
		   struct work *work)
{
	const char *origin =
		held != NULL ? element_attr(held, "origin") : NULL;
	const struct management *m = flood->session->management;
	uint64_t hash;

	if (held != NULL && is_taken(flood->user, held, work))
		return false;
	if (origin == NULL)
		return true;
	if (m != NULL && management_has(m, origin))
		return false;
	hash = management_hash(origin);
	for (size_t i = 0; i < RECENT; i++) {
		if (flood->recent[i] == hash)
			return false;
	}
	flood->recent[flood->recent_at++ % RECENT] = hash;
	return true;
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

/* A stored message as it is read. */
struct stored {
	struct stanza *stanza;	      /* NULL: it is not to be sent */
	const struct element *held;   /* in it; may be NULL */
	const char *origin;	      /* in it; may be NULL */
	int64_t stamp;
};

static struct stored stored_read(struct user *user,
				 const struct offline_message *message)
{
	struct sm *sm = user->sm;
	struct stored stored = { .stamp = message->stamp };

	if (message->expires != 0 &&
	    message->expires <= loop_time_us(sm->loop)) {
		log_info(sm->log, "offline.expired",
			 LOG_S("user", jid_bare(user->jid)));
		return stored;
	}
	stored.stanza = stanza_parse(sm->parser, &stream_ns_client,
				     message->stanza, message->len, NULL);
	if (stored.stanza == NULL) {
		log_error(sm->log, "offline.corrupt",
			  LOG_S("user", jid_bare(user->jid)),
			  LOG_N("id", message->id));
		return stored;
	}
	stored.held = element_child(stored.stanza->root, "held", NS_HELD);
	if (stored.held != NULL)
		stored.origin = element_attr(stored.held, "origin");
	return stored;
}

/* Both are of the same client, and `a` was sent after `b`. */
static bool is_after(const struct stored *a, const struct stored *b)
{
	const char *slash_a = a->origin != NULL ? strrchr(a->origin, '/') : NULL;
	const char *slash_b = b->origin != NULL ? strrchr(b->origin, '/') : NULL;
	uint64_t number_a, number_b;

	return slash_a != NULL && slash_b != NULL &&
	       slash_a - a->origin == slash_b - b->origin &&
	       memcmp(a->origin, b->origin,
		      (size_t)(slash_a - a->origin)) == 0 &&
	       str_to_u64(slash_a + 1, 0, UINT64_MAX, &number_a) == 0 &&
	       str_to_u64(slash_b + 1, 0, UINT64_MAX, &number_b) == 0 &&
	       number_a > number_b;
}

/* What came back from a client that was gone was stored after what came in the
 * meantime. */
static void stored_sort(struct stored *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t j = i + 1; j < count; j++) {
			struct stored later = list[i];

			if (!is_after(&list[i], &list[j]))
				continue;
			list[i] = list[j];
			list[j] = later;
		}
	}
}

static void send_one(struct flood *flood, const struct stored *stored,
		     struct work *work)
{
	struct user *user = flood->user;
	struct sm *sm = user->sm;
	struct stanza *stanza = stored->stanza;

	/* Its sender may have been blocked since (XEP-0191). */
	if (blocklist_has_text(user, element_attr(stanza->root, "from"))) {
		log_debug(sm->log, "offline.blocked",
			  LOG_S("user", jid_bare(user->jid)));
	} else if (is_new(flood, stored->held, work)) {
		held_remove(stanza);
		stamp_delay(stanza, user->domain->name, stored->stamp);
		session_deliver(flood->session, stanza, stored->origin, work);
		sm->stats.offline_delivered++;
	}
}

/* A part of the flood that is in the hands of a c2s, and can be forgotten. */
struct batch {
	struct user *user; /* pinned */
	uint64_t upto;
};

static void batch_done(void *ctx)
{
	struct batch *batch = ctx;
	struct user *user = batch->user;

	storage_offline_remove(user->domain->storage, jid_bare(user->jid),
			       batch->upto, removed, user);
}

static void send_batch(struct flood *flood, const struct storage_result *result)
{
	struct user *user = flood->user;
	struct batch *batch = mem_new(struct batch);
	struct work *work = work_new_call(user->sm, batch_done, batch);
	struct stored *stored = mem_calloc(result->count, sizeof(*stored));

	batch->user = user;
	user_pin(user);
	for (size_t i = 0; i < result->count; i++) {
		stored[i] = stored_read(user, &result->messages[i]);
		flood->after = result->messages[i].id;
	}
	stored_sort(stored, result->count);
	for (size_t i = 0; i < result->count; i++) {
		if (stored[i].stanza != NULL)
			send_one(flood, &stored[i], work);
		stanza_free(&stored[i].stanza);
	}
	mem_free(stored);
	batch->upto = flood->after;
	user->offline_count -= user->offline_count < result->count
				       ? user->offline_count
				       : result->count;
	work_release(&work);
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

/* Neither its c2s nor its client has to take all at once. */
static bool is_full(const struct session *session)
{
	return link_congested(session->sm->link, session->c2s) ||
	       (session->management != NULL &&
		session->management->count >= UNACKED);
}

static void flood_list(struct flood *flood)
{
	struct user *user = flood->user;

	flood->running = true;
	if (is_full(flood->session)) {
		flood_wait(flood, CONGESTED);
		return;
	}
	flood->listing = true;
	flood->added = false;
	user_pin(user);
	storage_offline_list(user->domain->storage, jid_bare(user->jid),
			     flood->after, BATCH, listed, flood);
}

static void flood_aim(struct flood *flood, struct session *session)
{
	flood->session = session;
	memset(flood->recent, 0, sizeof(flood->recent));
}

static void flood_to(struct session *session)
{
	struct user *user = session->user;
	struct flood *flood = flood_of(user);

	flood->user = user;
	if (flood->running && flood->session == NULL)
		flood_aim(flood, session);
	if (flood->running || user->offline_count == 0)
		return;
	timer_stop(&flood->timer);
	flood_aim(flood, session);
	flood_list(flood);
}

static void session_ready(struct session *session)
{
	if (session_is_awake(session))
		flood_to(session);
}

void offline_collect(struct session *session)
{
	flood_to(session);
}

void offline_offer(struct user *user)
{
	struct session *session = ready_session(user, NULL);

	if (session != NULL)
		flood_to(session);
}

/* What was not sent goes to another resource, or stays. */
static void session_closed(struct session *session)
{
	struct flood *flood = flood_of(session->user);

	if (flood->session == session)
		flood_aim(flood, ready_session(session->user, session));
}

void offline_asleep(struct session *session)
{
	session_closed(session);
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
