/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking over from jabberd2: its tables, wherever they are, become a file of
 * XEP-0227, which is imported like any other.
 */
#ifndef DB_JABBERD2_H
#define DB_JABBERD2_H

#include <sqlite3.h>

#include "db/pie.h"

/* -- db/jabberd2_source.c ------------------------------------------------- */

/* Copies the tables that are understood into a database of our own: from
 * "sqlite:FILE", "postgresql://...", or "mysql-dump:FILE". NULL after a
 * complaint; closed with sqlite3_close(). */
sqlite3 *jabberd2_open(struct db *db, const char *source);

/* The tables and their columns, ended by name NULL; all are text but for the
 * order of rows. */
struct jabberd2_table {
	const char *name;
	const char *columns[64]; /* NULL-terminated */
};
extern const struct jabberd2_table jabberd2_tables[];

/* -- db/jabberd2_dump.c --------------------------------------------------- */

/* A row of an INSERT: values NULL-terminated texts, NULL for NULL. `columns`
 * NULL: the statement names none. Not 0 ends it with an error. */
typedef int mysql_row_cb(const char *table, char *const *columns,
			 size_t column_count, char *const *values,
			 size_t count, void *ctx);

/* The columns of a CREATE TABLE, in their order. */
typedef void mysql_table_cb(const char *table, char *const *columns,
			    size_t count, void *ctx);

/* Reads what mysqldump writes. -1 with what is wrong. */
int mysql_dump_read(FILE *file, mysql_table_cb *table, mysql_row_cb *row,
		    void *ctx, struct error *err);

/* -- db/jabberd2_vcard.c -------------------------------------------------- */

/* Adds the vCard that a row of columns (a name and a value each) makes. */
void jabberd2_vcard(struct buf *to, size_t count, const char *const *names,
		    const char *const *values);

#endif
