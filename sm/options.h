/* SPDX-License-Identifier: Apache-2.0
 *
 * Options of the sm section, and of the storage sections.
 */
#ifndef SM_OPTIONS_H
#define SM_OPTIONS_H

#include "storage/ldap_options.h"
#include "storage/pipe_options.h"
#include "util/role/role.h"

struct sm_options {
	struct common_options common;
	char *ticket_secret_file; /* shared by all sms */
	int64_t user_idle;	  /* ms in memory after the last use */
	int64_t offline_max;	  /* messages kept for a user */
	int64_t roster_max;	  /* items */
	int64_t resources_max;	  /* sessions of a user */
	int64_t resume_timeout;	  /* ms without a connection; 0: no resumption */
	int64_t unacked_max;	  /* stanzas that a client may leave... */
	int64_t unacked_size;	  /* ...and bytes, without acknowledging */
	int64_t document_max;	  /* bytes of a vCard, private element, item */
	int64_t auth_failures;	  /* of an account or address before it waits */
	int64_t auth_window;	  /* ms in which they count */
	int64_t auth_rounds;	  /* of one exchange */
	char *driver_dir;
};

struct storage_options {
	char *driver;	  /* "sqlite" */
	char *connection; /* the driver's own: a file name */
};

/* The storage section of domains that name none. */
#define STORAGE_DEFAULT "main"

/* What the tables cannot say, of all sm, domain, storage and ldap sections: 0,
 * or -1 with what is wrong. A file without sm sections is right. */
int sm_config_check(const struct config *config, struct error *err);

extern const struct section sm_section;
extern const struct section storage_section; /* titled; default "main" */

#endif
