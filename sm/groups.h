/* SPDX-License-Identifier: Apache-2.0
 *
 * The groups of people that a domain's directory has (storage/people.h), for
 * whoever needs to know who is in which. The answers are immediate and from
 * memory; what is not known, as long as the directory has not said it, is
 * "no".
 */
#ifndef SM_GROUPS_H
#define SM_GROUPS_H

#include "sm/sm.h"

/* Whether the user is in a group of that name, directly or by a group in it.
 * `domain`: whose groups; the user may be of another domain, and is then in
 * none. */
bool sm_groups_contains(const struct sm *sm, const char *domain,
			const char *group, const char *bare_jid);

/* Whether the domain's groups are known: false while its directory has not
 * told them yet, and for a domain without. */
bool sm_groups_known(const struct sm *sm, const char *domain);

#endif
