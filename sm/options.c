/* SPDX-License-Identifier: Apache-2.0
 *
 * The option tables of the sm and of the storages that it opens. Apart from
 * the role, so that whoever checks a configuration does not need an sm.
 */
#include "sm/options.h"

#include <stddef.h>
#include <string.h>

#include "sm/sasl_options.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/role/access.h"
#include "util/role/config_check.h"

#define ROW(opt, kind, member, def, low, high, text)                          \
	{ .name = opt, .type = kind,                                         \
	  .offset = offsetof(struct sm_options, member), .fallback = def,    \
	  .min = low, .max = high, .help = text }

static const struct option sm_rows[] = {
	COMMON_OPTIONS(struct sm_options),
	ROW("ticket-secret-file", OPTION_STRING, ticket_secret_file, NULL, 0,
	    0, "file with a secret that all sms share, and nobody else"),
	ROW("user-idle", OPTION_DURATION, user_idle, "5m", 1000, 0,
	    "how long a user stays in memory after the last use"),
	ROW("offline-max", OPTION_NUMBER, offline_max, "1000", 0, 1000000,
	    "messages kept for a user who is offline"),
	ROW("roster-max", OPTION_NUMBER, roster_max, "1000", 1, 100000,
	    "contacts in a roster"),
	ROW("resources-max", OPTION_NUMBER, resources_max, "20", 1, 1000,
	    "sessions that a user may have at once"),
	ROW("resume-timeout", OPTION_DURATION, resume_timeout, "5m", 0,
	    86400000,
	    "time for a client to come back to its session; 0: it cannot"),
	ROW("unacked-max", OPTION_NUMBER, unacked_max, "5000", 10, 100000,
	    "stanzas that a client may leave unacknowledged (XEP-0198)"),
	ROW("unacked-size", OPTION_SIZE, unacked_size, "1M", 16384, 2097152,
	    "bytes of these stanzas"),
	ROW("document-max", OPTION_SIZE, document_max, "64K", 1024, 16777216,
	    "size of a vCard or of one private element"),
	ROW("auth-failures", OPTION_NUMBER, auth_failures, "10", 1, 100000,
	    "failed log-ins after which an account or address must wait"),
	ROW("auth-window", OPTION_DURATION, auth_window, "5m", 1000, 0,
	    "time in which failed log-ins count"),
	ROW("auth-rounds", OPTION_NUMBER, auth_rounds, "8", 2, 100,
	    "messages of a client in one SASL exchange"),
	ROW("driver-dir", OPTION_STRING, driver_dir, NULL, 0, 0,
	    "directory of loadable drivers; default: the installation's"),
	{ .name = NULL }
};

const struct section sm_section = {
	.name = "sm",
	.titled = true,
	.size = sizeof(struct sm_options),
	.options = sm_rows,
};

static const struct option storage_rows[] = {
	{ .name = "driver", .type = OPTION_STRING,
	  .offset = offsetof(struct storage_options, driver),
	  .fallback = "sqlite",
	  .help = "memory, sqlite, or the name of a loadable driver" },
	{ .name = "connection", .type = OPTION_STRING,
	  .offset = offsetof(struct storage_options, connection),
	  .fallback = LOCALSTATEDIR "/lib/chappe/chappe.sqlite",
	  .help = "where it is, as the driver understands it: a file" },
	{ .name = NULL }
};

const struct section storage_section = {
	.name = "storage",
	.titled = true,
	.size = sizeof(struct storage_options),
	.options = storage_rows,
};

/* -- checks ---------------------------------------------------------------- */

/* RFC 3986 section 3.1: a scheme, a colon, something. */
static bool is_uri(const char *text)
{
	size_t scheme = strspn(text, "abcdefghijklmnopqrstuvwxyz"
				     "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789+-.");

	return scheme > 0 && text[scheme] == ':' && text[scheme + 1] != '\0' &&
	       strchr("0123456789+-.", text[0]) == NULL;
}

static int check_contacts(const struct domain_options *options,
			  struct error *err)
{
	const struct {
		const char *name;
		char **uris;
	} lists[] = {
		{ "contact-abuse", options->contact_abuse },
		{ "contact-admin", options->contact_admin },
		{ "contact-feedback", options->contact_feedback },
		{ "contact-sales", options->contact_sales },
		{ "contact-security", options->contact_security },
		{ "contact-support", options->contact_support },
		{ "contact-status", options->contact_status },
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (char **at = lists[i].uris; at != NULL && *at; at++) {
			if (!is_uri(*at))
				return error_set(
					err, "%s: \"%s\" is no URI (as "
					"mailto:admin@example.org or "
					"xmpp:admin@example.org)",
					lists[i].name, *at);
		}
	}
	return 0;
}

static bool has_word(char **list, const char *word)
{
	for (; list != NULL && *list != NULL; list++) {
		if (str_equal(*list, word))
			return true;
	}
	return false;
}

static int check_domain(const struct config *config,
			const struct domain_options *options,
			struct error *err)
{
	const char *storage = options->storage != NULL ? options->storage
						       : STORAGE_DEFAULT;
	const char *ldap = options->ldap != NULL ? options->ldap
						 : LDAP_DEFAULT;
	const char *pipe = options->pipe != NULL ? options->pipe
						 : PIPE_DEFAULT;

	if (config_find(config, "storage", storage) == NULL)
		return error_set(err, "storage: there is no section storage "
				 "\"%s\"", storage);
	if (has_word(options->auth, "ldap") &&
	    config_find(config, "ldap", ldap) == NULL)
		return error_set(err, "auth: there is no section ldap \"%s\"",
				 ldap);
	if (has_word(options->auth, "pipe") &&
	    config_find(config, "pipe", pipe) == NULL)
		return error_set(err, "auth: there is no section pipe \"%s\"",
				 pipe);
	if (sasl_options_check(options, err) != 0)
		return -1;
	return check_contacts(options, err);
}

/* Drivers that are not built in are files in the directory of an sm. */
static int check_driver(const struct config *config, const char *name,
			struct error *err)
{
	static const char *const built_in[] = { "memory", "sqlite" };
	const struct sm_options *sm;
	const char *dir;
	char *path;
	int result;

	for (size_t i = 0; i < sizeof(built_in) / sizeof(built_in[0]); i++) {
		if (str_equal(name, built_in[i]))
			return 0;
	}
	sm = config_get(config, "sm", 0, NULL);
	dir = sm->driver_dir != NULL ? sm->driver_dir : DRIVERDIR;
	path = mem_printf("%s/%s.so", dir, name);
	result = config_check_file("driver", path, err);
	mem_free(path);
	return result;
}

static int check_storages(const struct config *config, struct error *err)
{
	const char *title = NULL;

	for (size_t i = 0; i < config_count(config, "storage"); i++) {
		const struct storage_options *storage =
			config_get(config, "storage", i, &title);

		if (check_driver(config, storage->driver, err) != 0)
			return error_prefix(err, "%s: storage \"%s\"",
					    config_path(config), title);
	}
	return 0;
}

static int check_directories(const struct config *config, struct error *err)
{
	const char *title = NULL;

	for (size_t i = 0; i < config_count(config, "ldap"); i++) {
		const struct ldap_options *ldap =
			config_get(config, "ldap", i, &title);

		if (ldap_options_check(ldap, err) != 0)
			return error_prefix(err, "%s: ldap \"%s\"",
					    config_path(config), title);
	}
	return 0;
}

static int check_programs(const struct config *config, struct error *err)
{
	const char *title = NULL;

	for (size_t i = 0; i < config_count(config, "pipe"); i++) {
		const struct pipe_options *pipe =
			config_get(config, "pipe", i, &title);

		if (pipe_options_check(pipe, err) != 0 ||
		    config_check_file("program", pipe->program[0], err) != 0)
			return error_prefix(err, "%s: pipe \"%s\"",
					    config_path(config), title);
	}
	return 0;
}

int sm_config_check(const struct config *config, struct error *err)
{
	if (config_count(config, "sm") == 0)
		return 0;
	if (config_check_sections(config, "sm", NULL, err) != 0 ||
	    check_storages(config, err) != 0 ||
	    check_directories(config, err) != 0 ||
	    check_programs(config, err) != 0 ||
	    access_check(config, err) != 0)
		return -1;
	return config_check_domains(config, check_domain, err);
}
