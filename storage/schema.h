/* SPDX-License-Identifier: Apache-2.0
 *
 * The numbered migrations of storage/schema/, made into C by the build. The
 * one at index N takes a database from version N to N + 1; the version that a
 * database has stands in its table chappe_schema. One file serves both
 * dialects; storage/schema/to_c.awk knows the differences.
 */
#ifndef STORAGE_SCHEMA_H
#define STORAGE_SCHEMA_H

struct schema_migration {
	const char *name;
	const char *sqlite;
	const char *postgres;
};

extern const struct schema_migration schema_migrations[];
extern const int schema_version; /* how many there are */

/* Of an old database, that only an operator brings up to date: its version,
 * and that of the program. */
#define SCHEMA_OLD_TEXT                                                    \
	"the database has schema %d, this program works with %d: "         \
	"chappectl db migrate brings it there"

#endif
