/* SPDX-License-Identifier: Apache-2.0
 *
 * The types of options: what each takes as text, how it lies in a section's
 * struct, and how --dump writes it so that it reads back the same.
 */
#include "util/role/config_value.h"

#include <assert.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"

struct unit {
	const char *name;
	int64_t factor;
};

/* Largest first: --dump takes the first that divides the value. */
static const struct unit size_units[] = {
	{ "G", INT64_C(1) << 30 }, { "M", INT64_C(1) << 20 },
	{ "K", INT64_C(1) << 10 }, { "", 1 },
	{ .name = NULL },
};

static const struct unit duration_units[] = {
	{ "d", INT64_C(86400000) }, { "h", 3600000 }, { "m", 60000 },
	{ "s", 1000 }, { "ms", 1 },
	{ .name = NULL },
};

static void *place(const struct option *option, void *data)
{
	return (char *)data + option->offset;
}

static const void *place_const(const struct option *option, const void *data)
{
	return (const char *)data + option->offset;
}

/* -- from text ------------------------------------------------------------ */

static int parse_bool(const char *text, bool *value)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = { { "yes", true },	 { "no", false },
		      { "true", true },	 { "false", false },
		      { "on", true },	 { "off", false } };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (str_equal_nocase(text, words[i].word)) {
			*value = words[i].value;
			return 0;
		}
	}
	return -1;
}

/* Digits, and a unit directly behind. */
static int parse_units(const char *text, const struct unit *units,
		       int64_t *value)
{
	size_t digits = strspn(text, "0123456789");
	char number[20];
	int64_t plain;

	if (digits == 0 || digits >= sizeof(number))
		return -1;
	memcpy(number, text, digits);
	number[digits] = '\0';
	if (str_to_i64(number, 0, INT64_MAX, &plain) < 0)
		return -1;
	/* Nothing is nothing in every unit. */
	if (plain == 0 && text[digits] == '\0') {
		*value = 0;
		return 0;
	}
	for (; units->name; units++) {
		if (str_equal(text + digits, units->name))
			return __builtin_mul_overflow(plain, units->factor,
						      value)
				       ? -1
				       : 0;
	}
	return -1;
}

static int check_range(const struct option *option, const char *text,
		       int64_t value, struct error *err)
{
	if (value < option->min)
		return error_set(err, "\"%s\" is too small", text);
	if (option->max != 0 && value > option->max)
		return error_set(err, "\"%s\" is too large", text);
	return 0;
}

static int parse_integer(const struct option *option, const char *text,
			 int64_t *value, struct error *err)
{
	switch (option->type) {
	case OPTION_SIZE:
		if (parse_units(text, size_units, value) < 0)
			return error_set(err,
					 "\"%s\" is not a size like 256K",
					 text);
		break;
	case OPTION_DURATION:
		if (parse_units(text, duration_units, value) < 0)
			return error_set(err,
					 "\"%s\" is not a duration like 30s",
					 text);
		break;
	default:
		if (str_to_i64(text, INT64_MIN, INT64_MAX, value) < 0)
			return error_set(err, "\"%s\" is not a number", text);
		break;
	}
	return check_range(option, text, *value, err);
}

static int parse_choice(const struct option *option, const char *text,
			int *value, struct error *err)
{
	struct buf words = { .data = NULL };

	for (int i = 0; option->choices[i]; i++) {
		if (str_equal(option->choices[i], text)) {
			*value = i;
			buf_free(&words);
			return 0;
		}
		buf_addf(&words, "%s%s", i ? ", " : "", option->choices[i]);
	}
	error_set(err, "\"%s\" is none of %s", text, buf_data(&words));
	buf_free(&words);
	return -1;
}

static void list_add(char ***list, const char *text)
{
	size_t count = 0;

	while (*list && (*list)[count])
		count++;
	*list = mem_realloc(*list, count + 2, sizeof(**list));
	(*list)[count] = mem_strdup(text);
	(*list)[count + 1] = NULL;
}

int config_value_set(const struct option *option, const char *text, void *data,
		     struct error *err)
{
	bool boolean;
	int64_t integer;
	int choice;

	switch (option->type) {
	case OPTION_STRING:
		if (data) {
			mem_free(*(char **)place(option, data));
			*(char **)place(option, data) = mem_strdup(text);
		}
		return 0;
	case OPTION_LIST:
		if (data)
			list_add(place(option, data), text);
		return 0;
	case OPTION_BOOL:
		if (parse_bool(text, &boolean) < 0)
			return error_set(err, "\"%s\" is not yes or no", text);
		if (data)
			*(bool *)place(option, data) = boolean;
		return 0;
	case OPTION_CHOICE:
		if (parse_choice(option, text, &choice, err) < 0)
			return -1;
		if (data)
			*(int *)place(option, data) = choice;
		return 0;
	case OPTION_NUMBER:
	case OPTION_SIZE:
	case OPTION_DURATION:
		if (parse_integer(option, text, &integer, err) < 0)
			return -1;
		if (data)
			*(int64_t *)place(option, data) = integer;
		return 0;
	}
	return error_set(err, "option of no type");
}

void config_value_clear_list(const struct option *option, void *data)
{
	char ***list = place(option, data);

	for (size_t i = 0; *list && (*list)[i]; i++)
		mem_free((*list)[i]);
	mem_free(*list);
	/* Never NULL, so that users can walk it as it is. */
	*list = mem_calloc(1, sizeof(**list));
}

static void set_fallback_list(const struct option *option, void *data)
{
	char *copy, *rest, *item;

	config_value_clear_list(option, data);
	copy = rest = mem_strdup(option->fallback);
	while ((item = strsep(&rest, ",")))
		config_value_set(option, str_trim(item), data, NULL);
	mem_free(copy);
}

void config_value_set_fallback(const struct option *option, void *data)
{
	int rc = 0;

	if (option->type == OPTION_LIST) {
		if (option->fallback && *option->fallback)
			set_fallback_list(option, data);
		else
			config_value_clear_list(option, data);
	} else if (option->fallback) {
		rc = config_value_set(option, option->fallback, data, NULL);
	}
	assert(rc == 0);
}

void config_value_free(const struct option *option, void *data)
{
	if (option->type == OPTION_STRING) {
		mem_free(*(char **)place(option, data));
	} else if (option->type == OPTION_LIST) {
		config_value_clear_list(option, data);
		mem_free(*(char ***)place(option, data));
	}
}

/* -- to text -------------------------------------------------------------- */

void config_value_quote(struct buf *to, const char *text)
{
	buf_add_char(to, '"');
	for (; *text; text++) {
		/* "$" could start a variable. */
		if (*text == '"' || *text == '\\' || *text == '$')
			buf_addf(to, "\\%c", *text);
		else if ((unsigned char)*text < 0x20)
			buf_addf(to, "\\x%02x", (unsigned)*text);
		else
			buf_add_char(to, *text);
	}
	buf_add_char(to, '"');
}

static void dump_units(struct buf *to, const struct unit *units, int64_t value)
{
	/* The last unit is 1, so this ends; nothing is best said as "0". */
	while (value % units->factor != 0)
		units++;
	buf_addf(to, "%lld%s", (long long)(value / units->factor),
		 value == 0 ? "" : units->name);
}

static void dump_list(struct buf *to, char *const *list)
{
	buf_add_str(to, "{");
	for (size_t i = 0; list[i]; i++) {
		buf_add_str(to, i ? ", " : " ");
		config_value_quote(to, list[i]);
	}
	buf_add_str(to, list[0] ? " }" : "}");
}

void config_value_dump(const struct option *option, const void *data,
		       struct buf *to)
{
	const void *value = place_const(option, data);

	if (option->type == OPTION_STRING && !*(char *const *)value) {
		buf_addf(to, "# %s =", option->name);
		return;
	}
	buf_addf(to, "%s = ", option->name);
	switch (option->type) {
	case OPTION_STRING:
		config_value_quote(to, *(char *const *)value);
		break;
	case OPTION_LIST:
		dump_list(to, *(char **const *)value);
		break;
	case OPTION_BOOL:
		buf_add_str(to, *(const bool *)value ? "yes" : "no");
		break;
	case OPTION_NUMBER:
		buf_addf(to, "%lld", (long long)*(const int64_t *)value);
		break;
	case OPTION_SIZE:
		dump_units(to, size_units, *(const int64_t *)value);
		break;
	case OPTION_DURATION:
		dump_units(to, duration_units, *(const int64_t *)value);
		break;
	case OPTION_CHOICE:
		config_value_quote(to, option->choices[*(const int *)value]);
		break;
	}
}
