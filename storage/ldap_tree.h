/* SPDX-License-Identifier: Apache-2.0
 *
 * What the feed has told of a directory: who has which entry, and which groups
 * have which members, as numbers (storage/ldap_name.h); made into the picture
 * of storage/people.h, groups in groups included. How entries come is up to
 * storage/ldap_feed.c.
 */
#ifndef STORAGE_LDAP_TREE_H
#define STORAGE_LDAP_TREE_H

#include "storage/ldap_connection.h"
#include "storage/people_driver.h"
#include "util/base/index.h"

enum ldap_kind { LDAP_PEOPLE, LDAP_GROUPS };

#define LDAP_TREE_KINDS 2

struct ldap_tree;
struct ldap_record;

/* All must outlive it, but for the setup, whose section is the options. SCRAM
 * keys that were kept of somebody (storage/ldap_cache.h) are dropped when the
 * account or its password changes. */
struct ldap_tree *ldap_tree_new(const struct people_setup *setup,
				struct people *people, const char *domain);
void ldap_tree_free(struct ldap_tree **tree);

/* The attributes that ldap_tree_put() looks at, a NULL-terminated heap array
 * of constants and texts of the options. */
const char **ldap_tree_attributes(const struct ldap_options *options,
				  enum ldap_kind kind);

/* A number for the bytes of an identifier. */
uint64_t ldap_tree_id(const struct ldap_tree *tree, const void *bytes,
		      size_t len);

/* An entry is like this now; `partly`: it does not have all members of the
 * group, those that are known stay. */
void ldap_tree_put(struct ldap_tree *tree, enum ldap_kind kind, uint64_t id,
		   const struct directory_entry *entry, bool partly);

/* These are the members of a group, whose entry did not have them all; does
 * nothing when there is no such group any more. Takes the array, of
 * ldap_tree_member() each. */
void ldap_tree_members(struct ldap_tree *tree, uint64_t id,
		       uint64_t *members, size_t count);
uint64_t ldap_tree_member(const struct ldap_tree *tree,
			  const struct berval *value);

/* Entries of one kind come in any number, and what does not come at all is
 * gone: begins; marks one, false when it is not known; ends. */
void ldap_tree_begin(struct ldap_tree *tree, enum ldap_kind kind);
bool ldap_tree_seen(struct ldap_tree *tree, uint64_t id);
void ldap_tree_sweep(struct ldap_tree *tree, enum ldap_kind kind);

void ldap_tree_gone(struct ldap_tree *tree, uint64_t id);

/* Between these, groups are left alone: many changes come at once. When
 * everything of both kinds has been `told` once, the picture is ready. */
void ldap_tree_hold(struct ldap_tree *tree, enum ldap_kind kind);
void ldap_tree_settle(struct ldap_tree *tree, enum ldap_kind kind, bool told);

/* Entries of that kind. */
size_t ldap_tree_count(const struct ldap_tree *tree, enum ldap_kind kind);

#endif
