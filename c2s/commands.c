/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands of an operator (docs/link.md section 7).
 */
#include "util/role/command.h"

#include <time.h>

#include "c2s/c2s.h"
#include "c2s/domain.h"
#include "c2s/session.h"
#include "c2s/stream.h"
#include "config.h"
#include "util/base/str.h"
#include "util/role/status.h"

#define TIME_MAX   32

/* XEP-0082: "2026-11-30T12:00:00Z". */
static const char *date(char to[TIME_MAX], int64_t us)
{
	time_t seconds = (time_t)(us / 1000000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) ||
	    strftime(to, TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		to[0] = '\0';
	return to;
}

static void status(struct command_call *call, void *ctx)
{
	const struct c2s *c2s = ctx;
	char sessions[STATUS_NUMBER], connections[STATUS_NUMBER];
	char refused[STATUS_NUMBER];
	struct acceptor_counts at_door = acceptor_count(c2s->acceptor);
	struct status facts;

	status_fill(&facts, c2s->link, &c2s->drain, c2s->started);
	command_row(call, "role", "c2s", "name", link_name(c2s->link), "state",
		    drain_state_name(&c2s->drain), "left", status_left(&facts),
		    "version", PACKAGE_VERSION, "protocol",
		    status_protocol(c2s->config->common.link_version),
		    "uptime", facts.uptime, "routers",
		    buf_data(&facts.routers), "sessions",
		    status_number(sessions, c2s->sessions), "connections",
		    status_number(connections, at_door.connections), "refused",
		    status_number(refused, at_door.refused), "queue",
		    facts.outstanding, "bytes", facts.bytes, NULL);
	status_free(&facts);
	command_finish(call, "ok", NULL);
}

static void session_row(struct command_call *call, const struct stream *s)
{
	char address[ADDRESS_MAX], since[TIME_MAX];
	struct buf jid = { 0 };

	c2s_session_add_jid(s->session, &jid);
	conn_peer_address(s->conn, address);
	command_row(call, "jid", buf_data(&jid), "session", s->id, "address",
		    address, "tls", conn_tls_version(s->conn), "since",
		    date(since, s->session->since), "sm", s->session->owner,
		    NULL);
	buf_free(&jid);
}

static bool is_open(const struct stream *s)
{
	return s->session && s->session->open;
}

static void session_list(struct command_call *call, void *ctx)
{
	const struct c2s *c2s = ctx;
	const char *domain = command_argument(call, "domain");
	const struct stream *s, *next;

	HASH_ITER(hh, c2s->streams, s, next) {
		if (is_open(s) &&
		    (!domain || str_equal(s->domain->name, domain)))
			session_row(call, s);
	}
	command_finish(call, "ok", NULL);
}

/* By session id, by full JID, or all of a bare JID. */
static bool is_meant(const struct stream *s, const char *session,
		     const char *jid)
{
	struct buf full = { 0 };
	bool same;

	if (session)
		return str_equal(s->id, session);
	c2s_session_add_jid(s->session, &full);
	same = str_equal(buf_data(&full), jid) ||
	       str_equal(s->session->bare, jid);
	buf_free(&full);
	return same;
}

static void session_kick(struct command_call *call, void *ctx)
{
	struct c2s *c2s = ctx;
	const char *session = command_argument(call, "session");
	const char *jid = command_argument(call, "jid");
	struct stream *s, *next;
	unsigned count = 0;

	if (!session && !jid) {
		command_finish(call, "invalid", "session or jid is needed");
		return;
	}
	HASH_ITER(hh, c2s->streams, s, next) {
		if (!is_open(s) || !is_meant(s, session, jid))
			continue;
		session_row(call, s);
		stream_fail(s, STREAM_POLICY_VIOLATION,
			    "ended by an administrator");
		count++;
	}
	command_finish(call, count > 0 ? "ok" : "not-found", NULL);
}

/* What clients look for (RFC 6120 section 3.2.1, XEP-0368). */
struct zone {
	struct command_call *call;
	const char *domain, *host;
};

static void add_port(const char *address, bool direct, unsigned port,
		     void *ctx)
{
	const struct zone *zone = ctx;
	struct buf name = { 0 }, value = { 0 };

	(void)address;
	buf_addf(&name, "_%s._tcp.%s.",
		 direct ? "xmpps-client" : "xmpp-client", zone->domain);
	buf_addf(&value, "%u 5 %u %s.", direct ? 0 : 1, port,
		 zone->host ? zone->host : zone->domain);
	command_row(zone->call, "name", buf_data(&name), "type", "SRV",
		    "value", buf_data(&value), NULL);
	buf_free(&name);
	buf_free(&value);
}

static void dns(struct command_call *call, void *ctx)
{
	const struct c2s *c2s = ctx;
	const char *wanted = command_argument(call, "domain");
	struct zone zone = { .call = call,
			     .host = command_argument(call, "host") };
	const struct domain *domain, *next;

	HASH_ITER(hh, c2s->domains, domain, next) {
		if (wanted && !str_equal_nocase(wanted, domain->name))
			continue;
		zone.domain = domain->name;
		acceptor_each(c2s->acceptor, add_port, &zone);
	}
	command_finish(call, "ok", NULL);
}

static const struct command commands[] = {
	{ "status", status, true },
	{ "session.list", session_list, true },
	{ "session.kick", session_kick, false },
	{ "dns", dns, true },
	{ .name = NULL },
};

void c2s_command(struct link *link, const char *from,
		 const struct stanza *stanza, void *ctx)
{
	struct c2s *c2s = ctx;
	const struct command_role role = {
		.env = c2s->env,
		.drain = &c2s->drain,
		.table = commands,
		.ctx = c2s,
	};

	command_dispatch(link, &role, from, stanza);
}
