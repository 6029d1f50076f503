/* SPDX-License-Identifier: Apache-2.0
 *
 * An sm that serves no name any more gets no new users; those that it has leave
 * it as they do when another sm joins (handover.c, user.c). What is left then is
 * what it has begun: it is finished here.
 */
#include "sm/drain.h"

#include "sm/domain.h"
#include "sm/sasl.h"
#include "sm/user.h"
#include "util/base/str.h"

/* Who serves the domain besides us. */
static size_t others(const struct sm *sm, const struct sm_domain *domain)
{
	size_t count = 0, found = 0;
	const struct member *members =
		members_get(link_members(sm->link), domain->name, &count);

	for (size_t i = 0; i < count; i++)
		found += !str_equal(members[i].name, link_name(sm->link));
	return found;
}

static int may(void *role, struct error *err)
{
	struct sm *sm = role;
	struct sm_domain *domain, *next;

	if (!link_connected(sm->link))
		return error_set(err, "there is no router: nobody can be "
				      "asked who else serves its domains");
	HASH_ITER(hh, sm->domains, domain, next) {
		if (!domain->stale && others(sm, domain) == 0)
			return error_set(err, "it is the only sm of %s",
					 domain->name);
	}
	return 0;
}

static void begin(void *role)
{
	struct sm *sm = role;
	struct sm_domain *domain, *next;

	HASH_ITER(hh, sm->domains, domain, next) {
		if (!domain->stale)
			link_unbind(sm->link, domain->name);
	}
}

static void end(void *role)
{
	struct sm *sm = role;
	struct sm_domain *domain, *next;

	HASH_ITER(hh, sm->domains, domain, next) {
		if (!domain->stale)
			link_bind(sm->link, domain->name);
	}
}

/* Users who came to be here since the members changed. */
static void step(void *role)
{
	struct sm *sm = role;

	if (sm->user_count > 0 && !timer_running(&sm->rebalance))
		users_rebalance(sm);
}

/* Those of a domain that nobody else serves have nowhere to go; an operator has
 * insisted. */
static size_t users_left(const struct sm *sm)
{
	const struct user *user, *next;
	size_t left = 0;

	HASH_ITER(hh, sm->users, user, next)
		left += !user->domain->stale && others(sm, user->domain) > 0;
	return left;
}

/* The routers have not all said yet that a name is given back. */
static size_t names_left(const struct sm *sm)
{
	const struct sm_domain *domain, *next;
	size_t left = 0;

	HASH_ITER(hh, sm->domains, domain, next) {
		size_t count = 0;

		members_get(link_members(sm->link), domain->name, &count);
		left += count - others(sm, domain);
	}
	return left;
}

static size_t left(void *role)
{
	const struct sm *sm = role;
	struct link_stats stats;

	link_get_stats(sm->link, &stats);
	return users_left(sm) + names_left(sm) + sasl_exchange_count(sm) +
	       sm->task_count + (sm->works != NULL) + sm->commands +
	       domains_pending(sm) + stats.outstanding;
}

const struct drain_ops sm_drain_ops = {
	.may = may,
	.begin = begin,
	.step = step,
	.end = end,
	.left = left,
};
