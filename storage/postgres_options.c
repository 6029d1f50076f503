/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes our own keys out of a conninfo. What the others mean is libpq's
 * business (PQconninfoParse), how they are written is told there too:
 * https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING
 */
#include "storage/postgres_options.h"

#include <libpq-fe.h>
#include <string.h>

#include "util/base/buf.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define SPACE " \t\r\n"

/* Takes a key of ours: 1; not ours: 0; a value that makes no sense: -1. */
static int take(struct pg_options *options, const char *key, const char *value,
		struct error *err)
{
	uint64_t seconds;

	if (str_equal(key, "connections")) {
		if (str_to_u64(value, 1, 64, &options->connections) == 0)
			return 1;
		return error_set(err, "connections is a number from 1 to 64, "
				 "not \"%s\"", value);
	}
	if (str_equal(key, "timeout")) {
		if (str_to_u64(value, 1, 3600, &seconds) < 0)
			return error_set(err, "timeout is a number of seconds "
					 "from 1 to 3600, not \"%s\"", value);
		options->timeout_ms = seconds * 1000;
		return 1;
	}
	return 0;
}

/* The end of a value in a text of words: a quoted one may hold spaces. */
static const char *value_end(const char *at)
{
	char quote = *at == '\'' ? *at++ : '\0';

	for (; *at != '\0'; at++) {
		if (*at == '\\' && at[1] != '\0')
			at++;
		else if (quote ? *at == quote : strchr(SPACE, *at) != NULL)
			return quote ? at + 1 : at;
	}
	return at;
}

/* A value without its quotes; ours hold nothing that needs a backslash. */
static char *value_text(const char *at, const char *end)
{
	if (*at == '\'' && end - at >= 2) {
		at++;
		end--;
	}
	return mem_strndup(at, (size_t)(end - at));
}

static int parse_words(struct pg_options *options, const char *text,
		       struct buf *rest, struct error *err)
{
	const char *at = text + strspn(text, SPACE);

	while (*at != '\0') {
		size_t key_len = strcspn(at, "=" SPACE);
		const char *value = at + key_len;
		const char *end;
		char *key, *plain;
		int taken;

		value += strspn(value, SPACE);
		if (*value == '=')
			value++;
		value += strspn(value, SPACE);
		end = value_end(value);
		key = mem_strndup(at, key_len);
		plain = value_text(value, end);
		taken = take(options, key, plain, err);
		mem_free(key);
		mem_free_secret(plain);
		if (taken < 0)
			return -1;
		if (taken == 0) {
			buf_add(rest, at, (size_t)(end - at));
			buf_add_char(rest, ' ');
		}
		at = end + strspn(end, SPACE);
	}
	return 0;
}

static int parse_uri(struct pg_options *options, const char *text,
		     struct buf *rest, struct error *err)
{
	const char *at = text + strcspn(text, "?");
	char separator = '?';

	buf_add(rest, text, (size_t)(at - text));
	while (*at != '\0') {
		size_t len = strcspn(++at, "&");
		char *pair = mem_strndup(at, len);
		char *equals = strchr(pair, '=');
		int taken = 0;

		if (equals != NULL) {
			*equals = '\0';
			taken = take(options, pair, equals + 1, err);
		}
		mem_free_secret(pair);
		if (taken < 0)
			return -1;
		if (taken == 0) {
			buf_add_char(rest, separator);
			buf_add(rest, at, len);
			separator = '&';
		}
		at += len;
	}
	return 0;
}

static int check(const char *conninfo, struct error *err)
{
	char *text = NULL;
	PQconninfoOption *options = PQconninfoParse(conninfo, &text);

	if (options == NULL) {
		if (text != NULL)
			text[strcspn(text, "\n")] = '\0';
		error_set(err, "%s", text != NULL ? text : "no memory");
	}
	PQfreemem(text);
	PQconninfoFree(options);
	return options != NULL ? 0 : -1;
}

int pg_options_parse(struct pg_options *options, const char *text,
		     struct error *err)
{
	bool uri = str_starts(text, "postgres://") ||
		   str_starts(text, "postgresql://");
	struct buf rest = { 0 };
	int result;

	*options = (struct pg_options){
		.connections = 4,
		.timeout_ms = 5000,
	};
	result = uri ? parse_uri(options, text, &rest, err)
		     : parse_words(options, text, &rest, err);
	if (result == 0)
		result = check(buf_data(&rest), err);
	if (result == 0)
		options->conninfo = mem_strdup(buf_data(&rest));
	buf_free_secret(&rest);
	return result;
}

void pg_options_clear(struct pg_options *options)
{
	mem_free_secret(options->conninfo);
	options->conninfo = NULL;
}
