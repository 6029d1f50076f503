/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups whose members do not fit into one answer of Active Directory
 * ([MS-ADTS] section 3.1.1.3.1.3.3): "member;range=0-1499", and the rest by
 * further searches.
 */
#ifndef STORAGE_LDAP_RANGE_H
#define STORAGE_LDAP_RANGE_H

#include "storage/ldap_tree.h"

struct ldap_ranges {
	struct directory *directory;
	struct ldap_tree *tree;
	struct ldap_range *list; /* those under way */
	bool failed; /* some group is not complete */
};

/* Whether the entry has a part of its members only. */
bool ldap_range_is_part(const struct directory_entry *entry);

/* Fetches the rest, if the entry has only a part, and calls
 * ldap_tree_members() with all. What was under way for the same group is given
 * up. */
void ldap_range_take(struct ldap_ranges *ranges, uint64_t id,
		     const struct directory_entry *entry);

void ldap_ranges_free(struct ldap_ranges *ranges);

#endif
