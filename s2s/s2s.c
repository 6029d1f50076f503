/* SPDX-License-Identifier: Apache-2.0
 *
 * The role as a value: start, reload, stop, and the end.
 */
#include "s2s/s2s.h"

#include "s2s/access.h"
#include "s2s/connect.h"
#include "s2s/drain.h"
#include "s2s/local.h"
#include "s2s/management.h"
#include "s2s/posh.h"
#include "s2s/relay.h"
#include "s2s/remote.h"
#include "s2s/stream.h"
#include "s2s/zone.h"
#include "util/base/mem.h"
#include "util/net/fetch.h"

#define SECRET_DIGITS 64
#define PATIENCE_MS   2000

/* The default route (docs/link.md section 3). */
static const char *const binds[] = { "*", NULL };

/* -- configuration -------------------------------------------------------- */

/* Streams point to these limits: they follow a reload. */
static void set_limits(struct s2s *s2s, const struct s2s_config *config)
{
	s2s->after.bytes = (size_t)config->stanza_after;
	s2s->after.depth = (unsigned)config->depth;
	s2s->after.attributes = (unsigned)config->attributes;
	s2s->after.name = (unsigned)config->name;
	s2s->before = s2s->after;
	s2s->before.bytes = (size_t)config->stanza_before;
}

static int read_secret(const char *file, char **secret, struct error *err)
{
	char *read;

	if (!file)
		return 0;
	read = config_read_secret(file, err);
	if (!read)
		return -1;
	mem_free_secret(*secret);
	*secret = read;
	return 0;
}

/* Without a file the keys of this process are its own: enough for one. */
static int load_secrets(struct s2s *s2s, const struct s2s_config *config,
			struct error *err)
{
	char *secret = NULL, *old = NULL;

	if (read_secret(config->secret_file, &secret, err) < 0 ||
	    read_secret(config->secret_file_old, &old, err) < 0) {
		mem_free_secret(secret);
		return -1;
	}
	if (!secret && !s2s->secret) {
		secret = mem_alloc(SECRET_DIGITS + 1);
		loop_random_hex(s2s->loop, secret, SECRET_DIGITS);
	}
	if (secret) {
		mem_free_secret(s2s->secret);
		s2s->secret = secret;
	}
	mem_free_secret(s2s->secret_old);
	s2s->secret_old = old;
	return 0;
}

static int take_options(struct s2s *s2s, struct error *err)
{
	const struct s2s_config *config =
		config_find(s2s->env->config, "s2s", s2s->env->instance);
	bool listens = !drain_is_on(&s2s->drain);

	if (!config)
		return error_set(err, "%s: no section s2s applies to \"%s\"",
				 config_path(s2s->env->config),
				 s2s->env->instance);
	if (load_secrets(s2s, config, err) < 0 ||
	    (listens &&
	     acceptor_listen(s2s->acceptor, &config->acceptor, err) < 0))
		return -1;
	if (s2s_locals_load(s2s, config, err) < 0) {
		struct error ignored;

		if (s2s->config && listens)
			acceptor_listen(s2s->acceptor, &s2s->config->acceptor,
					&ignored);
		return -1;
	}
	s2s->config = config;
	set_limits(s2s, config);
	return 0;
}

static int take_config(struct s2s *s2s, struct error *err)
{
	struct access *access = access_new(s2s->env->config, s2s->access, err);

	if (!access)
		return -1;
	if (take_options(s2s, err) < 0) {
		access_free(&access);
		return -1;
	}
	access_free(&s2s->access);
	s2s->access = access;
	return 0;
}

/* -- start ---------------------------------------------------------------- */

static void s2s_free(void *state)
{
	struct s2s *s2s = state;

	drain_stop(&s2s->drain);
	acceptor_close(s2s->acceptor);
	loop_defer_cancel(s2s->loop, &s2s->later);
	timer_stop(&s2s->patience);
	s2s_managements_free(s2s);
	s2s_remotes_free(s2s);
	s2s_streams_drop(s2s);
	acceptor_free(&s2s->acceptor);
	s2s_attempts_drop(s2s);
	s2s_zone_stop(s2s);
	s2s_posh_free(s2s);
	fetcher_free(&s2s->fetcher);
	resolver_free(&s2s->resolver);
	if (s2s->link)
		link_close(&s2s->link);
	s2s_locals_free(s2s);
	access_free(&s2s->access);
	stanza_parser_free(&s2s->parser);
	stanza_parser_free(&s2s->link_parser);
	mem_free_secret(s2s->secret);
	mem_free_secret(s2s->secret_old);
	buf_free(&s2s->out);
	mem_free(s2s);
}

static void say_ready(struct deferred *deferred)
{
	struct s2s *s2s = container_of(deferred, struct s2s, later);

	s2s->env->ready(s2s->env);
}

static int start_resolver(struct s2s *s2s, struct error *err)
{
	struct resolver_options options = {
		.server = s2s->config->dns_server,
		.anchor = s2s->config->dns_anchor,
		.hosts = s2s->config->dns_hosts,
	};

	s2s->resolver = resolver_new(s2s->loop, &options, err);
	return s2s->resolver ? 0 : -1;
}

static void *s2s_start(struct role_env *env, struct error *err)
{
	struct s2s *s2s = mem_new(struct s2s);

	s2s->env = env;
	s2s->loop = env->loop;
	s2s->log = env->log;
	s2s->started = loop_now(env->loop);
	s2s->parser = stanza_parser_new();
	s2s->link_parser = stanza_parser_new();
	s2s->acceptor =
		acceptor_new(s2s->loop, s2s->log, s2s_stream_accept, s2s);
	drain_init(&s2s->drain, &s2s_drain_ops, s2s->loop, s2s->log, s2s);
	if (take_config(s2s, err) < 0 || start_resolver(s2s, err) < 0)
		goto failed;
	s2s->link = role_link_new(env, &s2s->config->common, binds,
				  &s2s_relay_handlers, s2s, err);
	if (!s2s->link)
		goto failed;
	loop_defer(s2s->loop, &s2s->later, say_ready);
	return s2s;
failed:
	s2s_free(s2s);
	return NULL;
}

static int s2s_reload(void *state, struct error *err)
{
	return take_config(state, err);
}

/* -- stop ----------------------------------------------------------------- */

static void say_stopped(struct deferred *deferred)
{
	struct s2s *s2s = container_of(deferred, struct s2s, later);

	s2s->env->stopped(s2s->env);
}

void s2s_check_stopped(struct s2s *s2s)
{
	if (s2s->stopping && !s2s->streams)
		loop_defer(s2s->loop, &s2s->later, say_stopped);
}

/* What waits is not acknowledged: its sender gives it to another s2s, or to
 * us when we are back. */
static void close_all(struct s2s *s2s)
{
	struct s2s_stream *s, *next;

	timer_stop(&s2s->patience);
	HASH_ITER(hh, s2s->streams, s, next)
		s2s_management_part(s);
	s2s_managements_free(s2s);
	s2s_remotes_free(s2s);
	HASH_ITER(hh, s2s->streams, s, next)
		s2s_stream_fail(s, STREAM_SYSTEM_SHUTDOWN, NULL);
	s2s_check_stopped(s2s);
}

static void on_patience(struct timer *timer)
{
	close_all(container_of(timer, struct s2s, patience));
}

static bool is_acknowledged(const struct s2s *s2s)
{
	const struct s2s_stream *s, *next;

	HASH_ITER(hh, s2s->streams, s, next) {
		if (s2s_management_unacked(s) > 0)
			return false;
	}
	return true;
}

void s2s_check_acknowledged(struct s2s *s2s)
{
	if (timer_running(&s2s->patience) && is_acknowledged(s2s))
		close_all(s2s);
}

/* What is on its way to others is waited for: else it would be sent again,
 * and come twice. */
static void s2s_stop(void *state)
{
	struct s2s *s2s = state;

	if (s2s->stopping)
		return;
	s2s->stopping = true;
	drain_stop(&s2s->drain);
	acceptor_close(s2s->acceptor);
	if (is_acknowledged(s2s))
		close_all(s2s);
	else
		timer_start(&s2s->patience, s2s->loop, PATIENCE_MS,
			    on_patience);
}

const struct role s2s_role = {
	.name = "s2s",
	.sections = s2s_sections,
	.check = s2s_config_check,
	.start = s2s_start,
	.reload = s2s_reload,
	.stop = s2s_stop,
	.free = s2s_free,
	.metrics = s2s_metrics,
};
