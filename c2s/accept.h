/* SPDX-License-Identifier: Apache-2.0
 *
 * Accepting connections, and the limits on their number.
 */
#ifndef C2S_ACCEPT_H
#define C2S_ACCEPT_H

#include "c2s/c2s.h"

/* Connections from one address (or IPv6 /64); gone when there are none. */
struct network {
	uint64_t connections;
	UT_hash_handle hh;
	char address[];
};

/* Opens and closes listeners until they are those of `config`. On failure
 * they are those of c2s->config (NULL: none). */
int accept_listen(struct c2s *c2s, const struct c2s_config *config,
		  struct error *err);
void accept_close(struct c2s *c2s);

/* A connection of this network has ended. */
void network_release(struct c2s *c2s, struct network *network);

/* For each listener: its address, the port that is really used. */
void accept_each(struct c2s *c2s,
		 void (*each)(const char *address, bool direct, unsigned port,
			      void *ctx),
		 void *ctx);

#endif
