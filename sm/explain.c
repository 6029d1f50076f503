/* SPDX-License-Identifier: Apache-2.0
 *
 * Which rule would decide about a stanza, and whom it would reach here.
 */
#include "sm/explain.h"

#include <inttypes.h>
#include <stdio.h>

#include "sm/access.h"
#include "sm/admin.h"
#include "sm/groups.h"
#include "sm/session.h"
#include "storage/people.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/role/access_command.h"

/* An account that may have to be loaded first. */
struct explaining {
	struct sm *sm;
	struct command_call *call;
};

static void explain_rule(struct sm *sm, struct command_call *call,
			 const struct access_asked *asked)
{
	struct access_query query;

	if (sm_access_is_own(sm, asked->from, asked->to)) {
		command_row(call, "about", "rule", "action", "allow", "text",
			    "allowed: rules are not about somebody's own "
			    "account and server", NULL);
		return;
	}
	sm_access_query(sm, &query, asked->from, asked->to, TRUST_TRUSTED);
	query.what = asked->what;
	query.ns = asked->ns;
	access_command_verdict(call, sm->access, &query);
}

/* -- the account ----------------------------------------------------------- */

static void groups_row(struct command_call *call, const struct user *user)
{
	const struct people *people = user->domain->people;
	const struct people_person *person;
	struct buf text = { .data = NULL };

	if (people == NULL)
		return;
	if (!sm_groups_known(user->sm, user->domain->name)) {
		command_row(call, "about", "groups", "text",
			    "the directory has not told them yet", NULL);
		return;
	}
	person = people_find(people, jid_bare(user->jid));
	for (uint32_t i = 0; person != NULL && i < person->group_count; i++)
		buf_addf(&text, "%s%s", i > 0 ? ", " : "",
			 person->groups[i]->name);
	command_row(call, "about", "groups", "text",
		    text.len > 0 ? buf_data(&text) : "none", NULL);
	buf_free(&text);
}

static void client_row(struct command_call *call,
		       const struct session *session)
{
	char *text = mem_printf(
		"%s at %s, %s with priority %d, from %s",
		jid_full(session->jid),
		session->c2s != NULL ? session->c2s : "no c2s (it may resume)",
		session->available ? "available" : "unavailable",
		session->priority, session->address);

	command_row(call, "about", "client", "text", text, "jid",
		    jid_full(session->jid), "c2s", session->c2s, "session",
		    session->id, NULL);
	mem_free(text);
}

static void account_row(struct command_call *call, const struct user *user)
{
	char *text = mem_printf("%s has %s", jid_bare(user->jid),
				user->has_account ? "an account here" :
						    "no account");

	command_row(call, "about", "account", "text", text, "exists",
		    user->has_account ? "yes" : "no", NULL);
	mem_free(text);
}

static void on_user(struct user *user, void *ctx)
{
	struct explaining *explaining = ctx;
	struct command_call *call = explaining->call;
	const struct session *session;

	if (user->state == USER_READY) {
		account_row(call, user);
		groups_row(call, user);
		DL_FOREACH(user->sessions, session)
			client_row(call, session);
		admin_finish(explaining->sm, call, "ok", NULL);
	} else {
		admin_finish(explaining->sm, call, "unavailable",
			     "the storage is unavailable");
	}
	mem_free(explaining);
}

static void explain_account(struct sm *sm, struct command_call *call,
			    const struct jid *jid)
{
	struct sm_domain *domain = sm_domain(sm, jid_domain(jid));
	struct explaining *explaining;

	if (domain == NULL || jid_local(jid) == NULL) {
		command_finish(call, "ok", NULL);
		return;
	}
	explaining = mem_new(struct explaining);
	explaining->sm = sm;
	explaining->call = call;
	admin_begin(sm);
	user_need(user_get(sm, domain, jid), on_user, explaining);
}

void sm_explain(struct command_call *call, void *ctx)
{
	struct sm *sm = ctx;
	const char *about = command_argument(call, "about");
	struct jid *jid = about != NULL ? jid_parse(about) : NULL;
	struct access_asked asked;

	if (access_command_read(call, &asked) == 0) {
		if (command_argument(call, "judges") != NULL)
			explain_rule(sm, call, &asked);
		access_command_clear(&asked);
		if (jid != NULL)
			explain_account(sm, call, jid);
		else
			command_finish(call, "ok", NULL);
	}
	jid_free(&jid);
}
