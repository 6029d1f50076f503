/* SPDX-License-Identifier: Apache-2.0
 *
 * The batches of a connection: what waits there goes to the server in one
 * transaction, and is answered when that is committed.
 */
#ifndef STORAGE_POSTGRES_BATCH_H
#define STORAGE_POSTGRES_BATCH_H

#include <libpq-fe.h>

#define PG_BATCH_MAX 256 /* jobs */

struct pg_conn;

/* Sends a batch if something waits and nothing is on its way. */
void pg_batch_send(struct pg_conn *conn);

/* Takes one result of the pipeline; NULL: the end of a statement's. After the
 * last one the batch ends: callbacks run. */
void pg_batch_result(struct pg_conn *conn, const PGresult *result);

/* The connection goes: nobody knows what has become of the batch. */
void pg_batch_mark_unknown(struct pg_conn *conn);

/* Puts the jobs of the batch back before those that wait. */
void pg_batch_back(struct pg_conn *conn);

#endif
