/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of named fields, collected from any number of answers and shown to a
 * person or to a script.
 */
#include "ctl/ctl.h"

#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"

struct row {
	char **values; /* by column; NULL: absent */
	size_t count;
};

struct table {
	char **columns;
	size_t column_count;
	struct row *rows;
	size_t row_count;
};

struct table *table_new(void)
{
	return mem_new(struct table);
}

void table_clear(struct table *table)
{
	for (size_t i = 0; i < table->row_count; i++) {
		for (size_t j = 0; j < table->rows[i].count; j++)
			mem_free(table->rows[i].values[j]);
		mem_free(table->rows[i].values);
	}
	table->row_count = 0;
}

void table_free(struct table **table)
{
	struct table *old = *table;

	if (!old)
		return;
	table_clear(old);
	for (size_t i = 0; i < old->column_count; i++)
		mem_free(old->columns[i]);
	mem_free(old->rows);
	mem_free(old->columns);
	mem_free(old);
	*table = NULL;
}

void table_row(struct table *table)
{
	table->rows = mem_realloc(table->rows, table->row_count + 1,
				  sizeof(*table->rows));
	table->rows[table->row_count++] = (struct row){ NULL, 0 };
}

static size_t column_of(struct table *table, const char *name)
{
	size_t i;

	for (i = 0; i < table->column_count; i++)
		if (str_equal(table->columns[i], name))
			return i;
	table->columns = mem_realloc(table->columns, i + 1,
				     sizeof(*table->columns));
	table->columns[i] = mem_strdup(name);
	table->column_count++;
	return i;
}

void table_field(struct table *table, const char *name, const char *value)
{
	size_t column = column_of(table, name);
	struct row *row = &table->rows[table->row_count - 1];

	while (row->count <= column) {
		row->values = mem_realloc(row->values, row->count + 1,
					  sizeof(*row->values));
		row->values[row->count++] = NULL;
	}
	mem_free(row->values[column]);
	row->values[column] = mem_strdup(value);
}

static const char *value_at(const struct row *row, size_t column)
{
	return column < row->count ? row->values[column] : NULL;
}

const char *table_get(const struct table *table, size_t row, const char *name)
{
	for (size_t i = 0; i < table->column_count; i++)
		if (str_equal(table->columns[i], name))
			return value_at(&table->rows[row], i);
	return NULL;
}

size_t table_rows(const struct table *table)
{
	return table->row_count;
}

/* Columns that a terminal shows for UTF-8 text, near enough: one for each
 * character. */
static size_t text_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

static void add_cell(struct buf *to, const char *text, size_t width, bool last)
{
	size_t used = text_width(text);

	buf_add_str(to, text);
	if (last) {
		buf_add_char(to, '\n');
		return;
	}
	for (; used < width + 2; used++)
		buf_add_char(to, ' ');
}

static void print_text(const struct table *table, struct buf *to)
{
	size_t columns = table->column_count;
	size_t *widths = mem_calloc(columns + 1, sizeof(*widths));

	for (size_t j = 0; j < columns; j++) {
		widths[j] = text_width(table->columns[j]);
		for (size_t i = 0; i < table->row_count; i++) {
			const char *text = value_at(&table->rows[i], j);

			if (text && text_width(text) > widths[j])
				widths[j] = text_width(text);
		}
	}
	for (size_t j = 0; j < columns; j++)
		add_cell(to, table->columns[j], widths[j], j + 1 == columns);
	for (size_t i = 0; i < table->row_count; i++)
		for (size_t j = 0; j < columns; j++) {
			const char *text = value_at(&table->rows[i], j);

			add_cell(to, text ? text : "-", widths[j],
				 j + 1 == columns);
		}
	mem_free(widths);
}

static void print_json(const struct table *table, struct buf *to)
{
	buf_add_char(to, '[');
	for (size_t i = 0; i < table->row_count; i++) {
		const struct row *row = &table->rows[i];
		const char *between = "";

		buf_add_str(to, i ? ",\n {" : "{");
		for (size_t j = 0; j < row->count; j++) {
			if (!row->values[j])
				continue;
			buf_add_str(to, between);
			buf_add_json(to, table->columns[j]);
			buf_add_str(to, ": ");
			buf_add_json(to, row->values[j]);
			between = ", ";
		}
		buf_add_char(to, '}');
	}
	buf_add_str(to, "]\n");
}

void table_print(const struct table *table, bool json, struct buf *to)
{
	if (json)
		print_json(table, to);
	else if (table->row_count)
		print_text(table, to);
}
