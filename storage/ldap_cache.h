/* SPDX-License-Identifier: Apache-2.0
 *
 * SCRAM keys of users of a directory that has none: made when the directory
 * took a password, kept in the storage, good while the directory's stamp of
 * the password is the same.
 */
#ifndef STORAGE_LDAP_CACHE_H
#define STORAGE_LDAP_CACHE_H

#include "storage/storage.h"

struct ldap_cache;

/* The storage must outlive it. NULL when the system gives no thread. */
struct ldap_cache *ldap_cache_open(struct loop *loop, struct log *log,
				   struct storage *storage,
				   struct error *err);

/* Look-ups under way end CANCELLED. NULL inside is allowed. */
void ldap_cache_close(struct ldap_cache **cache);

/* Looks the keys up that were made under this stamp. The status is OK,
 * NOT_FOUND, UNAVAILABLE or CANCELLED. */
typedef void ldap_cache_cb(enum storage_status status,
			   const struct account *account, const char *reason,
			   void *ctx);
void ldap_cache_get(struct ldap_cache *cache, const char *user,
		    const char *stamp, ldap_cache_cb *done, void *ctx);

/* The directory took this password while it had the stamp: makes keys and
 * keeps them, if there are none of it. */
void ldap_cache_keep(struct ldap_cache *cache, const char *user,
		     const char *stamp, const char *password);

/* Forgets what is kept of a user. */
void ldap_cache_drop(struct storage *storage, const char *user);

#endif
