/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands of an operator (docs/link.md section 7).
 */
#include "util/role/command.h"

#include "config.h"
#include "s2s/explain.h"
#include "s2s/management.h"
#include "s2s/remote.h"
#include "s2s/s2s.h"
#include "s2s/stream.h"
#include "s2s/trust.h"
#include "s2s/zone.h"
#include "util/base/str.h"
#include "util/role/access_command.h"
#include "util/role/status.h"

static void status(struct command_call *call, void *ctx)
{
	const struct s2s *s2s = ctx;
	char remotes[STATUS_NUMBER], connections[STATUS_NUMBER];
	char refused[STATUS_NUMBER], queue[STATUS_NUMBER], bytes[STATUS_NUMBER];
	struct acceptor_counts at_door = acceptor_count(s2s->acceptor);
	struct status facts;

	status_fill(&facts, s2s->link, &s2s->drain, s2s->started);
	command_row(call, "role", "s2s", "name", link_name(s2s->link), "state",
		    drain_state_name(&s2s->drain), "left", status_left(&facts),
		    "version", PACKAGE_VERSION, "protocol",
		    status_protocol(s2s->config->common.link_version),
		    "uptime", facts.uptime, "routers",
		    buf_data(&facts.routers), "remotes",
		    status_number(remotes, HASH_COUNT(s2s->remotes)),
		    "connections", status_number(connections, at_door.connections),
		    "refused",
		    status_number(refused, at_door.refused),
		    "queue", status_number(queue, s2s->stats.queued), "bytes",
		    status_number(bytes, s2s->stats.queued_bytes), NULL);
	status_free(&facts);
	command_finish(call, "ok", NULL);
}

/* -- the list ------------------------------------------------------------- */

static void remote_row(struct command_call *call,
		       const struct s2s_remote *remote)
{
	const struct s2s_stream *s = remote->stream;
	char address[ADDRESS_MAX], stanzas[STATUS_NUMBER], queue[STATUS_NUMBER];
	char unacked[STATUS_NUMBER], lacks[TRUST_LACK_MAX];
	bool open = remote->state == REMOTE_OPEN;
	enum trust level = s && s->incoming ? TRUST_TRUSTED
			   : s		    ? s->level
					    : TRUST_PERMISSIVE;

	if (s)
		conn_peer_address(s->conn, address);
	command_row(call, "remote", remote->remote, "local", remote->local,
		    "direction", s && s->bidi ? "both" : "out", "state",
		    s2s_remote_state_name(remote->state), "trust",
		    open ? trust_names[level] : NULL, "lacks",
		    open ? s2s_trust_lack(level, s->lacks, lacks) : NULL, "tls",
		    s ? conn_tls_version(s->conn) : NULL, "stanzas",
		    s ? status_number(stanzas, s->stanzas) : NULL, "queue",
		    status_number(queue, remote->queue.count), "unacked",
		    s ? status_number(unacked, s2s_management_unacked(s))
		      : NULL,
		    "address",
		    s ? address : NULL, "reason", open ? NULL : remote->reason,
		    NULL);
}

static void incoming_row(struct command_call *call, const struct s2s_stream *s,
			 const struct s2s_grant *grant)
{
	char address[ADDRESS_MAX], stanzas[STATUS_NUMBER];
	char lacks[TRUST_LACK_MAX];

	conn_peer_address(s->conn, address);
	command_row(call, "remote", grant ? grant->remote : s->remote, "local",
		    grant ? grant->local : s->local, "direction", "in",
		    "state", grant ? "open" : s2s_state_name(s->state),
		    "trust", grant ? trust_names[grant->level] : NULL, "lacks",
		    grant ? s2s_trust_lack(grant->level, grant->lacks, lacks)
			  : NULL,
		    "tls",
		    conn_tls_version(s->conn), "stanzas",
		    status_number(stanzas, s->stanzas), "queue", NULL, "address",
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

static void access_list(struct command_call *call, void *ctx)
{
	const struct s2s *s2s = ctx;

	access_command_list(call, s2s->access);
}

/* -- all ------------------------------------------------------------------ */

static const struct command commands[] = {
	{ "status", status, true },
	{ "s2s.list", list, true },
	{ "access.list", access_list, true },
	{ "explain", s2s_explain, true },
	{ "dns", s2s_zone, true },
	{ "dns.check", s2s_zone_check, true },
	{ .name = NULL },
};

void s2s_command(struct link *link, const char *from,
		 const struct stanza *stanza, void *ctx)
{
	struct s2s *s2s = ctx;
	const struct command_role role = {
		.env = s2s->env,
		.drain = &s2s->drain,
		.table = commands,
		.ctx = s2s,
	};

	command_dispatch(link, &role, from, stanza);
}
