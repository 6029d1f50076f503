/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands of an operator (docs/link.md section 7).
 */
#include "util/role/command.h"

#include <inttypes.h>
#include <stdio.h>

#include "config.h"
#include "s2s/remote.h"
#include "s2s/s2s.h"
#include "s2s/stream.h"
#include "util/base/str.h"

#define NUMBER_MAX 24 /* bytes of a number as text */

static const char *number(char to[NUMBER_MAX], uint64_t value)
{
	snprintf(to, NUMBER_MAX, "%" PRIu64, value);
	return to;
}

static void status(struct command_call *call, void *ctx)
{
	const struct s2s *s2s = ctx;
	struct acceptor_counts at_door = acceptor_count(s2s->acceptor);
	uint64_t up = (loop_now(s2s->loop) - s2s->started) / 1000;
	char uptime[NUMBER_MAX], remotes[NUMBER_MAX], connections[NUMBER_MAX];
	char refused[NUMBER_MAX], queue[NUMBER_MAX];

	command_row(call, "role", "s2s", "name", link_name(s2s->link),
		    "version", PACKAGE_VERSION, "uptime", number(uptime, up),
		    "remotes", number(remotes, HASH_COUNT(s2s->remotes)),
		    "connections", number(connections, at_door.connections),
		    "refused", number(refused, at_door.refused),
		    "queue", number(queue, s2s->stats.queued), NULL);
	command_finish(call, "ok", NULL);
}

/* -- the list ------------------------------------------------------------- */

static void remote_row(struct command_call *call,
		       const struct s2s_remote *remote)
{
	const struct s2s_stream *s = remote->stream;
	char address[ADDRESS_MAX], stanzas[NUMBER_MAX], queue[NUMBER_MAX];
	bool open = remote->state == REMOTE_OPEN;
	enum trust level = s && s->incoming ? TRUST_TRUSTED
			   : s		    ? s->level
					    : TRUST_PERMISSIVE;

	if (s)
		conn_peer_address(s->conn, address);
	command_row(call, "remote", remote->remote, "local", remote->local,
		    "direction", s && s->bidi ? "both" : "out", "state",
		    s2s_remote_state_name(remote->state), "trust",
		    open ? trust_names[level] : NULL, "tls",
		    s ? conn_tls_version(s->conn) : NULL, "stanzas",
		    s ? number(stanzas, s->stanzas) : NULL, "queue",
		    number(queue, remote->queue.count), "address",
		    s ? address : NULL, "reason", open ? NULL : remote->reason,
		    NULL);
}

static void incoming_row(struct command_call *call, const struct s2s_stream *s,
			 const struct s2s_grant *grant)
{
	char address[ADDRESS_MAX], stanzas[NUMBER_MAX];

	conn_peer_address(s->conn, address);
	command_row(call, "remote", grant ? grant->remote : s->remote, "local",
		    grant ? grant->local : s->local, "direction", "in",
		    "state", grant ? "open" : s2s_state_name(s->state),
		    "trust", grant ? trust_names[grant->level] : NULL, "tls",
		    conn_tls_version(s->conn), "stanzas",
		    number(stanzas, s->stanzas), "queue", NULL, "address",
		    address, NULL);
}

static bool is_wanted(const char *wanted, const char *remote)
{
	return !wanted || str_equal(wanted, remote);
}

static void list_incoming(struct command_call *call, const struct s2s *s2s,
			  const char *wanted)
{
	const struct s2s_stream *s, *next;
	const struct s2s_grant *grant;

	HASH_ITER(hh, s2s->streams, s, next) {
		if (!s->incoming)
			continue;
		if (!s->grants && is_wanted(wanted, s->remote))
			incoming_row(call, s, NULL);
		LL_FOREACH(s->grants, grant) {
			if (is_wanted(wanted, grant->remote))
				incoming_row(call, s, grant);
		}
	}
}

static void list(struct command_call *call, void *ctx)
{
	const struct s2s *s2s = ctx;
	const char *wanted = command_argument(call, "domain");
	const struct s2s_remote *remote, *next;

	HASH_ITER(hh, s2s->remotes, remote, next) {
		if (is_wanted(wanted, remote->remote))
			remote_row(call, remote);
	}
	list_incoming(call, s2s, wanted);
	command_finish(call, "ok", NULL);
}

/* -- what all roles have -------------------------------------------------- */

static void reload(struct command_call *call, void *ctx)
{
	struct s2s *s2s = ctx;
	struct error err;

	if (s2s->env->request_reload(s2s->env, &err) < 0)
		command_finish(call, "failed", err.text);
	else
		command_finish(call, "ok", NULL);
}

static void stop(struct command_call *call, void *ctx)
{
	struct s2s *s2s = ctx;

	command_finish(call, "ok", NULL);
	s2s->env->request_stop(s2s->env);
}

static void set_log_level(struct command_call *call, void *ctx)
{
	struct s2s *s2s = ctx;
	const char *level = command_argument(call, "level");

	if (!level || log_parse_level(level, &s2s->log->level) < 0)
		command_finish(call, "invalid",
			       "level: error, warning, notice, info, debug");
	else
		command_finish(call, "ok", NULL);
}

static const struct command commands[] = {
	{ "status", status },
	{ "s2s.list", list },
	{ "reload", reload },
	{ "stop", stop },
	{ "log-level", set_log_level },
	{ .name = NULL },
};

void s2s_command(struct link *link, const char *from,
		 const struct stanza *stanza, void *ctx)
{
	command_dispatch(link, commands, from, stanza, ctx);
}
