/* SPDX-License-Identifier: Apache-2.0
 *
 * The one main() of all roles: command line, configuration, log, signals,
 * privileges, readiness, metrics, and the order of start and end. It never
 * goes to the background: that is the service manager's work.
 */
#include "util/role/role.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <config.h>
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/net/http.h"
#include "util/net/notify.h"
#include "util/net/timer.h"
#include "util/role/config_check.h"
#include "util/role/privileges.h"
#include "util/role/process_metrics.h"
#include "util/role/restart.h"

#define STOP_DEADLINE_MS 10000
#define DEFAULT_CONFIG SYSCONFDIR "/chappe/chappe.conf"

enum daemon_action { ACTION_RUN, ACTION_TEST, ACTION_DUMP, ACTION_DONE };

struct daemon {
	struct role_env env; /* given to the role */
	const struct role *role;
	char **argv;
	const char *path; /* of the configuration */
	char *instance;
	struct log log;
	struct loop *loop;
	struct config *config;
	void *state;
	struct http_server *http;
	struct process_metrics process;
	struct timer watchdog;
	struct timer deadline;
	struct deferred stop, checked; /* asked for by a command */
	struct restart *restart; /* asked for: being checked, or under way */
	void (*restart_answer)(void *ctx, const struct error *refused);
	void *restart_ctx;
	bool started;	      /* role->start() has returned */
	bool ready;
	bool stopping;
	bool again; /* starts again at the end */
};

static struct daemon *daemon_of(struct role_env *env)
{
	return container_of(env, struct daemon, env);
}

/* -- configuration -------------------------------------------------------- */

/* The options that all roles share, of this instance; NULL with err. */
static const struct common_options *find_common(const struct daemon *daemon,
						const struct config *config,
						struct error *err)
{
	const struct section *own = daemon->role->sections[0];
	const void *options;

	if (own->titled)
		options = config_find(config, own->name, daemon->instance);
	else
		options = config_get(config, own->name, 0, NULL);
	if (!options)
		error_set(err, "no section %s for instance %s in %s",
			  own->name, daemon->instance, config_path(config));
	return options;
}

static int check_common(const struct common_options *common,
			const struct config *config, struct error *err)
{
	if (config_check_common(common, err) < 0)
		return error_prefix(err, "%s", config_path(config));
	return 0;
}

static struct config *load(struct daemon *daemon, struct error *err)
{
	struct config *config =
		config_load(daemon->path, daemon->role->sections, false, err);
	const struct common_options *common;

	if (!config)
		return NULL;
	common = find_common(daemon, config, err);
	if (!common || check_common(common, config, err) < 0 ||
	    (daemon->role->check && daemon->role->check(config, err) < 0))
		config_free(&config);
	return config;
}

static void apply_log(struct daemon *daemon)
{
	const struct common_options *common =
		find_common(daemon, daemon->config, NULL);

	log_parse_level(common->log_level, &daemon->log.level);
	daemon->log.target = str_equal(common->log_target, "syslog")
				     ? LOG_TO_SYSLOG
				     : LOG_TO_STDERR;
}

/* -- readiness, reload, stop ---------------------------------------------- */

static void say_ready(struct daemon *daemon)
{
	/* Not inside start(), which may be ready at once. */
	if (!daemon->started || !daemon->ready || daemon->stopping)
		return;
	notify_send("READY=1");
	log_notice(&daemon->log, "role.ready");
}

static void on_ready(struct role_env *env)
{
	struct daemon *daemon = daemon_of(env);

	if (daemon->ready)
		return;
	daemon->ready = true;
	say_ready(daemon);
}

static int reload(struct daemon *daemon, struct error *err)
{
	struct config *old = daemon->config;
	struct config *config = load(daemon, err);

	if (!config)
		return -1;
	daemon->config = config;
	daemon->env.config = config;
	if (daemon->role->reload &&
	    daemon->role->reload(daemon->state, err) < 0) {
		daemon->config = old;
		daemon->env.config = old;
		config_free(&config);
		return -1;
	}
	config_free(&old);
	apply_log(daemon);
	return 0;
}

/* To the service manager: READY=1 follows. */
static void say_reloading(const struct daemon *daemon)
{
	char state[64];

	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)loop_now_us(daemon->loop));
	notify_send(state);
}

static int on_request_reload(struct role_env *env, struct error *err)
{
	struct daemon *daemon = daemon_of(env);
	int rc;

	say_reloading(daemon);
	rc = reload(daemon, err);
	if (rc < 0)
		log_error(&daemon->log, "role.reload-refused",
			  LOG_S("reason", err->text));
	else
		log_notice(&daemon->log, "role.reloaded",
			   LOG_S("file", daemon->path));
	if (daemon->ready)
		notify_send("READY=1");
	return rc;
}

static void on_stopped(struct role_env *env)
{
	loop_stop(daemon_of(env)->loop);
}

static void on_deadline(struct timer *timer)
{
	struct daemon *daemon = container_of(timer, struct daemon, deadline);

	log_warning(&daemon->log, "role.stop-deadline",
		    LOG_N("milliseconds", STOP_DEADLINE_MS));
	loop_stop(daemon->loop);
}

static void begin_stop(struct daemon *daemon)
{
	if (daemon->stopping)
		return;
	daemon->stopping = true;
	log_notice(&daemon->log, "role.stopping",
		   LOG_S("restart", daemon->again ? "yes" : NULL));
	/* Who comes back has not stopped: a manager that was told so would
	 * kill it in the end. */
	if (daemon->again)
		say_reloading(daemon);
	else
		notify_send("STOPPING=1");
	timer_start(&daemon->deadline, daemon->loop, STOP_DEADLINE_MS,
		    on_deadline);
	daemon->role->stop(daemon->state);
}

static void on_stop_deferred(struct deferred *deferred)
{
	begin_stop(container_of(deferred, struct daemon, stop));
}

/* Out of the callback of what is freed here. */
static void on_restart_deferred(struct deferred *deferred)
{
	struct daemon *daemon = container_of(deferred, struct daemon, checked);

	restart_free(&daemon->restart);
	/* Or a stop came in between. */
	if (daemon->again)
		begin_stop(daemon);
}

/* Later in this turn: the caller is in the middle of its own work. */
static void on_request_stop(struct role_env *env)
{
	struct daemon *daemon = daemon_of(env);

	loop_defer(daemon->loop, &daemon->stop, on_stop_deferred);
}

static void on_restart_checked(void *ctx, const struct error *refused)
{
	struct daemon *daemon = ctx;

	if (refused)
		log_error(&daemon->log, "role.restart-refused",
			  LOG_S("reason", refused->text));
	daemon->restart_answer(daemon->restart_ctx, refused);
	if (!daemon->stopping) {
		daemon->again = !refused;
		loop_defer(daemon->loop, &daemon->checked,
			   on_restart_deferred);
	}
}

static int on_request_restart(struct role_env *env,
			      void (*answer)(void *ctx,
					     const struct error *refused),
			      void *ctx, struct error *err)
{
	struct daemon *daemon = daemon_of(env);

	if (daemon->stopping || daemon->restart)
		return error_set(err, "it is stopping, or starting again");
	daemon->restart_answer = answer;
	daemon->restart_ctx = ctx;
	daemon->restart = restart_check(daemon->loop, daemon->argv,
					on_restart_checked, daemon, err);
	return daemon->restart ? 0 : -1;
}

static void on_stop_signal(int signum, void *ctx)
{
	struct daemon *daemon = ctx;

	(void)signum;
	/* Whoever wants its end does not want it back. */
	daemon->again = false;
	if (daemon->stopping)
		loop_stop(daemon->loop); /* asked twice: at once */
	else
		begin_stop(daemon);
}

static void on_reload_signal(int signum, void *ctx)
{
	struct daemon *daemon = ctx;
	struct error err = { .text = "" };

	(void)signum;
	if (!daemon->stopping)
		on_request_reload(&daemon->env, &err);
}

/* -- metrics and watchdog ------------------------------------------------- */

static int on_http_get(const char *path, struct buf *body, const char **type,
		       void *ctx)
{
	struct daemon *daemon = ctx;

	if (!str_equal(path, "/metrics"))
		return 404;
	*type = "text/plain; version=0.0.4; charset=utf-8";
	process_metrics_write(&daemon->process, daemon->role->name,
			      daemon->instance, body);
	if (daemon->role->metrics)
		daemon->role->metrics(daemon->state, body);
	return 200;
}

static void on_watchdog(struct timer *timer)
{
	struct daemon *daemon = container_of(timer, struct daemon, watchdog);

	notify_send("WATCHDOG=1");
	timer_start(&daemon->watchdog, daemon->loop,
		    notify_watchdog_interval(), on_watchdog);
}

/* -- start and end -------------------------------------------------------- */

static int open_world(struct daemon *daemon, struct error *err)
{
	daemon->loop = loop_new(err);
	if (!daemon->loop)
		return -1;
	daemon->env = (struct role_env){
		.loop = daemon->loop,
		.log = &daemon->log,
		.config = daemon->config,
		.instance = daemon->instance,
		.stopped = on_stopped,
		.ready = on_ready,
		.request_stop = on_request_stop,
		.request_restart = on_request_restart,
		.request_reload = on_request_reload,
	};
	loop_on_signal(daemon->loop, SIGTERM, on_stop_signal, daemon);
	loop_on_signal(daemon->loop, SIGINT, on_stop_signal, daemon);
	loop_on_signal(daemon->loop, SIGHUP, on_reload_signal, daemon);
	process_metrics_init(&daemon->process, daemon->loop);
	return 0;
}

static int start(struct daemon *daemon, struct error *err)
{
	const struct common_options *common =
		find_common(daemon, daemon->config, err);

	/* First of all: what start() creates (a database, a socket) belongs to
	 * the user, and what it can read now it can read at a reload. */
	if (privileges_drop(common->user, err) < 0)
		return error_prefix(err, "%s: user", daemon->path);
	daemon->state = daemon->role->start(&daemon->env, err);
	if (!daemon->state)
		return error_prefix(err, "%s", daemon->path);
	if (common->metrics) {
		daemon->http = http_server_open(daemon->loop, common->metrics,
						on_http_get, daemon, err);
		if (!daemon->http)
			return error_prefix(err, "%s: metrics", daemon->path);
	}
	privileges_hide();
	daemon->started = true;
	return 0;
}

static void close_world(struct daemon *daemon)
{
	http_server_close(&daemon->http);
	restart_free(&daemon->restart);
	if (daemon->state)
		daemon->role->free(daemon->state);
	process_metrics_stop(&daemon->process);
	timer_stop(&daemon->watchdog);
	timer_stop(&daemon->deadline);
	loop_defer_cancel(daemon->loop, &daemon->stop);
	loop_defer_cancel(daemon->loop, &daemon->checked);
	loop_free(&daemon->loop);
}

static int run(struct daemon *daemon, struct error *err)
{
	int rc;

	privileges_limit();
	log_init(&daemon->log, daemon->instance);
	apply_log(daemon);
	if (open_world(daemon, err) < 0)
		return -1;
	rc = start(daemon, err);
	if (rc == 0) {
		log_notice(&daemon->log, "role.started",
			   LOG_S("role", daemon->role->name),
			   LOG_S("version", PACKAGE_VERSION));
		if (notify_watchdog_interval() > 0)
			on_watchdog(&daemon->watchdog);
		say_ready(daemon);
		loop_run(daemon->loop);
		log_notice(&daemon->log, "role.stopped");
	} else {
		log_error(&daemon->log, "role.start-failed",
			  LOG_S("reason", err->text));
	}
	close_world(daemon);
	return rc;
}

/* -- command line --------------------------------------------------------- */

static void usage(const struct role *role, FILE *to)
{
	fprintf(to,
		"Usage: chappe-%s [-c FILE] [-n INSTANCE] [-t | --dump]\n"
		"  -c FILE      configuration (default " DEFAULT_CONFIG ")\n"
		"  -n INSTANCE  name of this process (default %s-1)\n"
		"  -t           check the configuration and exit\n"
		"  --dump       print all options in effect and exit\n"
		"  -V           print the version and exit\n"
		"  -h           print this and exit\n",
		role->name, role->name);
}

static int long_option(const struct role *role, const char *word,
		       enum daemon_action *action)
{
	if (str_equal(word, "dump")) {
		*action = ACTION_DUMP;
	} else if (str_equal(word, "help")) {
		usage(role, stdout);
		*action = ACTION_DONE;
	} else if (str_equal(word, "version")) {
		printf("chappe-%s %s\n", role->name, PACKAGE_VERSION);
		*action = ACTION_DONE;
	} else {
		fprintf(stderr, "chappe-%s: unknown option --%s\n",
			role->name, word);
		return -1;
	}
	return 0;
}

/* -1: wrong usage. */
static int parse_options(struct daemon *daemon, int argc, char *argv[],
			 enum daemon_action *action)
{
	int letter;

	*action = ACTION_RUN;
	while (*action != ACTION_DONE &&
	       (letter = getopt(argc, argv, "c:n:tVh-:")) != -1) {
		if (letter == 'c')
			daemon->path = optarg;
		else if (letter == 'n')
			daemon->instance = optarg;
		else if (letter == 't')
			*action = ACTION_TEST;
		else if (letter == '?' ||
			 long_option(daemon->role,
				     letter == 'V'   ? "version"
				     : letter == 'h' ? "help"
						     : optarg,
				     action) < 0)
			return -1;
	}
	if (*action == ACTION_DONE)
		return 0;
	return optind == argc && *daemon->instance ? 0 : -1;
}

static void dump(const struct config *config)
{
	struct buf text = { .data = NULL };

	config_dump(config, &text);
	fputs(buf_data(&text), stdout);
	buf_free(&text);
}

static int act(struct daemon *daemon, enum daemon_action action,
	       struct error *err)
{
	daemon->config = load(daemon, err);
	if (!daemon->config)
		return -1;
	switch (action) {
	case ACTION_TEST:
		printf("%s: ok\n", daemon->path);
		return 0;
	case ACTION_DUMP:
		dump(daemon->config);
		return 0;
	default:
		return run(daemon, err);
	}
}

int daemon_main(const struct role *role, int argc, char *argv[])
{
	char *instance = mem_printf("%s-1", role->name);
	struct daemon daemon = { .role = role,
				 .argv = argv,
				 .path = DEFAULT_CONFIG,
				 .instance = instance };
	struct error err = { .text = "" };
	enum daemon_action action;
	int status = 0;

	if (parse_options(&daemon, argc, argv, &action) < 0) {
		usage(role, stderr);
		status = 2;
	} else if (action != ACTION_DONE && act(&daemon, action, &err) < 0) {
		fprintf(stderr, "chappe-%s: %s\n", role->name, err.text);
		status = 1;
	}
	if (daemon.config)
		config_free(&daemon.config);
	mem_free(instance);
	if (status == 0 && daemon.again) {
		restart_now(argv, &err);
		fprintf(stderr, "chappe-%s: %s\n", role->name, err.text);
		status = 1;
	}
	return status;
}
