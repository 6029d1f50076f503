/* SPDX-License-Identifier: Apache-2.0
 *
 * Filling a struct error. Whether and where it is logged is not decided here.
 */
#include "util/base/error.h"

#include <stdarg.h>
#include <stdio.h>

#include "util/base/str.h"

/* Enough that a cut by vsnprintf() is far behind the cut on a character
 * boundary that str_copy() makes. */
#define ERROR_SCRATCH (2 * sizeof(((struct error *)0)->text))

int error_set(struct error *err, const char *format, ...)
{
	char text[ERROR_SCRATCH];
	va_list args;

	if (err == NULL)
		return -1;
	/* Through a second buffer: the arguments may lie in *err. */
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	str_copy(err->text, sizeof(err->text), text);
	return -1;
}

int error_prefix(struct error *err, const char *format, ...)
{
	char prefix[sizeof(err->text)];
	char text[ERROR_SCRATCH];
	char both[ERROR_SCRATCH + 2];
	va_list args;

	if (err == NULL)
		return -1;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	str_copy(prefix, sizeof(prefix), text);
	snprintf(both, sizeof(both), "%s: %s", prefix, err->text);
	str_copy(err->text, sizeof(err->text), both);
	return -1;
}
