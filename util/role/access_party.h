/* SPDX-License-Identifier: Apache-2.0
 *
 * For access.c only: one side of a rule, a set of addresses.
 */
#ifndef UTIL_ROLE_ACCESS_PARTY_H
#define UTIL_ROLE_ACCESS_PARTY_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/error.h"
#include "util/base/table.h"
#include "util/xmpp/jid.h"

/* UNKNOWN: the directory has not told yet who is in its groups. */
enum access_member { ACCESS_NO, ACCESS_YES, ACCESS_UNKNOWN };

/* Whether an address of ours is in a group of the directory. */
typedef enum access_member access_group_cb(const struct jid *jid,
					   const char *group, void *ctx);

/* Labels of a domain that are looked at from the right, for patterns such as
 * "*.example.org". */
#define ACCESS_SUFFIXES 8

struct access_address {
	char *text; /* prepared; ".example.org" for "*.example.org" */
	char *key;  /* without the resource */
	UT_hash_handle hh;
};

struct access_party {
	bool any, inside, outside;
	struct access_address *addresses; /* by text */
	char **patterns; /* others; with "@": of bare JIDs, else of domains */
	char **groups;
	size_t pattern_count, group_count;
};

/* Fills an empty party; -1 with err, which names the word. */
int access_party_read(struct access_party *party, char *const *words,
		      struct error *err);
void access_party_clear(struct access_party *party);

/* Whether an address is one of them; `here`: it is ours. Groups are asked
 * last; `in_group` NULL: nobody is in any. */
enum access_member access_party_has(const struct access_party *party,
				    const struct jid *jid, bool here,
				    access_group_cb *in_group, void *ctx);

/* The parts of a domain that begin with a dot, shortest first: how many. */
size_t access_suffixes(const char *domain,
		       const char *suffixes[ACCESS_SUFFIXES]);

/* Whether the keys of its addresses are all that it can match. */
bool access_party_is_exact(const struct access_party *party);

#endif
