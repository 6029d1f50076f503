/* SPDX-License-Identifier: Apache-2.0
 *
 * `dns`: the records that our domains need, told by the roles that listen; and
 * `dns check`: whether DNS has them, as s2s sees it.
 */
#include "ctl/ctl.h"

#include <stdio.h>

#include "util/base/mem.h"
#include "util/base/str.h"

#define NAME(row) table_get(needed, row, "name")

/* Several instances say the same. */
static bool is_repeat(const struct table *needed, size_t row)
{
	for (size_t i = 0; i < row; i++) {
		if (str_equal(NAME(i), NAME(row)) &&
		    str_equal(table_get(needed, i, "value"),
			      table_get(needed, row, "value")))
			return true;
	}
	return false;
}

static void copy_field(struct table *to, const struct table *from, size_t row,
		       const char *name)
{
	const char *value = table_get(from, row, name);

	if (value)
		table_field(to, name, value);
}

/* What all roles need; takes it out of the answers. */
static int gather(struct ctl *ctl, struct table *needed)
{
	static const char *const kinds[] = { "c2s", "s2s" };
	struct table *said = ctl_call_table(ctl->call);
	int worst = CTL_OK;

	for (int i = 0; i < 2; i++) {
		int code;

		if (!ctl_call_has(ctl->call, kinds[i]))
			continue;
		if (ctl->argument_count > 0)
			ctl_call_argument(ctl->call, "domain",
					  ctl->arguments[0]);
		if (ctl->argument_count > 1)
			ctl_call_argument(ctl->call, "host",
					  ctl->arguments[1]);
		code = ctl_call_kind(ctl->call, kinds[i], "dns");
		worst = code > worst ? code : worst;
	}
	for (size_t i = 0; i < table_rows(said); i++) {
		if (is_repeat(said, i))
			continue;
		table_row(needed);
		copy_field(needed, said, i, "name");
		copy_field(needed, said, i, "type");
		copy_field(needed, said, i, "value");
	}
	table_clear(said);
	return worst;
}

static void print_zone(const struct table *needed)
{
	for (size_t i = 0; i < table_rows(needed); i++) {
		const char *type = table_get(needed, i, "type");

		if (str_equal(type, "POSH"))
			printf("; %s\n;   %s\n", NAME(i),
			       table_get(needed, i, "value"));
		else
			printf("%-40s IN %-4s %s\n", NAME(i), type,
			       table_get(needed, i, "value"));
	}
}

static void print_json(const struct table *table)
{
	struct buf text = { 0 };

	table_print(table, true, &text);
	fputs(buf_data(&text), stdout);
	buf_free(&text);
}

static int run(struct ctl *ctl, int (*show)(struct ctl *, struct table *))
{
	struct table *needed;
	int code;

	ctl->call = ctl_call_open(ctl);
	if (!ctl->call)
		return CTL_UNAVAILABLE;
	needed = table_new();
	code = gather(ctl, needed);
	if (code == CTL_OK)
		code = show(ctl, needed);
	table_free(&needed);
	return code;
}

static int show_zone(struct ctl *ctl, struct table *needed)
{
	if (ctl->json)
		print_json(needed);
	else
		print_zone(needed);
	return CTL_OK;
}

int ctl_dns(struct ctl *ctl)
{
	return run(ctl, show_zone);
}

/* -- the check ------------------------------------------------------------ */

static int check_row(struct ctl *ctl, const struct table *needed, size_t row)
{
	ctl_call_argument(ctl->call, "name", NAME(row));
	ctl_call_argument(ctl->call, "type", table_get(needed, row, "type"));
	ctl_call_argument(ctl->call, "value", table_get(needed, row, "value"));
	/* All of them see the same: one is enough. */
	return ctl_call_serving(ctl->call, "dns.check.invalid", "dns.check");
}

static const char *or_none(const char *text)
{
	return text ? text : "";
}

static int show_check(struct ctl *ctl, struct table *needed)
{
	const struct table *said = ctl_call_table(ctl->call);
	int worst = CTL_OK;

	for (size_t i = 0; i < table_rows(needed) && worst == CTL_OK; i++)
		worst = check_row(ctl, needed, i);
	for (size_t i = 0; i < table_rows(said); i++) {
		const char *state = table_get(said, i, "state");
		const char *found = table_get(said, i, "found");
		const char *note = table_get(said, i, "note");

		if (!ctl->json)
			printf("%-9s %s %s %s%s%s%s%s\n", state,
			       table_get(said, i, "name"),
			       table_get(said, i, "type"),
			       table_get(said, i, "value"),
			       str_equal(state, "different") ? ", found " : "",
			       str_equal(state, "different") ? or_none(found)
							     : "",
			       note ? ": " : "", or_none(note));
		if (!str_equal(state, "ok") && !str_equal(state, "unchecked"))
			worst = worst == CTL_OK ? CTL_FAILED : worst;
	}
	if (ctl->json)
		print_json(said);
	return worst;
}

int ctl_dns_check(struct ctl *ctl)
{
	return run(ctl, show_check);
}
