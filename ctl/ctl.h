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
	bool force, all; /* of `drain`, of `restart` */
	const struct ctl_command *command;
	char **arguments; /* after the words of the command */
	int argument_count;
	const struct config *config;
	const struct ctl_options *options;
	struct ctl_call *call;
	struct table *results; /* ctl_result(); NULL: none yet */
};

struct table;

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

/* ctl/drain.c */
int ctl_drain(struct ctl *ctl);
int ctl_undrain(struct ctl *ctl);

/* One of those for `restart`: CTL_OK when it is drained, or cannot be, since
 * there is no other one of its kind; a line about that. */
int ctl_drain_if_possible(struct ctl *ctl, const char *instance);

/* "INSTANCE WHAT" for a person; a script gets its rows at the end. */
void ctl_progress(const struct ctl *ctl, const char *instance,
		  const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The row that an operator's script gets for each instance; printed at once by
 * ctl_print_results(). */
void ctl_result(struct ctl *ctl, const char *instance, const char *result);
void ctl_print_results(struct ctl *ctl);

/* ctl/restart.c */
int ctl_restart(struct ctl *ctl);

/* ctl/cluster.c */
int ctl_cluster(struct ctl *ctl);

/* ctl/dns.c: what our domains have to publish; whether they do. */
int ctl_dns(struct ctl *ctl);
int ctl_dns_check(struct ctl *ctl);

/* ctl/explain.c: what would become of a stanza. */
int ctl_explain(struct ctl *ctl);

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

/* The same for one instance, without complaints, and with so much time. What it
 * said of its refusal is in ctl_call_said(); "no answer" when there was none. */
int ctl_call_ask(struct ctl_call *call, const char *instance,
		 const char *name, uint64_t ms);
const char *ctl_call_said(const struct ctl_call *call);

/* What every role and router that is there tells of itself within so much time:
 * a row for each that answers. */
void ctl_call_gather(struct ctl_call *call, uint64_t ms);

/* Lets time pass; the link goes on meanwhile. */
void ctl_call_pause(struct ctl_call *call, uint64_t ms);

/* Who is there. */
const struct link *ctl_call_link(const struct ctl_call *call);

/* Whether a role of the kind is there (NULL: any role); waits until none is
 * any more, for an exit code. */
bool ctl_call_has(const struct ctl_call *call, const char *kind);
int ctl_call_gone(struct ctl_call *call, const char *kind);

/* Whether a role of the kind serves the domain; a complaint if not. */
bool ctl_call_serves(const struct ctl_call *call, const char *domain,
		     const char *kind);

/* The kind of who serves a domain, and the instance that an address is routed
 * to; NULL: none. */
const char *ctl_call_kind_of(const struct ctl_call *call, const char *domain);
const char *ctl_call_owner(const struct ctl_call *call, const char *address);

/* Whether a router that is connected has this name. */
bool ctl_call_is_router(const struct ctl_call *call, const char *instance);

/* -- ctl/table.c: rows of named fields ----------------------------------- */

struct table *table_new(void);
void table_free(struct table **table);
void table_row(struct table *table);
/* Adds to the last row; columns come in the order they are first seen. */
void table_field(struct table *table, const char *name, const char *value);
size_t table_rows(const struct table *table);
/* The field of that name; NULL: the row has none. */
const char *table_get(const struct table *table, size_t row, const char *name);
/* Takes all rows away; columns stay. */
void table_clear(struct table *table);
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
