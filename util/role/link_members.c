/* SPDX-License-Identifier: Apache-2.0
 *
 * One list of members out of what several routers say. Routers come and go,
 * and what a router does not say is not always true: one that was just
 * started does not know the links that are about to come back to it.
 */
#include "util/role/link_private.h"

#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"

/* Roles come back to a restarted router within this time; until then those
 * that it does not know are taken to live. Longer than the longest pause
 * between two attempts (link_router.c). */
#define GRACE_MS 4000

struct member_list {
	struct member *items; /* texts are not owned */
	size_t count;
};

static bool is_dead(const struct link *link, const char *epoch)
{
	for (unsigned i = 0; epoch && i < DEAD_EPOCHS; i++) {
		if (str_equal(link->dead[i], epoch))
			return true;
	}
	return false;
}

static void dig_up(struct link *link, const char *epoch)
{
	for (unsigned i = 0; i < DEAD_EPOCHS; i++) {
		if (str_equal(link->dead[i], epoch))
			link->dead[i][0] = '\0';
	}
	link->risen = true;
}

static const struct member *find(const struct member *list, size_t count,
				 const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equal(list[i].name, name))
			return &list[i];
	}
	return NULL;
}

/* Whether some router tells of another process of that name. */
static bool is_replaced(const struct link *link, const struct member *member)
{
	const struct member *list;
	size_t count;

	for (size_t i = 0; i < link->router_count; i++) {
		if (link->routers[i].state != ROUTER_READY)
			continue;
		list = members_get(link->routers[i].view, member->name,
				   &count);
		list = find(list, count, member->name);
		if (list && !str_equal(list->epoch, member->epoch))
			return true;
	}
	return false;
}

/* One that was believed to be dead is not, when its successor has gone and
 * it is still told of: that one had the name without right to it. */
static void add(struct link *link, struct member_list *list,
		const struct member *member)
{
	if (find(list->items, list->count, member->name))
		return;
	if (is_dead(link, member->epoch)) {
		if (is_replaced(link, member))
			return;
		dig_up(link, member->epoch);
	}
	list->items = mem_realloc(list->items, list->count + 1,
				  sizeof(*list->items));
	list->items[list->count++] = *member;
}

/* A name with another epoch is another process, and the epoch that was there
 * never comes back: a router that still tells of it is late. */
static void bury_old_epochs(struct link *link, const struct member *new_list,
			    size_t new_count, const struct member *old_list,
			    size_t old_count)
{
	for (size_t i = 0; i < new_count; i++) {
		const struct member *old =
			find(old_list, old_count, new_list[i].name);

		if (!old || !old->epoch || !new_list[i].epoch ||
		    str_equal(old->epoch, new_list[i].epoch) ||
		    is_dead(link, new_list[i].epoch))
			continue;
		str_copy(link->dead[link->dead_at], EPOCH_DIGITS + 1,
			 old->epoch);
		link->dead_at = (link->dead_at + 1) % DEAD_EPOCHS;
	}
}

/* During the grace, who was there before stays, unless it is known to have
 * been replaced, or its own name was taken back. */
static void add_absent(struct link *link, const char *name,
		       struct member_list *list, const struct member *old,
		       size_t old_count)
{
	for (size_t i = 0; i < old_count; i++) {
		if (!is_dead(link, old[i].epoch) &&
		    (str_equal(old[i].name, name) ||
		     link_is_present(link, old[i].name, old[i].epoch)))
			add(link, list, &old[i]);
	}
}

static bool list_equal(const struct member_list *list,
		       const struct member *old, size_t old_count)
{
	if (list->count != old_count)
		return false;
	for (size_t i = 0; i < old_count; i++) {
		const struct member *other =
			find(list->items, list->count, old[i].name);

		if (!other || !str_equal(other->epoch, old[i].epoch) ||
		    !str_equal(other->kind, old[i].kind))
			return false;
	}
	return true;
}

/* The members of a name as all views have them. */
static void gather(struct link *link, const char *name, bool ended,
		   struct member_list *list)
{
	const struct member *old, *theirs;
	size_t old_count, count;

	old = members_get(link->members, name, &old_count);
	for (size_t i = 0; i < link->router_count; i++) {
		if (link->routers[i].state != ROUTER_READY)
			continue;
		theirs = members_get(link->routers[i].view, name, &count);
		bury_old_epochs(link, theirs, count, old, old_count);
	}
	for (size_t i = 0; i < link->router_count; i++) {
		if (link->routers[i].state != ROUTER_READY)
			continue;
		theirs = members_get(link->routers[i].view, name, &count);
		for (size_t j = 0; j < count; j++)
			add(link, list, &theirs[j]);
	}
	if (timer_running(&link->grace) && !ended)
		add_absent(link, name, list, old, old_count);
}

/* Puts the views of one name together again; `ended`: a router has just said
 * that nobody serves it any more. True when that changed something; the role
 * is to be told. */
static bool merge(struct link *link, const char *name, bool ended)
{
	struct member_list list = { .items = NULL };
	const struct member *old;
	size_t old_count;
	bool changed;

	gather(link, name, ended, &list);
	old = members_get(link->members, name, &old_count);
	changed = !list_equal(&list, old, old_count);
	if (changed) {
		members_set(link->members, name, list.items, list.count);
		link->moved = true;
		link_receivers_update(link, name);
		link_senders_update(link, name);
		link_defer(link);
	}
	mem_free(list.items);
	return changed;
}

static void tell_role(struct link *link, const char *name)
{
	if (!link->closed && link->handlers.members)
		link->handlers.members(link, name, link->ctx);
}

/* -- all names ------------------------------------------------------------ */

struct names {
	char **items;
	size_t count;
};

static void collect(const char *name, const struct member *list, size_t count,
		    void *ctx)
{
	struct names *names = ctx;

	(void)list;
	(void)count;
	names->items = mem_realloc(names->items, names->count + 1,
				   sizeof(*names->items));
	names->items[names->count++] = mem_strdup(name);
}

/* All names that are known, or were. The role is told when all of them are
 * merged: it may send at once to whoever serves one, and that must be known
 * by its own name then. */
static void merge_all(struct link *link, const struct link_router *router)
{
	struct names names = { .items = NULL };
	bool had_risen = link->risen;

	link->risen = false;
	members_each(link->members, collect, &names);
	for (size_t i = 0; i < link->router_count; i++) {
		if (&link->routers[i] == router || had_risen)
			members_each(link->routers[i].view, collect, &names);
	}
	for (size_t i = 0; i < names.count; i++) {
		if (!merge(link, names.items[i], false)) {
			mem_free(names.items[i]);
			names.items[i] = NULL;
		}
	}
	for (size_t i = 0; i < names.count; i++) {
		if (names.items[i])
			tell_role(link, names.items[i]);
		mem_free(names.items[i]);
	}
	mem_free(names.items);
}

static void on_grace_end(struct timer *timer)
{
	struct link *link = container_of(timer, struct link, grace);

	link_enter(link);
	if (link->ready_count > 0)
		merge_all(link, NULL);
	link_leave(link);
}

void link_view_set(struct link_router *router, const char *name,
		   const struct member *list, size_t count)
{
	members_set(router->view, name, list, count);
	if (router->state != ROUTER_READY)
		return;
	if (merge(router->link, name, count == 0))
		tell_role(router->link, name);
	/* It is a member of other names, too. */
	if (router->link->risen && !router->link->closed)
		merge_all(router->link, NULL);
	if (!router->link->closed)
		link_receivers_kick(router->link);
}

void link_view_complete(struct link_router *router)
{
	struct link *link = router->link;
	size_t count;

	/* With nothing known before there is nothing to be careful with. */
	if (link->ready_count == 1 &&
	    members_get(link->members, link->name, &count))
		timer_start(&link->grace, link->loop, GRACE_MS, on_grace_end);
	merge_all(link, router);
	if (!link->closed)
		link_receivers_kick(link);
}

void link_view_lost(struct link_router *router)
{
	struct link *link = router->link;

	members_free(&router->view);
	router->view = members_new();
	/* Without any router nobody says that somebody is gone. */
	if (link->ready_count > 0)
		merge_all(link, NULL);
}

bool link_is_present(const struct link *link, const char *name,
		     const char *epoch)
{
	const struct member *list;
	size_t count;

	list = members_get(link->members, name, &count);
	list = find(list, count, name);
	return list && (!epoch || str_equal(list->epoch, epoch));
}

unsigned link_view_version(const struct link_router *router, const char *name,
			   const char *epoch)
{
	const struct member *list;
	size_t count;

	list = members_get(router->view, name, &count);
	list = find(list, count, name);
	if (!list || !str_equal(list->epoch, epoch) || list->version < 2)
		return 1;
	return list->version < router->version ? list->version
					       : router->version;
}

bool link_view_has(const struct link_router *router, const char *name,
		   const char *epoch)
{
	const struct member *list;
	size_t count;

	list = members_get(router->view, name, &count);
	list = find(list, count, name);
	return list && (!epoch || str_equal(list->epoch, epoch));
}
