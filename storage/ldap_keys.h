/* SPDX-License-Identifier: Apache-2.0
 *
 * SCRAM keys as directories keep them (RFC 5803, and the schemes of
 * userPassword), and as we keep those that were made at a log-in.
 */
#ifndef STORAGE_LDAP_KEYS_H
#define STORAGE_LDAP_KEYS_H

#include "storage/storage.h"
#include "util/base/buf.h"

/* Takes the keys of one value into the account:
 *	SCRAM-SHA-256$4096:salt$StoredKey:ServerKey		(RFC 5803)
 *	{SCRAM-SHA-256}4096,salt,StoredKey,ServerKey		(Dovecot)
 *	{SCRAM-SHA-256} before the first form without its scheme
 *	{PBKDF2-SHA256}10000$salt$hash				(OpenLDAP)
 * and the same with SHA-1. False: it is something else, or broken. */
bool ldap_keys_read(struct account *account, const char *value, size_t len);

/* Keys that were made while the directory's password had this stamp. Parsing
 * is false when the stamp is another one, or the bytes make no sense. */
void ldap_keys_write(struct buf *to, const struct account *account,
		     const char *stamp);
bool ldap_keys_parse(struct account *account, const char *stamp,
		     const char *data, size_t len);

#endif
