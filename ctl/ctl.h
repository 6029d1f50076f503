/* SPDX-License-Identifier: Apache-2.0
 *
 * chappectl: the operator's hand. One run is one command, sent over an admin
 * link to the roles that can answer it (docs/link.md section 7), or one of
 * chappe-db; it touches no database itself.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "util/base/buf.h"
#include "util/base/error.h"
#include "util/base/log.h"
#include "util/net/timer.h"
#include "util/role/config.h"
#include "util/role/role.h"

/* Exit codes, for scripts; chappectl(8) lists them. */
enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2,
	CTL_NOT_FOUND = 3,
	CTL_CONFLICT = 4,
	CTL_UNAVAILABLE = 5
};

struct ctl_options {
	struct common_options common;
	int64_t timeout; /* milliseconds to wait for an answer */
};

extern const struct section ctl_section;

/* All sections of chappe.conf, NULL-terminated: for `config check`. */
extern const struct section *const ctl_all_sections[];

/* What the command line asked for. */
struct ctl {
	const char *config_file;
	bool json;
	bool password_stdin;
	bool dry_run;
	/* For `db` and `import`; NULL: not given. */
	const char *storage, *domain, *user, *output;
	const struct ctl_command *command;
	char **arguments; /* after the words of the command */
	int argument_count;
	const struct config *config;
	const struct ctl_options *options;
	struct ctl_call *call;
};

struct ctl_command {
	const char *words;     /* "user add" */
	const char *arguments; /* for the usage text: "JID" */
	int min, max;	       /* number of arguments; max -1: any */
	/* Returns an exit code. */
	int (*run)(struct ctl *ctl);
	const char *help;
};

/* ctl/commands.c: all of them, ended by words NULL. */
extern const struct ctl_command ctl_commands[];

/* Commands that ask no role, and run without a configuration of ours. */
int ctl_config_check(struct ctl *ctl);

/* ctl/db.c: leaves it to chappe-db; returns only when that is not there. */
int ctl_db(struct ctl *ctl);

/* ctl/cli.c: main() in all but name. */
int ctl_main(int argc, char *argv[]);

/* Says "chappectl: ..." on the standard error output. */
void ctl_complain(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* -- ctl/call.c: asking roles -------------------------------------------- */

/* Connects; NULL after a complaint. */
struct ctl_call *ctl_call_open(struct ctl *ctl);
void ctl_call_close(struct ctl_call **call);

/* Whether the text is made of characters that a command can carry: UTF-8
 * without control characters. */
bool ctl_call_can_say(const char *text);

/* One argument of the next command, which it can carry. */
void ctl_call_argument(struct ctl_call *call, const char *name,
		       const char *value);

/* Sends the command `name` with the arguments collected, and waits for all
 * answers: to whoever serves the address `to`; to every instance of a kind
 * ("sm", "router"; NULL: all roles, routers last); to one instance. Rows go to
 * the table (ctl/table.c). Returns the exit code of the worst answer, after a
 * complaint about it. */
int ctl_call_serving(struct ctl_call *call, const char *to, const char *name);
int ctl_call_kind(struct ctl_call *call, const char *kind, const char *name);
int ctl_call_instance(struct ctl_call *call, const char *instance,
		      const char *name);

/* Whether a role of the kind is there (NULL: any role); waits until none is
 * any more, for an exit code. */
bool ctl_call_has(const struct ctl_call *call, const char *kind);
int ctl_call_gone(struct ctl_call *call, const char *kind);

/* Whether a role of the kind serves the domain; a complaint if not. */
bool ctl_call_serves(const struct ctl_call *call, const char *domain,
		     const char *kind);

/* Whether a router that is connected has this name. */
bool ctl_call_is_router(const struct ctl_call *call, const char *instance);

/* -- ctl/table.c: rows of named fields ----------------------------------- */

struct table;
struct table *table_new(void);
void table_free(struct table **table);
void table_row(struct table *table);
/* Adds to the last row; columns come in the order they are first seen. */
void table_field(struct table *table, const char *name, const char *value);
size_t table_rows(const struct table *table);
/* Aligned columns with a heading, or a JSON array of objects. */
void table_print(const struct table *table, bool json, struct buf *to);

/* The rows of all answers so far; the caller prints them. */
struct table *ctl_call_table(struct ctl_call *call);

/* -- ctl/password.c ------------------------------------------------------ */

/* One line without its end, to be freed with mem_free_secret(); NULL at the
 * end of the file. */
char *ctl_read_line(FILE *from);

/* From the standard input (its first line) or a prompt, twice, without echo.
 * A heap string, to be freed with mem_free_secret(); NULL after a complaint. */
char *ctl_password(const struct ctl *ctl, const char *jid);

#endif
