/* SPDX-License-Identifier: Apache-2.0
 *
 * Records of entries, and what they say of each other. Groups whose members
 * may be others now wait in a queue that is worked off in pieces, so that
 * nobody waits for thousands of them.
 */
#include "storage/ldap_tree.h"

#include <stdlib.h>
#include <string.h>

#include "storage/ldap_cache.h"
#include "storage/ldap_name.h"
#include "storage/ldap_person.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"

/* Groups in groups in groups. */
#define DEPTH_MAX 16

/* Members that are looked at in one turn of the loop. */
#define PIECE 4000

/* How often it is looked whether an account has expired, ms. */
#define EXPIRY_LOOK 10000

struct ldap_record {
	uint64_t id, dn;
	enum ldap_kind kind;
	unsigned generation; /* of the sweep that has seen it last */
	/* a person */
	uint64_t jid; /* hash */
	struct people_person *person; /* NULL: another entry has the name */
	uint64_t stamp;
	int64_t expires; /* microseconds since 1970; 0: never */
	bool disabled;
	/* a group */
	struct people_group *group; /* NULL: it has no name */
	uint64_t *members;	    /* sorted */
	size_t member_count;
	bool dirty;	/* in the queue */
	unsigned visit; /* the resolution that has been here last */
	struct ldap_record *prev, *next; /* of all groups */
	struct ldap_record *dirty_next;
};

struct ldap_tree {
	struct loop *loop;
	struct log *log;
	struct storage *storage;
	struct people *people;
	const char *domain;
	const struct ldap_options *options;
	uint64_t key[2];
	struct index by_id, by_dn, by_jid;
	struct ldap_record *groups;
	struct ldap_record *dirty, *dirty_last;
	size_t counts[LDAP_TREE_KINDS];
	unsigned generations[LDAP_TREE_KINDS];
	bool held[LDAP_TREE_KINDS], settled[LDAP_TREE_KINDS];
	bool people_changed; /* while held: all groups are to be looked at */
	unsigned visits;
	size_t doubles, expiring;
	struct people_person **list; /* being resolved */
	size_t list_count, list_room;
	struct timer work, expiry;
};

/* -- opening and closing --------------------------------------------------- */

static void look_for_expiry(struct timer *timer);

struct ldap_tree *ldap_tree_new(const struct people_setup *setup,
				struct people *people, const char *domain)
{
	struct ldap_tree *tree = mem_new(struct ldap_tree);

	tree->loop = setup->loop;
	tree->log = setup->log;
	tree->storage = setup->storage;
	tree->people = people;
	tree->domain = domain;
	tree->options = setup->section;
	loop_random(tree->loop, tree->key, sizeof(tree->key));
	timer_start(&tree->expiry, tree->loop, EXPIRY_LOOK, look_for_expiry);
	return tree;
}

/* The picture goes by itself. */
void ldap_tree_free(struct ldap_tree **tree)
{
	struct ldap_tree *t = *tree;
	struct ldap_record *record;
	size_t at = 0;

	if (t == NULL)
		return;
	timer_stop(&t->work);
	timer_stop(&t->expiry);
	while ((record = index_next(&t->by_id, &at)) != NULL) {
		mem_free(record->members);
		mem_free(record);
	}
	index_free(&t->by_id);
	index_free(&t->by_dn);
	index_free(&t->by_jid);
	mem_free(t->list);
	mem_free(t);
	*tree = NULL;
}

uint64_t ldap_tree_id(const struct ldap_tree *tree, const void *bytes,
		      size_t len)
{
	return crypto_siphash(tree->key, bytes, len);
}

size_t ldap_tree_count(const struct ldap_tree *tree, enum ldap_kind kind)
{
	return tree->counts[kind];
}

const char **ldap_tree_attributes(const struct ldap_options *options,
				  enum ldap_kind kind)
{
	static const char *const groups[] = { "member", "uniqueMember",
					      "memberUid" };
	const size_t group_count = sizeof(groups) / sizeof(*groups);
	size_t names = 0, count = 0;
	const char **person, **list;

	if (kind == LDAP_GROUPS) {
		list = mem_calloc(group_count + 2, sizeof(*list));
		list[count++] = options->group_name;
		for (size_t i = 0; i < group_count; i++)
			list[count++] = groups[i];
		return list;
	}
	person = ldap_person_feed_attributes(options);
	while (person[count] != NULL)
		count++;
	while (options->name_attributes[names] != NULL)
		names++;
	list = mem_realloc(person, count + names + 1, sizeof(*list));
	for (size_t i = 0; i < names; i++)
		list[count++] = options->name_attributes[i];
	list[count] = NULL;
	return list;
}

/* -- which groups are to be looked at -------------------------------------- */

static void work_off(struct timer *timer);

static void make_dirty(struct ldap_tree *tree, struct ldap_record *group)
{
	if (group->dirty)
		return;
	group->dirty = true;
	group->dirty_next = NULL;
	if (tree->dirty_last != NULL)
		tree->dirty_last->dirty_next = group;
	else
		tree->dirty = group;
	tree->dirty_last = group;
	if (!timer_running(&tree->work))
		timer_start(&tree->work, tree->loop, 0, work_off);
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool has_member(const struct ldap_record *group, uint64_t member)
{
	return group->member_count > 0 &&
	       bsearch(&member, group->members, group->member_count,
		       sizeof(member), compare_numbers) != NULL;
}

/* Somebody or something of that name came, went, or is another one now. */
static void name_changed(struct ldap_tree *tree, uint64_t name)
{
	struct ldap_record *group;

	if (tree->held[LDAP_PEOPLE] || tree->held[LDAP_GROUPS]) {
		tree->people_changed = true;
		return;
	}
	DL_FOREACH(tree->groups, group) {
		if (!group->dirty && has_member(group, name))
			make_dirty(tree, group);
	}
}

/* The groups that this one is in, and those that they are in. */
static void parents_changed(struct ldap_tree *tree,
			    const struct ldap_record *child)
{
	struct ldap_record *group;

	if (!tree->options->nested_groups)
		return;
	if (tree->held[LDAP_PEOPLE] || tree->held[LDAP_GROUPS]) {
		tree->people_changed = true;
		return;
	}
	DL_FOREACH(tree->groups, group) {
		if (group->dirty || !has_member(group, child->dn))
			continue;
		make_dirty(tree, group);
		parents_changed(tree, group);
	}
}

/* -- who is in a group ----------------------------------------------------- */

static void list_add(struct ldap_tree *tree, struct people_person *person)
{
	if (tree->list_count == tree->list_room) {
		tree->list_room = tree->list_room > 0 ? 2 * tree->list_room :
							64;
		tree->list = mem_realloc(tree->list, tree->list_room,
					 sizeof(struct people_person *));
	}
	tree->list[tree->list_count++] = person;
}

/* Each group once, so that circles end. */
static void collect(struct ldap_tree *tree, struct ldap_record *group,
		    unsigned depth)
{
	group->visit = tree->visits;
	for (size_t i = 0; i < group->member_count; i++) {
		struct ldap_record *found =
			index_get(&tree->by_dn, group->members[i]);

		if (found == NULL)
			found = index_get(&tree->by_jid, group->members[i]);
		if (found == NULL)
			continue;
		if (found->kind == LDAP_PEOPLE && found->person != NULL)
			list_add(tree, found->person);
		else if (found->kind == LDAP_GROUPS && depth < DEPTH_MAX &&
			 tree->options->nested_groups &&
			 found->visit != tree->visits)
			collect(tree, found, depth + 1);
	}
}

/* How much work it was. */
static size_t resolve(struct ldap_tree *tree, struct ldap_record *group)
{
	if (group->group == NULL)
		return 1;
	tree->list_count = 0;
	tree->visits++;
	collect(tree, group, 0);
	people_group_set(group->group, tree->list, tree->list_count);
	return tree->list_count + group->member_count + 1;
}

static void check_ready(struct ldap_tree *tree)
{
	if (tree->dirty == NULL && tree->settled[LDAP_PEOPLE] &&
	    tree->settled[LDAP_GROUPS])
		people_set_ready(tree->people);
}

static void work_off(struct timer *timer)
{
	struct ldap_tree *tree = container_of(timer, struct ldap_tree, work);
	size_t looked = 0;

	if (tree->held[LDAP_PEOPLE] || tree->held[LDAP_GROUPS])
		return;
	while (tree->dirty != NULL && looked < PIECE) {
		struct ldap_record *group = tree->dirty;

		tree->dirty = group->dirty_next;
		if (tree->dirty == NULL)
			tree->dirty_last = NULL;
		group->dirty = false;
		looked += resolve(tree, group);
	}
	if (tree->dirty != NULL)
		timer_start(&tree->work, tree->loop, 0, work_off);
	else
		check_ready(tree);
}

void ldap_tree_hold(struct ldap_tree *tree, enum ldap_kind kind)
{
	tree->held[kind] = true;
}

void ldap_tree_settle(struct ldap_tree *tree, enum ldap_kind kind, bool told)
{
	struct ldap_record *group;

	tree->held[kind] = false;
	tree->settled[kind] |= told;
	if (tree->held[LDAP_PEOPLE] || tree->held[LDAP_GROUPS])
		return;
	if (tree->people_changed) {
		DL_FOREACH(tree->groups, group)
			make_dirty(tree, group);
	}
	tree->people_changed = false;
	if (!timer_running(&tree->work))
		timer_start(&tree->work, tree->loop, 0, work_off);
}

/* -- people ---------------------------------------------------------------- */

static void drop_keys(const struct ldap_tree *tree, const char *jid)
{
	if (tree->options->scram == LDAP_SCRAM_CACHE &&
	    people_ready(tree->people))
		ldap_cache_drop(tree->storage, jid);
}

static void tell(struct ldap_tree *tree, struct ldap_record *record,
		 const char *jid, const char *name)
{
	bool over = record->expires != 0 &&
		    record->expires < loop_time_us(tree->loop);
	const struct people_person *before = record->person;

	if (before != NULL &&
	    ((!before->disabled && (record->disabled || over)) ||
	     before->stamp != record->stamp))
		drop_keys(tree, jid);
	record->person = people_put(tree->people, jid, name,
				    record->disabled || over, record->stamp);
}

static void look_for_expiry(struct timer *timer)
{
	struct ldap_tree *tree = container_of(timer, struct ldap_tree, expiry);
	int64_t now = loop_time_us(tree->loop);
	struct ldap_record *record;
	size_t at = 0;

	timer_start(timer, tree->loop, EXPIRY_LOOK, look_for_expiry);
	while (tree->expiring > 0 &&
	       (record = index_next(&tree->by_id, &at)) != NULL) {
		struct people_person *person = record->person;

		if (record->kind == LDAP_PEOPLE && person != NULL &&
		    record->expires != 0 && record->expires < now &&
		    !person->disabled)
			people_put(tree->people, person->jid, person->name,
				   true, 0);
	}
}

/* Another entry of the name, which nobody was as long as there was this one.
 * What its name to be shown is comes with its next change. */
static void promote(struct ldap_tree *tree, uint64_t jid, const char *text)
{
	struct ldap_record *record;
	size_t at = 0;

	while (tree->doubles > 0 &&
	       (record = index_next(&tree->by_id, &at)) != NULL) {
		if (record->kind != LDAP_PEOPLE || record->person != NULL ||
		    record->jid != jid)
			continue;
		tree->doubles--;
		index_put(&tree->by_jid, jid, record);
		tell(tree, record, text, NULL);
		name_changed(tree, record->dn);
		return;
	}
}

static void person_leave(struct ldap_tree *tree, struct ldap_record *record)
{
	struct people_person *person = record->person;
	uint64_t jid = record->jid;

	if (person == NULL) {
		if (jid != 0)
			tree->doubles--;
		record->jid = 0;
		return;
	}
	people_person_hold(person);
	index_remove(&tree->by_jid, jid);
	record->person = NULL;
	record->jid = 0;
	drop_keys(tree, person->jid);
	people_remove(tree->people, person);
	name_changed(tree, jid);
	promote(tree, jid, person->jid);
	people_person_release(&person);
}

/* The first value of user-attribute as a bare JID; NULL: it has none. */
static char *jid_of(const struct ldap_tree *tree,
		    const struct directory_entry *entry)
{
	struct berval **values = entry_values(
		entry, ldap_options_user_attribute(tree->options));
	char *jid = values != NULL && values[0] != NULL ?
			    ldap_person_jid(values[0], tree->domain) : NULL;

	ldap_value_free_len(values);
	return jid;
}

static char *name_of(const struct ldap_tree *tree,
		     const struct directory_entry *entry)
{
	char *name = NULL;

	for (char **at = tree->options->name_attributes;
	     *at != NULL && name == NULL; at++)
		name = entry_text(entry, *at);
	return name;
}

static void person_is(struct ldap_tree *tree, struct ldap_record *record,
		      const char *jid, const char *name)
{
	uint64_t hash = crypto_siphash(tree->key, jid, strlen(jid));
	bool is_new = record->jid != hash;

	if (is_new)
		person_leave(tree, record);
	record->jid = hash;
	if (is_new && index_get(&tree->by_jid, hash) != NULL) {
		log_notice(tree->log, "ldap.double", LOG_S("jid", jid));
		tree->doubles++;
		return;
	}
	if (!is_new && record->person == NULL)
		return;
	if (is_new)
		index_put(&tree->by_jid, hash, record);
	tell(tree, record, jid, name);
	if (is_new) {
		name_changed(tree, hash);
		name_changed(tree, record->dn);
	}
}

static void put_person(struct ldap_tree *tree, struct ldap_record *record,
		       const struct directory_entry *entry)
{
	char *jid = jid_of(tree, entry);
	char *name = name_of(tree, entry);
	struct ldap_person_state state = ldap_person_feed_read(
		entry, tree->options, tree->key);

	record->disabled = state.disabled;
	record->stamp = state.stamp;
	tree->expiring -= record->expires != 0;
	record->expires = state.expires;
	tree->expiring += record->expires != 0;
	if (jid == NULL)
		person_leave(tree, record);
	else
		person_is(tree, record, jid, name);
	mem_free(jid);
	mem_free(name);
}

/* -- groups ---------------------------------------------------------------- */

uint64_t ldap_tree_member(const struct ldap_tree *tree,
			  const struct berval *value)
{
	return ldap_name_hash(tree->key, value->bv_val, value->bv_len);
}

static void add_members(struct ldap_tree *tree,
			const struct directory_entry *entry,
			const char *attribute, bool names, uint64_t **members,
			size_t *count)
{
	struct berval **values = entry_values(entry, attribute);
	size_t more = (size_t)ldap_count_values_len(values);

	if (more > 0)
		*members = mem_realloc(*members, *count + more,
				       sizeof(**members));
	for (size_t i = 0; i < more; i++) {
		char *jid;

		if (!names) {
			(*members)[(*count)++] =
				ldap_tree_member(tree, values[i]);
			continue;
		}
		jid = ldap_person_jid(values[i], tree->domain);
		if (jid != NULL)
			(*members)[(*count)++] = crypto_siphash(
				tree->key, jid, strlen(jid));
		mem_free(jid);
	}
	ldap_value_free_len(values);
}

/* Takes the members. */
static void set_members(struct ldap_tree *tree, struct ldap_record *record,
			uint64_t *members, size_t count)
{
	if (count > 0)
		qsort(members, count, sizeof(*members), compare_numbers);
	mem_free(record->members);
	record->members = members;
	record->member_count = count;
	make_dirty(tree, record);
	parents_changed(tree, record);
}

void ldap_tree_members(struct ldap_tree *tree, uint64_t id,
		       uint64_t *members, size_t count)
{
	struct ldap_record *record = index_get(&tree->by_id, id);

	if (record != NULL && record->kind == LDAP_GROUPS)
		set_members(tree, record, members, count);
	else
		mem_free(members);
}

static void group_leave(struct ldap_tree *tree, struct ldap_record *record)
{
	if (record->group != NULL)
		people_group_remove(&record->group);
	parents_changed(tree, record);
}

static bool is_shared(const struct ldap_tree *tree, const char *name)
{
	char **pattern = tree->options->roster_groups;

	while (pattern != NULL && *pattern != NULL) {
		if (str_matches(name, *pattern++))
			return true;
	}
	return false;
}

static void put_group(struct ldap_tree *tree, struct ldap_record *record,
		      const struct directory_entry *entry, bool partly)
{
	char *name = entry_text(entry, tree->options->group_name);
	uint64_t *members = NULL;
	size_t count = 0;

	if (record->group != NULL && !str_equal(record->group->name, name))
		people_group_remove(&record->group);
	if (record->group == NULL && name != NULL && *name != '\0')
		record->group = people_group_add(tree->people, name,
						 is_shared(tree, name));
	mem_free(name);
	if (partly) {
		make_dirty(tree, record);
		return;
	}
	add_members(tree, entry, "member", false, &members, &count);
	add_members(tree, entry, "uniqueMember", false, &members, &count);
	add_members(tree, entry, "memberUid", true, &members, &count);
	set_members(tree, record, members, count);
}

/* -- records --------------------------------------------------------------- */

static void set_dn(struct ldap_tree *tree, struct ldap_record *record,
		   const struct directory_entry *entry)
{
	char *text = entry_dn(entry);
	uint64_t dn = ldap_name_hash(tree->key, text, strlen(text));

	mem_free(text);
	if (record->dn == dn)
		return;
	if (index_get(&tree->by_dn, record->dn) == record)
		index_remove(&tree->by_dn, record->dn);
	if (record->dn != 0)
		name_changed(tree, record->dn);
	record->dn = dn;
	index_put(&tree->by_dn, dn, record);
	name_changed(tree, dn);
}

void ldap_tree_put(struct ldap_tree *tree, enum ldap_kind kind, uint64_t id,
		   const struct directory_entry *entry, bool partly)
{
	struct ldap_record *record = index_get(&tree->by_id, id);

	if (record == NULL) {
		record = mem_new(struct ldap_record);
		record->id = id;
		record->kind = kind;
		index_put(&tree->by_id, id, record);
		tree->counts[kind]++;
		if (kind == LDAP_GROUPS)
			DL_APPEND(tree->groups, record);
	}
	/* One entry, told of as both: what it was first counts. */
	if (record->kind != kind)
		return;
	record->generation = tree->generations[kind];
	set_dn(tree, record, entry);
	if (kind == LDAP_PEOPLE)
		put_person(tree, record, entry);
	else
		put_group(tree, record, entry, partly);
}

static void dirty_forget(struct ldap_tree *tree, struct ldap_record *record)
{
	struct ldap_record *before = NULL, *at = tree->dirty;

	if (!record->dirty)
		return;
	while (at != record) {
		before = at;
		at = at->dirty_next;
	}
	if (before != NULL)
		before->dirty_next = record->dirty_next;
	else
		tree->dirty = record->dirty_next;
	if (tree->dirty_last == record)
		tree->dirty_last = before;
}

static void record_free(struct ldap_tree *tree, struct ldap_record *record)
{
	uint64_t dn = record->dn;

	index_remove(&tree->by_id, record->id);
	if (index_get(&tree->by_dn, dn) == record)
		index_remove(&tree->by_dn, dn);
	if (record->kind == LDAP_PEOPLE) {
		tree->expiring -= record->expires != 0;
		person_leave(tree, record);
	} else {
		dirty_forget(tree, record);
		DL_DELETE(tree->groups, record);
		group_leave(tree, record);
	}
	name_changed(tree, dn);
	tree->counts[record->kind]--;
	mem_free(record->members);
	mem_free(record);
}

void ldap_tree_gone(struct ldap_tree *tree, uint64_t id)
{
	struct ldap_record *record = index_get(&tree->by_id, id);

	if (record != NULL)
		record_free(tree, record);
}

void ldap_tree_begin(struct ldap_tree *tree, enum ldap_kind kind)
{
	tree->generations[kind]++;
}

bool ldap_tree_seen(struct ldap_tree *tree, uint64_t id)
{
	struct ldap_record *record = index_get(&tree->by_id, id);

	if (record == NULL)
		return false;
	record->generation = tree->generations[record->kind];
	return true;
}

/* The index must not change while it is gone through. */
void ldap_tree_sweep(struct ldap_tree *tree, enum ldap_kind kind)
{
	struct ldap_record *record, **list;
	size_t at = 0, count = 0;

	list = mem_calloc(tree->counts[kind] + 1, sizeof(*list));
	while ((record = index_next(&tree->by_id, &at)) != NULL) {
		if (record->kind == kind &&
		    record->generation != tree->generations[kind])
			list[count++] = record;
	}
	for (size_t i = 0; i < count; i++)
		record_free(tree, list[i]);
	mem_free(list);
}
