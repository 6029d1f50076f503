/* SPDX-License-Identifier: Apache-2.0
 *
 * What disco.c and disco_caps.c share.
 */
#ifndef SM_MODULES_DISCO_H
#define SM_MODULES_DISCO_H

#include "sm/modules.h"

/* The hash of a domain, as it was given out last. */
struct disco_hash {
	const struct sm_domain *domain;
	char *ver;
	struct disco_hash *next;
};

/* Adds identities, features and forms of the server to a query. */
void disco_server_info(struct sm *sm, struct sm_domain *domain,
		       struct element *query);

void disco_caps_stop(struct sm *sm);

#endif
