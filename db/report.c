/* SPDX-License-Identifier: Apache-2.0
 *
 * What was done, counted by kind, outcome and reason. There are few of them,
 * so a list is searched.
 */
#include "db/db.h"

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"

struct report_row {
	char *kind, *done, *why;
	unsigned long count;
	struct report_row *next;
};

struct report {
	struct report_row *rows;
};

struct report *report_new(void)
{
	return mem_new(struct report);
}

void report_free(struct report **report)
{
	struct report_row *row, *next;

	if (*report == NULL)
		return;
	LL_FOREACH_SAFE((*report)->rows, row, next) {
		mem_free(row->kind);
		mem_free(row->done);
		mem_free(row->why);
		mem_free(row);
	}
	mem_free(*report);
	*report = NULL;
}

static void add(struct report *report, const char *kind, const char *done,
		const char *why, unsigned long count)
{
	struct report_row *row;

	LL_FOREACH(report->rows, row) {
		if (str_equal(row->kind, kind) && str_equal(row->done, done) &&
		    str_equal(row->why, why)) {
			row->count += count;
			return;
		}
	}
	row = mem_new(struct report_row);
	row->kind = mem_strdup(kind);
	row->done = mem_strdup(done);
	row->why = mem_strdup(why);
	row->count = count;
	LL_APPEND(report->rows, row);
}

void report_count(struct report *report, const char *kind, const char *done,
		  const char *why)
{
	add(report, kind, done, why, 1);
}

void report_merge(struct report *report, const struct report *other)
{
	const struct report_row *row;

	LL_FOREACH(other->rows, row)
		add(report, row->kind, row->done, row->why, row->count);
}

unsigned long report_total(const struct report *report, const char *done)
{
	const struct report_row *row;
	unsigned long total = 0;

	LL_FOREACH(report->rows, row) {
		if (str_equal(row->done, done))
			total += row->count;
	}
	return total;
}

void report_note(const struct db *db, const char *kind, const char *where,
		 const char *text)
{
	struct buf line = { 0 };

	if (db->json) {
		buf_add_str(&line, "{\"kind\":");
		buf_add_json(&line, kind);
		buf_add_str(&line, ",\"where\":");
		buf_add_json(&line, where);
		buf_add_str(&line, ",\"text\":");
		buf_add_json(&line, text);
		buf_add_str(&line, "}");
	} else {
		buf_addf(&line, "%s%s%s: %s", kind, *where != '\0' ? " " : "",
			 where, text);
	}
	fprintf(stderr, "%s\n", buf_data(&line));
	buf_free(&line);
}

static void print_json(const struct report *report, struct buf *to)
{
	const struct report_row *row;

	buf_add_str(to, "[");
	LL_FOREACH(report->rows, row) {
		buf_add_str(to, row == report->rows ? "{\"kind\":"
						    : ",\n{\"kind\":");
		buf_add_json(to, row->kind);
		buf_add_str(to, ",\"result\":");
		buf_add_json(to, row->done);
		buf_add_str(to, ",\"reason\":");
		buf_add_json(to, row->why);
		buf_addf(to, ",\"count\":\"%lu\"}", row->count);
	}
	buf_add_str(to, "]\n");
}

void report_print(const struct report *report, bool json, FILE *to)
{
	const struct report_row *row;
	struct buf text = { 0 };

	if (json) {
		print_json(report, &text);
	} else {
		LL_FOREACH(report->rows, row)
			buf_addf(&text, "%s: %lu %s%s%s\n", row->kind,
				 row->count, row->done,
				 row->why != NULL ? ": " : "",
				 row->why != NULL ? row->why : "");
	}
	fputs(buf_data(&text), to);
	buf_free(&text);
}
