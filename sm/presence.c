/* SPDX-License-Identifier: Apache-2.0
 *
 * Presence that sessions send (RFC 6121 sections 4.2, 4.4 and 4.5): the
 * initial one, changes, the end, to contacts and to the user's own resources.
 * All of it goes through route_stanza(), also to the own resources, so that
 * it stays in order with what else is on the way. What comes in is the job of
 * sm/presence_in.c.
 */
#include "sm/presence.h"

#include "sm/blocklist.h"
#include "sm/module.h"
#include "sm/roster_shared.h"
#include "sm/subscribe.h"
#include "util/base/str.h"

struct stanza *presence_new(const char *from, const char *to, const char *type)
{
	struct stanza *stanza = stanza_new("presence", NS_CLIENT);

	element_set_attr(stanza->root, "from", from);
	if (to != NULL)
		element_set_attr(stanza->root, "to", to);
	if (type != NULL)
		element_set_attr(stanza->root, "type", type);
	return stanza;
}

/* A copy of the stanza to that address. */
static void send_copy(struct sm *sm, const struct stanza *stanza,
		      const char *to, struct work *work)
{
	struct stanza *copy = stanza_copy(stanza);

	element_set_attr(copy->root, "to", to);
	route_stanza(sm, copy, NULL, work);
}

void presence_send_current(struct user *user, const char *to, struct work *work)
{
	struct session *session;

	DL_FOREACH(user->sessions, session) {
		if (session->available)
			send_copy(user->sm, session->presence, to, work);
	}
}

void presence_send_unavailable(struct user *user, const char *to,
			       struct work *work)
{
	struct session *session;

	DL_FOREACH(user->sessions, session) {
		if (session->available)
			route_stanza(user->sm,
				     presence_new(jid_full(session->jid), to,
						  "unavailable"),
				     NULL, work);
	}
}

/* What goes to mates, unless what they are as contacts says the same. */
struct to_mates {
	enum subscription same;
	const struct stanza *stanza;
	struct work *work;
};

static void send_to_mate(struct user *user, struct people_person *mate,
			 void *ctx)
{
	const struct to_mates *to = ctx;
	const struct contact *contact = user_contact(user, mate->jid);

	if ((contact == NULL ||
	     (contact->item.subscription & to->same) == 0) &&
	    !blocklist_has_text(user, mate->jid) &&
	    roster_mate_hears(user, mate->jid))
		send_copy(user->sm, to->stanza, mate->jid, to->work);
}

/* To contacts who may see it, and to the user's available resources, the
 * session itself included when it is one of them. */
static void broadcast(struct session *session, const struct stanza *stanza,
		      struct work *work)
{
	struct user *user = session->user;
	struct to_mates to_mates = { SUBSCRIPTION_FROM, stanza, work };
	struct contact *contact, *next;
	struct session *other;

	HASH_ITER(hh, user->roster, contact, next) {
		if ((contact->item.subscription & SUBSCRIPTION_FROM) &&
		    !blocklist_has_text(user, contact->item.jid))
			send_copy(session->sm, stanza, contact->item.jid, work);
	}
	roster_each_mate(user, send_to_mate, &to_mates);
	DL_FOREACH(user->sessions, other) {
		if (other->available)
			send_copy(session->sm, stanza, jid_full(other->jid),
				  work);
	}
}

/* RFC 6121 section 4.3.1, from the full JID: the other resources know. */
static void probe_contacts(struct session *session, struct work *work)
{
	struct stanza *probe =
		presence_new(jid_full(session->jid), NULL, "probe");
	struct to_mates to_mates = { SUBSCRIPTION_TO, probe, work };
	struct contact *contact, *next;

	HASH_ITER(hh, session->user->roster, contact, next) {
		if ((contact->item.subscription & SUBSCRIPTION_TO) &&
		    !blocklist_has_text(session->user, contact->item.jid))
			send_copy(session->sm, probe, contact->item.jid, work);
	}
	roster_each_mate(session->user, send_to_mate, &to_mates);
	stanza_free(&probe);
}

static void show_own_resources(struct session *session, struct work *work)
{
	struct session *other;

	DL_FOREACH(session->user->sessions, other) {
		if (other != session && other->available)
			send_copy(session->sm, other->presence,
				  jid_full(session->jid), work);
	}
}

static void run_ready(struct session *session)
{
	struct sm *sm = session->sm;

	for (size_t i = 0; i < sm->module_count; i++) {
		if (sm->modules[i]->session_ready != NULL)
			sm->modules[i]->session_ready(session);
	}
}

/* RFC 6121 section 4.7.2.3; -1 when it is not a number that fits. */
static int read_priority(const struct stanza *stanza, int *priority)
{
	const char *text = element_child_text(stanza->root, "priority", NULL);
	char number[8];
	int64_t value = 0;

	if (text != NULL) {
		char *digits;

		if (!str_copy(number, sizeof(number), text))
			return -1;
		digits = str_trim(number);
		/* An xs:byte may have a plus sign. */
		if (digits[0] == '+' && digits[1] != '-')
			digits++;
		if (str_to_i64(digits, -128, 127, &value) != 0)
			return -1;
	}
	*priority = (int)value;
	return 0;
}

static void available(struct session *session, struct stanza *stanza,
		      struct work *work)
{
	bool initial = !session->available;
	bool was_ready = session->available && session->priority >= 0;
	int priority;

	if (read_priority(stanza, &priority) != 0) {
		route_error(session->sm, stanza, STANZA_BAD_REQUEST,
			    "The priority is a number from -128 to 127");
		stanza_free(&stanza);
		return;
	}
	stanza_free(&session->presence);
	session->presence = stanza;
	session->priority = priority;
	session->available = true;
	if (initial)
		session->shared = roster_shared_digest(session->user);
	session_changed(session);
	broadcast(session, stanza, work);
	if (initial) {
		show_own_resources(session, work);
		probe_contacts(session, work);
		subscribe_deliver_pending(session);
	}
	if (priority >= 0 && !was_ready)
		run_ready(session);
}

/* RFC 6121 section 4.5.2; `self`: the session hears it too. */
static void unavailable(struct session *session, struct stanza *stanza,
			bool self, struct work *work)
{
	bool was_available = session->available;

	session->available = was_available && self;
	if (was_available)
		broadcast(session, stanza, work);
	session->available = was_available;
	presence_directed_end(session, stanza, work);
	session->available = false;
	session->priority = 0;
	stanza_free(&session->presence);
	stanza_free(&stanza);
	if (self)
		session_changed(session);
}

static void to_nobody(struct session *session, struct stanza *stanza,
		      struct work *work)
{
	const char *type = element_attr(stanza->root, "type");

	if (type == NULL) {
		available(session, stanza, work);
	} else if (str_equal(type, "unavailable")) {
		unavailable(session, stanza, true, work);
	} else {
		/* All other types are for somebody. */
		route_error(session->sm, stanza, STANZA_BAD_REQUEST, NULL);
		stanza_free(&stanza);
	}
}

void presence_from_session(struct session *session, struct stanza *stanza,
			   const char *origin, struct work *work)
{
	const char *type = element_attr(stanza->root, "type");
	enum subscription_event event;

	if (subscription_event_parse(type, &event) == 0) {
		subscribe_outbound(session, stanza, event, origin, work);
	} else if (element_attr(stanza->root, "to") == NULL) {
		to_nobody(session, stanza, work);
	} else if (type == NULL || str_equal(type, "unavailable")) {
		presence_directed(session, stanza, origin, work);
	} else if (str_equal(type, "error") || str_equal(type, "probe")) {
		route_stanza(session->sm, stanza, origin, work);
	} else {
		route_error(session->sm, stanza, STANZA_BAD_REQUEST, NULL);
		stanza_free(&stanza);
	}
}

void presence_session_closed(struct session *session)
{
	if (!session->available && session->directed == NULL)
		return;
	unavailable(session,
		    presence_new(jid_full(session->jid), NULL, "unavailable"),
		    false, NULL);
}

void presence_session_restored(struct session *session)
{
	if (!session->available)
		return;
	/* Contacts may have come or gone, and people asked, while nobody was
	 * here to say so. */
	probe_contacts(session, NULL);
	show_own_resources(session, NULL);
	subscribe_deliver_pending(session);
	if (session->priority >= 0)
		run_ready(session);
}

void presence_account_removed(struct user *user)
{
	struct contact *contact, *next;

	HASH_ITER(hh, user->roster, contact, next)
		subscribe_cancel_all(user, &contact->item, NULL);
}
