/* SPDX-License-Identifier: Apache-2.0
 *
 * What a change of a group means for those who are here: pushes to their
 * rosters, and presence that they show or stop to show (RFC 6121 without the
 * handshake). The picture has changed at once; telling is done in pieces, a
 * few hundred at each turn of the loop, always of how things are by then.
 *
 * Each sm sends the presence of its own users, to mates wherever they are; the
 * mates' presence comes from their sms, which hear of the same change.
 */
#include "sm/roster_shared.h"

#include "sm/blocklist.h"
#include "sm/iq.h"
#include "sm/presence.h"
#include "sm/roster.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* Pairs of people in one turn. */
#define PIECE 400

/* Changes that wait; clients that miss one see it at their next log-in, by
 * the version of their roster. */
#define SHARINGS_MAX 20000

/* How long a roster is waited for at the start, ms. */
#define WAIT_MAX 5000

enum sharing_kind {
	SHARING_CHANGE,	 /* members came or went */
	SHARING_RENAME,	 /* one is called something else */
	SHARING_INITIAL, /* it has become known who the members are */
	SHARING_NOTED	 /* after all INITIAL: clients have seen them */
};

struct sharing {
	struct sm_domain *domain;
	enum sharing_kind kind;
	struct people_members *before, *after; /* held; NULL: NOTED */
	struct people_person **changed; /* held by these */
	size_t changed_count;
	/* Who is told, and about whom: places in `before`, then `after`; or
	 * in `changed`. */
	size_t at, about;
	struct sharing *prev, *next;
};

struct roster_wait {
	struct iq_call *call;
	void (*later)(struct iq_call *call);
	struct roster_wait *next;
};

static void work_off(struct timer *timer);

/* -- the queue ------------------------------------------------------------- */

static void sharing_free(struct sharing *sharing)
{
	DL_DELETE(sharing->domain->sharings, sharing);
	sharing->domain->sharing_count--;
	people_members_release(&sharing->before);
	people_members_release(&sharing->after);
	mem_free(sharing->changed);
	mem_free(sharing);
}

static struct sharing *sharing_add(struct sm_domain *domain,
				   enum sharing_kind kind,
				   struct people_members *before,
				   struct people_members *after)
{
	struct sharing *sharing;

	if (domain->sharing_count >= SHARINGS_MAX) {
		log_warning(domain->sm->log, "roster.behind",
			    LOG_S("domain", domain->name));
		return NULL;
	}
	sharing = mem_new(struct sharing);
	sharing->domain = domain;
	sharing->kind = kind;
	if (before != NULL)
		sharing->before = people_members_hold(before);
	if (after != NULL)
		sharing->after = people_members_hold(after);
	DL_APPEND(domain->sharings, sharing);
	domain->sharing_count++;
	if (!timer_running(&domain->sharing_timer))
		timer_start(&domain->sharing_timer, domain->sm->loop, 0,
			    work_off);
	return sharing;
}

/* The person at that place; NULL behind the last. Those who are in both lists
 * are at two places: see is_repeat(). */
static struct people_person *place(const struct sharing *sharing, size_t at)
{
	size_t first = sharing->before != NULL ? sharing->before->count : 0;

	if (at < first)
		return sharing->before->list[at];
	at -= first;
	return sharing->after != NULL && at < sharing->after->count ?
		       sharing->after->list[at] : NULL;
}

static bool is_in(const struct people_members *members,
		  const struct people_person *person)
{
	return members != NULL && people_members_have(members, person);
}

static bool is_changed(const struct sharing *sharing,
		       const struct people_person *person)
{
	return is_in(sharing->before, person) != is_in(sharing->after, person);
}

static bool is_repeat(const struct sharing *sharing, size_t at,
		      const struct people_person *person)
{
	return sharing->before != NULL && at < sharing->before->count &&
	       is_in(sharing->after, person);
}

static void find_changed(struct sharing *sharing)
{
	struct people_person *person;
	size_t room = (sharing->before != NULL ? sharing->before->count : 0) +
		      sharing->after->count;

	sharing->changed = mem_calloc(room + 1, sizeof(*sharing->changed));
	for (size_t i = 0; (person = place(sharing, i)) != NULL; i++) {
		if (is_changed(sharing, person))
			sharing->changed[sharing->changed_count++] = person;
	}
	sharing->changed = mem_realloc(sharing->changed,
				       sharing->changed_count + 1,
				       sizeof(*sharing->changed));
}

void roster_shared_changed(struct sm_domain *domain,
			   struct people_group *group,
			   struct people_members *before,
			   struct people_members *after)
{
	struct sharing *sharing;

	(void)group;
	sharing = sharing_add(domain, SHARING_CHANGE, before, after);
	if (sharing != NULL)
		find_changed(sharing);
}

void roster_shared_renamed(struct sm_domain *domain,
			   struct people_person *person)
{
	for (uint32_t i = 0; i < person->group_count; i++) {
		struct people_group *group = person->groups[i];
		struct sharing *sharing;

		if (!group->shared)
			continue;
		sharing = sharing_add(domain, SHARING_RENAME, NULL,
				      group->members);
		if (sharing == NULL)
			return;
		sharing->changed = mem_new(struct people_person *);
		sharing->changed[0] = person;
		sharing->changed_count = 1;
	}
}

/* -- telling --------------------------------------------------------------- */

/* Clients that know a version know what it says. */
static bool is_news(const struct sharing *sharing, const struct user *user)
{
	uint64_t digest = roster_shared_digest(user);
	const struct session *session;

	if (sharing->kind != SHARING_INITIAL)
		return true;
	DL_FOREACH(user->sessions, session) {
		if ((session->interested || session->available) &&
		    session->shared != digest)
			return true;
	}
	return false;
}

static void show(const struct sharing *sharing, struct user *user,
		 const struct people_person *self,
		 const struct people_person *mate)
{
	bool was = is_in(sharing->before, self) &&
		   is_in(sharing->before, mate);
	bool is = is_in(sharing->after, self) && is_in(sharing->after, mate);
	const struct contact *contact = user_contact(user, mate->jid);
	bool own = contact != NULL &&
		   (contact->item.subscription & SUBSCRIPTION_FROM) != 0;

	/* What a subscription of their own shows is shown already. */
	if (sharing->kind == SHARING_RENAME || was == is || own ||
	    blocklist_has_text(user, mate->jid))
		return;
	if (is && roster_is_mate(user, mate->jid) &&
	    roster_mate_hears(user, mate->jid))
		presence_send_current(user, mate->jid, NULL);
	else if (!is && !roster_is_mate(user, mate->jid) &&
		 roster_mate_hears(user, mate->jid))
		presence_send_unavailable(user, mate->jid, NULL);
}

static void tell(struct sharing *sharing, struct user *user,
		 const struct people_person *self,
		 const struct people_person *mate, bool last)
{
	if (mate == self)
		return;
	roster_push_mate(user, mate->jid, last);
	show(sharing, user, self, mate);
}

static void note(struct user *user)
{
	uint64_t digest = roster_shared_digest(user);
	struct session *session;

	DL_FOREACH(user->sessions, session) {
		if (session->shared == digest ||
		    !(session->interested || session->available))
			continue;
		session->shared = digest;
		session_changed(session);
	}
}

/* Goes on with one person who is told; true: that is done. */
static bool tell_some(struct sharing *sharing, struct people_person *self,
		      size_t *looked)
{
	struct user *user = user_find(sharing->domain->sm, self->jid);
	bool all = sharing->kind != SHARING_RENAME &&
		   is_changed(sharing, self);
	struct people_person *mate, *next;

	if (user == NULL || user->state != USER_READY ||
	    user->sessions == NULL || !is_news(sharing, user))
		return true;
	for (;; sharing->about++, ++*looked) {
		if (*looked >= PIECE)
			return false;
		if (all) {
			mate = place(sharing, sharing->about);
			next = place(sharing, sharing->about + 1);
		} else {
			mate = sharing->about < sharing->changed_count ?
				       sharing->changed[sharing->about] : NULL;
			next = sharing->about + 1 < sharing->changed_count ?
				       self : NULL;
		}
		if (mate == NULL)
			break;
		if (!all || !is_repeat(sharing, sharing->about, mate))
			tell(sharing, user, self, mate, next == NULL);
	}
	if (sharing->kind != SHARING_INITIAL)
		note(user);
	return true;
}

static void note_all(struct sm_domain *domain)
{
	struct user *user, *next;

	HASH_ITER(hh, domain->sm->users, user, next) {
		if (user->domain == domain && user->sessions != NULL)
			note(user);
	}
}

/* False: there is more to do for this one. */
static bool go_on(struct sharing *sharing, size_t *looked)
{
	struct people_person *self;

	if (sharing->kind == SHARING_NOTED)
		note_all(sharing->domain);
	for (; (self = place(sharing, sharing->at)) != NULL;
	     sharing->at++, sharing->about = 0, ++*looked) {
		if (*looked >= PIECE)
			return false;
		if (!is_repeat(sharing, sharing->at, self) &&
		    !tell_some(sharing, self, looked))
			return false;
	}
	return true;
}

static void work_off(struct timer *timer)
{
	struct sm_domain *domain =
		container_of(timer, struct sm_domain, sharing_timer);
	size_t looked = 0;

	while (domain->sharings != NULL && looked < PIECE) {
		if (go_on(domain->sharings, &looked))
			sharing_free(domain->sharings);
	}
	if (domain->sharings != NULL)
		timer_start(timer, domain->sm->loop, 0, work_off);
}

/* -- the start ------------------------------------------------------------- */

static void waits_end(struct sm_domain *domain)
{
	struct roster_wait *wait;

	timer_stop(&domain->roster_wait_timer);
	while ((wait = domain->roster_waits) != NULL) {
		domain->roster_waits = wait->next;
		wait->later(wait->call);
		mem_free(wait);
	}
}

static void waited_enough(struct timer *timer)
{
	waits_end(container_of(timer, struct sm_domain, roster_wait_timer));
}

void roster_shared_ready(struct sm_domain *domain)
{
	struct people_group *group = people_groups(domain->people);

	/* Before the rosters that are answered now are known to be known. */
	for (; group != NULL; group = group->next) {
		struct sharing *sharing;

		if (!group->shared || group->members->count == 0)
			continue;
		sharing = sharing_add(domain, SHARING_INITIAL, NULL,
				      group->members);
		if (sharing != NULL)
			find_changed(sharing);
	}
	sharing_add(domain, SHARING_NOTED, NULL, NULL);
	waits_end(domain);
}

bool roster_shared_wait(struct iq_call *call,
			void (*later)(struct iq_call *call))
{
	struct sm_domain *domain = call->domain;
	struct people *people = domain->people;
	struct roster_wait *wait;

	if (people == NULL || people_ready(people) || !people_shares(people) ||
	    loop_now(call->sm->loop) - people_opened(people) >= WAIT_MAX)
		return false;
	wait = mem_new(struct roster_wait);
	wait->call = iq_keep(call);
	wait->later = later;
	LL_APPEND(domain->roster_waits, wait);
	if (!timer_running(&domain->roster_wait_timer))
		timer_start(&domain->roster_wait_timer, call->sm->loop,
			    WAIT_MAX, waited_enough);
	return true;
}

void roster_shared_stop(struct sm_domain *domain)
{
	timer_stop(&domain->sharing_timer);
	while (domain->sharings != NULL)
		sharing_free(domain->sharings);
	waits_end(domain);
}
