/* SPDX-License-Identifier: Apache-2.0
 *
 * For config.c only: a look at the outline of a configuration file before
 * libconfuse reads it.
 */
#ifndef UTIL_ROLE_CONFIG_SCAN_H
#define UTIL_ROLE_CONFIG_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/error.h"
#include "util/role/config.h"

/* Where the sections begin that are in the array, in the order of the file. */
struct config_places {
	struct config_place {
		size_t section; /* index in the array */
		unsigned line;
	} *list; /* for mem_free() */
	size_t count;
};

/* Checks that `text` (`len` bytes) is a row of closed sections, with closed
 * strings and comments, and overwrites with blanks all comments and all
 * sections that are not in the array; lines stay where they are. With
 * `strict` such a section is an error. -1 with "PATH:LINE: why". `places`,
 * empty at first, is filled as far as the file was read. */
int config_scan(char *text, size_t len, const char *path,
		const struct section *const *sections, bool strict,
		struct config_places *places, struct error *err);

#endif
