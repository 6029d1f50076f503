/* SPDX-License-Identifier: Apache-2.0
 *
 * The skeleton of every process: a role is a value. daemon_main() owns
 * options, configuration, log, signals, privileges, readiness, watchdog,
 * metrics, the loop and the deadline of a shutdown; t/sim starts the same
 * roles without it.
 */
#ifndef UTIL_ROLE_ROLE_H
#define UTIL_ROLE_ROLE_H

#include "util/base/buf.h"
#include "util/base/error.h"
#include "util/base/log.h"
#include "util/net/loop.h"
#include "util/role/config.h"
#include "util/role/link.h"

/* The world that a role lives in; outlives it. */
struct role_env {
	struct loop *loop;
	struct log *log;
	const struct config *config; /* replaced before reload() */
	const char *instance;	     /* "c2s-1" */
	bool plain_link; /* an operator's: nothing numbered, nothing re-sent */
	/* The role calls this once, when stop() has come to its end. */
	void (*stopped)(struct role_env *env);
	/* The role is able to serve (says READY=1 to the service manager). */
	void (*ready)(struct role_env *env);
	/* An operator's command `stop` or `reload`, also from the role. */
	void (*request_stop)(struct role_env *env);
	/* The same for `restart`. First it is found out whether the program
	 * would start again: `answer` is told from the loop, once, and if
	 * `refused` is NULL the end begins. -1 with err: it ends already. */
	int (*request_restart)(struct role_env *env,
			       void (*answer)(void *ctx,
					      const struct error *refused),
			       void *ctx, struct error *err);
	/* 0, or -1 with what is wrong with the file: the old one stays. */
	int (*request_reload)(struct role_env *env, struct error *err);
};

struct role {
	const char *name; /* "sm" */
	/* Own and shared sections, NULL-terminated. The first has the role's
	 * own options; it is titled by instance name or pattern. */
	const struct section *const *sections;
	/* What the tables cannot say about a file: 0, or -1 with what is wrong.
	 * Opens nothing. For -t, a start and each reload; NULL: nothing. */
	int (*check)(const struct config *config, struct error *err);
	/* The role's state, NULL with err: the process exits 1. Listens and
	 * opens at once; what needs other processes is waited for. */
	void *(*start)(struct role_env *env, struct error *err);
	/* Takes over env->config, or refuses with err (the old one stays). */
	int (*reload)(void *state, struct error *err);
	/* Begins to end: refuses new work, finishes old, calls env->stopped. */
	void (*stop)(void *state);
	/* After stopped (or the deadline, 10 s): frees everything. */
	void (*free)(void *state);
	void (*metrics)(void *state, struct buf *to);
};

/* main() of a role. Command line: -c FILE, -n INSTANCE (default: NAME-1), -t (check and
 * exit), --dump, -V, -h. Exit 0, 1 (could not start), 2 (usage). */
int daemon_main(const struct role *role, int argc, char *argv[]);

/* Options that all roles share, the members of these structs. */
struct common_options {
	char *user;	    /* to run as, when started by root */
	char *log_level;
	char *log_target;   /* "stderr" or "syslog" */
	char *metrics;	    /* address of the metrics port; NULL: none */
	char **routers;	    /* addresses of the routers */
	char *secret_file;  /* of the link */
	char *link_ca;	    /* TLS to the router: CA file; NULL with... */
	char *link_certificate, *link_key; /* client certificate */
	bool link_tls;
	int64_t link_version; /* of docs/link.md, at most */
};

/* Rows for a role's option table: its struct's first member is a struct
 * common_options named `common`. */
#define COMMON_OPTIONS(type) COMMON_OPTIONS_AT(offsetof(type, common))
#define COMMON_OPTION(base, opt, kind, member, def, text)                    \
	{ .name = opt, .type = kind,                                         \
	  .offset = (base) + offsetof(struct common_options, member),        \
	  .fallback = def, .help = text }
#define COMMON_OPTIONS_AT(base)                                              \
	COMMON_OPTION(base, "user", OPTION_STRING, user, NULL,               \
		      "Unix user to run as when started by root"),           \
	COMMON_OPTION(base, "log-level", OPTION_STRING, log_level, "info",   \
		      "error, warning, notice, info or debug"),              \
	COMMON_OPTION(base, "log-target", OPTION_STRING, log_target,         \
		      "stderr", "stderr or syslog"),                         \
	COMMON_OPTION(base, "metrics", OPTION_STRING, metrics, NULL,         \
		      "address and port for Prometheus metrics"),            \
	COMMON_OPTION(base, "routers", OPTION_LIST, routers,                 \
		      "unix:/run/chappe/router.sock",                        \
		      "addresses of the routers"),                           \
	COMMON_OPTION(base, "secret-file", OPTION_STRING, secret_file, NULL, \
		      "file with the secret of the link to the router"),     \
	COMMON_OPTION(base, "link-tls", OPTION_BOOL, link_tls, "no",         \
		      "TLS to routers on TCP"),                              \
	COMMON_OPTION(base, "link-ca", OPTION_STRING, link_ca, NULL,         \
		      "certificates that routers are checked against"),      \
	COMMON_OPTION(base, "link-certificate", OPTION_STRING,               \
		      link_certificate, NULL,                                \
		      "client certificate towards the routers"),             \
	{ .name = "link-version", .type = OPTION_NUMBER,                     \
	  .offset = (base) + offsetof(struct common_options, link_version),  \
	  .fallback = "2", .min = 1, .max = LINK_VERSION,                    \
	  .help = "version of the link protocol that is spoken at most" },   \
	COMMON_OPTION(base, "link-key", OPTION_STRING, link_key, NULL,       \
		      "key of the client certificate")

/* Makes the link of a role from its common options: reads the secret, sets up
 * TLS. NULL with err. */
struct link *role_link_new(struct role_env *env,
			   const struct common_options *options,
			   const char *const *binds,
			   const struct link_handlers *handlers, void *ctx,
			   struct error *err);

/* Metrics of a link, for role->metrics. */
void role_link_metrics(const struct link *link, struct buf *to);

#endif
