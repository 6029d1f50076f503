/* SPDX-License-Identifier: Apache-2.0
 *
 * What register.c (accounts of who is logged in) and register_new.c (new
 * accounts) share.
 */
#ifndef SM_MODULES_REGISTER_H
#define SM_MODULES_REGISTER_H

#include "sm/modules.h"

/* New accounts from each address within the time that follows the first. */
#define REGISTER_MAX	3
#define REGISTER_WINDOW (60 * 60 * 1000) /* ms */

/* Addresses that are remembered. */
#define REGISTER_ADDRESSES 10000

struct register_address {
	char *address;
	uint64_t first; /* loop_now() */
	unsigned count;
	UT_hash_handle hh;
};

/* The module's data: by address, oldest first. */
struct register_data {
	struct register_address *addresses;
};

/* An error without what was asked, which may hold a password. Owned by the
 * caller. */
struct stanza *register_error(const struct stanza *iq,
			      enum stanza_error error, const char *text);

/* The text of a child of the query, NULL when it is missing or empty. */
const char *register_field(const struct element *query, const char *name);

/* The module's hooks for who is not logged in. */
void register_new(struct registration *registration);
void register_new_stop(struct sm *sm);

#endif
