/* SPDX-License-Identifier: Apache-2.0
 *
 * Small questions about text, without index arithmetic at the place of use.
 */
#ifndef UTIL_BASE_STR_H
#define UTIL_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Equality; two NULLs are equal, NULL and a string are not. */
bool str_equal(const char *a, const char *b);
bool str_equal_nocase(const char *a, const char *b); /* ASCII letters */
bool str_starts(const char *text, const char *prefix);
bool str_ends(const char *text, const char *suffix);

/* A decimal number of digits only, within min..max. -1 and *value untouched
 * when the text is anything else. */
int str_to_u64(const char *text, uint64_t min, uint64_t max, uint64_t *value);
int str_to_i64(const char *text, int64_t min, int64_t max, int64_t *value);

/* Copies with truncation on a UTF-8 boundary; always ends with NUL. Returns
 * false when it had to cut. */
bool str_copy(char *to, size_t size, const char *from);

/* Whether `text` matches a shell pattern of `*` and `?` only. */
bool str_matches(const char *text, const char *pattern);

/* Removes white space (space, tab, CR, LF) at both ends, in place; returns
 * the first character kept. */
char *str_trim(char *text);

#endif
