/* SPDX-License-Identifier: Apache-2.0
 *
 * Who serves which name, and which member gets what: the one function that
 * router and roles share (docs/link.md section 3).
 */
#ifndef UTIL_ROLE_MEMBERS_H
#define UTIL_ROLE_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>

struct members; /* a table of names */

struct member {
	char *name;
	char *kind; /* "sm", "component", ... */
	char *epoch; /* NULL for components */
	unsigned version; /* of the link protocol; 0: not told, so the first */
};

struct members *members_new(void);
void members_free(struct members **members);

/* Replaces the list of a name; count 0 forgets the name. Copies. */
void members_set(struct members *members, const char *name,
		 const struct member *list, size_t count);

/* The list of a name: *count members, NULL when there are none. */
const struct member *members_get(const struct members *members,
				 const char *name, size_t *count);

/* The member that serves the address `to`: of the domain by the bare JID,
 * else of "*" by the domain; NULL: no route. `to` is prepared text. */
const struct member *members_route(const struct members *members,
				   const char *to);

/* The member of a name with the highest score for `key`. */
const struct member *members_pick(const struct members *members,
				  const char *name, const char *key);

/* The score itself. */
unsigned long long members_score(const char *member, const char *key);

/* A number for a list of members, epochs included, in any order: the same for
 * everybody who sees the same members. */
unsigned long long members_print(const struct member *list, size_t count);

/* Calls back for each name in order of first appearance. */
void members_each(const struct members *members,
		  void (*each)(const char *name, const struct member *list,
			       size_t count, void *ctx),
		  void *ctx);

#endif
