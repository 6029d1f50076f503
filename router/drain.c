/* SPDX-License-Identifier: Apache-2.0
 *
 * A router knows of no other ones, so whether there are any is chappectl's
 * question. Links are ended, and only operators are let in; what a role had
 * sent and was not acknowledged goes again over another router, in order
 * (docs/link.md section 5).
 */
#include "router/drain.h"

#include "router/peer.h"

static int may(void *role, struct error *err)
{
	(void)role;
	(void)err;
	return 0;
}

static void step(void *role)
{
	struct router *router = role;
	struct peer *peer, *next;

	DL_FOREACH_SAFE(router->peers, peer, next) {
		if (peer_is_link(peer) && peer->kind != LINK_ADMIN)
			peer_fail(peer, STREAM_SYSTEM_SHUTDOWN,
				  "this router is drained");
	}
}

/* They come back by themselves. */
static void end(void *role)
{
	(void)role;
}

static size_t left(void *role)
{
	const struct router *router = role;
	const struct peer *peer, *next;
	size_t count = 0;

	HASH_ITER(hh, router->links, peer, next)
		count += peer->kind != LINK_ADMIN;
	return count;
}

const struct drain_ops router_drain_ops = {
	.may = may,
	.begin = step,
	.step = step,
	.end = end,
	.left = left,
};
