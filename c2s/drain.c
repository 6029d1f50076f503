/* SPDX-License-Identifier: Apache-2.0
 *
 * No connection is taken any more. Those that are there are ended evenly over
 * `drain-grace`: thousands of clients that all come back in one second would be
 * a flood for the others. Clients with stream management (XEP-0198) resume their
 * sessions there.
 */
#include "c2s/drain.h"

#include "c2s/stream.h"
#include "util/base/str.h"

struct search {
	const char *own;
	bool found;
};

static void look(const char *name, const struct member *list, size_t count,
		 void *ctx)
{
	struct search *search = ctx;

	if (count == 1 && str_equal(list[0].name, name) &&
	    str_equal(list[0].kind, "c2s") && !str_equal(name, search->own))
		search->found = true;
}

static int may(void *role, struct error *err)
{
	struct c2s *c2s = role;
	struct search search = { .own = link_name(c2s->link) };

	members_each(link_members(c2s->link), look, &search);
	if (search.found)
		return 0;
	return error_set(err, "it is the only c2s: its clients would have "
			      "nowhere to go");
}

static void begin(void *role)
{
	struct c2s *c2s = role;

	c2s->drain_total = HASH_COUNT(c2s->streams);
	acceptor_close(c2s->acceptor);
}

/* What cannot be opened again is said in the log; the others are. */
static void end(void *role)
{
	struct c2s *c2s = role;
	struct error err;

	if (acceptor_listen(c2s->acceptor, &c2s->config->acceptor, &err) < 0)
		log_error(c2s->log, "listen.failed", LOG_S("reason", err.text));
}

/* Those that have been told already are on their way out. */
static uint64_t told(const struct c2s *c2s)
{
	return c2s->stats.states[STATE_CLOSING];
}

static void send_away(struct stream *s)
{
	const char *host = s->c2s->config->see_other_host;

	/* Only under TLS: a client must not be led astray (RFC 6120 section
	 * 4.9.3.19). */
	if (host && conn_is_secure(s->conn))
		stream_fail(s, STREAM_SEE_OTHER_HOST, host);
	else
		stream_fail(s, STREAM_SYSTEM_SHUTDOWN, NULL);
}

static void step(void *role)
{
	struct c2s *c2s = role;
	uint64_t grace = (uint64_t)c2s->config->drain_grace;
	uint64_t waited = loop_now(c2s->loop) - c2s->drain.began;
	uint64_t keep = waited < grace ?
				c2s->drain_total * (grace - waited) / grace : 0;
	struct stream *s, *next;

	HASH_ITER(hh, c2s->streams, s, next) {
		if (HASH_COUNT(c2s->streams) - told(c2s) <= keep)
			return;
		if (s->state != STATE_CLOSING)
			send_away(s);
	}
}

static size_t left(void *role)
{
	const struct c2s *c2s = role;
	struct link_stats stats;

	link_get_stats(c2s->link, &stats);
	return HASH_COUNT(c2s->streams) + stats.outstanding;
}

const struct drain_ops c2s_drain_ops = {
	.may = may,
	.begin = begin,
	.step = step,
	.end = end,
	.left = left,
};
