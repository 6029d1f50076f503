/* SPDX-License-Identifier: Apache-2.0
 *
 * Starts, stops, and kills the roles of a deployment: what daemon_main() does
 * for a role is done here on simulated hosts.
 */
#include "t/sim/deploy.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "c2s/c2s.h"
#include "router/router.h"
#include "sm/sm.h"
#include "util/base/mem.h"

#define STOP_US (10 * SECOND_US) /* as the deadline of daemon_main() */

static const struct role *const roles[SIM_ROLES] = {
	[SIM_ROUTER] = &router_role,
	[SIM_C2S] = &c2s_role,
	[SIM_SM] = &sm_role,
};

/* -- configuration ---------------------------------------------------------- */

static void write_file(const struct deployment *deployment, const char *name,
		       const char *text)
{
	char *path = mem_printf("%s/%s", deployment->dir, name);
	FILE *file = fopen(path, "w");

	if (!file || chmod(path, 0600) < 0 || fputs(text, file) < 0) {
		perror(path);
		exit(2);
	}
	fclose(file);
	mem_free(path);
}

static void add_routers(const struct deployment *deployment, struct buf *text)
{
	buf_add_str(text, "\trouters = { ");
	for (unsigned i = 0; i < deployment->count[SIM_ROUTER]; i++)
		buf_addf(text, "%s\"%s:%u\"", i ? ", " : "",
			 deployment->processes[SIM_ROUTER][i].host->address,
			 ROUTER_PORT);
	buf_addf(text, " }\n\tsecret-file = \"%s/secret\"\n", deployment->dir);
	if (deployment->tls)
		buf_add_str(text, "\tlink-tls = yes\n");
}

static void add_links(const struct deployment *deployment, struct buf *text)
{
	static const char *const kinds[] = { "c2s", "sm", "admin" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		buf_addf(text, "link \"%s-*\" {\n\tkind = %s\n"
			 "\tsecret-file = \"%s/secret\"\n", kinds[i], kinds[i],
			 deployment->dir);
		if (i == 1) {
			buf_add_str(text, "\tnames = { ");
			for (unsigned d = 0; deployment->domains[d]; d++)
				buf_addf(text, "%s\"%s\"", d ? ", " : "",
					 deployment->domains[d]);
			buf_add_str(text, " }\n");
		}
		buf_add_str(text, "}\n");
	}
}

static void add_router(const struct deployment *deployment, struct buf *text)
{
	if (deployment->tls)
		buf_addf(text, "\tlisten = {}\n\tlisten-tls = { \"*:%u\" }\n"
			 "\tcertificate = \"none\"\n\tkey = \"none\"\n"
			 "\tlog-level = debug\n", ROUTER_PORT);
	else
		buf_addf(text, "\tlisten = { \"*:%u\" }\n"
			 "\tinsecure-tcp = yes\n\tlog-level = debug\n",
			 ROUTER_PORT);
}

static void add_c2s(const struct deployment *deployment, struct buf *text)
{
	buf_addf(text, "\tlisten = { \"*:%u\" }\n"
		 "\tlisten-tls = { \"*:%u\" }\n", STARTTLS_PORT, TLS_PORT);
	add_routers(deployment, text);
}

static void add_sm(const struct deployment *deployment, struct buf *text)
{
	add_routers(deployment, text);
	buf_addf(text, "\tticket-secret-file = \"%s/ticket\"\n"
		 "\tauth-failures = 100000\n", deployment->dir);
}

/* The sections of a role; ahead of the pattern that of its first instance,
 * when that speaks an older version of the link protocol. */
static void add_sections(const struct deployment *deployment, struct buf *text,
			 enum sim_role kind,
			 void (*add)(const struct deployment *deployment,
				     struct buf *text))
{
	const char *name = roles[kind]->name;

	if (deployment->old & 1U << kind) {
		buf_addf(text, "%s \"%s-1\" {\n\tlink-version = 1\n", name,
			 name);
		add(deployment, text);
		buf_add_str(text, "}\n");
	}
	buf_addf(text, "%s \"%s-*\" {\n", name, name);
	add(deployment, text);
	buf_add_str(text, "}\n");
}

static void write_config(struct deployment *deployment)
{
	struct buf text = { 0 };

	add_sections(deployment, &text, SIM_ROUTER, add_router);
	add_links(deployment, &text);
	add_sections(deployment, &text, SIM_C2S, add_c2s);
	add_sections(deployment, &text, SIM_SM, add_sm);
	buf_add_str(&text, "storage \"main\" {\n\tdriver = sim\n}\n");
	for (unsigned d = 0; deployment->domains[d]; d++)
		buf_addf(&text, "domain \"%s\" {\n\tcertificate = \"none\"\n"
			 "\tkey = \"none\"\n}\n", deployment->domains[d]);
	write_file(deployment, "secret", "open sesame\n");
	write_file(deployment, "ticket", "a secret of all sms\n");
	write_file(deployment, "chappe.conf", buf_data(&text));
	buf_free(&text);
}

struct deployment *deployment_new(struct world *world, struct verdict *verdict,
				  const unsigned count[SIM_ROLES],
				  const char *const *domains, bool tls,
				  unsigned old)
{
	struct deployment *deployment = mem_new(struct deployment);

	deployment->world = world;
	deployment->verdict = verdict;
	deployment->domains = domains;
	deployment->tls = tls;
	deployment->old = old;
	snprintf(deployment->dir, sizeof(deployment->dir),
		 "/tmp/chappe-sim-XXXXXX");
	if (!mkdtemp(deployment->dir)) {
		perror(deployment->dir);
		exit(2);
	}
	deployment->path = mem_printf("%s/chappe.conf", deployment->dir);
	for (unsigned kind = 0; kind < SIM_ROLES; kind++) {
		deployment->count[kind] = count[kind];
		for (unsigned i = 0; i < count[kind]; i++) {
			struct process *process =
				&deployment->processes[kind][i];

			process->deployment = deployment;
			process->kind = kind;
			snprintf(process->name, sizeof(process->name), "%s-%u",
				 roles[kind]->name, i + 1);
			process->host = host_new(world, process->name);
		}
	}
	write_config(deployment);
	return deployment;
}

void deployment_free(struct deployment **deployment_ptr)
{
	static const char *const files[] = { "secret", "ticket",
					     "chappe.conf" };
	struct deployment *deployment = *deployment_ptr;

	*deployment_ptr = NULL;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		char *path = mem_printf("%s/%s", deployment->dir, files[i]);

		unlink(path);
		mem_free(path);
	}
	rmdir(deployment->dir);
	mem_free(deployment->path);
	mem_free(deployment);
}

/* -- the end ---------------------------------------------------------------- */

static struct process *process_of(struct role_env *env)
{
	return container_of(env, struct process, env);
}

/* Connections of one that was killed are closed by the kernel. */
static void check_leaks(const struct process *process, bool killed,
			struct sim_leaks *leaks)
{
	if (killed)
		leaks->conns = 0;
	if (leaks->timers || leaks->listeners || leaks->deferred ||
	    leaks->workers || leaks->conns)
		verdict_fail(process->deployment->verdict, "nothing left",
			     "%s left %zu timers, %zu listeners, %zu "
			     "connections, %zu deferred, %zu workers",
			     process->name, leaks->timers, leaks->listeners,
			     leaks->conns, leaks->deferred, leaks->workers);
}

static void bury(struct process *process)
{
	bool killed = sim_loop_is_dead(process->loop);
	struct sim_leaks leaks;

	if (sim_loop_queued_max(process->loop) > DEPLOY_QUEUE)
		verdict_fail(process->deployment->verdict, "queue limits",
			     "%s had %zu bytes waiting in a connection",
			     process->name, sim_loop_queued_max(process->loop));
	world_cancel(process->deployment->world, &process->event);
	if (!killed)
		sim_loop_enter(process->loop);
	roles[process->kind]->free(process->state);
	loop_defer_cancel(process->loop, &process->stop_later);
	if (!killed)
		sim_loop_leave(process->loop);
	sim_loop_free(&process->loop, &leaks);
	config_free(&process->config);
	process->state = NULL;
	process->stopping = false;
	check_leaks(process, killed, &leaks);
}

static void on_start(struct sim_event *event);

static void on_end(struct sim_event *event)
{
	struct process *process = container_of(event, struct process, event);
	struct world *world = process->deployment->world;

	world_say(world, process->name, "ended");
	bury(process);
	if (process->again)
		process_start_after(process,
				    rng_range(&world->rng, 0, 3 * SECOND_US));
}

static void on_deadline(struct sim_event *event)
{
	struct process *process = container_of(event, struct process, event);

	world_say(process->deployment->world, process->name, "stop deadline");
	on_end(event);
}

static void on_stopped(struct role_env *env)
{
	struct process *process = process_of(env);

	world_at(process->deployment->world, &process->event, 0, on_end);
}

static void begin_stop(struct process *process)
{
	if (process->stopping)
		return;
	process->stopping = true;
	world_say(process->deployment->world, process->name, "stopping");
	world_at(process->deployment->world, &process->event,
		 process->deployment->world->now + STOP_US, on_deadline);
	roles[process->kind]->stop(process->state);
}

void process_stop(struct process *process, bool again)
{
	if (!process_runs(process) || process->stopping)
		return;
	process->again = again;
	sim_loop_enter(process->loop);
	begin_stop(process);
	sim_loop_leave(process->loop);
}

void process_kill(struct process *process, bool silent)
{
	world_cancel(process->deployment->world, &process->event);
	if (!process->loop)
		return;
	world_say(process->deployment->world, process->name, "killed%s",
		  silent ? " with its host" : "");
	sim_loop_kill(process->loop, silent);
	bury(process);
}

void process_pause(struct process *process, bool pause)
{
	if (!process->loop)
		return;
	world_say(process->deployment->world, process->name, "%s",
		  pause ? "paused" : "continues");
	sim_loop_pause(process->loop, pause);
}

/* -- the start -------------------------------------------------------------- */

static void on_line(enum log_level level, const char *line, void *ctx)
{
	struct process *process = ctx;

	(void)level;
	process->deployment->log_lines++;
	world_say(process->deployment->world, process->name, "%s", line);
}

static int64_t log_now(void *ctx)
{
	struct process *process = ctx;

	return loop_time_us(process->loop);
}

static void on_ready(struct role_env *env)
{
	world_say(process_of(env)->deployment->world, process_of(env)->name,
		  "ready");
}

static void on_stop_later(struct deferred *deferred)
{
	begin_stop(container_of(deferred, struct process, stop_later));
}

static void on_request_stop(struct role_env *env)
{
	struct process *process = process_of(env);

	loop_defer(process->loop, &process->stop_later, on_stop_later);
}

static int on_request_restart(struct role_env *env,
			      void (*answer)(void *ctx,
					     const struct error *refused),
			      void *ctx, struct error *err)
{
	struct process *process = process_of(env);

	if (process->stopping)
		return error_set(err, "it is stopping");
	process->again = true;
	answer(ctx, NULL);
	loop_defer(process->loop, &process->stop_later, on_stop_later);
	return 0;
}

static struct config *load(struct process *process, struct error *err)
{
	return config_load(process->deployment->path,
			   roles[process->kind]->sections, false, err);
}

static int on_request_reload(struct role_env *env, struct error *err)
{
	struct process *process = process_of(env);
	struct config *old = process->config;
	struct config *config = load(process, err);

	if (!config)
		return -1;
	process->config = config;
	env->config = config;
	if (roles[process->kind]->reload &&
	    roles[process->kind]->reload(process->state, err) < 0) {
		process->config = old;
		env->config = old;
		config_free(&config);
		return -1;
	}
	config_free(&old);
	return 0;
}

void process_reload(struct process *process)
{
	struct error err = { .text = "" };

	if (!process_runs(process) || process->stopping)
		return;
	world_say(process->deployment->world, process->name, "reload");
	sim_loop_enter(process->loop);
	if (on_request_reload(&process->env, &err) < 0)
		verdict_fail(process->deployment->verdict, "reload",
			     "%s: %s", process->name, err.text);
	sim_loop_leave(process->loop);
}

static void open_world(struct process *process)
{
	process->loop = sim_loop_new(process->host);
	log_init(&process->log, process->name);
	process->log.level = LOG_LEVEL_INFO;
	process->log.target = LOG_TO_CALLBACK;
	process->log.now = log_now;
	process->log.now_ctx = process;
	process->log.line = on_line;
	process->log.line_ctx = process;
	process->env = (struct role_env){
		.loop = process->loop,
		.log = &process->log,
		.config = process->config,
		.instance = process->name,
		.stopped = on_stopped,
		.ready = on_ready,
		.request_stop = on_request_stop,
		.request_restart = on_request_restart,
		.request_reload = on_request_reload,
	};
}

void process_start(struct process *process)
{
	struct error err = { .text = "" };

	if (process->loop || process->out)
		return;
	world_cancel(process->deployment->world, &process->event);
	world_say(process->deployment->world, process->name, "start");
	process->config = load(process, &err);
	if (!process->config) {
		fprintf(stderr, "configuration: %s\n", err.text);
		exit(2);
	}
	open_world(process);
	process->starts++;
	process->again = false;
	sim_loop_enter(process->loop);
	process->state = roles[process->kind]->start(&process->env, &err);
	sim_loop_leave(process->loop);
	if (!process->state) {
		fprintf(stderr, "%s: %s\n", process->name, err.text);
		exit(2);
	}
}

static void on_start(struct sim_event *event)
{
	process_start(container_of(event, struct process, event));
}

void process_start_after(struct process *process, uint64_t us)
{
	if (!process->loop)
		world_at(process->deployment->world, &process->event,
			 process->deployment->world->now + us, on_start);
}

bool process_runs(const struct process *process)
{
	return process->loop != NULL;
}
