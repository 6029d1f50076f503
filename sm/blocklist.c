/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of addresses that a user has blocked, and whether one matches.
 */
#include "sm/blocklist.h"

#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"

static struct blocked *find(const struct user *user, const char *jid)
{
	struct blocked *blocked;

	HASH_FIND_STR(user->blocklist, jid, blocked);
	return blocked;
}

static bool matches_domain(const struct user *user, const struct jid *jid)
{
	char *text;
	bool found;

	if (find(user, jid_domain(jid)) != NULL)
		return true;
	if (jid_resource(jid) == NULL)
		return false;
	text = mem_printf("%s/%s", jid_domain(jid), jid_resource(jid));
	found = find(user, text) != NULL;
	mem_free(text);
	return found;
}

bool blocklist_has(const struct user *user, const struct jid *jid)
{
	if (user->blocklist == NULL)
		return false;
	if (str_equal(jid_bare(jid), jid_bare(user->jid)) ||
	    (jid_local(jid) == NULL &&
	     str_equal(jid_domain(jid), user->domain->name)))
		return false;
	return find(user, jid_full(jid)) != NULL ||
	       find(user, jid_bare(jid)) != NULL || matches_domain(user, jid);
}

bool blocklist_has_text(const struct user *user, const char *text)
{
	struct jid *jid;
	bool has;

	if (user->blocklist == NULL)
		return false;
	jid = jid_parse(text);
	has = jid != NULL && blocklist_has(user, jid);
	jid_free(&jid);
	return has;
}

bool blocklist_add(struct user *user, const char *jid)
{
	size_t size = strlen(jid) + 1;
	struct blocked *blocked;

	if (find(user, jid) != NULL)
		return false;
	blocked = mem_alloc(sizeof(*blocked) + size);
	memcpy(blocked->jid, jid, size);
	HASH_ADD_STR(user->blocklist, jid, blocked);
	return true;
}

bool blocklist_remove(struct user *user, const char *jid)
{
	struct blocked *blocked = find(user, jid);

	if (blocked == NULL)
		return false;
	HASH_DEL(user->blocklist, blocked);
	mem_free(blocked);
	return true;
}

void blocklist_clear(struct user *user)
{
	struct blocked *blocked, *next;

	HASH_ITER(hh, user->blocklist, blocked, next) {
		HASH_DEL(user->blocklist, blocked);
		mem_free(blocked);
	}
}
