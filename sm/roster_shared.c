/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions about mates, answered from the picture of people: nothing is kept
 * for each user, so a group of thousands costs one list.
 */
#include "sm/roster_shared.h"

#include "sm/handover.h"
#include "sm/session.h"
#include "util/base/mem.h"
#include "util/base/str.h"

static struct people_person *person_of(const struct user *user,
				       const char *jid)
{
	struct people *people = user->domain->people;

	return people != NULL && people_ready(people) ?
		       people_find(people, jid) : NULL;
}

/* The next group from *at on that is shared and has both. */
static struct people_group *next_common(const struct people_person *one,
					const struct people_person *other,
					uint32_t *at)
{
	while (*at < one->group_count) {
		struct people_group *group = one->groups[(*at)++];

		if (group->shared &&
		    people_members_have(group->members, other))
			return group;
	}
	return NULL;
}

/* The mate of that JID; NULL: it is none. */
static struct people_person *mate_of(const struct user *user, const char *jid,
				     struct people_person **self)
{
	struct people_person *mate;
	uint32_t at = 0;

	*self = person_of(user, jid_bare(user->jid));
	if (*self == NULL || (*self)->group_count == 0)
		return NULL;
	mate = person_of(user, jid);
	if (mate == NULL || mate == *self ||
	    next_common(mate, *self, &at) == NULL)
		return NULL;
	return mate;
}

bool roster_is_mate(const struct user *user, const char *jid)
{
	struct people_person *self;

	return mate_of(user, jid, &self) != NULL;
}

/* -- items ----------------------------------------------------------------- */

static size_t group_count(const struct roster_item *item)
{
	size_t count = 0;

	while (item->groups != NULL && item->groups[count] != NULL)
		count++;
	return count;
}

static bool has_group(const struct roster_item *item, const char *name)
{
	for (char **at = item->groups; at != NULL && *at != NULL; at++) {
		if (str_equal(*at, name))
			return true;
	}
	return false;
}

static void add_group(struct roster_item *item, const char *name)
{
	size_t count = group_count(item);

	if (has_group(item, name))
		return;
	item->groups = mem_realloc(item->groups, count + 2,
				   sizeof(*item->groups));
	item->groups[count] = mem_strdup(name);
	item->groups[count + 1] = NULL;
}

bool roster_effective(const struct user *user, const char *jid,
		      struct roster_item *item)
{
	const struct contact *contact = user_contact(user, jid);
	struct people_person *self, *mate = mate_of(user, jid, &self);
	struct people_group *group;
	uint32_t at = 0;

	*item = (struct roster_item){ 0 };
	if (contact != NULL && contact->item.listed)
		roster_item_copy(item, &contact->item);
	if (mate == NULL)
		return item->jid != NULL;
	if (item->jid == NULL)
		item->jid = mem_strdup(jid);
	if (item->name == NULL)
		item->name = mem_strdup(mate->name);
	item->listed = true;
	item->subscription = SUBSCRIPTION_BOTH;
	item->ask = item->approved = false;
	while ((group = next_common(mate, self, &at)) != NULL)
		add_group(item, group->name);
	return true;
}

void roster_strip_shared(const struct user *user, struct roster_item *item)
{
	struct people_person *self, *mate = mate_of(user, item->jid, &self);
	size_t kept = 0;

	if (mate == NULL || item->groups == NULL)
		return;
	for (size_t i = 0; item->groups[i] != NULL; i++) {
		struct people_group *group;
		uint32_t at = 0;

		do
			group = next_common(mate, self, &at);
		while (group != NULL &&
		       !str_equal(group->name, item->groups[i]));
		if (group != NULL)
			mem_free(item->groups[i]);
		else
			item->groups[kept++] = item->groups[i];
	}
	item->groups[kept] = NULL;
}

/* -- all mates ------------------------------------------------------------- */

/* Whether the mate was in one of the groups before this one. */
static bool was_there(const struct people_person *self, uint32_t before,
		      const struct people_person *mate)
{
	for (uint32_t i = 0; i < before; i++) {
		if (self->groups[i]->shared &&
		    people_members_have(self->groups[i]->members, mate))
			return true;
	}
	return false;
}

void roster_each_mate(struct user *user, roster_mate_cb *each, void *ctx)
{
	const struct people_person *self =
		person_of(user, jid_bare(user->jid));

	for (uint32_t i = 0; self != NULL && i < self->group_count; i++) {
		const struct people_members *members =
			self->groups[i]->members;

		for (size_t j = 0; self->groups[i]->shared &&
				   j < members->count; j++) {
			if (members->list[j] != self &&
			    !was_there(self, i, members->list[j]))
				each(user, members->list[j], ctx);
		}
	}
}

uint64_t roster_shared_digest(const struct user *user)
{
	const struct people_person *self =
		person_of(user, jid_bare(user->jid));

	return self != NULL ? people_shared_digest(self) : 0;
}

/* -- who need not be told -------------------------------------------------- */

bool roster_mate_hears(const struct user *user, const char *mate)
{
	struct sm *sm = user->sm;
	const struct user *found = user_find(sm, mate);
	struct jid *jid;
	bool ours;

	if (found != NULL)
		return found->sessions != NULL ||
		       found->state == USER_LOADING || found->leaving;
	if (handover_is_open(sm, user->domain))
		return true;
	jid = jid_parse(mate);
	ours = jid == NULL || user_is_ours(sm, jid);
	jid_free(&jid);
	return !ours;
}

bool roster_is_unheard(struct sm *sm, const struct sm_domain *domain,
		       const struct stanza *stanza, const struct jid *from,
		       const struct jid *to)
{
	struct people *people = domain->people;
	const char *type = element_attr(stanza->root, "type");
	struct people_person *one, *other;
	uint32_t at = 0;

	if (people == NULL || !people_ready(people) || jid_is_full(to) ||
	    !str_equal(stanza->root->name, "presence") ||
	    (type != NULL && !str_equal(type, "unavailable") &&
	     !str_equal(type, "probe")) ||
	    user_find(sm, jid_bare(to)) != NULL ||
	    handover_is_open(sm, domain))
		return false;
	one = people_find(people, jid_bare(from));
	other = people_find(people, jid_bare(to));
	return one != NULL && other != NULL &&
	       next_common(one, other, &at) != NULL;
}
