/* SPDX-License-Identifier: Apache-2.0
 *
 * For config.c only: one option's value between text, memory and text.
 */
#ifndef UTIL_ROLE_CONFIG_VALUE_H
#define UTIL_ROLE_CONFIG_VALUE_H

#include "util/base/buf.h"
#include "util/base/error.h"
#include "util/role/config.h"

/* Converts one text and stores it in the section's struct `data`; NULL: only
 * checks. A LIST gets the text as a further item. -1 with what is wrong with
 * the value. */
int config_value_set(const struct option *option, const char *text, void *data,
		     struct error *err);

/* Stores the fallback; aborts when that is not a valid value (a bug). */
void config_value_set_fallback(const struct option *option, void *data);

/* Makes a LIST empty. */
void config_value_clear_list(const struct option *option, void *data);

/* Frees what a struct holds for the option. */
void config_value_free(const struct option *option, void *data);

/* Appends `name = value` in the syntax of the file; without a value, a
 * comment with the name. */
void config_value_dump(const struct option *option, const void *data,
		       struct buf *to);

/* A string in double quotes, escaped. */
void config_value_quote(struct buf *to, const char *text);

#endif
