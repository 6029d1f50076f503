/* SPDX-License-Identifier: Apache-2.0
 *
 * The domains that this sm serves, with the storages and authentication
 * drivers behind them, as the configuration says; and their changes at a
 * reload.
 */
#ifndef SM_DOMAIN_H
#define SM_DOMAIN_H

#include "sm/sm.h"

/* An opened storage section; one store serves many domains. */
struct sm_storage {
	char *title;
	char *driver, *connection; /* what it was opened with */
	struct storage *storage;
	unsigned domains; /* that use it */
	UT_hash_handle hh; /* by title */
};

/* Opens what the configuration names, at the start and again at a reload;
 * -1 with err: nothing has changed. What other processes provide (a database)
 * need not be there. A domain that is gone loses its sessions; it stays in
 * sm->domains, stale, for what is still under way. A domain that is added
 * or gone is bound or unbound if there is a link. */
int domains_load(struct sm *sm, const struct config *config,
		 struct error *err);

/* At the end of the process: closes the drivers, which finishes what was
 * asked of them and calls back. */
void domains_close(struct sm *sm);
void domains_free(struct sm *sm);

/* NULL-terminated array of the names served; the caller frees the array. */
const char **domains_names(const struct sm *sm);

/* Whether the link is up and all domains are bound to us. */
bool domains_bound(const struct sm *sm);

/* Requests to the storages that have no answer yet. */
size_t domains_pending(const struct sm *sm);

/* Whether a user of this domain may be known to somebody else than the
 * storage: a directory, a program. */
bool domain_has_directory(const struct sm_domain *domain);

/* The first driver of the domain that can create and change accounts; NULL:
 * none. */
struct auth *domain_writable_auth(const struct sm_domain *domain);

#endif
