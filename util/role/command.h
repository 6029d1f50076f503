/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands of an operator to a role (docs/link.md section 7): a table of
 * handlers on the one side, rows and a result on the other. A handler may
 * answer later.
 */
#ifndef UTIL_ROLE_COMMAND_H
#define UTIL_ROLE_COMMAND_H

#include "util/role/link.h"

struct command_call; /* one command being answered */

struct command {
	const char *name; /* "session.list"; NULL ends a table */
	/* Runs on the loop; must lead to command_finish() exactly once, before
	 * link_close(). */
	void (*run)(struct command_call *call, void *ctx);
};

/* For link_handlers.command: finds the handler in the table and runs it. */
void command_dispatch(struct link *link, const struct command *table,
		      const char *from, const struct stanza *stanza, void *ctx);

/* NULL when absent; valid until command_finish(). */
const char *command_argument(const struct command_call *call,
			     const char *name);

/* A row of answers: pairs of name and value, ended by NULL; a NULL value is
 * left out. */
void command_row(struct command_call *call, ...) __attribute__((sentinel));

/* status: "ok", "not-found", "conflict", "unavailable", "invalid", "failed". */
void command_finish(struct command_call *call, const char *status,
		    const char *text);

#endif
