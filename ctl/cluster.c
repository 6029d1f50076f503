/* SPDX-License-Identifier: Apache-2.0
 *
 * `cluster`: every role with what it tells of itself, and who serves which name.
 * Who is there but does not answer stands there as well.
 */
#include "ctl/ctl.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"

/* For all answers together: one that hangs must not hide the others. */
#define ANSWERS_MS 1800

/* In this order; a role that has no such thing shows none. */
static const char *const columns[] = {
	"state", "left",     "version",	    "protocol", "uptime", "routers",
	"links", "sessions", "connections", "users",	"queue",  "bytes",
	NULL
};

struct cluster {
	struct ctl_call *call;
	struct table *roles, *names;
};

/* The row of what it has told; -1: nothing. */
static int answer_of(const struct cluster *cluster, const char *instance)
{
	const struct table *answers = ctl_call_table(cluster->call);

	for (size_t i = 0; i < table_rows(answers); i++)
		if (str_equal(table_get(answers, i, "instance"), instance))
			return (int)i;
	return -1;
}

static void add_role(struct cluster *cluster, const char *instance,
		     const char *kind)
{
	const struct table *answers = ctl_call_table(cluster->call);
	int row = answer_of(cluster, instance);

	table_row(cluster->roles);
	table_field(cluster->roles, "instance", instance);
	table_field(cluster->roles, "kind", kind);
	if (row < 0)
		table_field(cluster->roles, "state",
			    str_equal(kind, "component") ? "linked"
							 : "no answer");
	for (size_t i = 0; row >= 0 && columns[i]; i++) {
		const char *value =
			table_get(answers, (size_t)row, columns[i]);

		if (value)
			table_field(cluster->roles, columns[i], value);
	}
}

/* Columns are in the order of their first value, and not all roles have all of
 * them. */
static void head(struct table *table)
{
	table_row(table);
	table_field(table, "instance", "");
	table_field(table, "kind", "");
	for (size_t i = 0; columns[i]; i++)
		table_field(table, columns[i], "");
	table_clear(table);
}

static void add_routers(struct cluster *cluster)
{
	const struct link *link = ctl_call_link(cluster->call);
	struct link_router_facts facts;

	for (size_t i = 0; link_router_facts(link, i, &facts); i++) {
		if (facts.connected) {
			add_role(cluster, facts.name, "router");
			continue;
		}
		table_row(cluster->roles);
		table_field(cluster->roles, "instance",
			    facts.name ? facts.name : facts.address);
		table_field(cluster->roles, "kind", "router");
		table_field(cluster->roles, "state", "no answer");
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->name,
		      ((const struct member *)b)->name);
}

static void add_name(struct cluster *cluster, const char *name,
		     const struct member *list, size_t count)
{
	struct member *sorted = mem_calloc(count, sizeof(*sorted));
	struct buf members = { 0 };

	memcpy(sorted, list, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), by_name);
	for (size_t i = 0; i < count; i++)
		buf_addf(&members, "%s%s", i > 0 ? " " : "", sorted[i].name);
	table_row(cluster->names);
	table_field(cluster->names, "name", name);
	table_field(cluster->names, "members", buf_data(&members));
	buf_free(&members);
	mem_free(sorted);
}

static void look_at(const char *name, const struct member *list, size_t count,
		    void *ctx)
{
	struct cluster *cluster = ctx;

	if (count != 1 || !str_equal(list[0].name, name))
		add_name(cluster, name, list, count);
	else if (!str_equal(list[0].kind, "admin"))
		add_role(cluster, name, list[0].kind);
}

static void print(const struct cluster *cluster, bool json)
{
	struct buf text = { 0 };

	buf_add_str(&text, json ? "{\"roles\": " : "");
	table_print(cluster->roles, json, &text);
	buf_add_str(&text, json ? ", \"names\": " : "\n");
	table_print(cluster->names, json, &text);
	buf_add_str(&text, json ? "}\n" : "");
	fputs(buf_data(&text), stdout);
	buf_free(&text);
}

/* Whether all that is there has answered. */
static int code_of(const struct cluster *cluster)
{
	int code = CTL_OK;

	for (size_t i = 0; i < table_rows(cluster->roles); i++) {
		if (!str_equal(table_get(cluster->roles, i, "state"),
			       "no answer"))
			continue;
		ctl_complain("%s does not answer",
			     table_get(cluster->roles, i, "instance"));
		code = CTL_UNAVAILABLE;
	}
	return code;
}

int ctl_cluster(struct ctl *ctl)
{
	struct cluster cluster = { .call = NULL };
	int code;

	ctl->call = ctl_call_open(ctl);
	if (!ctl->call)
		return CTL_UNAVAILABLE;
	cluster.call = ctl->call;
	cluster.roles = table_new();
	cluster.names = table_new();
	head(cluster.roles);
	ctl_call_gather(ctl->call, ANSWERS_MS);
	add_routers(&cluster);
	members_each(link_members(ctl_call_link(ctl->call)), look_at,
		     &cluster);
	print(&cluster, ctl->json);
	code = code_of(&cluster);
	table_free(&cluster.roles);
	table_free(&cluster.names);
	return code;
}
