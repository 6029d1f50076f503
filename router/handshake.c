/* SPDX-License-Identifier: Apache-2.0
 *
 * XEP-0114 section 3, and admission. Nothing is said about a name before the
 * answer to the handshake was sent.
 */
#include "router/handshake.h"

#include <string.h>

#include "router/names.h"
#include "router/peer.h"
#include "router/policy.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/jid.h"
#include "util/xmpp/ns.h"

static const struct frame_limits strangers = {
	.bytes = 4096,
	.depth = 2,
	.attributes = 16,
	.name = 64,
};

/* What clients may do is limited in c2s; here it only has to end somewhere. */
static const struct frame_limits roles = {
	.depth = 512,
	.attributes = 512,
	.name = 4096,
};

static const struct frame_limits components = {
	.depth = 100,
	.attributes = 100,
	.name = 1024,
};

static void on_timeout(struct timer *timer)
{
	struct peer *peer = container_of(timer, struct peer, timer);

	peer_fail(peer, STREAM_CONNECTION_TIMEOUT, "no handshake in time");
}

void handshake_start(struct peer *peer)
{
	peer->limits = strangers;
	frame_init(&peer->frame, &peer->limits);
	timer_start(&peer->timer, peer->router->loop,
		    (uint64_t)peer->router->options->handshake_timeout,
		    on_timeout);
}

/* -- the stream header ----------------------------------------------------- */

static bool declares_link(const struct stream_ns *ns)
{
	for (size_t i = 0; i < ns->count; i++) {
		if (str_equal(ns->prefixes[i].prefix, "link"))
			return str_equal(ns->prefixes[i].uri, NS_LINK);
	}
	return false;
}

void handshake_header(struct peer *peer, const char *bytes, size_t len)
{
	static const char start[] = "<stream:stream";
	struct stanza *header;
	struct error err;
	const char *to;

	header = stanza_parse_header(peer->router->parser, bytes, len,
				     &peer->ns, &err);
	if (!header) {
		peer_fail(peer, stream_error_of_bytes(bytes, len), err.text);
		return;
	}
	to = element_attr(header->root, "to");
	peer->asked = mem_strdup(to);
	peer->name = to ? jid_prepare_domain(to) : NULL;
	peer->has_prefix = declares_link(&peer->ns);
	if (!element_is(header->root, "stream", NS_STREAM) ||
	    !str_equal(peer->ns.content, NS_COMPONENT)) {
		peer_fail(peer, STREAM_INVALID_NAMESPACE, NULL);
	} else if (memcmp(bytes, start, sizeof(start) - 1) != 0) {
		/* The end tag is known by its prefix. */
		peer_fail(peer, STREAM_BAD_NAMESPACE_PREFIX, NULL);
	} else {
		peer_greet(peer);
		peer_set_state(peer, PEER_HANDSHAKE);
	}
	stanza_free(&header);
}

/* -- the proof ------------------------------------------------------------- */

struct name_search {
	const char *name;
	bool found;
};

static void compare_name(const char *name, void *ctx)
{
	struct name_search *search = ctx;

	if (str_equal_nocase(name, search->name))
		search->found = true;
}

/* Whether it showed a certificate that names it. */
static bool has_certificate(const struct peer *peer)
{
	struct name_search search = { .name = peer->name };

	if (!conn_is_secure(peer->conn) || !conn_peer_verified(peer->conn))
		return false;
	conn_peer_names(peer->conn, compare_name, &search);
	return search.found;
}

static bool is_proved(const struct peer *peer, const struct policy *policy,
		      const char *digest)
{
	bool by_certificate = has_certificate(peer);
	bool by_secret = policy_check_digest(policy, peer->id, digest);

	if (!policy->section->certificate)
		return by_certificate || by_secret;
	return by_certificate && (by_secret || !policy->secret);
}

/* Which section the name falls under. A role's name is compared byte for byte
 * by all, so it must be in its prepared form from the start. */
static const struct policy *find_policy(const struct peer *peer)
{
	const struct policy *policy;

	policy = peer->name ? policy_find(peer->router, peer->name) : NULL;
	if (policy && policy->section->kind != LINK_COMPONENT &&
	    !str_equal(peer->asked, peer->name))
		return NULL;
	return policy;
}

void handshake_answer(struct peer *peer, const char *bytes, size_t len)
{
	const struct policy *policy = find_policy(peer);
	struct stanza *answer;
	struct error err;

	answer = stanza_parse(peer->router->parser, &peer->ns, bytes, len,
			      &err);
	if (!answer) {
		peer_fail(peer, stream_error_of_bytes(bytes, len), err.text);
	} else if (!element_is(answer->root, "handshake", NS_CLIENT)) {
		peer_fail(peer, STREAM_NOT_AUTHORIZED,
			  "a handshake was expected");
	} else if (!policy ||
		   !is_proved(peer, policy, element_text(answer->root))) {
		/* One answer for both: names cannot be probed. */
		log_notice(peer->router->log, "link.unproved",
			   LOG_S("name", peer->asked),
			   LOG_S("reason", policy ? "wrong handshake"
						  : "no such link section"));
		peer_fail(peer, STREAM_NOT_AUTHORIZED, NULL);
	} else if (policy->section->kind != LINK_COMPONENT &&
		   !peer->has_prefix) {
		peer_fail(peer, STREAM_BAD_NAMESPACE_PREFIX,
			  "a role declares the prefix link");
	} else {
		peer->kind = (enum link_kind)policy->section->kind;
		timer_stop(&peer->timer);
		peer_set_state(peer, PEER_CONTENDER);
		handshake_claim(peer);
	}
	stanza_free(&answer);
}

/* -- the name -------------------------------------------------------------- */

static void on_holder_silent(struct timer *timer)
{
	struct peer *peer = container_of(timer, struct peer, timer);

	/* This leads to handshake_claim(peer). */
	peer_fail(peer->incumbent, STREAM_CONFLICT,
		  "replaced by a new link of this name");
}

static void contend(struct peer *peer, struct peer *holder)
{
	/* One at a time; and who is not read cannot answer. */
	if (holder->contender || holder->blocked_on) {
		peer_fail(peer, STREAM_CONFLICT,
			  "another link has this name");
		return;
	}
	peer->incumbent = holder;
	holder->contender = peer;
	peer_ping(holder);
	timer_start(&peer->timer, peer->router->loop,
		    (uint64_t)peer->router->options->ping_timeout,
		    on_holder_silent);
}

static void set_limits(struct peer *peer, const struct policy *policy)
{
	const struct router_options *options = peer->router->options;
	int64_t rate = policy->section->rate;
	int64_t bytes = policy->section->max_stanza;

	peer->limits = components;
	if (peer->kind != LINK_COMPONENT) {
		peer->limits = roles;
		bytes = options->max_envelope;
	}
	peer->limits.bytes = (size_t)bytes;
	conn_set_rate(peer->conn, (uint64_t)rate,
		      (uint64_t)(rate > bytes ? rate : bytes));
	conn_set_high_water(peer->conn, (size_t)options->queue_mark);
	conn_set_write_timeout(peer->conn, (uint64_t)options->slow_timeout);
}

static void admit(struct peer *peer, const struct policy *policy)
{
	struct router *router = peer->router;

	HASH_ADD_KEYPTR(hh, router->links, peer->name, strlen(peer->name),
			peer);
	peer_set_state(peer, PEER_ROLE);
	set_limits(peer, policy);
	peer_write(peer, "<handshake/>", strlen("<handshake/>"));
	if (peer->kind == LINK_COMPONENT)
		handshake_up(peer);
	else
		timer_start(&peer->timer, router->loop,
			    (uint64_t)router->options->handshake_timeout,
			    on_timeout);
}

void handshake_claim(struct peer *peer)
{
	struct router *router = peer->router;
	/* Again: a reload may have come while the holder was asked. */
	const struct policy *policy = find_policy(peer);
	struct peer *holder;

	timer_stop(&peer->timer);
	HASH_FIND_STR(router->links, peer->name, holder);
	if (!policy || (int)peer->kind != policy->section->kind)
		peer_fail(peer, STREAM_NOT_AUTHORIZED, NULL);
	else if (router->stopping)
		peer_fail(peer, STREAM_SYSTEM_SHUTDOWN, NULL);
	else if (drain_is_on(&router->drain) && peer->kind != LINK_ADMIN)
		peer_fail(peer, STREAM_SYSTEM_SHUTDOWN,
			  "this router is drained");
	else if (holder)
		contend(peer, holder);
	else if (names_served(router, peer->name) ||
		 str_equal(peer->name, router->env->instance))
		peer_fail(peer, STREAM_CONFLICT,
			  "this name is bound by another link");
	else
		admit(peer, policy);
}

void handshake_up(struct peer *peer)
{
	struct router *router = peer->router;

	peer_set_state(peer, PEER_UP);
	peer->up_at = loop_now(router->loop);
	timer_stop(&peer->timer);
	if (peer->kind != LINK_COMPONENT)
		peer_watch_silence(peer);
	log_at(router->log, peer_log_level(peer), "link.up",
	       LOG_S("name", peer->name),
	       LOG_S("kind", link_kind_name(peer->kind)),
	       LOG_S("address", peer->address),
	       LOG_S("epoch", peer->epoch[0] ? peer->epoch : NULL),
	       LOG_S("software", peer->software));
	names_add(peer, peer->name);
}
