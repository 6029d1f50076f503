/* SPDX-License-Identifier: Apache-2.0
 *
 * The controls and responses of content synchronisation (RFC 4533 section 2),
 * read and written. What follows from them is up to storage/ldap_feed.c.
 */
#ifndef STORAGE_LDAP_SYNC_H
#define STORAGE_LDAP_SYNC_H

#include <ldap.h>

#include "storage/ldap_connection.h"
#include "util/base/buf.h"

#define SYNC_UUID 16 /* bytes */

/* The Sync Request Control for refreshAndPersist; LDAP_SUCCESS or why not.
 * To be freed with ldap_control_free(). */
int ldap_sync_control(const void *cookie, size_t len, LDAPControl **control);

/* What an entry came for (section 2.2). */
enum sync_state { SYNC_PRESENT, SYNC_ADD, SYNC_MODIFY, SYNC_DELETE };

/* -1: the entry has no such control, or a broken one. A new cookie, if there
 * is one, takes the place of what is in the buf. */
int ldap_sync_entry(const struct directory_entry *entry,
		    enum sync_state *state, unsigned char uuid[SYNC_UUID],
		    struct buf *cookie);

/* A Sync Info Message (section 2.5). */
enum sync_info { SYNC_COOKIE, SYNC_REFRESH_DELETE, SYNC_REFRESH_PRESENT,
		 SYNC_ID_SET };

struct ldap_sync_info {
	enum sync_info kind;
	bool done;    /* of the refresh */
	bool deletes; /* SYNC_ID_SET: they are gone, not present */
	BerVarray uuids; /* SYNC_ID_SET; to be freed with
			    ber_bvarray_free() */
};

/* -1: it is something else, or broken. */
int ldap_sync_info(const struct directory_entry *response,
		   struct ldap_sync_info *info, struct buf *cookie);

#endif
