/* SPDX-License-Identifier: Apache-2.0
 *
 * One range after the other, until the last, whose end is a "*".
 */
#include "storage/ldap_range.h"

#include <stdio.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"

#define PREFIX "member;range="

/* Members of one group. */
#define MEMBERS_MAX 1000000

struct ldap_range {
	struct ldap_ranges *ranges;
	uint64_t id;
	char *dn;
	char attribute[64];
	const char *attributes[2];
	uint64_t *members;
	size_t count;
	bool more, last;
	struct directory_operation operation;
	struct ldap_range *prev, *next;
};

static void range_free(struct ldap_range *range)
{
	DL_DELETE(range->ranges->list, range);
	mem_free(range->members);
	mem_free(range->dn);
	mem_free(range);
}

/* The attribute with a range, a heap string; NULL: there is none, or it has
 * no values, as the full name has them then. */
static char *ranged_attribute(const struct directory_entry *entry)
{
	BerElement *ber = NULL;
	char *name = ldap_first_attribute(entry->ldap, entry->message, &ber);
	char *found = NULL;

	while (name != NULL) {
		if (found == NULL &&
		    strncasecmp(name, PREFIX, strlen(PREFIX)) == 0)
			found = mem_strdup(name);
		ldap_memfree(name);
		name = ldap_next_attribute(entry->ldap, entry->message, ber);
	}
	if (ber != NULL)
		ber_free(ber, 0);
	return found;
}

static void take_values(struct ldap_range *range,
			const struct directory_entry *entry,
			const char *attribute)
{
	struct berval **values = entry_values(entry, attribute);
	size_t more = (size_t)ldap_count_values_len(values);

	if (range->count + more > MEMBERS_MAX)
		more = 0;
	range->members = mem_realloc(range->members, range->count + more + 1,
				     sizeof(*range->members));
	for (size_t i = 0; i < more; i++)
		range->members[range->count++] =
			ldap_tree_member(range->ranges->tree, values[i]);
	range->more = more > 0;
	range->last = str_ends(attribute, "-*");
	ldap_value_free_len(values);
}

static void range_entry(struct directory_operation *operation,
			const struct directory_entry *entry)
{
	struct ldap_range *range =
		container_of(operation, struct ldap_range, operation);
	char *attribute = ranged_attribute(entry);

	if (attribute != NULL)
		take_values(range, entry, attribute);
	mem_free(attribute);
}

static void ask(struct ldap_range *range);

static void finish(struct ldap_range *range)
{
	ldap_tree_members(range->ranges->tree, range->id, range->members,
			  range->count);
	range->members = NULL;
	range_free(range);
}

/* The group stays as it was, until the feed tells of it again. */
static void fail(struct ldap_range *range)
{
	range->ranges->failed = true;
	range_free(range);
}

static void range_done(struct directory_operation *operation,
		       const struct directory_answer *answer)
{
	struct ldap_range *range =
		container_of(operation, struct ldap_range, operation);
	bool good = answer->status == STORAGE_OK &&
		    answer->code == LDAP_SUCCESS;

	if (good && range->more && !range->last)
		ask(range);
	else if (good)
		finish(range);
	else
		fail(range);
}

static void ask(struct ldap_range *range)
{
	range->more = false;
	snprintf(range->attribute, sizeof(range->attribute),
		 PREFIX "%zu-*", range->count);
	range->attributes[0] = range->attribute;
	range->operation = (struct directory_operation){
		.kind = DIRECTORY_FEED,
		.dn = range->dn,
		.scope = LDAP_SCOPE_BASE,
		.filter = "(objectClass=*)",
		.attributes = range->attributes,
		.entry = range_entry,
		.done = range_done,
	};
	directory_submit(range->ranges->directory, &range->operation);
}

static void give_up(struct ldap_ranges *ranges, uint64_t id)
{
	struct ldap_range *range, *next;

	DL_FOREACH_SAFE(ranges->list, range, next) {
		if (range->id != id)
			continue;
		directory_withdraw(&range->operation);
		range_free(range);
	}
}

bool ldap_range_is_part(const struct directory_entry *entry)
{
	char *attribute = ranged_attribute(entry);
	bool found = attribute != NULL;

	mem_free(attribute);
	return found;
}

void ldap_range_take(struct ldap_ranges *ranges, uint64_t id,
		     const struct directory_entry *entry)
{
	char *attribute = ranged_attribute(entry);
	struct ldap_range *range;

	if (ranges->list != NULL)
		give_up(ranges, id);
	if (attribute == NULL)
		return;
	range = mem_new(struct ldap_range);
	range->ranges = ranges;
	range->id = id;
	range->dn = entry_dn(entry);
	take_values(range, entry, attribute);
	mem_free(attribute);
	DL_APPEND(ranges->list, range);
	if (range->last)
		finish(range);
	else
		ask(range);
}

void ldap_ranges_free(struct ldap_ranges *ranges)
{
	struct ldap_range *range, *next;

	DL_FOREACH_SAFE(ranges->list, range, next)
		range_free(range);
}
