/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of users in the languages of directories: filters (RFC 4515), DNs
 * (RFC 4514), and JIDs with the characters that they cannot have (XEP-0106).
 */
#ifndef STORAGE_LDAP_TEXT_H
#define STORAGE_LDAP_TEXT_H

#include "util/base/buf.h"

/* Appends the value so that it stands for itself and nothing more, as an
 * assertion value in a filter, and as an attribute value in a DN. */
void ldap_text_add_filter(struct buf *to, const char *value, size_t len);
void ldap_text_add_dn(struct buf *to, const char *value, size_t len);

typedef void ldap_text_add(struct buf *to, const char *value, size_t len);

/* Appends a template of the configuration, which was checked: %u is the name
 * in the directory, %d the domain, %j name@domain, each added by `add`. */
void ldap_text_expand(struct buf *to, const char *template,
		      ldap_text_add *add, const char *name,
		      const char *domain);

/* Between the localpart of a JID and a name in the directory. The results are
 * heap strings. */
char *ldap_text_unescape_local(const char *local, size_t len);
char *ldap_text_escape_local(const char *name, size_t len);

#endif
