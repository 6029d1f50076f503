/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operator asks of the database behind a store: its version, whether
 * it is whole, and reading foreign tables. For programs that do nothing else
 * (chappe-db): every call blocks.
 */
#ifndef STORAGE_STORAGE_ADMIN_H
#define STORAGE_STORAGE_ADMIN_H

#include <stddef.h>

#include "util/base/error.h"

/* Something that is wrong: the check that found it, where (an owner, a table;
 * may be empty), and a sentence. */
typedef void storage_finding_cb(const char *check, const char *where,
				const char *sentence, void *ctx);

/* A row of a query: texts in UTF-8, NULL for NULL. Not 0 ends the query
 * without an error. */
typedef int storage_row_cb(size_t count, const char *const *names,
			   const char *const *values, void *ctx);

struct storage_admin {
	/* The version of the schema, -1 for a database without tables, which
	 * may be newer than what this program knows (storage/schema.h). -1
	 * when it cannot be asked or is somebody else's. */
	int (*version)(const char *connection, int *version,
		       struct error *err);
	/* Makes the tables of schema_version from those of any version before,
	 * all in one transaction. 0 too when there is nothing to do. */
	int (*migrate)(const char *connection, struct error *err);
	/* Looks at everything, of a database of schema_version. -1 only when
	 * that cannot be done. Changes nothing. */
	int (*check)(const char *connection, storage_finding_cb *found,
		     void *ctx, struct error *err);
	/* Runs a statement that reads. */
	int (*query)(const char *connection, const char *sql,
		     storage_row_cb *row, void *ctx, struct error *err);
};

#endif
