/* SPDX-License-Identifier: Apache-2.0
 *
 * Follows the processes of c2s. A link that is down for a moment (a router was
 * restarted) must not look like the end of thousands of sessions, so a
 * process that is missed has some time to come back; a new epoch is an end.
 */
#include "sm/peer.h"

#include <string.h>

#include "sm/session.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* Milliseconds that a c2s has to come back: a reconnect with back-off. */
#define AWAY_MAX 5000

static void peer_gone(struct timer *timer)
{
	struct peer *peer = container_of(timer, struct peer, gone);
	struct sm *sm = peer->sm;
	struct peer *held = peer;

	/* Without a router it cannot be told from one that is there. */
	if (sm->link == NULL || !link_connected(sm->link)) {
		timer_start(&peer->gone, sm->loop, AWAY_MAX, peer_gone);
		return;
	}
	log_notice(sm->log, "c2s.gone", LOG_S("c2s", peer->name),
		   LOG_N("uses", peer->uses));
	/* It must not go while its sessions end one after the other. */
	peer->uses++;
	session_c2s_gone(sm, peer);
	peer_release(&held);
}

struct peer *peer_use(struct sm *sm, const char *name, const char *epoch)
{
	struct peer *peer;

	if (epoch == NULL)
		epoch = "";
	DL_FOREACH(sm->peers, peer) {
		if (str_equal(peer->name, name) &&
		    str_equal(peer->epoch, epoch))
			break;
	}
	if (peer == NULL) {
		peer = mem_new(struct peer);
		peer->sm = sm;
		peer->name = mem_strdup(name);
		peer->epoch = mem_strdup(epoch);
		DL_APPEND(sm->peers, peer);
	}
	peer->uses++;
	return peer;
}

const char *peer_epoch(const struct peer *peer)
{
	return peer != NULL && *peer->epoch != '\0' ? peer->epoch : NULL;
}

void peer_release(struct peer **peer)
{
	struct peer *held = *peer;

	*peer = NULL;
	if (held == NULL || --held->uses > 0)
		return;
	DL_DELETE(held->sm->peers, held);
	timer_stop(&held->gone);
	mem_free(held->name);
	mem_free(held->epoch);
	mem_free(held);
}

void peer_missed(struct peer *peer)
{
	if (peer->away)
		return;
	peer->away = true;
	timer_start(&peer->gone, peer->sm->loop, AWAY_MAX, peer_gone);
}

void peer_expire(struct peer *peer)
{
	peer->away = true;
	timer_start(&peer->gone, peer->sm->loop, 0, peer_gone);
}

static void peer_back(struct peer *peer)
{
	struct sm *sm = peer->sm;
	struct session *session, *next;

	if (!peer->away)
		return;
	peer->away = false;
	timer_stop(&peer->gone);
	HASH_ITER(hh, sm->sessions, session, next) {
		if (session->peer == peer)
			session_flush_held(session);
	}
}

static void peer_update(struct peer *peer)
{
	size_t count = 0;
	const struct member *members = members_get(
		link_members(peer->sm->link), peer->name, &count);

	if (count == 0) {
		peer_missed(peer);
	} else if (*peer->epoch == '\0' ||
		   str_equal(members[0].epoch, peer->epoch)) {
		peer_back(peer);
	} else {
		/* Not at once: what the link could not deliver to it is told
		 * to us in this same turn, and comes first. */
		peer_expire(peer);
	}
}

void peers_update(struct sm *sm, const char *name)
{
	struct peer *peer, *next;

	if (sm->link == NULL || !link_connected(sm->link))
		return;
	DL_FOREACH_SAFE(sm->peers, peer, next) {
		if (name == NULL || str_equal(peer->name, name))
			peer_update(peer);
	}
}
