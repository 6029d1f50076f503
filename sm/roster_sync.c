/* SPDX-License-Identifier: Apache-2.0
 *
 * Rosters of users who move between sms: for a moment two of them may have a
 * user in memory. Whoever gets a session reads again what is stored, and tells
 * the session what has changed while it was on its way.
 */
#include <string.h>

#include "sm/modules.h"
#include "sm/roster.h"
#include "sm/roster_private.h"
#include "sm/session.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define CHANGED_MAX 64
#define CHANGED_MS  60000 /* longer than a session is on its way */
#define TRIES	    3

static const struct roster_item gone;

/* -- what has changed here ------------------------------------------------- */

void roster_note_changed(struct user *user, const char *jid)
{
	struct roster_data *data = roster_data_of(user);
	size_t len = strlen(jid) + 1;
	struct changed *changed, *next;
	size_t count = 0;

	LL_FOREACH_SAFE(data->changed, changed, next) {
		if (str_equal(changed->jid, jid) || ++count >= CHANGED_MAX) {
			LL_DELETE(data->changed, changed);
			mem_free(changed);
		}
	}
	changed = mem_alloc(sizeof(*changed) + len);
	changed->at = loop_now(user->sm->loop);
	memcpy(changed->jid, jid, len);
	LL_PREPEND(data->changed, changed);
}

void roster_unloaded(struct user *user)
{
	struct roster_data *data = roster_data_of(user);
	struct changed *changed, *next;

	LL_FOREACH_SAFE(data->changed, changed, next)
		mem_free(changed);
	data->changed = NULL;
}

static void push_current(struct session *session, const char *jid)
{
	const struct contact *contact = user_contact(session->user, jid);

	roster_push_to(session, jid, contact != NULL ? &contact->item : &gone,
		       session->user->roster_version);
}

void roster_push_missed(struct session *session)
{
	struct roster_data *data = roster_data_of(session->user);
	uint64_t now = loop_now(session->sm->loop);
	struct changed *changed;
	struct stale *stale;

	while ((stale = session->stale) != NULL) {
		session->stale = stale->next;
		push_current(session, stale->jid);
		mem_free(stale);
	}
	if (!session->interested)
		return;
	LL_FOREACH(data->changed, changed) {
		if (now - changed->at <= CHANGED_MS)
			push_current(session, changed->jid);
	}
}

/* -- what is stored -------------------------------------------------------- */

struct refresh {
	struct user *user; /* pinned */
	uint64_t version;  /* in memory when the storage was asked */
	unsigned tries;
};

static bool groups_equal(char **a, char **b)
{
	for (; a != NULL && *a != NULL; a++, b++) {
		if (b == NULL || !str_equal(*a, *b))
			return false;
	}
	return b == NULL || *b == NULL;
}

static bool item_equal(const struct roster_item *a, const struct roster_item *b)
{
	return str_equal(a->name, b->name) && a->listed == b->listed &&
	       a->subscription == b->subscription && a->ask == b->ask &&
	       a->approved == b->approved &&
	       (a->request != NULL) == (b->request != NULL) &&
	       groups_equal(a->groups, b->groups);
}

static const struct roster_item *find(const struct storage_result *result,
				      const char *jid)
{
	for (size_t i = 0; i < result->count; i++) {
		if (str_equal(result->roster[i].jid, jid))
			return &result->roster[i];
	}
	return NULL;
}

static void change(struct user *user, const char *jid,
		   const struct roster_item *item)
{
	char *copy = mem_strdup(jid);

	roster_restore(user, copy, item);
	roster_note_changed(user, copy);
	roster_push(user, copy, item, user->roster_version);
	mem_free(copy);
}

static void merge(struct user *user, const struct storage_result *result)
{
	struct contact *contact, *next;

	user->roster_version = result->roster_version;
	HASH_ITER(hh, user->roster, contact, next) {
		if (find(result, contact->item.jid) == NULL)
			change(user, contact->item.jid, &gone);
	}
	for (size_t i = 0; i < result->count; i++) {
		const struct roster_item *item = &result->roster[i];

		contact = user_contact(user, item->jid);
		if (contact == NULL || !item_equal(&contact->item, item))
			change(user, item->jid, item);
	}
}

static void ask(struct refresh *refresh);

static void loaded(const struct storage_result *result, void *ctx)
{
	struct refresh *refresh = ctx;
	struct user *user = refresh->user;

	if (result->status == STORAGE_OK && user->state == USER_READY &&
	    result->roster_version != user->roster_version) {
		/* What was changed meanwhile is newer than what was read. */
		if (user->roster_version == refresh->version &&
		    roster_data_of(user)->writes == NULL) {
			merge(user, result);
		} else if (--refresh->tries > 0) {
			ask(refresh);
			return;
		}
	}
	mem_free(refresh);
	user_unpin(user);
}

static void ask(struct refresh *refresh)
{
	struct user *user = refresh->user;

	refresh->version = user->roster_version;
	storage_load(user->domain->storage, jid_bare(user->jid), loaded,
		     refresh);
}

void roster_refresh(struct user *user)
{
	struct refresh *refresh;

	if (user->state != USER_READY)
		return;
	refresh = mem_new(struct refresh);
	refresh->user = user;
	refresh->tries = TRIES;
	user_pin(user);
	ask(refresh);
}
