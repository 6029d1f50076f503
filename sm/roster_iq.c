/* SPDX-License-Identifier: Apache-2.0
 *
 * The roster requests of clients: get with versioning, set, remove (RFC 6121
 * sections 2.2 to 2.6). Checks what comes; changing is sm/roster.c's job.
 */
#include <string.h>

#include "sm/iq.h"
#include "sm/modules.h"
#include "sm/roster.h"
#include "sm/roster_private.h"
#include "sm/roster_shared.h"
#include "sm/subscribe.h"
#include "util/base/mem.h"
#include "util/base/str.h"

static void write_mate(struct user *user, struct people_person *mate,
		       void *ctx)
{
	struct roster_item item;

	if (user_contact(user, mate->jid) == NULL &&
	    roster_effective(user, mate->jid, &item)) {
		roster_write_item(ctx, &item);
		roster_item_clear(&item);
	}
}

static void write_items(struct user *user, struct element *query)
{
	struct contact *contact, *next;
	struct roster_item item;

	HASH_ITER(hh, user->roster, contact, next) {
		if (roster_effective(user, contact->item.jid, &item))
			roster_write_item(query, &item);
		roster_item_clear(&item);
	}
	roster_each_mate(user, write_mate, query);
}

static void roster_answer(struct iq_call *call)
{
	struct user *user = call->user;
	const char *known = element_attr(call->query, "ver");
	struct session *session = call->session;
	struct element *query;
	struct stanza *reply;
	char version[ROSTER_VERSION_MAX];

	if (session != NULL && !session->interested) {
		session->interested = true;
		session->shared = roster_shared_digest(user);
		session_changed(session);
	}
	roster_version(user, version);
	if (str_equal(known, version)) {
		iq_result(call);
		return;
	}
	reply = iq_result_new(call);
	query = element_add(reply->root, "query", NS_ROSTER);
	element_set_attr(query, "ver", version);
	write_items(user, query);
	iq_reply(call, reply);
}

static void roster_get(struct iq_call *call)
{
	if (!roster_shared_wait(call, roster_answer))
		roster_answer(call);
}

/* The answer goes out when the write is durable. */
static void set_done(struct user *user, bool ok, void *ctx)
{
	struct iq_call *call = ctx;

	(void)user;
	if (ok)
		iq_result(call);
	else
		iq_error(call, STANZA_INTERNAL_SERVER_ERROR, NULL);
}

static void remove_item(struct iq_call *call, const char *jid)
{
	struct contact *contact = user_contact(call->user, jid);
	struct work *work = iq_work(call);

	if (roster_is_mate(call->user, jid)) {
		iq_error(call, STANZA_NOT_ALLOWED,
			 "This contact is there by a group of the server");
		return;
	}
	if (contact == NULL || !contact->item.listed) {
		iq_error(call, STANZA_ITEM_NOT_FOUND, NULL);
		return;
	}
	/* Before the row goes: who must be told is in it. */
	subscribe_cancel_all(call->user, &contact->item, work);
	call = iq_keep(call);
	roster_remove(call->user, jid, true, work, set_done, call);
}

/* Reads the groups into the item; false with the error. */
static bool read_groups(const struct element *element, struct roster_item *item,
			enum stanza_error *error)
{
	const struct element *group = element_child(element, "group", NULL);
	size_t count = 0;

	for (; group != NULL; group = element_next_same(group)) {
		const char *name = element_text(group);

		if (*name == '\0' || strlen(name) > ROSTER_NAME_MAX ||
		    count == ROSTER_GROUPS_MAX) {
			*error = STANZA_NOT_ACCEPTABLE;
			return false;
		}
		for (size_t i = 0; i < count; i++) {
			if (str_equal(item->groups[i], name)) {
				*error = STANZA_BAD_REQUEST;
				return false;
			}
		}
		item->groups = mem_realloc(item->groups, count + 2,
					   sizeof(*item->groups));
		item->groups[count++] = mem_strdup(name);
		item->groups[count] = NULL;
	}
	return true;
}

/* What the client may set: name and groups. All else stays. */
static bool read_item(const struct iq_call *call, const struct element *element,
		      const char *jid, struct roster_item *item,
		      enum stanza_error *error)
{
	const struct contact *contact = user_contact(call->user, jid);
	const char *name = element_attr(element, "name");

	if (name != NULL && strlen(name) > ROSTER_NAME_MAX) {
		*error = STANZA_NOT_ACCEPTABLE;
		return false;
	}
	if ((contact == NULL || !contact->item.listed) &&
	    !roster_has_room(call->user)) {
		log_notice(call->sm->log, "roster.full",
			   LOG_S("user", jid_bare(call->user->jid)));
		*error = STANZA_RESOURCE_CONSTRAINT;
		return false;
	}
	item->jid = mem_strdup(jid);
	item->name = name != NULL && *name != '\0' ? mem_strdup(name) : NULL;
	item->listed = true;
	if (contact != NULL) {
		item->subscription = contact->item.subscription;
		item->ask = contact->item.ask;
		item->approved = contact->item.approved;
		item->request = mem_strdup(contact->item.request);
	}
	return read_groups(element, item, error);
}

static void put_item(struct iq_call *call, const struct element *element,
		     const char *jid)
{
	struct roster_item item = { 0 };
	enum stanza_error error;
	struct work *work = iq_work(call);

	if (read_item(call, element, jid, &item, &error)) {
		roster_strip_shared(call->user, &item);
		call = iq_keep(call);
		roster_put(call->user, &item, true, work, set_done, call);
	} else {
		iq_error(call, error, NULL);
	}
	roster_item_clear(&item);
}

static void roster_set(struct iq_call *call)
{
	const struct element *item = element_first(call->query);
	const char *text;
	struct jid *jid;

	if (item == NULL || !element_is(item, "item", NS_ROSTER) ||
	    element_next(item) != NULL ||
	    (text = element_attr(item, "jid")) == NULL) {
		iq_error(call, STANZA_BAD_REQUEST,
			 "A roster set has one item with a jid");
		return;
	}
	jid = jid_parse(text);
	if (jid == NULL)
		iq_error(call, STANZA_JID_MALFORMED, NULL);
	else if (jid_same_bare(jid, call->user->jid))
		iq_error(call, STANZA_NOT_ALLOWED,
			 "Nobody is a contact of their own");
	else if (str_equal(element_attr(item, "subscription"), "remove"))
		remove_item(call, jid_bare(jid));
	else
		put_item(call, item, jid_bare(jid));
	jid_free(&jid);
}

static const struct iq_handler roster_iq[] = {
	{ IQ_GET, TO_OWN_ACCOUNT, NS_ROSTER, "query", roster_get },
	{ IQ_SET, TO_OWN_ACCOUNT, NS_ROSTER, "query", roster_set },
	{ 0 },
};

static const char *const roster_features[] = { NS_ROSTER, NULL };

const struct sm_module sm_module_roster = {
	.name = "roster",
	.features = roster_features,
	.account_features = roster_features,
	.iq = roster_iq,
	.user_size = sizeof(struct roster_data),
	.user_unloaded = roster_unloaded,
};
