/* SPDX-License-Identifier: Apache-2.0
 *
 * Hash tables (uthash) and lists (utlist) for the whole project. uthash's own
 * hash can be flooded with colliding keys by a peer who chooses names, so it
 * is replaced here by SipHash under a key drawn at the start of the process.
 * Iteration is in the order of insertion, whatever the key, so a simulated
 * run stays deterministic.
 *
 * Include this, never uthash.h or utlist.h directly.
 */
#ifndef UTIL_BASE_TABLE_H
#define UTIL_BASE_TABLE_H

#include <stddef.h>

/* SipHash of the key, cut to 32 bits, under this process's random key. */
unsigned table_hash(const void *key, size_t len);

#define HASH_FUNCTION(key, len, hashv) ((hashv) = table_hash((key), (len)))

#include <uthash.h>
#include <utlist.h>

#endif
