/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands of an operator (docs/link.md section 7).
 */
#include "util/role/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "c2s/c2s.h"
#include "c2s/domain.h"
#include "c2s/session.h"
#include "c2s/stream.h"
#include "config.h"
#include "util/base/str.h"

#define NUMBER_MAX 24 /* bytes of a number as text */
#define TIME_MAX   32

static const char *number(char to[NUMBER_MAX], uint64_t value)
{
	snprintf(to, NUMBER_MAX, "%" PRIu64, value);
	return to;
}

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
	struct acceptor_counts at_door = acceptor_count(c2s->acceptor);
	uint64_t up = (loop_now(c2s->loop) - c2s->started) / 1000;
	char uptime[NUMBER_MAX], sessions[NUMBER_MAX], connections[NUMBER_MAX];
	char refused[NUMBER_MAX], queue[NUMBER_MAX];
	struct link_stats stats;

	link_get_stats(c2s->link, &stats);
	command_row(call, "role", "c2s", "name", link_name(c2s->link),
		    "version", PACKAGE_VERSION, "uptime", number(uptime, up),
		    "sessions", number(sessions, c2s->sessions), "connections",
		    number(connections, at_door.connections), "refused",
		    number(refused, at_door.refused), "queue",
		    number(queue, stats.outstanding), NULL);
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

static void reload(struct command_call *call, void *ctx)
{
	struct c2s *c2s = ctx;
	struct error err;

	if (c2s->env->request_reload(c2s->env, &err) < 0)
		command_finish(call, "failed", err.text);
	else
		command_finish(call, "ok", NULL);
}

static void stop(struct command_call *call, void *ctx)
{
	struct c2s *c2s = ctx;

	command_finish(call, "ok", NULL);
	c2s->env->request_stop(c2s->env);
}

static void set_log_level(struct command_call *call, void *ctx)
{
	struct c2s *c2s = ctx;
	const char *level = command_argument(call, "level");

	if (!level || log_parse_level(level, &c2s->log->level) < 0)
		command_finish(call, "invalid",
			       "level: error, warning, notice, info, debug");
	else
		command_finish(call, "ok", NULL);
}

static const struct command commands[] = {
	{ "status", status },
	{ "session.list", session_list },
	{ "session.kick", session_kick },
	{ "reload", reload },
	{ "stop", stop },
	{ "log-level", set_log_level },
	{ .name = NULL },
};

void c2s_command(struct link *link, const char *from,
		 const struct stanza *stanza, void *ctx)
{
	command_dispatch(link, commands, from, stanza, ctx);
}
