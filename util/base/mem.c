/* SPDX-License-Identifier: Apache-2.0
 *
 * Heap memory that is zeroed, checked and never missing, and the handling of
 * secrets in it. Nobody else calls malloc(3); limits are the callers' work.
 */
#include "util/base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void mem_exhausted(size_t count, size_t size)
{
	fprintf(stderr, "out of memory: %zu objects of %zu bytes\n", count,
		size);
	abort();
}

void *mem_calloc(size_t count, size_t size)
{
	size_t bytes;
	void *ptr;

	if (__builtin_mul_overflow(count, size, &bytes))
		mem_exhausted(count, size);
	/* calloc() may answer NULL for nothing: always ask for something. */
	ptr = calloc(1, bytes ? bytes : 1);
	if (ptr == NULL)
		mem_exhausted(count, size);
	return ptr;
}

void *mem_alloc(size_t size)
{
	return mem_calloc(1, size);
}

void *mem_realloc(void *ptr, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		mem_exhausted(count, size);
	ptr = realloc(ptr, bytes ? bytes : 1);
	if (ptr == NULL)
		mem_exhausted(count, size);
	return ptr;
}

void *mem_dup(const void *ptr, size_t len)
{
	void *copy = mem_alloc(len);

	if (len > 0)
		memcpy(copy, ptr, len);
	return copy;
}

char *mem_strdup(const char *text)
{
	return text != NULL ? mem_dup(text, strlen(text) + 1) : NULL;
}

char *mem_strndup(const char *text, size_t len)
{
	size_t n = strnlen(text, len);
	char *copy;

	if (n == SIZE_MAX)
		mem_exhausted(1, n);
	copy = mem_alloc(n + 1);
	memcpy(copy, text, n);
	return copy;
}

char *mem_printf(const char *format, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0)
		mem_exhausted(1, 0);
	return text;
}

void mem_free(void *ptr)
{
	free(ptr);
}

void mem_wipe(void *ptr, size_t len)
{
	if (len > 0)
		explicit_bzero(ptr, len);
}

void mem_free_secret(char *text)
{
	if (text == NULL)
		return;
	mem_wipe(text, strlen(text));
	mem_free(text);
}

int mem_equal_secret(const void *a, const void *b, size_t len)
{
	/* volatile: no compiler may stop at the first difference. */
	const volatile unsigned char *x = a;
	const volatile unsigned char *y = b;
	unsigned char difference = 0;

	for (size_t i = 0; i < len; i++)
		difference |= x[i] ^ y[i];
	return difference == 0;
}
