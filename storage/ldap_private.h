/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of the driver "ldap", for its own files.
 */
#ifndef STORAGE_LDAP_PRIVATE_H
#define STORAGE_LDAP_PRIVATE_H

#include "storage/auth_driver.h"
#include "storage/ldap_cache.h"
#include "storage/ldap_directory.h"
#include "util/base/buf.h"

struct auth_ldap {
	struct loop *loop;
	struct log *log;
	char *domain;
	const struct ldap_options *options;
	struct directory *directory;
	struct ldap_cache *cache;   /* NULL: no keys are kept */
	const char **attributes;    /* that are asked for of a person */
	struct ldap_listing *listing; /* storage/ldap_list.c; NULL: none */
	bool closing;
};

/* Ends a request as an answer that is no success says. */
void ldap_request_failed(struct auth_request *request,
			 const struct directory_answer *answer);

/* auth_list: all people, page by page. */
void ldap_list(void *ctx, struct auth_request *request);

/* Appends the filter of all who may log in, but for groups. */
void ldap_filter_everybody(struct buf *filter,
			   const struct ldap_options *options,
			   const char *domain);

/* After the directory was closed. */
void ldap_list_free(struct auth_ldap *auth);

#endif
