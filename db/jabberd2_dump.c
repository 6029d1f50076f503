/* SPDX-License-Identifier: Apache-2.0
 *
 * A reader of what mysqldump writes: the columns of its tables and the rows of
 * its INSERTs (https://dev.mysql.com/doc/refman/8.0/en/string-literals.html).
 * Everything else is passed over.
 */
#include "db/jabberd2.h"

#include <ctype.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"

#define COLUMNS_MAX 128

struct dump {
	FILE *file;
	int next; /* character, or EOF */
	unsigned long line;
	struct buf word;
	char *table;
	char *names[COLUMNS_MAX];
	size_t name_count;
	char *values[COLUMNS_MAX];
	size_t value_count;
	mysql_table_cb *on_table;
	mysql_row_cb *on_row;
	void *ctx;
	struct error *err;
};

static int fail(struct dump *dump, const char *what)
{
	return error_set(dump->err, "line %lu: %s", dump->line, what);
}

static void advance(struct dump *dump)
{
	if (dump->next == '\n')
		dump->line++;
	dump->next = getc(dump->file);
}

/* -- words ------------------------------------------------------------------ */

static void skip_line(struct dump *dump)
{
	while (dump->next != '\n' && dump->next != EOF)
		advance(dump);
}

static void skip_comment(struct dump *dump)
{
	int before = 0;

	while (dump->next != EOF && !(before == '*' && dump->next == '/')) {
		before = dump->next;
		advance(dump);
	}
	advance(dump);
}

/* "-- ", "#" and C's comments. A minus or slash alone has no place before
 * what is read here. */
static void skip_space(struct dump *dump)
{
	for (;;) {
		if (isspace(dump->next)) {
			advance(dump);
		} else if (dump->next == '#') {
			skip_line(dump);
		} else if (dump->next == '-') {
			advance(dump);
			if (dump->next != '-') {
				ungetc(dump->next, dump->file);
				dump->next = '-';
				return;
			}
			skip_line(dump);
		} else if (dump->next == '/') {
			skip_comment(dump);
		} else {
			return;
		}
	}
}

static char unescape(int c)
{
	switch (c) {
	case '0':
		return '\0';
	case 'b':
		return '\b';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case 'Z':
		return 26;
	}
	return (char)c;
}

/* A text in quotes, up to the closing one; two of them are one. */
static int read_quoted(struct dump *dump)
{
	int quote = dump->next;

	buf_clear(&dump->word, 1 << 20);
	for (;;) {
		advance(dump);
		if (dump->next == EOF)
			return fail(dump, "a text has no end");
		if (dump->next == '\\' && quote != '`') {
			advance(dump);
			buf_add_char(&dump->word, unescape(dump->next));
		} else if (dump->next == quote) {
			advance(dump);
			if (dump->next != quote)
				return 0;
			buf_add_char(&dump->word, (char)quote);
			ungetc(quote, dump->file);
			dump->next = quote;
			advance(dump);
		} else {
			buf_add_char(&dump->word, (char)dump->next);
		}
	}
}

static bool is_word(int c)
{
	return isalnum(c) || c == '_' || c == '.' || c == '+' || c == '-' ||
	       c == '$';
}

/* A name, a number or a text; empty for anything else. */
static int read_word(struct dump *dump)
{
	skip_space(dump);
	if (dump->next == '\'' || dump->next == '"' || dump->next == '`')
		return read_quoted(dump);
	buf_clear(&dump->word, 1 << 20);
	while (is_word(dump->next)) {
		buf_add_char(&dump->word, (char)dump->next);
		advance(dump);
	}
	return 0;
}

static bool word_is(const struct dump *dump, const char *text)
{
	return str_equal_nocase(buf_data(&dump->word), text);
}

static bool take(struct dump *dump, int c)
{
	skip_space(dump);
	if (dump->next != c)
		return false;
	advance(dump);
	return true;
}

/* -- statements ------------------------------------------------------------- */

static void clear_names(struct dump *dump)
{
	while (dump->name_count > 0)
		mem_free(dump->names[--dump->name_count]);
}

static void clear_values(struct dump *dump)
{
	while (dump->value_count > 0)
		mem_free_secret(dump->values[--dump->value_count]);
}

static int skip_statement(struct dump *dump)
{
	for (;;) {
		skip_space(dump);
		if (dump->next == EOF || dump->next == ';') {
			advance(dump);
			return 0;
		}
		if (dump->next == '\'' || dump->next == '"' ||
		    dump->next == '`') {
			if (read_quoted(dump) < 0)
				return -1;
		} else {
			advance(dump);
		}
	}
}

/* One value of a row. Hexadecimal ones are those of --hex-blob. */
static int read_value(struct dump *dump)
{
	bool quoted;

	if (dump->value_count == COLUMNS_MAX)
		return fail(dump, "a row has too many values");
	skip_space(dump);
	if (dump->next == '_') {
		/* "_binary 'text'" */
		if (read_word(dump) < 0)
			return -1;
		skip_space(dump);
	}
	quoted = dump->next == '\'' || dump->next == '"';
	if (read_word(dump) < 0)
		return -1;
	if (!quoted && dump->word.len == 0)
		return fail(dump, "a value is missing");
	if (strlen(buf_data(&dump->word)) != dump->word.len)
		return fail(dump, "a text has a zero byte");
	dump->values[dump->value_count++] =
		!quoted && word_is(dump, "NULL")
			? NULL
			: mem_strdup(buf_data(&dump->word));
	return 0;
}

static int read_row(struct dump *dump)
{
	int result;

	if (!take(dump, '('))
		return fail(dump, "a row is missing");
	do {
		if (read_value(dump) < 0)
			return -1;
	} while (take(dump, ','));
	if (!take(dump, ')'))
		return fail(dump, "a row has no end");
	result = dump->on_row(dump->table, dump->names, dump->name_count,
			      dump->values, dump->value_count, dump->ctx);
	clear_values(dump);
	return result == 0 ? 0 : fail(dump, "a row does not fit its table");
}

static int add_name(struct dump *dump)
{
	if (dump->name_count == COLUMNS_MAX)
		return fail(dump, "a table has too many columns");
	dump->names[dump->name_count++] = mem_strdup(buf_data(&dump->word));
	return 0;
}

/* INSERT INTO `table` [(`name`, ...)] VALUES (...), (...); */
static int read_insert(struct dump *dump)
{
	do {
		if (read_word(dump) < 0)
			return -1;
	} while (word_is(dump, "IGNORE") || word_is(dump, "INTO"));
	mem_free(dump->table);
	dump->table = mem_strdup(buf_data(&dump->word));
	clear_names(dump);
	if (take(dump, '(')) {
		do {
			if (read_word(dump) < 0 || add_name(dump) < 0)
				return -1;
		} while (take(dump, ','));
		if (!take(dump, ')'))
			return fail(dump, "a list of columns has no end");
	}
	if (read_word(dump) < 0)
		return -1;
	if (!word_is(dump, "VALUES") && !word_is(dump, "VALUE"))
		return fail(dump, "an INSERT has no VALUES");
	do {
		if (read_row(dump) < 0)
			return -1;
	} while (take(dump, ','));
	return skip_statement(dump);
}

/* What follows a column, up to its comma: types have parentheses. */
static int skip_column(struct dump *dump)
{
	int depth = 0;

	for (;;) {
		skip_space(dump);
		if (dump->next == EOF)
			return fail(dump, "a table has no end");
		if (depth == 0 && (dump->next == ',' || dump->next == ')'))
			return 0;
		depth += dump->next == '(';
		depth -= dump->next == ')';
		if (dump->next == '\'' || dump->next == '"' ||
		    dump->next == '`') {
			if (read_quoted(dump) < 0)
				return -1;
		} else {
			advance(dump);
		}
	}
}

/* CREATE TABLE [IF NOT EXISTS] `table` (`name` type ..., KEY ..., ...) */
static int read_create(struct dump *dump)
{
	if (read_word(dump) < 0)
		return -1;
	if (!word_is(dump, "TABLE"))
		return skip_statement(dump);
	do {
		if (read_word(dump) < 0)
			return -1;
	} while (word_is(dump, "IF") || word_is(dump, "NOT") ||
		 word_is(dump, "EXISTS"));
	mem_free(dump->table);
	dump->table = mem_strdup(buf_data(&dump->word));
	clear_names(dump);
	if (!take(dump, '('))
		return skip_statement(dump);
	do {
		bool column;

		skip_space(dump);
		column = dump->next == '`';
		if (read_word(dump) < 0 ||
		    (column && add_name(dump) < 0) || skip_column(dump) < 0)
			return -1;
	} while (take(dump, ','));
	dump->on_table(dump->table, dump->names, dump->name_count, dump->ctx);
	return skip_statement(dump);
}

static int read_statements(struct dump *dump)
{
	advance(dump);
	for (;;) {
		int result;

		if (read_word(dump) < 0)
			return -1;
		if (dump->next == EOF && dump->word.len == 0)
			return 0;
		if (word_is(dump, "INSERT") || word_is(dump, "REPLACE"))
			result = read_insert(dump);
		else if (word_is(dump, "CREATE"))
			result = read_create(dump);
		else
			result = skip_statement(dump);
		if (result < 0)
			return -1;
	}
}

int mysql_dump_read(FILE *file, mysql_table_cb *table, mysql_row_cb *row,
		    void *ctx, struct error *err)
{
	struct dump dump = {
		.file = file, .line = 1, .on_table = table, .on_row = row,
		.ctx = ctx, .err = err,
	};
	int result = read_statements(&dump);

	clear_names(&dump);
	clear_values(&dump);
	mem_free(dump.table);
	buf_free_secret(&dump.word);
	return result;
}
