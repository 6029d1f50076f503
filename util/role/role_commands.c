/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands that every role understands in the same way; the router, which
 * has no link to itself, has its own in router/admin.c.
 */
#include "util/role/command.h"

#include "util/base/str.h"
#include "util/role/drain.h"
#include "util/role/role.h"

static void answer(struct command_call *call, int rc, const struct error *err)
{
	if (rc < 0)
		command_finish(call, "failed", err->text);
	else
		command_finish(call, "ok", NULL);
}

static void reload(struct command_call *call, void *ctx)
{
	const struct command_role *role = ctx;
	struct error err;

	answer(call, role->env->request_reload(role->env, &err), &err);
}

static void restart_answer(void *ctx, const struct error *refused)
{
	answer(ctx, refused ? -1 : 0, refused);
}

static void restart(struct command_call *call, void *ctx)
{
	const struct command_role *role = ctx;
	struct error err;

	if (role->env->request_restart(role->env, restart_answer, call, &err) <
	    0)
		answer(call, -1, &err);
}

static void stop(struct command_call *call, void *ctx)
{
	const struct command_role *role = ctx;

	command_finish(call, "ok", NULL);
	role->env->request_stop(role->env);
}

static void drain(struct command_call *call, void *ctx)
{
	const struct command_role *role = ctx;
	bool force = str_equal(command_argument(call, "force"), "yes");
	struct error err;

	answer(call, drain_begin(role->drain, force, &err), &err);
}

static void undrain(struct command_call *call, void *ctx)
{
	const struct command_role *role = ctx;

	drain_end(role->drain);
	command_finish(call, "ok", NULL);
}

static void set_log_level(struct command_call *call, void *ctx)
{
	const struct command_role *role = ctx;
	const char *level = command_argument(call, "level");

	if (!level || log_parse_level(level, &role->env->log->level) < 0)
		command_finish(call, "invalid",
			       "level: error, warning, notice, info, debug");
	else
		command_finish(call, "ok", NULL);
}

const struct command role_commands[] = {
	{ "reload", reload, false },
	{ "restart", restart, false },
	{ "stop", stop, false },
	{ "drain", drain, false },
	{ "undrain", undrain, false },
	{ "log-level", set_log_level, false },
	{ .name = NULL },
};
