/* SPDX-License-Identifier: Apache-2.0
 *
 * Open addressing with linear probing; what is removed leaves no mark, those
 * behind it move up.
 */
#include "util/base/index.h"

#include "util/base/mem.h"

#define ROOM_FIRST 16

/* The slot of the key, or the free one where it would be. There is always a
 * free one. */
static struct index_slot *slot_of(const struct index *index, uint64_t key)
{
	size_t mask = index->room - 1;
	size_t at = (size_t)key & mask;

	while (index->slots[at].value != NULL && index->slots[at].key != key)
		at = (at + 1) & mask;
	return &index->slots[at];
}

void *index_get(const struct index *index, uint64_t key)
{
	return index->room > 0 ? slot_of(index, key)->value : NULL;
}

static void grow(struct index *index)
{
	struct index old = *index;

	index->room = old.room > 0 ? 2 * old.room : ROOM_FIRST;
	index->slots = mem_calloc(index->room, sizeof(*index->slots));
	for (size_t i = 0; i < old.room; i++) {
		if (old.slots[i].value != NULL)
			*slot_of(index, old.slots[i].key) = old.slots[i];
	}
	mem_free(old.slots);
}

void index_put(struct index *index, uint64_t key, void *value)
{
	struct index_slot *slot;

	/* At most three quarters full. */
	if (4 * (index->count + 1) > 3 * index->room)
		grow(index);
	slot = slot_of(index, key);
	if (slot->value == NULL)
		index->count++;
	*slot = (struct index_slot){ key, value };
}

void index_remove(struct index *index, uint64_t key)
{
	size_t mask = index->room - 1, hole, at;

	if (index_get(index, key) == NULL)
		return;
	hole = at = (size_t)(slot_of(index, key) - index->slots);
	for (;;) {
		size_t home;

		at = (at + 1) & mask;
		if (index->slots[at].value == NULL)
			break;
		home = (size_t)index->slots[at].key & mask;
		/* It may move up unless its home is behind the hole. */
		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		index->slots[hole] = index->slots[at];
		hole = at;
	}
	index->slots[hole] = (struct index_slot){ 0, NULL };
	index->count--;
}

void *index_next(const struct index *index, size_t *at)
{
	while (*at < index->room) {
		void *value = index->slots[(*at)++].value;

		if (value != NULL)
			return value;
	}
	return NULL;
}

void index_free(struct index *index)
{
	mem_free(index->slots);
	*index = (struct index){ .room = 0 };
}
