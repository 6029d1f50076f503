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
struct drain;
struct role_env;

struct command {
	const char *name; /* "session.list"; NULL ends a table */
	/* Runs on the loop; must lead to command_finish() exactly once, before
	 * link_close(). */
	void (*run)(struct command_call *call, void *ctx);
	bool reads; /* changes nothing, and is not worth a line in the log */
};

/* Who answers: the commands that all roles have (role_commands.c) need env and
 * drain, its own ones are called with ctx. */
struct command_role {
	struct role_env *env; /* NULL: none of those, and no log */
	struct drain *drain;
	const struct command *table;
	void *ctx;
};

/* For link_handlers.command: finds the handler and runs it. What changes
 * something is logged, with who asked, and of the arguments those that say
 * what for: never a password. */
void command_dispatch(struct link *link, const struct command_role *role,
		      const char *from, const struct stanza *stanza);

/* util/role/role_commands.c: reload, restart, stop, drain, undrain, log-level.
 * Their ctx is the struct command_role. */
extern const struct command role_commands[];

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
