/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection to the router, from accept to its end: bytes in, bytes out,
 * who waits for whom. What the elements mean is in handshake.c, control.c,
 * forward.c and component.c.
 */
#ifndef ROUTER_PEER_H
#define ROUTER_PEER_H

#include "router/state.h"

/* Takes an accepted connection; `tls`: starts TLS on it first (NULL: none).
 * When too many have not proved who they are, the oldest of these goes. */
void peer_accept(struct router *router, struct conn *conn,
		 struct tls_context *tls);

/* The one place where the state changes. */
void peer_set_state(struct peer *peer, enum peer_state state);

/* Whether it has proved itself and holds its name. */
bool peer_is_link(const struct peer *peer);

/* Sends our stream header, once. */
void peer_greet(struct peer *peer);

/* Queues bytes for it; does nothing when it is closing. When it stays above
 * its mark for too long it is closed. */
void peer_write(struct peer *peer, const char *bytes, size_t len);

/* The one way out with a stream error (RFC 6120 section 4.9): writes it, gives
 * up all names, closes. `text` goes to the link and to the log. Returns at
 * once when it is closing already; the peer is freed later. */
void peer_fail(struct peer *peer, enum stream_error error, const char *text);

/* Does not read from `sender` until `target` has been read. */
void peer_block(struct peer *sender, struct peer *target);

/* Asks whether it lives; an answer must come within `ms`. */
void peer_ping(struct peer *peer);

/* It answered a ping. */
void peer_answered(struct peer *peer, const char *ping_id);

/* The silence timer of a role, from the time it is up. */
void peer_watch_silence(struct peer *peer);

/* Without a word and without callbacks: for the end of the router. */
void peer_drop(struct peer *peer);

/* The link of that name, NULL when there is none that is up. */
struct peer *peer_find(const struct router *router, const char *name);

/* How much the coming and going of the link matters: each command of an
 * operator is a link of its own. */
static inline enum log_level peer_log_level(const struct peer *peer)
{
	return peer->kind == LINK_ADMIN ? LOG_LEVEL_INFO : LOG_LEVEL_NOTICE;
}

#endif
