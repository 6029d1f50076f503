/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands about the sm itself and its sessions; those about accounts are in
 * admin_user.c and admin_accounts.c.
 */
#include "sm/admin.h"

#include <inttypes.h>
#include <stdio.h>

#include "config.h"
#include "sm/domain.h"
#include "sm/handover.h"
#include "sm/explain.h"
#include "sm/session.h"
#include "sm/stamp.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/role/access_command.h"
#include "util/role/status.h"

#define NUMBER_MAX 24

static const char *number(char to[NUMBER_MAX], int64_t value)
{
	snprintf(to, NUMBER_MAX, "%" PRId64, value);
	return to;
}

const char *admin_status(enum storage_status status)
{
	switch (status) {
	case STORAGE_OK:
		return "ok";
	case STORAGE_NOT_FOUND:
		return "not-found";
	case STORAGE_CONFLICT:
		return "conflict";
	case STORAGE_UNAVAILABLE:
		return "unavailable";
	case STORAGE_CANCELLED:
		break;
	}
	return "failed";
}

void admin_begin(struct sm *sm)
{
	sm->commands++;
}

void admin_finish(struct sm *sm, struct command_call *call, const char *status,
		  const char *text)
{
	sm->commands--;
	/* After the deadline of a stop there is nobody to tell. */
	if (sm->link != NULL)
		command_finish(call, status, text);
}

/* -- sessions -------------------------------------------------------------- */

static void session_row(struct command_call *call,
			const struct session *session)
{
	char since[STAMP_MAX], priority[NUMBER_MAX];

	stamp_write(since, session->since);
	command_row(call, "jid", jid_full(session->jid), "session",
		    session->id, "c2s", session->c2s, "address",
		    session->address, "tls", session->tls, "since", since,
		    "presence",
		    session->available ? "available" : "unavailable",
		    "priority", number(priority, session->priority), NULL);
}

static void session_list(struct command_call *call, void *ctx)
{
	struct sm *sm = ctx;
	const char *domain = command_argument(call, "domain");
	struct session *session, *next;

	HASH_ITER(hh, sm->sessions, session, next) {
		if (domain == NULL ||
		    str_equal(session->user->domain->name, domain))
			session_row(call, session);
	}
	command_finish(call, "ok", NULL);
}

static bool session_is_meant(const struct session *session,
			     const char *id, const struct jid *jid)
{
	if (id != NULL)
		return str_equal(session->id, id);
	return jid_equal(session->jid, jid) ||
	       jid_equal(session->user->jid, jid);
}

static void session_kick_command(struct command_call *call, void *ctx)
{
	struct sm *sm = ctx;
	const char *id = command_argument(call, "session");
	const char *text = command_argument(call, "jid");
	const char *reason = command_argument(call, "text");
	struct jid *jid = text != NULL ? jid_parse(text) : NULL;
	struct session *session, *next;
	size_t count = 0;

	if (id == NULL && jid == NULL) {
		command_finish(call, "invalid", "session or jid is needed");
		return;
	}
	HASH_ITER(hh, sm->sessions, session, next) {
		if (!session_is_meant(session, id, jid))
			continue;
		session_row(call, session);
		session_kick(session, STREAM_POLICY_VIOLATION,
			     reason != NULL ? reason :
					      "ended by an administrator");
		count++;
	}
	jid_free(&jid);
	command_finish(call, count > 0 ? "ok" : "not-found",
		       count > 0 ? NULL : "there is no such session");
}

/* -- the process ----------------------------------------------------------- */

static void status(struct command_call *call, void *ctx)
{
	struct sm *sm = ctx;
	char users[NUMBER_MAX], sessions[NUMBER_MAX], tasks[NUMBER_MAX];
	struct buf domains = { .len = 0 };
	struct sm_domain *domain, *next;
	struct status facts;

	status_fill(&facts, sm->link, &sm->drain, sm->started);
	HASH_ITER(hh, sm->domains, domain, next) {
		if (domain->stale)
			continue;
		buf_addf(&domains, "%s%s", domains.len > 0 ? " " : "",
			 domain->name);
	}
	command_row(call, "role", "sm", "name", link_name(sm->link),
		    "state", drain_state_name(&sm->drain), "left",
		    status_left(&facts), "settling",
		    handover_is_any_open(sm) ? "yes" : NULL, "version",
		    PACKAGE_VERSION, "protocol",
		    status_protocol(sm->options->common.link_version),
		    "uptime", facts.uptime,
		    "routers", buf_data(&facts.routers), "domains",
		    buf_data(&domains), "users",
		    number(users, (int64_t)sm->user_count), "sessions",
		    number(sessions, (int64_t)sm->session_count), "tasks",
		    number(tasks, (int64_t)sm->task_count), "queue",
		    facts.outstanding, "bytes", facts.bytes, NULL);
	buf_free(&domains);
	status_free(&facts);
	command_finish(call, "ok", NULL);
}

static void storage_status(struct command_call *call, void *ctx)
{
	struct sm *sm = ctx;
	struct sm_storage *section, *next;

	HASH_ITER(hh, sm->storages, section, next) {
		char requests[NUMBER_MAX], unavailable[NUMBER_MAX];
		char pending[NUMBER_MAX];
		struct storage_stats stats;

		storage_get_stats(section->storage, &stats);
		command_row(call, "storage", section->title, "driver",
			    section->driver, "requests",
			    number(requests, (int64_t)stats.requests),
			    "unavailable",
			    number(unavailable, (int64_t)stats.unavailable),
			    "pending",
			    number(pending, (int64_t)stats.pending), NULL);
	}
	command_finish(call, "ok", NULL);
}

static void access_list(struct command_call *call, void *ctx)
{
	const struct sm *sm = ctx;

	access_command_list(call, sm->access);
}

static const struct command commands[] = {
	{ "user.add", admin_user_add, false },
	{ "user.passwd", admin_user_passwd, false },
	{ "user.del", admin_user_del, false },
	{ "user.show", admin_user_show, true },
	{ "user.unlock", admin_user_unlock, false },
	{ "user.list", admin_user_list, true },
	{ "user.import", admin_user_import, false },
	{ "session.list", session_list, true },
	{ "session.kick", session_kick_command, false },
	{ "status", status, true },
	{ "storage.status", storage_status, true },
	{ "access.list", access_list, true },
	{ "explain", sm_explain, true },
	{ .name = NULL },
};

void admin_command(struct link *link, const char *from,
		   const struct stanza *stanza, void *ctx)
{
	struct sm *sm = ctx;
	const struct command_role role = {
		.env = sm->env,
		.drain = &sm->drain,
		.table = commands,
		.ctx = sm,
	};

	command_dispatch(link, &role, from, stanza);
}
