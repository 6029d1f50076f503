/* SPDX-License-Identifier: Apache-2.0
 *
 * What happens around a subscription stanza: the table of sm/subscription.c
 * is asked, the roster changed, the stanza passed on, presence sent to whom
 * may see it now. Stanzas go on at once, so that nothing overtakes them; the
 * roster push waits until the change is durable.
 */
#include "sm/subscribe.h"

#include <string.h>

#include "sm/presence.h"
#include "sm/roster.h"
#include "sm/roster_shared.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* Bytes of a request that are kept with what it says; of a longer one it is
 * kept that it came. */
#define REQUEST_MAX 8192

/* Requests from people who are not in the roster: so many times roster_max. */
#define REQUESTS_FACTOR 2

/* What is needed when the storage refuses. */
struct change {
	struct sm *sm;
	struct stanza *original;
};

static void change_done(struct user *user, bool ok, void *ctx)
{
	struct change *change = ctx;

	(void)user;
	if (!ok)
		route_error(change->sm, change->original,
			    STANZA_INTERNAL_SERVER_ERROR, NULL);
	stanza_free(&change->original);
	mem_free(change);
}

/* Writes the item; one that holds nothing any more is removed. */
static void store(struct user *user, const struct roster_item *item, bool push,
		  const struct stanza *original, struct work *work)
{
	struct change *change = mem_new(struct change);

	change->sm = user->sm;
	change->original = stanza_copy(original);
	if (item->listed || item->request != NULL)
		roster_put(user, item, push, work, change_done, change);
	else
		roster_remove(user, item->jid, false, work, change_done,
			      change);
}

/* A copy of the contact's item, or a new one that is not listed. */
static void item_of(const struct user *user, const char *jid,
		    struct roster_item *item)
{
	const struct contact *contact = user_contact(user, jid);

	*item = (struct roster_item){ 0 };
	if (contact != NULL)
		roster_item_copy(item, &contact->item);
	else
		item->jid = mem_strdup(jid);
}

/* RFC 6121 sections 3.1.5, 3.1.6 and 3.2.2: who may see us now is sent what
 * there is to see, who may no longer sees us go. */
static void show_presence(struct user *user, const char *to,
			  enum subscription_state before,
			  enum subscription_state after, struct work *work)
{
	bool saw = subscription_has_from(before);
	bool sees = subscription_has_from(after);

	if (sees && !saw)
		presence_send_current(user, to, work);
	else if (saw && !sees)
		presence_send_unavailable(user, to, work);
}

/* -- outbound ------------------------------------------------------------ */

/* False when the client was told why not. */
static bool may_send(struct user *user, const struct stanza *stanza,
		     enum subscription_event event, const struct jid *to,
		     const struct roster_item *item)
{
	struct sm *sm = user->sm;

	if (jid_same_bare(user->jid, to)) {
		route_error(sm, stanza, STANZA_NOT_ALLOWED,
			    "Nobody is a contact of their own");
		return false;
	}
	if (item->listed || roster_has_room(user) ||
	    (event != EVENT_SUBSCRIBE && event != EVENT_SUBSCRIBED))
		return true;
	log_notice(sm->log, "roster.full", LOG_S("user", jid_bare(user->jid)));
	route_error(sm, stanza, STANZA_RESOURCE_CONSTRAINT, NULL);
	return false;
}

/* The table's answer put into the item; true when there is something to
 * store, `push` when the client sees it. */
static bool outbound_change(struct roster_item *item,
			    enum subscription_event event,
			    const struct subscription_step *step, bool *push)
{
	enum subscription_state before = subscription_state_of(item);
	bool was_listed = item->listed, was_approved = item->approved;

	if (step->action == ACTION_IGNORE)
		return false;
	if (step->action == ACTION_APPROVE)
		item->approved = true;
	else if (event == EVENT_UNSUBSCRIBED)
		item->approved = false;
	if (event == EVENT_SUBSCRIBE || event == EVENT_SUBSCRIBED)
		item->listed = true;
	subscription_state_apply(item, step->next);
	*push = item->listed &&
		(!was_listed || was_approved != item->approved ||
		 (step->push && before != step->next));
	return *push || before != step->next;
}

static void send_bare(struct user *user, struct stanza *stanza, const char *to,
		      const char *origin, struct work *work)
{
	element_set_attr(stanza->root, "from", jid_bare(user->jid));
	element_set_attr(stanza->root, "to", to);
	route_stanza(user->sm, stanza, origin, work);
}

/* Mates see each other, and a user can neither ask for that nor end it. What
 * is there already is granted in silence (RFC 6121 section 3.1.2). */
static bool is_by_group(struct user *user, const struct stanza *stanza,
			enum subscription_event event, const struct jid *to)
{
	if (!roster_is_mate(user, jid_bare(to)))
		return false;
	if (event == EVENT_UNSUBSCRIBE || event == EVENT_UNSUBSCRIBED)
		route_error(user->sm, stanza, STANZA_NOT_ALLOWED,
			    "This contact is there by a group of the server");
	return true;
}

static void outbound(struct user *user, struct stanza *stanza,
		     enum subscription_event event, const struct jid *to,
		     const char *origin, struct work *work)
{
	const struct subscription_step *step;
	enum subscription_state before;
	struct roster_item item;
	bool push = false;

	if (is_by_group(user, stanza, event, to))
		return;
	item_of(user, jid_bare(to), &item);
	if (may_send(user, stanza, event, to, &item)) {
		before = subscription_state_of(&item);
		step = subscription_outbound(before, event);
		if (outbound_change(&item, event, step, &push))
			store(user, &item, push, stanza, work);
		if (subscription_has_from(before) &&
		    !subscription_has_from(step->next))
			show_presence(user, item.jid, before, step->next, work);
		if (step->action == ACTION_PASS)
			send_bare(user, stanza_copy(stanza), item.jid, origin,
				  work);
		if (!subscription_has_from(before))
			show_presence(user, item.jid, before, step->next, work);
	}
	roster_item_clear(&item);
}

void subscribe_outbound(struct session *session, struct stanza *stanza,
			enum subscription_event event, const char *origin,
			struct work *work)
{
	const char *text = element_attr(stanza->root, "to");
	struct jid *to = text != NULL ? jid_parse(text) : NULL;

	if (to != NULL)
		outbound(session->user, stanza, event, to, origin, work);
	else
		route_error(session->sm, stanza,
			    text != NULL ? STANZA_JID_MALFORMED
					 : STANZA_BAD_REQUEST,
			    NULL);
	jid_free(&to);
	stanza_free(&stanza);
}

/* -- inbound ------------------------------------------------------------- */

/* RFC 6121 section 3.1.3: the whole stanza is kept. */
static char *request_text(const struct task *task)
{
	struct stanza *request = stanza_copy(task->stanza);
	struct buf text = { 0 };

	element_set_attr(request->root, "from", jid_bare(task->from));
	element_set_attr(request->root, "to", jid_bare(task->user->jid));
	stanza_write(request, &text);
	if (text.len > REQUEST_MAX) {
		stanza_free(&request);
		request = presence_new(jid_bare(task->from),
				       jid_bare(task->user->jid), "subscribe");
		buf_clear(&text, 0);
		stanza_write(request, &text);
	}
	stanza_free(&request);
	return buf_take(&text);
}

static bool has_room_for_request(const struct user *user)
{
	size_t max = (size_t)user->sm->options->roster_max * REQUESTS_FACTOR;

	if (HASH_COUNT(user->roster) < max)
		return true;
	log_notice(user->sm->log, "roster.requests-full",
		   LOG_S("user", jid_bare(user->jid)));
	return false;
}

/* Requests to available resources, the rest to interested ones. */
static void deliver(const struct task *task, enum subscription_event event)
{
	struct stanza *stanza = stanza_copy(task->stanza);
	struct session *session;

	element_set_attr(stanza->root, "from", jid_bare(task->from));
	element_set_attr(stanza->root, "to", jid_bare(task->user->jid));
	DL_FOREACH(task->user->sessions, session) {
		if (event == EVENT_SUBSCRIBE ? session->available
					     : session->interested)
			session_send(session, stanza);
	}
	stanza_free(&stanza);
}

static void inbound_step(struct task *task, enum subscription_event event,
			 const struct subscription_step *step,
			 struct roster_item *item)
{
	struct user *user = task->user;
	enum subscription_state before = subscription_state_of(item);

	if (step->action == ACTION_PASS)
		deliver(task, event);
	if (before != step->next) {
		if (event == EVENT_SUBSCRIBE && step->action == ACTION_PASS) {
			mem_free(item->request);
			item->request = request_text(task);
		}
		subscription_state_apply(item, step->next);
		store(user, item, step->push, task->stanza, task->work);
	}
	if (step->action == ACTION_REPLY)
		route_stanza(user->sm,
			     presence_new(jid_bare(user->jid), item->jid,
					  "subscribed"),
			     NULL, task->work);
	show_presence(user, item->jid, before, step->next, task->work);
}

void subscribe_inbound(struct task *task, enum subscription_event event)
{
	const struct subscription_step *step;
	struct roster_item item;

	/* A user sees the own presence without any of this. */
	if (jid_same_bare(task->from, task->user->jid))
		return;
	/* Nor can the other; an sm that does not know of the group yet may let
	 * it through. */
	if (roster_is_mate(task->user, jid_bare(task->from))) {
		if (event == EVENT_SUBSCRIBE)
			route_stanza(task->user->sm,
				     presence_new(jid_bare(task->user->jid),
						  jid_bare(task->from),
						  "subscribed"),
				     NULL, task->work);
		return;
	}
	item_of(task->user, jid_bare(task->from), &item);
	step = subscription_inbound(subscription_state_of(&item), event,
				    item.approved);
	if (event == EVENT_SUBSCRIBE && !item.listed && item.request == NULL &&
	    !has_room_for_request(task->user))
		route_error(task->user->sm, task->stanza,
			    STANZA_RESOURCE_CONSTRAINT, NULL);
	else
		inbound_step(task, event, step, &item);
	roster_item_clear(&item);
}

/* -- the rest ------------------------------------------------------------ */

void subscribe_cancel_all(struct user *user, const struct roster_item *item,
			  struct work *work)
{
	const char *from = jid_bare(user->jid);

	if (item->ask || (item->subscription & SUBSCRIPTION_TO))
		route_stanza(user->sm,
			     presence_new(from, item->jid, "unsubscribe"), NULL,
			     work);
	if (item->subscription & SUBSCRIPTION_FROM)
		presence_send_unavailable(user, item->jid, work);
	if (item->request != NULL || (item->subscription & SUBSCRIPTION_FROM))
		route_stanza(user->sm,
			     presence_new(from, item->jid, "unsubscribed"),
			     NULL, work);
}

void subscribe_deliver_pending(struct session *session)
{
	struct user *user = session->user;
	struct contact *contact, *next;

	HASH_ITER(hh, user->roster, contact, next) {
		const char *text = contact->item.request;
		struct stanza *stanza;

		if (text == NULL)
			continue;
		stanza = stanza_parse(session->sm->parser, &stream_ns_client,
				      text, strlen(text), NULL);
		/* What cannot be read any more still is a request. */
		if (stanza == NULL)
			stanza = presence_new(contact->item.jid,
					      jid_bare(user->jid), "subscribe");
		session_send(session, stanza);
		stanza_free(&stanza);
	}
}
