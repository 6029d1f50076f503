/* SPDX-License-Identifier: Apache-2.0
 *
 * The connection text of the driver "postgres": a conninfo of libpq, as
 * key=value words or as a URI, with two keys more: `connections`, the size of
 * the pool, and `timeout`, the seconds that a statement may take.
 */
#ifndef STORAGE_POSTGRES_OPTIONS_H
#define STORAGE_POSTGRES_OPTIONS_H

#include <stdint.h>

#include "util/base/error.h"

struct pg_options {
	char *conninfo; /* what libpq understands of it */
	uint64_t connections;
	uint64_t timeout_ms;
};

/* -1 and a sentence when libpq would refuse it, or a number is none. */
int pg_options_parse(struct pg_options *options, const char *text,
		     struct error *err);
void pg_options_clear(struct pg_options *options);

#endif
