/* SPDX-License-Identifier: Apache-2.0
 *
 * Which of several servers to use. The first in order that is well, but a
 * server that has failed comes back only after it was well for a while, so that
 * one that comes and goes is not followed to and fro; and it is not asked
 * again at once, but after a pause that grows.
 *
 * Times are loop_now(); nothing here waits or connects.
 */
#ifndef STORAGE_LDAP_SERVERS_H
#define STORAGE_LDAP_SERVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ldap_server {
	const char *uri;
	unsigned failures;  /* since it was last well */
	uint64_t retry;	    /* not to be asked before */
	uint64_t well_since; /* with `well` */
	bool well;
};

struct ldap_servers {
	struct ldap_server *list;
	size_t count;
	size_t current;
	uint64_t return_after; /* ms */
};

#define LDAP_SERVER_NONE ((size_t)-1)

/* The URIs (NULL-terminated, at least one) must outlive this. */
void ldap_servers_init(struct ldap_servers *servers, char *const *uris,
		       uint64_t return_after);
void ldap_servers_free(struct ldap_servers *servers);

/* The server for a new connection, LDAP_SERVER_NONE while all of them pause. */
size_t ldap_servers_pick(struct ldap_servers *servers, uint64_t now);

/* A server could not be reached, or did not answer. `jitter` is a random
 * number of parts in a thousand by which its pause is longer. True when
 * another one is used from now on. */
bool ldap_servers_failed(struct ldap_servers *servers, size_t server,
			 uint64_t now, unsigned jitter);

/* A connection came about. True when another one is used from now on. */
bool ldap_servers_reached(struct ldap_servers *servers, size_t server,
			  uint64_t now);

/* A preferred server that should be looked at now, LDAP_SERVER_NONE: none. */
size_t ldap_servers_probe(const struct ldap_servers *servers, uint64_t now);

#endif
