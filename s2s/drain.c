/* SPDX-License-Identifier: Apache-2.0
 *
 * The default route is given back, so nothing new comes to be sent; what waits
 * is sent still. Then the streams end in order (RFC 6120 section 4.4): what a
 * peer has on its way is taken until it ends its side.
 */
#include "s2s/drain.h"

#include "s2s/management.h"
#include "s2s/remote.h"
#include "s2s/stream.h"
#include "util/base/str.h"

#define DEFAULT_ROUTE "*"

static bool is_bound(const struct s2s *s2s, size_t *others)
{
	size_t count;
	const struct member *list = members_get(link_members(s2s->link),
						DEFAULT_ROUTE, &count);
	bool found = false;

	for (size_t i = 0; i < count; i++)
		found |= str_equal(list[i].name, link_name(s2s->link));
	*others = count - found;
	return found;
}

static int may(void *role, struct error *err)
{
	struct s2s *s2s = role;
	size_t others;

	is_bound(s2s, &others);
	if (others > 0)
		return 0;
	return error_set(err, "it is the only s2s: nothing would get to other "
			      "servers");
}

static void begin(void *role)
{
	struct s2s *s2s = role;

	link_unbind(s2s->link, DEFAULT_ROUTE);
	acceptor_close(s2s->acceptor);
}

static void end(void *role)
{
	struct s2s *s2s = role;
	struct error err;

	link_bind(s2s->link, DEFAULT_ROUTE);
	if (acceptor_listen(s2s->acceptor, &s2s->config->acceptor, &err) < 0)
		log_error(s2s->log, "listen.failed", LOG_S("reason", err.text));
}

/* Whether something waits to go over this stream. */
static bool is_needed(const struct s2s_stream *s)
{
	const struct s2s_remote *remote;

	DL_FOREACH2(s->users, remote, next_user) {
		if (remote->queue.first || remote->verifies)
			return true;
	}
	return s->state != S2S_READY || s2s_management_unacked(s) > 0;
}

static void step(void *role)
{
	struct s2s *s2s = role;
	struct s2s_stream *s, *next;
	size_t others;

	/* Not before the others send elsewhere: a stream that is closed with
	 * work to do would only be opened again. */
	if (is_bound(s2s, &others))
		return;
	HASH_ITER(hh, s2s->streams, s, next) {
		if (!is_needed(s))
			s2s_stream_close(s, "drained");
	}
}

static size_t left(void *role)
{
	const struct s2s *s2s = role;
	struct link_stats stats;
	size_t others;

	link_get_stats(s2s->link, &stats);
	return HASH_COUNT(s2s->streams) + s2s->stats.queued +
	       stats.outstanding + is_bound(s2s, &others);
}

const struct drain_ops s2s_drain_ops = {
	.may = may,
	.begin = begin,
	.step = step,
	.end = end,
	.left = left,
};
