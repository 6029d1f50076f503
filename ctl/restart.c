/* SPDX-License-Identifier: Apache-2.0
 *
 * `restart`: one role after the other is drained, starts again, and is waited
 * for until it serves what it served before. The first that does not come back
 * ends it: the others go on as they are.
 */
#include "ctl/ctl.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"

#define LOOK_MS 50
#define ANSWER_MS 12000 /* its program is tried first */

/* What a role, or a router, was before. */
struct before {
	struct ctl *ctl;
	const char *instance;
	bool is_router;
	char *epoch;	/* of the process */
	char **names;	/* a role: that it served; a router: of its links */
	size_t count;
};

static void names_add(struct before *before, const char *name)
{
	before->names = mem_realloc(before->names, before->count + 1,
				    sizeof(*before->names));
	before->names[before->count++] = mem_strdup(name);
}

static void before_free(struct before *before)
{
	for (size_t i = 0; i < before->count; i++)
		mem_free(before->names[i]);
	mem_free(before->names);
	mem_free(before->epoch);
}

/* -- roles ----------------------------------------------------------------- */

static const struct member *member_of(const struct before *before,
				      const char *name)
{
	const struct link *link = ctl_call_link(before->ctl->call);
	size_t count;
	const struct member *list =
		members_get(link_members(link), name, &count);

	for (size_t i = 0; i < count; i++)
		if (str_equal(list[i].name, before->instance))
			return &list[i];
	return NULL;
}

static void look_at_name(const char *name, const struct member *list,
			 size_t count, void *ctx)
{
	struct before *before = ctx;

	for (size_t i = 0; i < count; i++)
		if (str_equal(list[i].name, before->instance))
			names_add(before, name);
}

static bool role_is_back(const struct before *before)
{
	for (size_t i = 0; i < before->count; i++) {
		const struct member *member =
			member_of(before, before->names[i]);

		if (!member || str_equal(member->epoch, before->epoch))
			return false;
	}
	return true;
}

/* -- routers --------------------------------------------------------------- */

/* Its epoch, on the heap; NULL: it does not answer. */
static char *router_epoch(const struct before *before)
{
	struct ctl_call *call = before->ctl->call;
	struct table *table = ctl_call_table(call);
	char *epoch = NULL;

	table_clear(table);
	if (ctl_call_ask(call, before->instance, "self", 1000) == CTL_OK &&
	    table_rows(table) > 0)
		epoch = mem_strdup(table_get(table, 0, "epoch"));
	table_clear(table);
	return epoch;
}

static void look_at_links(struct before *before)
{
	struct ctl_call *call = before->ctl->call;
	struct table *table = ctl_call_table(call);

	table_clear(table);
	ctl_call_ask(call, before->instance, "status", 1000);
	for (size_t i = 0; i < table_rows(table); i++)
		if (!str_equal(table_get(table, i, "kind"), "admin"))
			names_add(before, table_get(table, i, "name"));
	table_clear(table);
}

/* A component may have come to an end by itself; that is not waited for. */
static bool all_links_are_back(const struct before *before)
{
	struct before now = { .ctl = before->ctl,
			      .instance = before->instance };
	size_t back = 0;

	look_at_links(&now);
	for (size_t i = 0; i < before->count; i++)
		for (size_t j = 0; j < now.count; j++)
			back += str_equal(before->names[i], now.names[j]);
	before_free(&now);
	return back == before->count;
}

static bool router_is_back(const struct before *before)
{
	char *epoch = router_epoch(before);
	bool is_new = epoch && !str_equal(epoch, before->epoch);

	mem_free(epoch);
	return is_new && all_links_are_back(before);
}

/* -- one after the other --------------------------------------------------- */

static int look_before(struct before *before)
{
	const struct member *member;

	before->is_router = ctl_call_is_router(before->ctl->call,
					       before->instance);
	if (before->is_router) {
		before->epoch = router_epoch(before);
		look_at_links(before);
	} else {
		member = member_of(before, before->instance);
		before->epoch = member ? mem_strdup(member->epoch) : NULL;
		members_each(link_members(ctl_call_link(before->ctl->call)),
			     look_at_name, before);
	}
	if (before->epoch)
		return CTL_OK;
	ctl_complain("%s is not there, or cannot restart", before->instance);
	return CTL_UNAVAILABLE;
}

static int wait_until_back(const struct before *before)
{
	uint64_t patience = (uint64_t)before->ctl->options->timeout;

	for (uint64_t waited = 0; waited < patience; waited += LOOK_MS) {
		if (before->is_router ? router_is_back(before)
				      : role_is_back(before))
			return CTL_OK;
		ctl_call_pause(before->ctl->call, LOOK_MS);
	}
	ctl_complain("%s has not come back to what it did before; its log may "
		     "say why", before->instance);
	return CTL_FAILED;
}

/* What could not all be finished is finished by others: a restart loses
 * nothing either way. */
static int start_again(const struct before *before)
{
	struct ctl *ctl = before->ctl;
	int code = ctl_drain_if_possible(ctl, before->instance);

	if (code == CTL_FAILED)
		ctl_progress(ctl, before->instance, "is restarted all the "
			     "same");
	else if (code != CTL_OK)
		return code;
	code = ctl_call_ask(ctl->call, before->instance, "restart",
			    ANSWER_MS);
	if (code == CTL_OK)
		return CTL_OK;
	ctl_complain("%s does not restart: %s", before->instance,
		     ctl_call_said(ctl->call));
	ctl_call_ask(ctl->call, before->instance, "undrain", ANSWER_MS);
	return code;
}

static int restart_one(struct ctl *ctl, const char *instance)
{
	struct before before = { .ctl = ctl, .instance = instance };
	int code = look_before(&before);

	if (code == CTL_OK)
		code = start_again(&before);
	if (code == CTL_OK)
		code = wait_until_back(&before);
	if (code == CTL_OK)
		ctl_result(ctl, instance, "restarted");
	before_free(&before);
	return code;
}

/* -- all of them ----------------------------------------------------------- */

struct everybody {
	char **names;
	size_t count;
	const char *kind;
};

static void everybody_add(struct everybody *all, const char *name)
{
	all->names = mem_realloc(all->names, all->count + 1,
				 sizeof(*all->names));
	all->names[all->count++] = mem_strdup(name);
}

static void add_of_kind(const char *name, const struct member *list,
			size_t count, void *ctx)
{
	struct everybody *all = ctx;

	if (count == 1 && list[0].epoch && str_equal(list[0].name, name) &&
	    str_equal(list[0].kind, all->kind))
		everybody_add(all, name);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Routers first, and last what clients notice; of a kind by name. */
static void find_everybody(struct ctl *ctl, struct everybody *all)
{
	static const char *const kinds[] = { "sm", "s2s", "c2s", NULL };
	const struct link *link = ctl_call_link(ctl->call);
	const char *router;
	size_t first;

	for (size_t i = 0; (router = link_router(link, i)); i++)
		everybody_add(all, router);
	qsort(all->names, all->count, sizeof(*all->names), compare);
	for (size_t i = 0; kinds[i]; i++) {
		first = all->count;
		all->kind = kinds[i];
		members_each(link_members(link), add_of_kind, all);
		if (all->count > first)
			qsort(all->names + first, all->count - first,
			      sizeof(*all->names), compare);
	}
}

static int restart_all(struct ctl *ctl)
{
	struct everybody all = { .names = NULL };
	int code = CTL_OK;

	find_everybody(ctl, &all);
	for (size_t i = 0; i < all.count && code == CTL_OK; i++)
		code = restart_one(ctl, all.names[i]);
	for (size_t i = 0; i < all.count; i++)
		mem_free(all.names[i]);
	mem_free(all.names);
	return code;
}

int ctl_restart(struct ctl *ctl)
{
	int code = CTL_OK;

	if (ctl->all == (ctl->argument_count > 0)) {
		ctl_complain("usage: chappectl restart INSTANCE... or "
			     "restart --all");
		return CTL_USAGE;
	}
	ctl->call = ctl_call_open(ctl);
	if (!ctl->call)
		return CTL_UNAVAILABLE;
	if (ctl->all)
		return restart_all(ctl);
	for (int i = 0; i < ctl->argument_count && code == CTL_OK; i++)
		code = restart_one(ctl, ctl->arguments[i]);
	return code;
}
