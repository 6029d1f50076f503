/* SPDX-License-Identifier: Apache-2.0
 *
 * What chappectl can do: one table, and a short function for each row.
 */
#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "c2s/options.h"
#include "router/options.h"
#include "s2s/options.h"
#include "sm/options.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/role/access.h"
#include "util/role/config_check.h"
#include "util/role/domain_options.h"
#include "util/xmpp/jid.h"

/* Accounts in one command of an import: about a second of key derivation. */
#define IMPORT_BATCH 500

const struct section *const ctl_all_sections[] = {
	&router_section, &link_section, &c2s_section, &s2s_section,
	&remote_section, &sm_section,
	&storage_section, &ldap_section, &pipe_section, &domain_section,
	&access_section, &ctl_section, NULL
};

static int print_rows(struct ctl *ctl, int code)
{
	struct buf text = { 0 };

	table_print(ctl_call_table(ctl->call), ctl->json, &text);
	fputs(buf_data(&text), stdout);
	buf_free(&text);
	return code;
}

/* "Done: alice@example.org was added", or its JSON. */
static void say(const struct ctl *ctl, const char *jid, const char *what)
{
	struct table *table;
	struct buf text = { 0 };

	if (!ctl->json) {
		printf("%s %s\n", jid, what);
		return;
	}
	table = table_new();
	table_row(table);
	table_field(table, "jid", jid);
	table_field(table, "result", what);
	table_print(table, true, &text);
	fputs(buf_data(&text), stdout);
	buf_free(&text);
	table_free(&table);
}

/* The account that the first argument names, prepared; NULL after a
 * complaint. */
static struct jid *account_argument(const struct ctl *ctl)
{
	struct jid *jid = jid_parse(ctl->arguments[0]);

	if (!jid || !jid_is_bare(jid)) {
		ctl_complain("'%s' is not of the form NAME@DOMAIN",
			     ctl->arguments[0]);
		jid_free(&jid);
	}
	return jid;
}

/* A command about one account, answered by whoever serves it. */
static int account_command(struct ctl *ctl, const char *name,
			   bool with_password, const char *done)
{
	struct jid *jid = account_argument(ctl);
	char *password = NULL;
	int code = CTL_USAGE;

	if (!jid)
		return CTL_USAGE;
	if (with_password) {
		password = ctl_password(ctl, jid_full(jid));
		if (!password)
			goto out;
		if (!ctl_call_can_say(password)) {
			ctl_complain("the password has characters that are "
				     "not allowed");
			goto out;
		}
	}
	code = CTL_UNAVAILABLE;
	ctl->call = ctl_call_open(ctl);
	if (!ctl->call)
		goto out;
	ctl_call_argument(ctl->call, "jid", jid_full(jid));
	if (password)
		ctl_call_argument(ctl->call, "password", password);
	code = ctl_call_serving(ctl->call, jid_full(jid), name);
	if (code == CTL_OK && done)
		say(ctl, jid_full(jid), done);
	else if (code == CTL_OK)
		print_rows(ctl, code);
out:
	mem_free_secret(password);
	jid_free(&jid);
	return code;
}

static int user_add(struct ctl *ctl)
{
	return account_command(ctl, "user.add", true, "added");
}

static int user_passwd(struct ctl *ctl)
{
	return account_command(ctl, "user.passwd", true, "has a new password");
}

static int user_del(struct ctl *ctl)
{
	return account_command(ctl, "user.del", false, "deleted");
}

static int user_show(struct ctl *ctl)
{
	return account_command(ctl, "user.show", false, NULL);
}

/* Each sm of the domain has counted the failures that it saw. */
static int user_unlock(struct ctl *ctl)
{
	struct jid *jid = account_argument(ctl);
	int code = CTL_UNAVAILABLE;

	if (!jid)
		return CTL_USAGE;
	ctl->call = ctl_call_open(ctl);
	if (ctl->call && ctl_call_serves(ctl->call, jid_domain(jid), "sm")) {
		ctl_call_argument(ctl->call, "jid", jid_full(jid));
		code = ctl_call_kind(ctl->call, "sm", "user.unlock");
		print_rows(ctl, code);
	}
	jid_free(&jid);
	return code;
}

static int user_list(struct ctl *ctl)
{
	char *domain = jid_prepare_domain(ctl->arguments[0]);
	int code;

	if (!domain) {
		ctl_complain("'%s' is no domain", ctl->arguments[0]);
		return CTL_USAGE;
	}
	ctl->call = ctl_call_open(ctl);
	code = CTL_UNAVAILABLE;
	if (ctl->call) {
		ctl_call_argument(ctl->call, "domain", domain);
		code = ctl_call_serving(ctl->call, domain, "user.list");
		if (code == CTL_OK)
			print_rows(ctl, code);
	}
	mem_free(domain);
	return code;
}

/* -- import -------------------------------------------------------------- */

struct import {
	struct ctl *ctl;
	struct buf lines; /* of the batch */
	char *domain;	  /* of the batch */
	size_t in_batch;
	size_t line; /* number of the current one */
	size_t created;
	int code;
};

/* An answer has a row for each account that was not created. */
static void import_flush(struct import *import)
{
	struct ctl_call *call = import->ctl->call;
	size_t failed = table_rows(ctl_call_table(call));
	int code;

	if (import->in_batch) {
		ctl_call_argument(call, "accounts", buf_data(&import->lines));
		code = ctl_call_serving(call, import->domain, "user.import");
		failed = table_rows(ctl_call_table(call)) - failed;
		if (code != CTL_UNAVAILABLE)
			import->created += import->in_batch - failed;
		if (code > import->code)
			import->code = code;
	}
	buf_free_secret(&import->lines);
	import->in_batch = 0;
	mem_free(import->domain);
	import->domain = NULL;
}

static void import_line(struct import *import, char *line)
{
	char *space = strchr(line, ' ');
	struct jid *jid;

	import->line++;
	if (!*line)
		return;
	if (!ctl_call_can_say(line)) {
		ctl_complain("line %zu has characters that are not allowed",
			     import->line);
		import->code = CTL_FAILED;
		return;
	}
	if (space)
		*space = '\0';
	jid = space && space[1] ? jid_parse(line) : NULL;
	if (!jid || !jid_is_bare(jid)) {
		ctl_complain("line %zu is not of the form "
			     "'NAME@DOMAIN PASSWORD'", import->line);
		import->code = CTL_FAILED;
		jid_free(&jid);
		return;
	}
	if (import->domain && !str_equal(import->domain, jid_domain(jid)))
		import_flush(import);
	if (!import->domain)
		import->domain = mem_strdup(jid_domain(jid));
	buf_add_str(&import->lines, jid_full(jid));
	buf_add_char(&import->lines, ' ');
	buf_add_str(&import->lines, space + 1);
	buf_add_char(&import->lines, '\n');
	jid_free(&jid);
	if (++import->in_batch == IMPORT_BATCH)
		import_flush(import);
}

static int user_import(struct ctl *ctl)
{
	struct import import = { .ctl = ctl };
	char *line;

	ctl->call = ctl_call_open(ctl);
	if (!ctl->call)
		return CTL_UNAVAILABLE;
	while ((line = ctl_read_line(stdin))) {
		import_line(&import, line);
		mem_free_secret(line);
	}
	import_flush(&import);
	print_rows(ctl, CTL_OK);
	if (!ctl->json)
		printf("%zu account%s created\n", import.created,
		       import.created == 1 ? "" : "s");
	return import.code;
}

/* -- sessions and roles -------------------------------------------------- */

static int session_list(struct ctl *ctl)
{
	char *domain = NULL;
	int code = CTL_UNAVAILABLE;

	if (ctl->argument_count) {
		domain = jid_prepare_domain(ctl->arguments[0]);
		if (!domain) {
			ctl_complain("'%s' is no domain", ctl->arguments[0]);
			return CTL_USAGE;
		}
	}
	ctl->call = ctl_call_open(ctl);
	if (ctl->call &&
	    (!domain || ctl_call_serves(ctl->call, domain, "sm"))) {
		if (domain)
			ctl_call_argument(ctl->call, "domain", domain);
		code = ctl_call_kind(ctl->call, "sm", "session.list");
		print_rows(ctl, code);
	}
	mem_free(domain);
	return code;
}

static int session_kick(struct ctl *ctl)
{
	struct jid *jid = jid_parse(ctl->arguments[0]);
	int code = CTL_UNAVAILABLE;

	if (ctl->argument_count > 1 &&
	    !ctl_call_can_say(ctl->arguments[1])) {
		ctl_complain("the text has characters that are not allowed");
		jid_free(&jid);
		return CTL_USAGE;
	}
	if (!jid || !jid_local(jid)) {
		ctl_complain("'%s' is not of the form NAME@DOMAIN or "
			     "NAME@DOMAIN/RESOURCE", ctl->arguments[0]);
		jid_free(&jid);
		return CTL_USAGE;
	}
	ctl->call = ctl_call_open(ctl);
	if (ctl->call) {
		ctl_call_argument(ctl->call, "jid", jid_full(jid));
		if (ctl->argument_count > 1)
			ctl_call_argument(ctl->call, "text",
					  ctl->arguments[1]);
		code = ctl_call_serving(ctl->call, jid_bare(jid),
					"session.kick");
		if (code == CTL_OK)
			say(ctl, jid_full(jid), "disconnected");
	}
	jid_free(&jid);
	return code;
}

static int s2s_list(struct ctl *ctl)
{
	int code;

	ctl->call = ctl_call_open(ctl);
	if (!ctl->call)
		return CTL_UNAVAILABLE;
	if (ctl->argument_count)
		ctl_call_argument(ctl->call, "domain", ctl->arguments[0]);
	code = ctl_call_kind(ctl->call, "s2s", "s2s.list");
	return print_rows(ctl, code);
}

/* The sms judge for users, the s2s for components: each has counted its
 * own. */
static int access_list(struct ctl *ctl)
{
	int code;

	ctl->call = ctl_call_open(ctl);
	if (!ctl->call)
		return CTL_UNAVAILABLE;
	code = ctl_call_kind(ctl->call, "sm", "access.list");
	if (ctl_call_has(ctl->call, "s2s")) {
		int other = ctl_call_kind(ctl->call, "s2s", "access.list");

		code = other > code ? other : code;
	}
	return print_rows(ctl, code);
}

static int status(struct ctl *ctl)
{
	int code;

	ctl->call = ctl_call_open(ctl);
	if (!ctl->call)
		return CTL_UNAVAILABLE;
	code = ctl_call_kind(ctl->call, "router", "status");
	return print_rows(ctl, code);
}

static int role_show(struct ctl *ctl)
{
	int code = CTL_OK;

	ctl->call = ctl_call_open(ctl);
	if (!ctl->call)
		return CTL_UNAVAILABLE;
	for (int i = 0; i < ctl->argument_count; i++) {
		int one = ctl_call_instance(ctl->call, ctl->arguments[i],
					    "status");

		code = one > code ? one : code;
	}
	return print_rows(ctl, code);
}

/* `reload` and `stop`: the instances named, or all. */
static int to_instances(struct ctl *ctl, const char *name)
{
	int code = CTL_OK;

	ctl->call = ctl_call_open(ctl);
	if (!ctl->call)
		return CTL_UNAVAILABLE;
	if (!ctl->argument_count)
		return ctl_call_kind(ctl->call, NULL, name);
	for (int i = 0; i < ctl->argument_count; i++) {
		int one = ctl_call_instance(ctl->call, ctl->arguments[i],
					    name);

		code = one > code ? one : code;
	}
	return code;
}

static int reload(struct ctl *ctl)
{
	return to_instances(ctl, "reload");
}

/* Those that serve others last, so that all come to an orderly end: clients
 * are told, and what they sent is stored. */
static int stop_all(struct ctl *ctl)
{
	static const char *const kinds[] = { "c2s", "s2s", "sm", NULL };
	int worst = CTL_OK, code;

	ctl->call = ctl_call_open(ctl);
	if (!ctl->call)
		return CTL_UNAVAILABLE;
	for (size_t i = 0; kinds[i]; i++) {
		if (!ctl_call_has(ctl->call, kinds[i]))
			continue;
		code = ctl_call_kind(ctl->call, kinds[i], "stop");
		if (code == CTL_OK)
			code = ctl_call_gone(ctl->call, kinds[i]);
		worst = code > worst ? code : worst;
	}
	code = ctl_call_kind(ctl->call, "router", "stop");
	return code > worst ? code : worst;
}

static int stop(struct ctl *ctl)
{
	return ctl->argument_count ? to_instances(ctl, "stop") : stop_all(ctl);
}

static int log_level(struct ctl *ctl)
{
	ctl->call = ctl_call_open(ctl);
	if (!ctl->call)
		return CTL_UNAVAILABLE;
	ctl_call_argument(ctl->call, "level", ctl->arguments[1]);
	return ctl_call_instance(ctl->call, ctl->arguments[0], "log-level");
}

/* Whether some sm may serve the domain, as the routers see it. */
static bool is_served(const struct config *config, const char *domain)
{
	char *name = jid_prepare_domain(domain);
	bool found = false;

	for (size_t i = 0; name && i < config_count(config, "link"); i++) {
		const struct link_section *link =
			config_get(config, "link", i, NULL);

		if (link->kind != LINK_SM)
			continue;
		for (char **at = link->names; at && *at; at++)
			found = found || str_matches(name, *at);
	}
	mem_free(name);
	return found;
}

/* What no role can see, because it takes the sections of several: only a file
 * that has them all is judged. */
static int check_together(const struct config *config, struct error *err)
{
	const char *title;

	if (config_count(config, "router") == 0 &&
	    config_count(config, "c2s") == 0 &&
	    config_count(config, "s2s") == 0 && config_count(config, "sm") == 0)
		return error_set(err, "%s: there is no section router, c2s, "
				 "s2s or sm", config_path(config));
	if (config_count(config, "router") == 0 ||
	    config_count(config, "sm") == 0)
		return 0;
	for (size_t i = 0; i < config_count(config, "domain"); i++) {
		config_get(config, "domain", i, &title);
		if (!is_served(config, title))
			return error_set(err, "%s: domain \"%s\": no link "
					 "section with kind = sm has it in "
					 "names", config_path(config), title);
	}
	return 0;
}

int ctl_config_check(struct ctl *ctl)
{
	const char *path = ctl->argument_count ? ctl->arguments[0]
					       : ctl->config_file;
	struct error err = { "" };
	struct config *config = config_load(path, ctl_all_sections, true,
					    &err);

	if (!config || router_config_check(config, &err) < 0 ||
	    c2s_config_check(config, &err) < 0 ||
	    sm_config_check(config, &err) < 0 ||
	    s2s_config_check(config, &err) < 0 ||
	    access_check(config, &err) < 0 ||
	    config_check_sections(config, "chappectl", NULL, &err) < 0 ||
	    check_together(config, &err) < 0) {
		ctl_complain("%s", err.text);
		config_free(&config);
		return CTL_FAILED;
	}
	config_free(&config);
	say(ctl, path, "is correct");
	return CTL_OK;
}

const struct ctl_command ctl_commands[] = {
	{ "user add", "NAME@DOMAIN", 1, 1, user_add,
	  "create an account; asks for the password" },
	{ "user passwd", "NAME@DOMAIN", 1, 1, user_passwd,
	  "set a new password" },
	{ "user del", "NAME@DOMAIN", 1, 1, user_del,
	  "delete an account and all its data" },
	{ "user unlock", "NAME@DOMAIN", 1, 1, user_unlock,
	  "forget wrong passwords" },
	{ "user list", "DOMAIN", 1, 1, user_list, "accounts of a domain" },
	{ "user show", "NAME@DOMAIN", 1, 1, user_show, "one account" },
	{ "user import", "", 0, 0, user_import,
	  "'NAME@DOMAIN PASSWORD' lines from the standard input" },
	{ "session list", "[DOMAIN]", 0, 1, session_list,
	  "who is logged in" },
	{ "session kick", "JID [TEXT]", 1, 2, session_kick,
	  "disconnect one client, or all of an account" },
	{ "s2s list", "[DOMAIN]", 0, 1, s2s_list,
	  "streams with other servers" },
	{ "dns check", "[DOMAIN] [HOST]", 0, 2, ctl_dns_check,
	  "whether DNS has these records" },
	{ "dns", "[DOMAIN] [HOST]", 0, 2, ctl_dns,
	  "the records that other servers and clients look for" },
	{ "access list", "", 0, 0, access_list,
	  "rules about who may talk to whom, and what they did" },
	{ "explain", "FROM TO [STANZA] [NAMESPACE]", 2, 4, ctl_explain,
	  "what would become of a stanza, and why" },
	{ "status", "", 0, 0, status, "each link of each router" },
	{ "cluster", "", 0, 0, ctl_cluster, "each role, and who serves what" },
	{ "show", "INSTANCE...", 1, -1, role_show, "the state of roles" },
	{ "config check", "[FILE]", 0, 1, ctl_config_check,
	  "read all sections of the configuration" },
	{ "reload", "[INSTANCE...]", 0, -1, reload,
	  "read the configuration again" },
	{ "drain", "INSTANCE...", 1, -1, ctl_drain,
	  "have roles give their work to others" },
	{ "undrain", "INSTANCE...", 1, -1, ctl_undrain, "take that back" },
	{ "restart", "[INSTANCE...]", 0, -1, ctl_restart,
	  "drain roles and start them again" },
	{ "stop", "[INSTANCE...]", 0, -1, stop, "end roles in good order" },
	{ "log-level", "INSTANCE LEVEL", 2, 2, log_level,
	  "until the next restart" },
	{ "db migrate", "", 0, 0, ctl_db,
	  "bring the tables of every storage up to date" },
	{ "db check", "", 0, 0, ctl_db,
	  "look for damage and contradictions in every storage" },
	{ "db export", "[FILE]", 0, 1, ctl_db,
	  "everybody's data as XEP-0227" },
	{ "db import", "[FILE...]", 0, -1, ctl_db,
	  "add accounts from such files" },
	{ "import jabberd2", "SOURCE", 1, 1, ctl_db,
	  "add accounts from a database of jabberd2" },
	{ .words = NULL }
};
