/* SPDX-License-Identifier: Apache-2.0
 *
 * From an accepted connection to a link with a name: stream header,
 * handshake, and who gets a name that two want (docs/link.md 1 and 2).
 */
#ifndef ROUTER_HANDSHAKE_H
#define ROUTER_HANDSHAKE_H

#include "router/state.h"

/* Sets the limits and the time of those who have not proved themselves. */
void handshake_start(struct peer *peer);

void handshake_header(struct peer *peer, const char *bytes, size_t len);
void handshake_answer(struct peer *peer, const char *bytes, size_t len);

/* Gives a proved peer its name when it is free; asks the holder else. */
void handshake_claim(struct peer *peer);

/* A role introduced itself, or a component did its handshake. */
void handshake_up(struct peer *peer);

#endif
