/* SPDX-License-Identifier: Apache-2.0
 *
 * Group membership. A group is asked whether it has the member, instead of for
 * its members: that is one entry more or less, however large the group is.
 */
#include "storage/ldap_groups.h"

#include <string.h>

#include "storage/ldap_connection.h"
#include "storage/ldap_text.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* Groups in groups, which may even go round. */
#define STEPS_MAX 30
#define GROUPS_MAX 500
#define FILTER_GROUPS 50 /* in one filter */

/* [MS-ADTS] section 3.1.1.3.4.4.3: members of members, too. */
#define IN_CHAIN ":1.2.840.113556.1.4.1941:"

static const char *const no_attributes[] = { LDAP_NO_ATTRS, NULL };

static void next_step(struct ldap_membership *membership);

static void finish(struct ldap_membership *membership,
		   const struct directory_answer *answer)
{
	for (size_t i = 0; i < membership->seen_count; i++)
		mem_free(membership->seen[i]);
	mem_free(membership->seen);
	buf_free(&membership->filter);
	membership->done(membership, answer, membership->member);
}

static void add_member(struct ldap_membership *membership,
		       const char *attribute, const char *rule,
		       const char *value)
{
	buf_addf(&membership->filter, "(%s%s=", attribute, rule);
	ldap_text_add_filter(&membership->filter, value, strlen(value));
	buf_add_str(&membership->filter, ")");
}

static void add_members(struct ldap_membership *membership, const char *dn)
{
	add_member(membership, "member", "", dn);
	add_member(membership, "uniqueMember", "", dn);
}

/* The filter of those that the user is directly in. */
static void make_first_filter(struct ldap_membership *membership)
{
	buf_clear(&membership->filter, 4096);
	buf_add_str(&membership->filter, "(|");
	add_members(membership, membership->dn);
	add_member(membership, "memberUid", "", membership->name);
	buf_add_str(&membership->filter, ")");
}

static void submit(struct ldap_membership *membership, const char *base,
		   int scope,
		   void (*entry)(struct directory_operation *operation,
				 const struct directory_entry *entry),
		   void (*done)(struct directory_operation *operation,
				const struct directory_answer *answer))
{
	membership->operation = (struct directory_operation){
		.kind = DIRECTORY_SEARCH,
		.dn = base,
		.scope = scope,
		.filter = buf_data(&membership->filter),
		.attributes = no_attributes,
		.entry = entry,
		.done = done,
	};
	directory_submit(membership->directory, &membership->operation);
}

/* -- one group after the other --------------------------------------------- */

static void one_entry(struct directory_operation *operation,
		      const struct directory_entry *entry)
{
	(void)entry;
	container_of(operation, struct ldap_membership, operation)->member =
		true;
}

static void one_done(struct directory_operation *operation,
		     const struct directory_answer *answer)
{
	struct ldap_membership *membership =
		container_of(operation, struct ldap_membership, operation);

	membership->group++;
	if (answer->status == STORAGE_OK &&
	    (answer->code == LDAP_SUCCESS ||
	     answer->code == LDAP_NO_SUCH_OBJECT) &&
	    !membership->member)
		next_step(membership);
	else
		finish(membership, answer);
}

static void ask_one(struct ldap_membership *membership, const char *group)
{
	if (membership->options->nested_groups) {
		buf_clear(&membership->filter, 4096);
		add_member(membership, "member", IN_CHAIN, membership->dn);
	} else {
		make_first_filter(membership);
	}
	submit(membership, group, LDAP_SCOPE_BASE, one_entry, one_done);
}

/* -- nested, step by step -------------------------------------------------- */

/* The same text for each way to write a DN, save case. */
static char *normal_dn(const char *dn)
{
	char *text = NULL, *copy;

	if (ldap_dn_normalize(dn, LDAP_DN_FORMAT_LDAPV3, &text,
			      LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
		return mem_strdup(dn);
	copy = mem_strdup(text);
	ldap_memfree(text);
	return copy;
}

static bool is_allowed(const struct ldap_membership *membership,
		       const char *dn)
{
	bool allowed = false;

	for (char **group = membership->options->allow_groups;
	     *group != NULL && !allowed; group++) {
		char *normal = normal_dn(*group);

		allowed = str_equal_nocase(normal, dn);
		mem_free(normal);
	}
	return allowed;
}

static void level_entry(struct directory_operation *operation,
			const struct directory_entry *entry)
{
	struct ldap_membership *membership =
		container_of(operation, struct ldap_membership, operation);
	char *raw = entry_dn(entry), *dn = normal_dn(raw);
	bool seen = membership->seen_count >= GROUPS_MAX;

	mem_free(raw);
	for (size_t i = 0; i < membership->seen_count && !seen; i++)
		seen = str_equal_nocase(membership->seen[i], dn);
	membership->member |= is_allowed(membership, dn);
	if (seen) {
		mem_free(dn);
		return;
	}
	membership->seen = mem_realloc(membership->seen,
				       membership->seen_count + 1,
				       sizeof(*membership->seen));
	membership->seen[membership->seen_count++] = dn;
}

static void level_done(struct directory_operation *operation,
		       const struct directory_answer *answer)
{
	struct ldap_membership *membership =
		container_of(operation, struct ldap_membership, operation);

	if (answer->status == STORAGE_OK && answer->code == LDAP_SUCCESS &&
	    !membership->member)
		next_step(membership);
	else
		finish(membership, answer);
}

/* Asks for the groups that the user, then those that what was found last, are
 * members of. False: there are no more. */
static bool ask_level(struct ldap_membership *membership)
{
	const struct ldap_options *options = membership->options;
	size_t end = membership->asked + FILTER_GROUPS;

	if (membership->steps++ == 0) {
		make_first_filter(membership);
	} else {
		if (membership->asked == membership->seen_count ||
		    membership->steps > STEPS_MAX)
			return false;
		buf_clear(&membership->filter, 4096);
		buf_add_str(&membership->filter, "(|");
		while (membership->asked < membership->seen_count &&
		       membership->asked < end)
			add_members(membership,
				    membership->seen[membership->asked++]);
		buf_add_str(&membership->filter, ")");
	}
	submit(membership,
	       options->group_base != NULL ? options->group_base :
					     options->base,
	       LDAP_SCOPE_SUBTREE, level_entry, level_done);
	return true;
}

/* -- both ------------------------------------------------------------------ */

static void next_step(struct ldap_membership *membership)
{
	const struct directory_answer answer = { STORAGE_OK, LDAP_SUCCESS,
						 "" };
	const struct ldap_options *options = membership->options;
	const char *group = options->allow_groups[membership->group];

	if (options->nested_groups &&
	    options->schema == LDAP_SCHEMA_STANDARD) {
		if (!ask_level(membership))
			finish(membership, &answer);
	} else if (group != NULL) {
		ask_one(membership, group);
	} else {
		finish(membership, &answer);
	}
}

void ldap_membership_ask(struct ldap_membership *membership)
{
	const struct directory_answer answer = { STORAGE_OK, LDAP_SUCCESS,
						 "" };

	if (membership->options->allow_groups[0] == NULL) {
		membership->member = true;
		finish(membership, &answer);
	} else {
		next_step(membership);
	}
}
