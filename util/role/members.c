/* SPDX-License-Identifier: Apache-2.0
 *
 * Rendezvous hashing over the members of a name. Router and roles must come
 * to the same answer from the same list, so everything that decides is here;
 * how a list comes about is not.
 */
#include "util/role/members.h"

#include <stdint.h>
#include <string.h>

#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/table.h"

struct members_name {
	char *name;
	struct member *list;
	size_t count;
	UT_hash_handle hh;
};

struct members {
	struct members_name *names;
};

/* "chappe-link-hash" as two little-endian numbers: part of the protocol. */
static const uint64_t score_key[2] = {
	UINT64_C(0x6c2d657070616863),
	UINT64_C(0x687361682d6b6e69),
};

static void list_free(struct member *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		mem_free(list[i].name);
		mem_free(list[i].kind);
		mem_free(list[i].epoch);
	}
	mem_free(list);
}

static struct member *list_copy(const struct member *list, size_t count)
{
	struct member *copy = mem_calloc(count, sizeof(*copy));

	for (size_t i = 0; i < count; i++) {
		copy[i].name = mem_strdup(list[i].name);
		copy[i].kind = mem_strdup(list[i].kind);
		copy[i].epoch = mem_strdup(list[i].epoch);
		copy[i].version = list[i].version;
	}
	return copy;
}

static struct members_name *find(const struct members *members,
				 const char *name, size_t len)
{
	struct members_name *entry;

	HASH_FIND(hh, members->names, name, len, entry);
	return entry;
}

struct members *members_new(void)
{
	return mem_new(struct members);
}

static void forget(struct members *members, struct members_name *entry)
{
	HASH_DEL(members->names, entry);
	list_free(entry->list, entry->count);
	mem_free(entry->name);
	mem_free(entry);
}

void members_free(struct members **members)
{
	struct members_name *entry, *next;

	if (!*members)
		return;
	HASH_ITER(hh, (*members)->names, entry, next)
		forget(*members, entry);
	mem_free(*members);
	*members = NULL;
}

void members_set(struct members *members, const char *name,
		 const struct member *list, size_t count)
{
	struct members_name *entry = find(members, name, strlen(name));
	struct member *copy;

	if (count == 0) {
		if (entry)
			forget(members, entry);
		return;
	}
	/* Copied first: the list may be the one that is replaced. */
	copy = list_copy(list, count);
	if (!entry) {
		entry = mem_new(struct members_name);
		entry->name = mem_strdup(name);
		HASH_ADD_KEYPTR(hh, members->names, entry->name,
				strlen(entry->name), entry);
	} else {
		list_free(entry->list, entry->count);
	}
	entry->list = copy;
	entry->count = count;
}

const struct member *members_get(const struct members *members,
				 const char *name, size_t *count)
{
	const struct members_name *entry = find(members, name, strlen(name));

	*count = entry ? entry->count : 0;
	return entry ? entry->list : NULL;
}

static uint64_t score(const char *member, const char *key, size_t key_len)
{
	char small[512];
	size_t name_len = strlen(member);
	size_t len = name_len + 1 + key_len;
	char *text = len <= sizeof(small) ? small : mem_alloc(len);
	uint64_t value;

	memcpy(text, member, name_len + 1);
	memcpy(text + name_len + 1, key, key_len);
	value = crypto_siphash(score_key, text, len);
	if (text != small)
		mem_free(text);
	return value;
}

unsigned long long members_score(const char *member, const char *key)
{
	return score(member, key, strlen(key));
}

static const struct member *pick(const struct members_name *entry,
				 const char *key, size_t key_len)
{
	const struct member *best = entry->list;
	uint64_t best_score, other;

	if (entry->count == 1)
		return best;
	best_score = score(best->name, key, key_len);
	for (size_t i = 1; i < entry->count; i++) {
		other = score(entry->list[i].name, key, key_len);
		if (other < best_score ||
		    (other == best_score &&
		     strcmp(entry->list[i].name, best->name) >= 0))
			continue;
		best = &entry->list[i];
		best_score = other;
	}
	return best;
}

const struct member *members_route(const struct members *members,
				   const char *to)
{
	/* The resource goes first: it may hold an "@" of its own. */
	size_t bare_len = strcspn(to, "/");
	const char *at = memchr(to, '@', bare_len);
	const char *domain = at ? at + 1 : to;
	size_t domain_len = bare_len - (size_t)(domain - to);
	const struct members_name *entry = find(members, domain, domain_len);

	if (entry)
		return pick(entry, to, bare_len);
	entry = find(members, "*", 1);
	return entry ? pick(entry, domain, domain_len) : NULL;
}

const struct member *members_pick(const struct members *members,
				  const char *name, const char *key)
{
	const struct members_name *entry = find(members, name, strlen(name));

	return entry ? pick(entry, key, strlen(key)) : NULL;
}

unsigned long long members_print(const struct member *list, size_t count)
{
	unsigned long long print = 0;

	for (size_t i = 0; i < count; i++)
		print += members_score(list[i].name,
				       list[i].epoch ? list[i].epoch : "");
	return print;
}

void members_each(const struct members *members,
		  void (*each)(const char *name, const struct member *list,
			       size_t count, void *ctx),
		  void *ctx)
{
	struct members_name *entry, *next;

	HASH_ITER(hh, members->names, entry, next)
		each(entry->name, entry->list, entry->count, ctx);
}
