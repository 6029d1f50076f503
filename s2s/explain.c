/* SPDX-License-Identifier: Apache-2.0
 *
 * Which trust another server needs and has, how it is reached, and why not.
 */
#include "s2s/explain.h"

#include <inttypes.h>

#include "s2s/access.h"
#include "s2s/local.h"
#include "s2s/remote.h"
#include "s2s/stream.h"
#include "s2s/trust.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/role/access_command.h"
#include "util/role/status.h"

struct explaining {
	struct s2s *s2s;
	struct command_call *call;
	const char *local, *remote; /* domains */
	struct s2s_policy policy;
};

static void explain_rule(const struct explaining *explaining,
			 const struct access_asked *asked)
{
	struct s2s *s2s = explaining->s2s;
	struct access_query query = {
		.from = asked->from,
		.to = asked->to,
		.from_here = s2s_local_is(s2s, jid_domain(asked->from)),
		.to_here = s2s_local_is(s2s, jid_domain(asked->to)),
		.what = asked->what,
		.ns = asked->ns,
		.trust = TRUST_TRUSTED,
	};

	access_command_verdict(explaining->call, s2s->access, &query);
}

/* -- trust ---------------------------------------------------------------- */

/* "section remote "*.example"", or "section s2s". */
static char *origin_of(const struct explaining *explaining)
{
	const struct config *config = explaining->s2s->env->config;
	const char *title;

	for (size_t i = 0; i < config_count(config, "remote"); i++) {
		if (config_get(config, "remote", i, &title) ==
		    explaining->policy.section)
			return mem_printf("%s:%u: section remote \"%s\"",
					  config_path(config),
					  config_line(config, "remote", i),
					  title);
	}
	return mem_strdup("section s2s");
}

static void required_row(const struct explaining *explaining)
{
	const char *level = trust_names[explaining->policy.required];
	char *origin = origin_of(explaining);
	char *text;

	if (explaining->policy.refuse)
		text = mem_printf("no streams with %s (%s)",
				  explaining->remote, origin);
	else
		text = mem_printf("%s must be %s (%s)", explaining->remote,
				  level, origin);
	command_row(explaining->call, "about", "trust", "text", text,
		    "required", explaining->policy.refuse ? NULL : level,
		    "place", origin, NULL);
	mem_free(text);
	mem_free(origin);
}

static void reached_row(const struct explaining *explaining,
			const struct s2s_stream *s, const char *direction,
			enum trust level)
{
	char address[ADDRESS_MAX], *text;

	conn_peer_address(s->conn, address);
	text = mem_printf("the stream %s has reached %s (%s)", direction,
			  trust_names[level], address);
	command_row(explaining->call, "about", "trust", "text", text,
		    "direction", direction, "reached", trust_names[level],
		    "address", address, NULL);
	mem_free(text);
}

static void incoming_rows(const struct explaining *explaining)
{
	const struct s2s_stream *s, *next;
	const struct s2s_grant *grant;

	HASH_ITER(hh, explaining->s2s->streams, s, next) {
		grant = s->incoming
				? s2s_stream_granted(s, explaining->local,
						     explaining->remote)
				: NULL;
		if (grant)
			reached_row(explaining, s, "in", grant->level);
	}
}

/* -- the way -------------------------------------------------------------- */

/* How a connection is made. */
static char *way_of(const struct explaining *explaining)
{
	const struct remote_section *section = explaining->policy.section;

	if (section && section->route)
		return mem_printf("the static route %s", section->route);
	return mem_printf("the SRV records of %s", explaining->remote);
}

static uint64_t until_retry(const struct s2s_remote *remote)
{
	uint64_t now = loop_now(remote->s2s->loop);

	if (remote->state != REMOTE_PAUSED || !timer_running(&remote->timer) ||
	    remote->timer.due <= now)
		return 0;
	return remote->timer.due - now;
}

static void known_row(const struct explaining *explaining,
		      const struct s2s_remote *remote, const char *way)
{
	uint64_t retry = until_retry(remote);
	char queue[STATUS_NUMBER], failures[STATUS_NUMBER];
	char pause[STATUS_NUMBER];
	struct buf text = { 0 };

	buf_addf(&text, "%s by %s; %zu wait%s",
		 s2s_remote_state_name(remote->state), way,
		 remote->queue.count, remote->queue.count == 1 ? "s" : "");
	if (remote->failures)
		buf_addf(&text, "; %u attempt%s failed in a row",
			 remote->failures, remote->failures == 1 ? "" : "s");
	if (retry)
		buf_addf(&text, ", the next in %" PRIu64 " ms", retry);
	if (remote->state != REMOTE_OPEN && remote->reason)
		buf_addf(&text, ": %s", remote->reason);
	command_row(explaining->call, "about", "route", "text",
		    buf_data(&text), "state",
		    s2s_remote_state_name(remote->state), "way", way, "queue",
		    status_number(queue, remote->queue.count), "failures",
		    status_number(failures, remote->failures), "retry-ms",
		    status_number(pause, retry), "reason", remote->reason,
		    NULL);
	buf_free(&text);
}

static void route_rows(const struct explaining *explaining)
{
	const struct s2s_remote *remote = s2s_remote_find(
		explaining->s2s, explaining->local, explaining->remote);
	char *way = way_of(explaining), *text;

	if (remote && remote->state == REMOTE_OPEN)
		reached_row(explaining, remote->stream, "out",
			    s2s_access_level(remote));
	if (remote) {
		known_row(explaining, remote, way);
	} else {
		text = mem_printf("not connected; the first stanza goes by %s",
				  way);
		command_row(explaining->call, "about", "route", "text", text,
			    "state", "none", "way", way, NULL);
		mem_free(text);
	}
	mem_free(way);
}

void s2s_explain(struct command_call *call, void *ctx)
{
	struct explaining explaining = {
		.s2s = ctx,
		.call = call,
		.local = command_argument(call, "local"),
		.remote = command_argument(call, "remote"),
	};
	const char *name = link_name(explaining.s2s->link);
	bool owns = str_equal(command_argument(call, "owner"), name);
	struct access_asked asked;

	if (access_command_read(call, &asked) < 0)
		return;
	if (!explaining.local || !explaining.remote) {
		access_command_clear(&asked);
		command_finish(call, "invalid", "local and remote are needed");
		return;
	}
	explaining.policy = s2s_policy(explaining.s2s, explaining.local,
				       explaining.remote);
	if (owns && command_argument(call, "judges"))
		explain_rule(&explaining, &asked);
	if (owns)
		required_row(&explaining);
	incoming_rows(&explaining);
	if (owns)
		route_rows(&explaining);
	access_command_clear(&asked);
	command_finish(call, "ok", NULL);
}
