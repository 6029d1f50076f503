/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts the copies of recent messages, by the hash of their text: whatever
 * way a copy comes back, its text is the same.
 */
#include "sm/copies.h"

#include "util/base/crypto.h"
#include "util/base/mem.h"

#define COPIES_MAX 256 /* messages of a user that are remembered */

struct copies {
	unsigned at;
	struct {
		uint64_t hash;
		unsigned count; /* sessions that may have it */
	} list[COPIES_MAX];
};

static uint64_t hash_of(const char *xml, size_t len)
{
	static const uint64_t key[2] = { UINT64_C(0x632d657070616863),
					 UINT64_C(0x7365697069706f63) };

	return crypto_siphash(key, xml, len);
}

void copies_note(struct user *user, const struct stanza *message,
		 unsigned count)
{
	struct copies *copies = user->copies;
	struct buf xml = { 0 };

	if (count < 2)
		return;
	if (copies == NULL)
		copies = user->copies = mem_new(struct copies);
	stanza_write(message, &xml);
	copies->list[copies->at].hash = hash_of(buf_data(&xml), xml.len);
	copies->list[copies->at].count = count;
	copies->at = (copies->at + 1) % COPIES_MAX;
	buf_free(&xml);
}

/* Equal texts are equal messages; those with copies left come first. */
static unsigned *find(const struct user *user, const char *xml, size_t len)
{
	struct copies *copies = user->copies;
	uint64_t hash;

	if (copies == NULL)
		return NULL;
	hash = hash_of(xml, len);
	for (unsigned i = 0; i < COPIES_MAX; i++) {
		if (copies->list[i].hash == hash && copies->list[i].count > 0)
			return &copies->list[i].count;
	}
	return NULL;
}

bool copies_other(const struct user *user, const char *xml, size_t len)
{
	unsigned *count = find(user, xml, len);

	return count != NULL && *count > 1;
}

bool copies_spare(struct user *user, const char *xml, size_t len)
{
	unsigned *count = find(user, xml, len);

	return count != NULL && --*count > 0;
}
