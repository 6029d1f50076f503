/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts the copies of recent messages, by the hash of their origin, which
 * comes back with a copy whatever way that takes.
 */
#include "sm/copies.h"

#include "sm/management.h"
#include "util/base/mem.h"

#define COPIES_MAX 256 /* messages of a user that are remembered */

struct copies {
	unsigned at;
	struct {
		uint64_t hash;
		unsigned count; /* sessions that may have it */
	} list[COPIES_MAX];
};

void copies_note(struct user *user, const char *origin, unsigned count)
{
	struct copies *copies = user->copies;

	if (count < 2 || origin == NULL)
		return;
	if (copies == NULL)
		copies = user->copies = mem_new(struct copies);
	copies->list[copies->at].hash = management_hash(origin);
	copies->list[copies->at].count = count;
	copies->at = (copies->at + 1) % COPIES_MAX;
}

static unsigned *find(const struct user *user, const char *origin)
{
	struct copies *copies = user->copies;
	uint64_t hash;

	if (copies == NULL || origin == NULL)
		return NULL;
	hash = management_hash(origin);
	for (unsigned i = 0; i < COPIES_MAX; i++) {
		if (copies->list[i].hash == hash && copies->list[i].count > 0)
			return &copies->list[i].count;
	}
	return NULL;
}

bool copies_other(const struct user *user, const char *origin)
{
	unsigned *count = find(user, origin);

	return count != NULL && *count > 1;
}

bool copies_spare(struct user *user, const char *origin)
{
	unsigned *count = find(user, origin);

	return count != NULL && --*count > 0;
}
