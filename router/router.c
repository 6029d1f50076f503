/* SPDX-License-Identifier: Apache-2.0
 *
 * Start, reload and stop. A reload takes over the link sections and the
 * certificates; the addresses are those of the start.
 */
#include "router/router.h"

#include "router/control.h"
#include "router/drain.h"
#include "router/metrics.h"
#include "router/names.h"
#include "router/peer.h"
#include "router/policy.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* -- what comes from the configuration ------------------------------------- */

struct settings {
	const struct router_options *options;
	struct policy *policies;
	size_t policy_count;
	struct tls_context *tls;
};

static void settings_free(struct settings *settings)
{
	policies_free(&settings->policies, &settings->policy_count);
	if (settings->tls)
		tls_context_unref(&settings->tls);
}

static struct tls_context *make_tls(const struct router_options *options,
				    struct error *err)
{
	struct tls_context *tls = tls_context_new(TLS_SERVER, err);

	if (!tls)
		return NULL;
	if (tls_context_add_certificate(tls, NULL, options->certificate,
					options->key, err) < 0)
		goto fail;
	if (options->ca) {
		if (tls_context_add_ca(tls, options->ca, err) < 0)
			goto fail;
		tls_context_request_certificate(tls);
	}
	return tls;
fail:
	tls_context_unref(&tls);
	return NULL;
}

/* Reads everything, or nothing. */
static int settings_read(struct settings *settings,
			 const struct role_env *env, struct error *err)
{
	const struct router_options *options =
		config_find(env->config, "router", env->instance);

	*settings = (struct settings){ .options = options };
	if (!options)
		return error_set(err, "%s: no section router \"%s\"",
				 config_path(env->config), env->instance);
	if (router_config_check(env->config, err) < 0)
		return -1;
	if (policies_load(env->config, &settings->policies,
			  &settings->policy_count, err) < 0)
		return -1;
	if (!options->listen_tls || !options->listen_tls[0])
		return 0;
	settings->tls = make_tls(options, err);
	if (settings->tls)
		return 0;
	settings_free(settings);
	return -1;
}

static void settings_apply(struct settings *settings, struct router *router)
{
	struct settings old = {
		.policies = router->policies,
		.policy_count = router->policy_count,
		.tls = router->tls,
	};

	router->options = settings->options;
	router->policies = settings->policies;
	router->policy_count = settings->policy_count;
	router->tls = settings->tls;
	settings_free(&old);
}

/* -- listening ------------------------------------------------------------- */

static void on_accept(struct listener *listener, struct conn *conn, void *ctx)
{
	(void)listener;
	peer_accept(ctx, conn, NULL);
}

static void on_accept_tls(struct listener *listener, struct conn *conn,
			  void *ctx)
{
	struct router *router = ctx;

	(void)listener;
	if (router->tls)
		peer_accept(router, conn, router->tls);
	else
		conn_close(conn);
}

static size_t list_length(char **list)
{
	size_t count = 0;

	while (list && list[count])
		count++;
	return count;
}

static int listen_all(struct router *router, char **addresses,
		      listener_accept_cb *accept, struct error *err)
{
	unsigned mode;

	/* It was checked with the rest of the configuration. */
	if (router_parse_mode(router->options->socket_mode, &mode) < 0)
		return error_set(err, "socket-mode is no octal mode");
	for (char **at = addresses; at && *at; at++) {
		struct listener *listener = listener_open(
			router->loop, *at, mode, accept, router, err);

		if (!listener)
			return error_prefix(err, "%s", *at);
		router->listeners[router->listener_count++] = listener;
		log_notice(router->log, "router.listening",
			   LOG_S("address", *at));
	}
	return 0;
}

static int listen_everywhere(struct router *router, struct error *err)
{
	const struct router_options *options = router->options;

	router->listeners = mem_calloc(list_length(options->listen) +
					       list_length(options->listen_tls),
				       sizeof(*router->listeners));
	if (listen_all(router, options->listen, on_accept, err) < 0)
		return -1;
	return listen_all(router, options->listen_tls, on_accept_tls, err);
}

static void stop_listening(struct router *router)
{
	for (size_t i = 0; i < router->listener_count; i++)
		listener_close(&router->listeners[i]);
	router->listener_count = 0;
}

unsigned router_port(const struct router *router, size_t i)
{
	return i < router->listener_count ? listener_port(router->listeners[i])
					  : 0;
}

/* -- the role -------------------------------------------------------------- */

static void router_free(void *state)
{
	struct router *router = state;

	drain_stop(&router->drain);
	stop_listening(router);
	while (router->peers)
		peer_drop(router->peers);
	loop_defer_cancel(router->loop, &router->end);
	names_free(router);
	members_free(&router->members);
	policies_free(&router->policies, &router->policy_count);
	if (router->tls)
		tls_context_unref(&router->tls);
	stanza_parser_free(&router->parser);
	buf_free(&router->space);
	buf_free(&router->out);
	mem_free(router->listeners);
	mem_free(router);
}

static void *router_start(struct role_env *env, struct error *err)
{
	struct settings settings;
	struct router *router;

	if (settings_read(&settings, env, err) < 0)
		return NULL;
	router = mem_new(struct router);
	router->env = env;
	router->loop = env->loop;
	router->log = env->log;
	router->started = loop_now(router->loop);
	loop_random_hex(router->loop, router->epoch, EPOCH_DIGITS);
	router->parser = stanza_parser_new();
	drain_init(&router->drain, &router_drain_ops, router->loop, router->log,
		   router);
	router->members = members_new();
	settings_apply(&settings, router);
	if (listen_everywhere(router, err) < 0) {
		router_free(router);
		return NULL;
	}
	env->ready(env);
	return router;
}

/* Whether a link would be let in again. */
static bool still_allowed(const struct peer *peer)
{
	const struct policy *policy = policy_find(peer->router, peer->name);

	return policy && policy->section->kind == (int)peer->kind;
}

static int router_reload(void *state, struct error *err)
{
	struct router *router = state;
	struct settings settings;
	struct peer *peer, *next;

	if (settings_read(&settings, router->env, err) < 0)
		return -1;
	settings_apply(&settings, router);
	HASH_ITER(hh, router->links, peer, next) {
		if (still_allowed(peer))
			control_rights_changed(peer);
		else
			peer_fail(peer, STREAM_NOT_AUTHORIZED,
				  "no longer allowed");
	}
	return 0;
}

static void say_stopped(struct deferred *deferred)
{
	struct router *router = container_of(deferred, struct router, end);

	router->env->stopped(router->env);
}

void router_check_stopped(struct router *router)
{
	if (router->stopping && !router->peers)
		loop_defer(router->loop, &router->end, say_stopped);
}

static void router_stop(void *state)
{
	struct router *router = state;
	struct peer *peer, *next;

	router->stopping = true;
	drain_stop(&router->drain);
	stop_listening(router);
	DL_FOREACH_SAFE(router->peers, peer, next)
		peer_fail(peer, STREAM_SYSTEM_SHUTDOWN, NULL);
	router_check_stopped(router);
}

static void router_write_metrics(void *state, struct buf *to)
{
	router_metrics(state, to);
}

static const struct section *const router_sections[] = {
	&router_section,
	&link_section,
	NULL,
};

const struct role router_role = {
	.name = "router",
	.sections = router_sections,
	.check = router_config_check,
	.start = router_start,
	.reload = router_reload,
	.stop = router_stop,
	.free = router_free,
	.metrics = router_write_metrics,
};
