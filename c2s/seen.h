/* SPDX-License-Identifier: Apache-2.0
 *
 * Origins of the last stanzas that a client got, as hashes: after a crash some
 * come again, and nobody shall read a message twice.
 */
#ifndef C2S_SEEN_H
#define C2S_SEEN_H

#include <stdbool.h>
#include <stdint.h>

struct seen {
	uint64_t *list; /* NULL: none */
	unsigned room, at;
};

bool seen_has(const struct seen *seen, const char *origin);

/* Remembers `max` at most, a power of two from 8: grows as it is needed, which
 * for most clients is never. */
void seen_add(struct seen *seen, const char *origin, unsigned max);

void seen_clear(struct seen *seen);

#endif
