/* SPDX-License-Identifier: Apache-2.0
 *
 * The sentence that says why a function failed, fit for the log. It is filled
 * by the function that knows, and logged once, by the layer that decides.
 */
#ifndef UTIL_BASE_ERROR_H
#define UTIL_BASE_ERROR_H

struct error {
	char text[256];
};

/* Stores a formatted sentence (cut at 255 bytes, on a character boundary) and
 * returns -1, so that `return error_set(err, ...)` reads well. `err` may be
 * NULL. */
int error_set(struct error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Puts "`format`: " in front of the sentence that is there; returns -1. */
int error_prefix(struct error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
