/* SPDX-License-Identifier: Apache-2.0
 *
 * The option tables of the sm and of the storages that it opens. Apart from
 * the role, so that whoever checks a configuration does not need an sm.
 */
#include "sm/options.h"

#include <stddef.h>

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
