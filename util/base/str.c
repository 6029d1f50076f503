/* SPDX-License-Identifier: Apache-2.0
 *
 * Small questions about text. Growing text is the work of buf.c, and text
 * that means something (JIDs, XML) has its own files.
 */
#include "util/base/str.h"

#include <string.h>

/* Not tolower(3): a locale must not change what is equal. */
static unsigned char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

bool str_equal(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

bool str_equal_nocase(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	while (*a != '\0' && lower(*a) == lower(*b)) {
		a++;
		b++;
	}
	return lower(*a) == lower(*b);
}

bool str_starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *text, const char *suffix)
{
	size_t text_len = strlen(text);
	size_t len = strlen(suffix);

	return len <= text_len && strcmp(text + text_len - len, suffix) == 0;
}

/* Digits only, at least one, no overflow. */
static int parse_digits(const char *text, uint64_t *value)
{
	uint64_t number = 0;

	if (text == NULL || *text == '\0')
		return -1;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		if (__builtin_mul_overflow(number, 10u, &number) ||
		    __builtin_add_overflow(number, *text - '0', &number))
			return -1;
	}
	*value = number;
	return 0;
}

int str_to_u64(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	uint64_t number;

	if (parse_digits(text, &number) < 0 || number < min || number > max)
		return -1;
	*value = number;
	return 0;
}

int str_to_i64(const char *text, int64_t min, int64_t max, int64_t *value)
{
	bool negative = text != NULL && *text == '-';
	uint64_t digits;
	int64_t number;

	if (parse_digits(negative ? text + 1 : text, &digits) < 0)
		return -1;
	if (negative) {
		/* 0 - x in one checked step, so that INT64_MIN is reached. */
		if (__builtin_sub_overflow(0, digits, &number))
			return -1;
	} else if (__builtin_add_overflow(0, digits, &number)) {
		return -1;
	}
	if (number < min || number > max)
		return -1;
	*value = number;
	return 0;
}

bool str_copy(char *to, size_t size, const char *from)
{
	size_t len = strnlen(from, size);
	bool whole = len < size;

	if (size == 0)
		return false;
	if (!whole) {
		len = size - 1;
		/* from[len] is the first byte left out: when it continues a
		 * character, that character goes as a whole. */
		while (len > 0 && ((unsigned char)from[len] & 0xc0) == 0x80)
			len--;
	}
	memmove(to, from, len);
	to[len] = '\0';
	return whole;
}

/* The character after this one: UTF-8 continuation bytes belong to it. */
static const char *next_char(const char *text)
{
	do
		text++;
	while (((unsigned char)*text & 0xc0) == 0x80);
	return text;
}

bool str_matches(const char *text, const char *pattern)
{
	const char *star = NULL;
	const char *resume = NULL;

	/* Only the last star can need another try, so this is at worst
	 * quadratic, never exponential. */
	while (*text != '\0') {
		if (*pattern == '*') {
			star = pattern++;
			resume = text;
		} else if (*pattern == '?') {
			pattern++;
			text = next_char(text);
		} else if (*pattern == *text) {
			pattern++;
			text++;
		} else if (star != NULL) {
			pattern = star + 1;
			text = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

char *str_trim(char *text)
{
	char *end;

	while (is_space(*text))
		text++;
	end = text + strlen(text);
	while (end > text && is_space(end[-1]))
		end--;
	*end = '\0';
	return text;
}
