/* SPDX-License-Identifier: Apache-2.0
 *
 * DNs as numbers: the same for each way to write a DN (RFC 4514), so that
 * members of groups are found without keeping or comparing texts.
 */
#ifndef STORAGE_LDAP_NAME_H
#define STORAGE_LDAP_NAME_H

#include <stddef.h>
#include <stdint.h>

/* Case of ASCII letters, spaces that do not count, the way of escaping and the
 * order within one RDN make no difference. What is no DN gets a number,
 * too. */
uint64_t ldap_name_hash(const uint64_t key[2], const char *dn, size_t len);

#endif
