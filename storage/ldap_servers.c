/* SPDX-License-Identifier: Apache-2.0
 *
 * The health of servers, as arithmetic on times.
 */
#include "storage/ldap_servers.h"

#include "util/base/mem.h"

#define PAUSE_FIRST 500	 /* ms */
#define PAUSE_LAST 30000 /* ms */
#define PROBE_LEAST 100	 /* ms */

void ldap_servers_init(struct ldap_servers *servers, char *const *uris,
		       uint64_t return_after)
{
	*servers = (struct ldap_servers){ .return_after = return_after };
	while (uris[servers->count] != NULL)
		servers->count++;
	servers->list = mem_calloc(servers->count, sizeof(*servers->list));
	for (size_t i = 0; i < servers->count; i++)
		servers->list[i].uri = uris[i];
}

void ldap_servers_free(struct ldap_servers *servers)
{
	mem_free(servers->list);
	servers->list = NULL;
}

/* A server that has failed is not chosen over others before it was well for
 * long enough, but it is better than none. */
static size_t best(const struct ldap_servers *servers, uint64_t now)
{
	size_t fallback = LDAP_SERVER_NONE;

	for (size_t i = 0; i < servers->count; i++) {
		const struct ldap_server *server = &servers->list[i];

		if (now < server->retry && !server->well)
			continue;
		if (server->failures == 0)
			return i;
		if (fallback == LDAP_SERVER_NONE)
			fallback = i;
	}
	return fallback;
}

size_t ldap_servers_pick(struct ldap_servers *servers, uint64_t now)
{
	const struct ldap_server *current = &servers->list[servers->current];
	size_t next;

	if (current->well || now >= current->retry)
		return servers->current;
	next = best(servers, now);
	if (next != LDAP_SERVER_NONE)
		servers->current = next;
	return next;
}

bool ldap_servers_failed(struct ldap_servers *servers, size_t server,
			 uint64_t now, unsigned jitter)
{
	struct ldap_server *failed = &servers->list[server];
	uint64_t pause = PAUSE_LAST;
	size_t next;

	failed->well = false;
	if (failed->failures < 6)
		pause = PAUSE_FIRST << failed->failures;
	failed->failures++;
	failed->retry = now + pause + pause * jitter / 1000;
	if (server != servers->current)
		return false;
	next = best(servers, now);
	if (next == LDAP_SERVER_NONE)
		return false;
	servers->current = next;
	return next != server;
}

bool ldap_servers_reached(struct ldap_servers *servers, size_t server,
			  uint64_t now)
{
	struct ldap_server *reached = &servers->list[server];
	uint64_t probe = servers->return_after / 4;

	if (!reached->well) {
		reached->well = true;
		reached->well_since = now;
	}
	reached->retry = now + (probe > PROBE_LEAST ? probe : PROBE_LEAST);
	/* The one in use has nothing to prove; others get their name back
	 * with time. */
	if (server == servers->current ||
	    now - reached->well_since >= servers->return_after)
		reached->failures = 0;
	if (server >= servers->current || reached->failures > 0)
		return false;
	servers->current = server;
	return true;
}

size_t ldap_servers_probe(const struct ldap_servers *servers, uint64_t now)
{
	for (size_t i = 0; i < servers->current; i++) {
		if (now >= servers->list[i].retry)
			return i;
	}
	return LDAP_SERVER_NONE;
}
