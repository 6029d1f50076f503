/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration file: one for all roles, read with libconfuse. Each role
 * declares its sections as tables; from these come parsing, checking,
 * defaults, --dump and the comparison with the man page.
 */
#ifndef UTIL_ROLE_CONFIG_H
#define UTIL_ROLE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/base/buf.h"
#include "util/base/error.h"

enum option_type {
	OPTION_STRING,	 /* char *; NULL when there is no default */
	OPTION_LIST,	 /* char **, NULL-terminated; default by commas */
	OPTION_BOOL,	 /* bool: yes/no, true/false, on/off */
	OPTION_NUMBER,	 /* int64_t within min..max */
	OPTION_SIZE,	 /* int64_t bytes: "256K", "1M" */
	OPTION_DURATION, /* int64_t milliseconds: "500ms", "30s", "5m", "2h", "7d" */
	OPTION_CHOICE	 /* int, index into `choices` */
};

struct option {
	const char *name;     /* NULL ends a table */
	enum option_type type;
	size_t offset;	      /* in the section's struct */
	const char *fallback; /* default as text; NULL: none */
	int64_t min, max;     /* NUMBER, SIZE, DURATION; max 0: no limit */
	const char *const *choices; /* NULL-terminated */
	const char *help;     /* one line, for --dump */
};

struct section {
	const char *name;
	/* Titled sections may stand many times: link "c2s-*" { ... } */
	bool titled;
	size_t size; /* of the struct that the offsets are in */
	const struct option *options;
};

struct config;

/* Reads and checks a file against the sections (NULL-terminated array).
 * `strict`: sections that are not in the array are errors too. Errors say
 * file and line. Unknown options and values out of range are errors. */
struct config *config_load(const char *path,
			   const struct section *const *sections, bool strict,
			   struct error *err);
void config_free(struct config **config);

/* Number of sections of that name in the file, and the i-th of them: the
 * filled struct, and its title (NULL if it has none). A section that is not titled always
 * exists, with defaults. */
size_t config_count(const struct config *config, const char *section);
const void *config_get(const struct config *config, const char *section,
		       size_t i, const char **title);

/* The line of the file where the i-th section of that name begins; 0: it is
 * not in the file. */
unsigned config_line(const struct config *config, const char *section,
		     size_t i);

/* The titled section that applies to `title`: of the same text, else the
 * first whose title is a pattern that matches it; NULL: none. */
const void *config_find(const struct config *config, const char *section,
			const char *title);

/* A copy of a section's struct, independent of the config it came from;
 * released with section_free(), NULL is allowed there. */
void *section_copy(const struct section *section, const void *values);
void section_free(const struct section *section, void *values);

/* Whether all values are the same. Two NULLs are, NULL and values are not. */
bool section_equal(const struct section *section, const void *a,
		   const void *b);

/* Writes all values in effect in the syntax of the file, with the help texts
 * as comments. */
void config_dump(const struct config *config, struct buf *to);

const char *config_path(const struct config *config);

/* The first line of a file (without the end of line) as a heap string: for
 * secret files. Refuses files that others than the owner and group can read. NULL
 * with err. */
char *config_read_secret(const char *path, struct error *err);

#endif
