/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions about groups. Who keeps them is storage/people.h, what a change
 * does to rosters sm/roster_shared.c.
 */
#include "sm/groups.h"

#include "storage/people.h"
#include "util/base/str.h"

bool sm_groups_known(const struct sm *sm, const char *domain)
{
	const struct sm_domain *found = sm_domain(sm, domain);

	return found != NULL && found->people != NULL &&
	       people_ready(found->people);
}

bool sm_groups_contains(const struct sm *sm, const char *domain,
			const char *group, const char *bare_jid)
{
	const struct people_person *person;

	if (!sm_groups_known(sm, domain))
		return false;
	person = people_find(sm_domain(sm, domain)->people, bare_jid);
	for (uint32_t i = 0; person != NULL && i < person->group_count; i++) {
		if (str_equal(person->groups[i]->name, group))
			return true;
	}
	return false;
}
