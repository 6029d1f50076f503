/* SPDX-License-Identifier: Apache-2.0
 *
 * The role as a value: start, reload, stop, and the end.
 */
#include "c2s/c2s.h"

#include "c2s/domain.h"
#include "c2s/drain.h"
#include "c2s/flight.h"
#include "c2s/relay.h"
#include "c2s/stream.h"
#include "c2s/tail.h"
#include "util/base/mem.h"

/* -- configuration -------------------------------------------------------- */

static const struct c2s_config *find_config(const struct role_env *env,
					    struct error *err)
{
	const struct c2s_config *config =
		config_find(env->config, "c2s", env->instance);

	if (!config)
		error_set(err, "%s: no section c2s applies to \"%s\"",
			  config_path(env->config), env->instance);
	return config;
}

/* Streams point to these limits: they follow a reload. */
static void set_limits(struct c2s *c2s, const struct c2s_config *config)
{
	c2s->after.bytes = (size_t)config->stanza_after;
	c2s->after.depth = (unsigned)config->depth;
	c2s->after.attributes = (unsigned)config->attributes;
	c2s->after.name = (unsigned)config->name;
	c2s->before = c2s->after;
	c2s->before.bytes = (size_t)config->stanza_before;
}

static int take_config(struct c2s *c2s, struct error *err)
{
	const struct c2s_config *config = find_config(c2s->env, err);
	bool listens = !drain_is_on(&c2s->drain);

	/* What can fail comes first; c2s_domains_load() is the last of it. */
	if (!config ||
	    (listens &&
	     acceptor_listen(c2s->acceptor, &config->acceptor, err) < 0))
		return -1;
	if (c2s_domains_load(c2s, err) < 0) {
		struct error ignored;

		if (c2s->config && listens)
			acceptor_listen(c2s->acceptor, &c2s->config->acceptor,
					&ignored);
		return -1;
	}
	c2s->config = config;
	set_limits(c2s, config);
	return 0;
}

/* -- start ---------------------------------------------------------------- */

static void c2s_free(void *state)
{
	struct c2s *c2s = state;

	drain_stop(&c2s->drain);
	acceptor_close(c2s->acceptor);
	loop_defer_cancel(c2s->loop, &c2s->later);
	tails_stop(c2s);
	streams_drop(c2s);
	acceptor_free(&c2s->acceptor);
	if (c2s->link)
		link_close(&c2s->link);
	flights_free(c2s);
	c2s_domains_free(c2s);
	stanza_parser_free(&c2s->parser);
	stanza_parser_free(&c2s->link_parser);
	buf_free(&c2s->out);
	mem_free(c2s);
}

static void say_ready(struct deferred *deferred)
{
	struct c2s *c2s = container_of(deferred, struct c2s, later);

	c2s->env->ready(c2s->env);
}

static void *c2s_start(struct role_env *env, struct error *err)
{
	struct c2s *c2s = mem_new(struct c2s);

	c2s->env = env;
	c2s->loop = env->loop;
	c2s->log = env->log;
	c2s->started = loop_now(env->loop);
	c2s->parser = stanza_parser_new();
	c2s->link_parser = stanza_parser_new();
	c2s->acceptor = acceptor_new(c2s->loop, c2s->log, stream_accept, c2s);
	drain_init(&c2s->drain, &c2s_drain_ops, c2s->loop, c2s->log, c2s);
	if (take_config(c2s, err) < 0)
		goto failed;
	c2s->link = role_link_new(env, &c2s->config->common, NULL,
				  &relay_handlers, c2s, err);
	if (!c2s->link)
		goto failed;
	loop_defer(c2s->loop, &c2s->later, say_ready);
	return c2s;
failed:
	c2s_free(c2s);
	return NULL;
}

static int c2s_reload(void *state, struct error *err)
{
	return take_config(state, err);
}

/* -- stop ----------------------------------------------------------------- */

static void say_stopped(struct deferred *deferred)
{
	struct c2s *c2s = container_of(deferred, struct c2s, later);

	c2s->env->stopped(c2s->env);
}

void c2s_check_stopped(struct c2s *c2s)
{
	if (c2s->stopping && !c2s->streams)
		loop_defer(c2s->loop, &c2s->later, say_stopped);
}

static void c2s_stop(void *state)
{
	struct c2s *c2s = state;
	struct stream *s, *next;

	if (c2s->stopping)
		return;
	c2s->stopping = true;
	drain_stop(&c2s->drain);
	acceptor_close(c2s->acceptor);
	HASH_ITER(hh, c2s->streams, s, next)
		stream_fail(s, STREAM_SYSTEM_SHUTDOWN, NULL);
	c2s_check_stopped(c2s);
}

const struct role c2s_role = {
	.name = "c2s",
	.sections = c2s_sections,
	.check = c2s_config_check,
	.start = c2s_start,
	.reload = c2s_reload,
	.stop = c2s_stop,
	.free = c2s_free,
	.metrics = c2s_metrics,
};
