/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether somebody is a member of one of the groups that may log in.
 */
#ifndef STORAGE_LDAP_GROUPS_H
#define STORAGE_LDAP_GROUPS_H

#include "storage/ldap_directory.h"
#include "util/base/buf.h"

/* Embedded in its owner; zeroed, then the first members set. */
struct ldap_membership {
	struct directory *directory;
	const struct ldap_options *options;
	const char *dn;	  /* of the entry */
	const char *name; /* for memberUid */
	/* Once: OK with `member`, or as of directory_answer. */
	void (*done)(struct ldap_membership *membership,
		     const struct directory_answer *answer, bool member);
	/* private: */
	struct directory_operation operation;
	struct buf filter;
	size_t group;		/* of allow_groups, the one being asked */
	bool member;
	char **seen;		/* nested: DNs, and those asked for already */
	size_t seen_count, asked;
	unsigned steps;
};

/* Without allow-groups everybody is a member. */
void ldap_membership_ask(struct ldap_membership *membership);

#endif
