/* SPDX-License-Identifier: Apache-2.0
 *
 * What disco.c and disco_caps.c share.
 */
#ifndef SM_MODULES_DISCO_H
#define SM_MODULES_DISCO_H

#include "sm/modules.h"
#include "util/base/crypto.h"

/* The hash of a domain, as it was given out last. */
struct disco_hash {
	const struct sm_domain *domain;
	char *ver;
	struct disco_hash *next;
};

/* Adds identities, features and forms of the server to a query. */
void disco_server_info(struct sm *sm, struct sm_domain *domain,
		       struct element *query);

/* The verification string over a disco#info query (XEP-0115 section 5), on the
 * heap; NULL: it says something twice. */
char *disco_caps_hash(const struct element *query, enum digest digest);

void disco_caps_stop(struct sm *sm);

#endif
