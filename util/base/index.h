/* SPDX-License-Identifier: Apache-2.0
 *
 * A table from 64-bit numbers to pointers, for objects of which there are so
 * many that a uthash handle in each is too much: 24 bytes an object instead
 * of 56. The numbers are hashes under a key that peers do not know, so
 * nobody can make them collide.
 */
#ifndef UTIL_BASE_INDEX_H
#define UTIL_BASE_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct index_slot {
	uint64_t key;
	void *value; /* NULL: free */
};

/* Zeroed: empty. */
struct index {
	struct index_slot *slots;
	size_t room; /* 0 or a power of two */
	size_t count;
};

/* NULL: there is none. */
void *index_get(const struct index *index, uint64_t key);

/* In the place of what is there, if anything. `value` is not NULL. */
void index_put(struct index *index, uint64_t key, void *value);

void index_remove(struct index *index, uint64_t key);

/* The next value from position *at on (0: from the first), which moves; NULL
 * after the last. The index must not change meanwhile. */
void *index_next(const struct index *index, size_t *at);

void index_free(struct index *index);

#endif
