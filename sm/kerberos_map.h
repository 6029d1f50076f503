/* SPDX-License-Identifier: Apache-2.0
 *
 * Which user a Kerberos principal is. A rule is "PRINCIPAL = USER": in both,
 * "*" stands for the same text, which has none of "/", "@" and "\". An empty
 * USER means that the principal is nobody.
 */
#ifndef SM_KERBEROS_MAP_H
#define SM_KERBEROS_MAP_H

#include "util/base/error.h"

/* -1 with err: not a rule. */
int kerberos_map_check(const char *rule, struct error *err);

/* The name of the user (not prepared; heap), NULL: nobody. The first rule that
 * fits decides; without one, a principal of one component in one of `realms`
 * is the user of its name. Both lists end with NULL, or are NULL. */
char *kerberos_map_user(const char *principal, char *const *rules,
			char *const *realms);

#endif
