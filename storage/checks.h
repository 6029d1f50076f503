/* SPDX-License-Identifier: Apache-2.0
 *
 * What is true of every row that this program has written, as queries that
 * give the rows of which it is not: in the dialect that the SQL drivers share.
 */
#ifndef STORAGE_CHECKS_H
#define STORAGE_CHECKS_H

struct storage_check {
	const char *name;
	const char *sql; /* gives in its first column where it is */
	const char *sentence;
};

/* Ended by name NULL. */
extern const struct storage_check storage_checks[];

/* People without an account: right where a directory has the accounts. */
#define STORAGE_CHECK_ACCOUNT "no-account"

#endif
