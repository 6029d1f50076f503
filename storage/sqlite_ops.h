/* SPDX-License-Identifier: Apache-2.0
 *
 * What each storage request does in an SQLite database.
 */
#ifndef STORAGE_SQLITE_OPS_H
#define STORAGE_SQLITE_OPS_H

#include "storage/driver.h"
#include "storage/sqlite_db.h"

/* Works on one request inside of the transaction that is open, and fills its
 * result. -1 with the reason in `db` when SQLite failed; the request has then
 * changed nothing, and sqlite_db_rollback() may have become necessary. */
int sqlite_op_run(struct sqlite_db *db, struct storage_request *request);

#endif
