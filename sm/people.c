/* SPDX-License-Identifier: Apache-2.0
 *
 * Acts on what the directory's feed tells. A feed may know less than a log-in
 * does (it has a filter of its own, and times), so before somebody is sent
 * away the domain's drivers are asked, as at a log-in; while they cannot be
 * asked, nobody is.
 */
#include "sm/people.h"

#include "sm/groups.h"
#include "sm/roster_shared.h"
#include "sm/session.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* Users who are asked about at the same time. */
#define ASKED_MAX 20

/* ms: pauses while the drivers cannot be asked. */
#define PAUSE_FIRST 1000
#define PAUSE_MAX 60000

/* Is this user one who may still log in? */
struct recheck {
	struct sm_domain *domain; /* NULL: gone; nothing is to be done */
	char *jid;
	size_t auth; /* the next driver to ask */
	bool asked, again;
	struct recheck *prev, *next;
};

static void ask_next(struct sm_domain *domain);

/* -- sending away ---------------------------------------------------------- */

static void kick_all(struct user *user, const char *why)
{
	struct session *session, *next;

	log_notice(user->sm->log, "user.logged-out",
		   LOG_S("jid", jid_full(user->jid)),
		   LOG_N("sessions", user->session_count),
		   LOG_S("reason", why));
	user->sm->stats.logged_out++;
	user_pin(user);
	DL_FOREACH_SAFE(user->sessions, session, next)
		session_kick(session, STREAM_NOT_AUTHORIZED, why);
	user_unpin(user);
}

static const char *reason_of(const struct recheck *recheck)
{
	const struct people *people = recheck->domain->people;
	const struct people_person *person =
		people != NULL ? people_find(people, recheck->jid) : NULL;

	if (person == NULL)
		return "this account was removed";
	return person->disabled ? "this account was disabled" :
				  "this account may not log in any more";
}

/* -- asking the drivers ---------------------------------------------------- */

static void recheck_free(struct recheck *recheck)
{
	if (recheck->domain != NULL) {
		DL_DELETE(recheck->domain->rechecks, recheck);
		if (recheck->asked)
			recheck->domain->recheck_count--;
	}
	mem_free(recheck->jid);
	mem_free(recheck);
}

static void pause_over(struct timer *timer)
{
	struct sm_domain *domain =
		container_of(timer, struct sm_domain, recheck_timer);

	ask_next(domain);
}

static void wait_for_drivers(struct sm_domain *domain)
{
	uint64_t pause = PAUSE_FIRST;
	unsigned random;

	loop_random(domain->sm->loop, &random, sizeof(random));
	for (unsigned i = 0; i < domain->recheck_failures &&
			     pause < PAUSE_MAX; i++)
		pause *= 2;
	domain->recheck_failures++;
	if (pause > PAUSE_MAX)
		pause = PAUSE_MAX;
	timer_start(&domain->recheck_timer, domain->sm->loop,
		    pause + pause * (random % 300) / 1000, pause_over);
}

static void apply(struct recheck *recheck, bool may)
{
	struct user *user = user_find(recheck->domain->sm, recheck->jid);

	if (user == NULL || user->state != USER_READY)
		return;
	if (!may && user->sessions != NULL)
		kick_all(user, reason_of(recheck));
	user->has_account = may;
	user->barred = !may;
	user_rest(user);
}

static void ask(struct recheck *recheck);

static void answered(const struct auth_result *result, void *ctx)
{
	struct recheck *recheck = ctx;
	struct sm_domain *domain = recheck->domain;

	if (domain == NULL || result->status == STORAGE_CANCELLED) {
		recheck_free(recheck);
		return;
	}
	if (result->status == STORAGE_UNAVAILABLE) {
		recheck->asked = recheck->again = false;
		recheck->auth = 0;
		domain->recheck_count--;
		wait_for_drivers(domain);
		return;
	}
	domain->recheck_failures = 0;
	if (recheck->again) {
		recheck->again = false;
		recheck->auth = 0;
		ask(recheck);
	} else if (result->status == STORAGE_NOT_FOUND &&
		   recheck->auth < domain->auth_count) {
		ask(recheck);
	} else {
		apply(recheck, result->status == STORAGE_OK);
		recheck_free(recheck);
		ask_next(domain);
	}
}

static void ask(struct recheck *recheck)
{
	struct sm_domain *domain = recheck->domain;

	auth_lookup(domain->auth[recheck->auth++], recheck->jid, answered,
		    recheck);
}

static void ask_next(struct sm_domain *domain)
{
	struct recheck *recheck, *next;

	DL_FOREACH_SAFE(domain->rechecks, recheck, next) {
		if (domain->recheck_count >= ASKED_MAX ||
		    timer_running(&domain->recheck_timer))
			return;
		if (recheck->asked)
			continue;
		recheck->asked = true;
		domain->recheck_count++;
		ask(recheck);
	}
}

/* Only those who are here; whoever comes later is asked about anyway. */
static void recheck_add(struct sm_domain *domain, const char *jid)
{
	const struct user *user = user_find(domain->sm, jid);
	struct recheck *recheck;

	if (user == NULL || domain->auth_count == 0)
		return;
	DL_FOREACH(domain->rechecks, recheck) {
		if (!str_equal(recheck->jid, jid))
			continue;
		recheck->again = recheck->asked;
		return;
	}
	recheck = mem_new(struct recheck);
	recheck->domain = domain;
	recheck->jid = mem_strdup(jid);
	DL_APPEND(domain->rechecks, recheck);
	ask_next(domain);
}

void sm_people_stop(struct sm_domain *domain)
{
	struct recheck *recheck, *next;

	timer_stop(&domain->recheck_timer);
	DL_FOREACH_SAFE(domain->rechecks, recheck, next) {
		bool asked = recheck->asked;

		DL_DELETE(domain->rechecks, recheck);
		recheck->domain = NULL;
		if (!asked)
			recheck_free(recheck);
	}
	domain->recheck_count = 0;
}

/* -- what is told ---------------------------------------------------------- */

static void person_changed(void *ctx, struct people_person *person,
			   unsigned changes)
{
	struct sm_domain *domain = ctx;
	struct user *user = user_find(domain->sm, person->jid);

	if ((changes & PEOPLE_PASSWORD) != 0 && user != NULL &&
	    user->sessions != NULL)
		kick_all(user, "the password was changed");
	if ((changes & ~(unsigned)(PEOPLE_RENAMED | PEOPLE_PASSWORD)) != 0)
		recheck_add(domain, person->jid);
	if ((changes & PEOPLE_RENAMED) != 0)
		roster_shared_renamed(domain, person);
}

/* A group may be one of those that may log in. */
static void recheck_members(struct sm_domain *domain,
			    const struct people_members *those,
			    const struct people_members *but)
{
	for (size_t i = 0; i < those->count; i++) {
		if (!people_members_have(but, those->list[i]))
			recheck_add(domain, those->list[i]->jid);
	}
}

static void members_changed(void *ctx, struct people_group *group,
			    struct people_members *before,
			    struct people_members *after)
{
	struct sm_domain *domain = ctx;

	recheck_members(domain, before, after);
	recheck_members(domain, after, before);
	if (group->shared)
		roster_shared_changed(domain, group, before, after);
}

/* Who was here before it was known who there is. */
static void ready(void *ctx)
{
	struct sm_domain *domain = ctx;
	struct sm *sm = domain->sm;
	struct user *user, *next;

	HASH_ITER(hh, sm->users, user, next) {
		const struct people_person *person;

		if (user->domain != domain)
			continue;
		person = people_find(domain->people, jid_bare(user->jid));
		if (user->sessions != NULL &&
		    (person == NULL || person->disabled))
			recheck_add(domain, jid_bare(user->jid));
	}
	roster_shared_ready(domain);
}

const struct people_listener sm_people_listener = {
	.person = person_changed,
	.members = members_changed,
	.ready = ready,
};
