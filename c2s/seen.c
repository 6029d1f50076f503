/* SPDX-License-Identifier: Apache-2.0
 *
 * A ring of hashes.
 */
#include "c2s/seen.h"

#include <string.h>

#include "util/base/crypto.h"
#include "util/base/mem.h"

#define ROOM_FIRST 8

static uint64_t hash_origin(const char *origin)
{
	/* "chappe-origin-id"; the sm uses the same (sm/management.c). */
	static const uint64_t key[2] = { UINT64_C(0x6f2d657070616863),
					 UINT64_C(0x64692d6e69676972) };

	return crypto_siphash(key, origin, strlen(origin));
}

bool seen_has(const struct seen *seen, const char *origin)
{
	uint64_t hash;

	if (!origin || !seen->list)
		return false;
	hash = hash_origin(origin);
	for (unsigned i = 0; i < seen->room; i++) {
		if (seen->list[i] == hash)
			return true;
	}
	return false;
}

void seen_add(struct seen *seen, const char *origin, unsigned max)
{
	unsigned room = seen->room ? seen->room * 2 : ROOM_FIRST;

	if (!origin)
		return;
	if (seen->at == seen->room && room <= max) {
		seen->list = mem_realloc(seen->list, room,
					 sizeof(*seen->list));
		memset(seen->list + seen->room, 0,
		       (room - seen->room) * sizeof(*seen->list));
		seen->room = room;
	}
	if (seen->at == seen->room)
		seen->at = 0;
	seen->list[seen->at++] = hash_origin(origin);
}

void seen_clear(struct seen *seen)
{
	mem_free(seen->list);
	*seen = (struct seen){ 0 };
}
