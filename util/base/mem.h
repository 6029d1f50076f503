/* SPDX-License-Identifier: Apache-2.0
 *
 * Heap memory: zeroed, checked for overflow, aborting when there is none.
 * Limits on what peers may make us hold are the defence against running out,
 * not error paths after each allocation.
 */
#ifndef UTIL_BASE_MEM_H
#define UTIL_BASE_MEM_H

#include <stddef.h>

/* Zeroed memory for `count` objects of `size` bytes; aborts on overflow or
 * exhaustion. Owned by the caller, released with mem_free(). */
void *mem_calloc(size_t count, size_t size) __attribute__((malloc));

/* One zeroed object of `size` bytes. */
void *mem_alloc(size_t size) __attribute__((malloc));

/* As realloc(3) for `count` objects of `size` bytes; what is added is not
 * zeroed. */
void *mem_realloc(void *ptr, size_t count, size_t size);

/* Copies of `len` bytes, of a string, of at most `len` bytes of a string with
 * a NUL after it. mem_strdup(NULL) is NULL. */
void *mem_dup(const void *ptr, size_t len) __attribute__((malloc));
char *mem_strdup(const char *text) __attribute__((malloc));
char *mem_strndup(const char *text, size_t len) __attribute__((malloc));

/* A formatted string on the heap. */
char *mem_printf(const char *format, ...)
	__attribute__((malloc, format(printf, 1, 2)));

void mem_free(void *ptr);

/* Overwrites `len` bytes with zeros in a way that no compiler removes. */
void mem_wipe(void *ptr, size_t len);

/* Wipes a string and frees it; NULL is allowed. */
void mem_free_secret(char *text);

#define mem_new(type) ((type *)mem_alloc(sizeof(type)))

/* Whether two memory areas of `len` bytes are equal, in a time that depends on
 * `len` only: for secrets and MACs. */
int mem_equal_secret(const void *a, const void *b, size_t len);

#endif
