/* SPDX-License-Identifier: Apache-2.0
 *
 * A user's roster in memory and its changes: versions, writes behind, pushes
 * (RFC 6121 sections 2.1.6 and 2.6). The requests of clients are handled in
 * sm/roster_iq.c, what subscriptions change in sm/subscribe.c.
 */
#include "sm/roster.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sm/modules.h"
#include "sm/roster_private.h"
#include "sm/roster_shared.h"
#include "sm/session.h"
#include "sm/subscription.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* A change that the storage has not confirmed. */
struct roster_write {
	struct user *user;
	char *jid;
	struct roster_item before, after; /* jid NULL: not there */
	uint64_t version;
	bool push;
	bool removal;
	struct announcement *announced; /* sm/roster.c; NULL: it is over */
	bool submitted;			/* to the storage */
	struct work *work;
	roster_done_cb *done;
	void *ctx;
	struct roster_write *prev, *next;
};

/* Interested sessions have on the way, in their snapshots, that a contact may
 * have changed: should this process die between the change and the push, the
 * next one knows what to push. */
struct announcement {
	struct roster_write *write; /* NULL: does not wait for it any more */
};

/* -- memory -------------------------------------------------------------- */

static void contact_free(struct user *user, struct contact *contact)
{
	HASH_DEL(user->roster, contact);
	roster_item_clear(&contact->item);
	mem_free(contact);
}

/* A copy of the item (which is not the contact's own) as the contact's. */
static void contact_set(struct user *user, const struct roster_item *item)
{
	struct contact *contact = user_contact(user, item->jid);
	char *jid;

	if (contact == NULL) {
		contact = mem_new(struct contact);
		roster_item_copy(&contact->item, item);
		HASH_ADD_KEYPTR(hh, user->roster, contact->item.jid,
				strlen(contact->item.jid), contact);
		return;
	}
	/* The table points at the JID that is there. */
	jid = contact->item.jid;
	contact->item.jid = NULL;
	roster_item_clear(&contact->item);
	roster_item_copy(&contact->item, item);
	mem_free(contact->item.jid);
	contact->item.jid = jid;
}

void roster_restore(struct user *user, const char *jid,
		    const struct roster_item *item)
{
	struct contact *contact = user_contact(user, jid);

	if (item->jid != NULL)
		contact_set(user, item);
	else if (contact != NULL)
		contact_free(user, contact);
}

void roster_load(struct user *user, const struct storage_result *result)
{
	user->roster_version = result->roster_version;
	for (size_t i = 0; i < result->count; i++)
		contact_set(user, &result->roster[i]);
}

void roster_free(struct user *user)
{
	struct contact *contact, *next;

	HASH_ITER(hh, user->roster, contact, next)
		contact_free(user, contact);
}

size_t roster_count(const struct user *user)
{
	struct contact *contact, *next;
	size_t count = 0;

	HASH_ITER(hh, user->roster, contact, next)
		count += contact->item.listed;
	return count;
}

bool roster_has_room(const struct user *user)
{
	return roster_count(user) < (size_t)user->sm->options->roster_max;
}

bool roster_may_see(const struct user *user, const struct jid *jid)
{
	struct contact *contact;

	if (jid_same_bare(user->jid, jid))
		return true;
	contact = user_contact(user, jid_bare(jid));
	return (contact != NULL &&
		(contact->item.subscription & SUBSCRIPTION_FROM) != 0) ||
	       roster_is_mate(user, jid_bare(jid));
}

/* Grows always, and is never used again, not even by another account of the
 * same name: it follows the clock. */
static uint64_t next_version(struct user *user)
{
	uint64_t now = (uint64_t)loop_time_us(user->sm->loop);

	user->roster_version =
		now > user->roster_version ? now : user->roster_version + 1;
	return user->roster_version;
}

/* -- pushes -------------------------------------------------------------- */

void roster_write_item(struct element *query, const struct roster_item *item)
{
	struct element *element = element_add(query, "item", NULL);

	element_set_attr(element, "jid", item->jid);
	element_set_attr(element, "subscription",
			 subscription_text(item->subscription));
	if (item->name != NULL)
		element_set_attr(element, "name", item->name);
	if (item->ask)
		element_set_attr(element, "ask", "subscribe");
	if (item->approved)
		element_set_attr(element, "approved", "true");
	for (char **group = item->groups; group && *group; group++)
		element_add_text_child(element, "group", NULL, *group);
}

static void version_text(const struct user *user, uint64_t own, bool whole,
			 char text[ROSTER_VERSION_MAX])
{
	uint64_t digest = roster_shared_digest(user);

	if (!whole)
		snprintf(text, ROSTER_VERSION_MAX, "%" PRIu64 "-partly", own);
	else if (digest != 0)
		snprintf(text, ROSTER_VERSION_MAX, "%" PRIu64 "-%" PRIx64, own,
			 digest);
	else
		snprintf(text, ROSTER_VERSION_MAX, "%" PRIu64, own);
}

void roster_version(const struct user *user, char text[ROSTER_VERSION_MAX])
{
	version_text(user, user->roster_version, true, text);
}

/* RFC 6121 section 2.1.6. `item` with a NULL jid: the contact is gone. */
static struct stanza *push_new(const char *jid, const struct roster_item *item,
			       const char *version)
{
	struct stanza *iq = stanza_new("iq", NS_CLIENT);
	struct element *query = element_add(iq->root, "query", NS_ROSTER);
	char *id = mem_printf("push-%s", version);

	element_set_attr(iq->root, "id", id);
	mem_free(id);
	element_set_attr(iq->root, "type", "set");
	element_set_attr(query, "ver", version);
	if (item->jid != NULL && item->listed) {
		roster_write_item(query, item);
	} else {
		struct element *gone = element_add(query, "item", NULL);

		element_set_attr(gone, "jid", jid);
		element_set_attr(gone, "subscription", "remove");
	}
	return iq;
}

/* To one session, NULL: to all that are interested. */
static void push_item(struct user *user, struct session *only, const char *jid,
		      const struct roster_item *item, const char *version)
{
	struct stanza *iq = push_new(jid, item, version);
	struct session *session;

	DL_FOREACH(user->sessions, session) {
		if (only != NULL ? session != only : !session->interested)
			continue;
		element_set_attr(iq->root, "to", jid_full(session->jid));
		session_send(session, iq);
	}
	stanza_free(&iq);
}

static bool has_interest(const struct user *user)
{
	const struct session *session;

	DL_FOREACH(user->sessions, session) {
		if (session->interested)
			return true;
	}
	return false;
}

/* `item` is the own one; what is seen is that and what a group says. */
static void push_own(struct user *user, struct session *only, const char *jid,
		     const struct roster_item *item, uint64_t version)
{
	char text[ROSTER_VERSION_MAX];
	struct roster_item merged = { 0 };

	version_text(user, version, true, text);
	if (roster_is_mate(user, jid))
		roster_effective(user, jid, &merged);
	push_item(user, only, jid, merged.jid != NULL ? &merged : item, text);
	roster_item_clear(&merged);
}

void roster_push_to(struct session *session, const char *jid,
		    const struct roster_item *item, uint64_t version)
{
	push_own(session->user, session, jid, item, version);
}

void roster_push(struct user *user, const char *jid,
		 const struct roster_item *item, uint64_t version)
{
	push_own(user, NULL, jid, item, version);
}

void roster_push_mate(struct user *user, const char *jid, bool last)
{
	char text[ROSTER_VERSION_MAX];
	struct roster_item item;

	if (!has_interest(user))
		return;
	version_text(user, user->roster_version, last, text);
	roster_effective(user, jid, &item);
	push_item(user, NULL, jid, &item, text);
	roster_item_clear(&item);
}

/* -- writes -------------------------------------------------------------- */

struct roster_data *roster_data_of(const struct user *user)
{
	return module_user_data(user, &sm_module_roster);
}

static struct roster_write **writes_of(const struct user *user)
{
	return &roster_data_of(user)->writes;
}

static void write_free(struct roster_write *write)
{
	struct user *user = write->user;

	if (write->announced != NULL)
		write->announced->write = NULL;
	work_release(&write->work);
	roster_item_clear(&write->before);
	roster_item_clear(&write->after);
	mem_free(write->jid);
	mem_free(write);
	user_unpin(user);
}

/* Memory as it was before the write; a later write to the same contact, which
 * may yet succeed, is left alone but for what it would go back to. */
static void write_revert(struct roster_write *write)
{
	struct user *user = write->user;
	struct roster_write *later;

	for (later = write->next; later != NULL; later = later->next) {
		if (!str_equal(later->jid, write->jid))
			continue;
		roster_item_clear(&later->before);
		later->before = write->before;
		write->before = (struct roster_item){ 0 };
		return;
	}
	roster_restore(user, write->jid, &write->before);
	/* Clients that saw the change must not believe in its version. */
	next_version(user);
	if (write->push)
		roster_push(user, write->jid, &write->before,
			    user->roster_version);
}

static void tell_snapshots(struct user *user)
{
	struct session *session;

	DL_FOREACH(user->sessions, session) {
		if (session->interested && session_is_awake(session))
			session_changed(session);
	}
}

static void write_done(const struct storage_result *result, void *ctx)
{
	struct roster_write *write = ctx;
	struct user *user = write->user;
	bool ok = result->status == STORAGE_OK;

	if (ok) {
		if (write->push)
			roster_push(user, write->jid, &write->after,
				    write->version);
	} else {
		log_warning(user->sm->log, "roster.unavailable",
			    LOG_S("user", jid_bare(user->jid)),
			    LOG_S("reason", result->reason));
		write_revert(write);
	}
	DL_DELETE(*writes_of(user), write);
	/* Or the next owner would push it once more, for nothing. */
	if (write->push)
		tell_snapshots(user);
	if (write->done != NULL)
		write->done(user, ok, write->ctx);
	write_free(write);
}

static void submit(struct roster_write *write)
{
	struct user *user = write->user;
	struct storage *storage = user->domain->storage;

	write->submitted = true;
	if (write->removal)
		storage_roster_remove(storage, jid_bare(user->jid), write->jid,
				      write->version, write_done, write);
	else
		storage_roster_put(storage, jid_bare(user->jid), &write->after,
				   write->version, write_done, write);
}

/* In order; `all`: also those that sessions have not heard of. */
static void submit_next(struct user *user, bool all)
{
	struct roster_write *write;

	DL_FOREACH(*writes_of(user), write) {
		if (write->submitted)
			continue;
		if (write->announced != NULL && !all)
			return;
		submit(write);
	}
}

static void announced(void *ctx)
{
	struct announcement *announcement = ctx;
	struct roster_write *write = announcement->write;

	if (write == NULL)
		return;
	announcement->write = NULL;
	write->announced = NULL;
	submit_next(write->user, false);
}

static void announce(struct roster_write *write)
{
	struct user *user = write->user;
	struct announcement *announcement = mem_new(struct announcement);
	struct work *work = work_new_call(user->sm, announced, announcement);
	struct session *session;

	announcement->write = write;
	write->announced = announcement;
	DL_FOREACH(user->sessions, session) {
		if (session->interested && session_is_awake(session))
			snapshot_send_with(session, work);
	}
	work_release(&work);
}

void roster_flush(struct user *user)
{
	if (user->state == USER_READY)
		submit_next(user, true);
}

void roster_add_stale(const struct user *user, struct element *root)
{
	struct roster_write *write;

	DL_FOREACH(*writes_of(user), write) {
		if (write->push)
			element_set_attr(element_add(root, "stale", root->ns),
					 "jid", write->jid);
	}
}

/* Those that nobody will answer for. */
static void unload(struct user *user)
{
	struct roster_write *write, *next;

	DL_FOREACH_SAFE(*writes_of(user), write, next) {
		if (write->submitted)
			continue;
		DL_DELETE(*writes_of(user), write);
		if (write->done != NULL)
			write->done(user, false, write->ctx);
		write_free(write);
	}
}

void rosters_unload(struct sm *sm)
{
	struct user *user, *next;

	HASH_ITER(hh, sm->users, user, next) {
		user_pin(user);
		if (user->state == USER_READY)
			unload(user);
		user_unpin(user);
	}
}

/* The common part: remembers what was, changes memory. */
static struct roster_write *write_new(struct user *user, const char *jid,
				      const struct roster_item *item, bool push,
				      struct work *work)
{
	struct roster_write *write = mem_new(struct roster_write);
	struct contact *contact = user_contact(user, jid);

	write->user = user;
	write->jid = mem_strdup(jid);
	write->push = push;
	write->work = work_hold(work);
	if (contact != NULL)
		roster_item_copy(&write->before, &contact->item);
	if (item != NULL)
		roster_item_copy(&write->after, item);
	roster_restore(user, write->jid, &write->after);
	write->version = next_version(user);
	if (push)
		roster_note_changed(user, jid);
	DL_APPEND(*writes_of(user), write);
	user_pin(user);
	return write;
}

/* The last step: from here on it may be over at any time. */
static void write_start(struct roster_write *write)
{
	if (write->push)
		announce(write);
	else
		submit_next(write->user, false);
}

void roster_put(struct user *user, const struct roster_item *item, bool push,
		struct work *work, roster_done_cb *done, void *ctx)
{
	struct roster_write *write =
		write_new(user, item->jid, item, push && item->listed, work);

	write->done = done;
	write->ctx = ctx;
	write_start(write);
}

void roster_remove(struct user *user, const char *jid, bool push,
		   struct work *work, roster_done_cb *done, void *ctx)
{
	struct roster_write *write = write_new(user, jid, NULL, push, work);

	write->removal = true;
	write->done = done;
	write->ctx = ctx;
	write_start(write);
}
