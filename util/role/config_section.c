/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole sections as values: copies that outlive the file they came from, and
 * whether two are the same.
 */
#include "util/role/config.h"

#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/role/config_value.h"

static const void *place(const struct option *option, const void *values)
{
	return (const char *)values + option->offset;
}

static size_t value_size(enum option_type type)
{
	switch (type) {
	case OPTION_STRING:
		return sizeof(char *);
	case OPTION_LIST:
		return sizeof(char **);
	case OPTION_BOOL:
		return sizeof(bool);
	case OPTION_CHOICE:
		return sizeof(int);
	case OPTION_NUMBER:
	case OPTION_SIZE:
	case OPTION_DURATION:
		return sizeof(int64_t);
	}
	return 0;
}

static char **list_copy(char *const *list)
{
	size_t count = 0;
	char **copy;

	while (list != NULL && list[count] != NULL)
		count++;
	copy = mem_calloc(count + 1, sizeof(*copy));
	for (size_t i = 0; i < count; i++)
		copy[i] = mem_strdup(list[i]);
	return copy;
}

static bool list_equal(char *const *a, char *const *b)
{
	for (; *a != NULL && *b != NULL; a++, b++) {
		if (!str_equal(*a, *b))
			return false;
	}
	return *a == *b;
}

void *section_copy(const struct section *section, const void *values)
{
	char *copy = mem_alloc(section->size);

	for (const struct option *option = section->options; option->name;
	     option++) {
		const void *value = place(option, values);
		void *to = copy + option->offset;

		if (option->type == OPTION_STRING)
			*(char **)to = mem_strdup(*(char *const *)value);
		else if (option->type == OPTION_LIST)
			*(char ***)to = list_copy(*(char **const *)value);
		else
			memcpy(to, value, value_size(option->type));
	}
	return copy;
}

bool section_equal(const struct section *section, const void *a, const void *b)
{
	bool equal = true;

	if (a == NULL || b == NULL)
		return a == b;
	for (const struct option *option = section->options;
	     equal && option->name; option++) {
		const void *left = place(option, a), *right = place(option, b);

		if (option->type == OPTION_STRING)
			equal = str_equal(*(char *const *)left,
					  *(char *const *)right);
		else if (option->type == OPTION_LIST)
			equal = list_equal(*(char **const *)left,
					   *(char **const *)right);
		else
			equal = memcmp(left, right,
				       value_size(option->type)) == 0;
	}
	return equal;
}

void section_free(const struct section *section, void *values)
{
	if (values == NULL)
		return;
	for (const struct option *option = section->options; option->name;
	     option++)
		config_value_free(option, values);
	mem_free(values);
}
