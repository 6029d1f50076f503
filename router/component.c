/* SPDX-License-Identifier: Apache-2.0
 *
 * The only place where the router parses stanzas: components are not trusted
 * with more than their own domain, and know nothing of envelopes. A slow
 * component makes nobody wait; what it does not take goes back.
 */
#include "router/component.h"

#include "router/forward.h"
#include "router/peer.h"
#include "util/base/str.h"
#include "util/xmpp/jid.h"
#include "util/xmpp/ns.h"
#include "util/xmpp/stanza_error.h"

static bool is_stanza(const struct element *root)
{
	return element_is(root, "message", NS_CLIENT) ||
	       element_is(root, "presence", NS_CLIENT) ||
	       element_is(root, "iq", NS_CLIENT);
}

/* -- to components --------------------------------------------------------- */

/* False when its queue is full: nothing was written then. */
static bool write_stanza(struct peer *sender, struct peer *target,
			 const struct stanza *stanza)
{
	struct router *router = target->router;
	size_t limit = (size_t)router->options->queue_limit;

	/* In a tree the content namespace has one name for all streams, so
	 * this is right under jabber:component:accept, too. */
	buf_clear(&router->out, 65536);
	stanza_write(stanza, &router->out);
	if (conn_queued(target->conn) + router->out.len > limit)
		return false;
	forward_bytes(sender, target, buf_data(&router->out), router->out.len);
	return true;
}

/* -- errors ---------------------------------------------------------------- */

static void log_returned(struct router *router, const struct stanza *stanza,
			 const char *condition)
{
	log_info(router->log, "stanza.returned",
		 LOG_S("stanza", stanza->root->name),
		 LOG_S("from", element_attr(stanza->root, "from")),
		 LOG_S("to", element_attr(stanza->root, "to")),
		 LOG_S("condition", condition));
}

/* The answer to a stanza that cannot go on; NULL when it must not be
 * answered: then it is counted and logged, and that was all. */
static struct stanza *make_error(struct router *router,
				 const struct stanza *stanza,
				 enum stanza_error error, const char *text)
{
	if (!stanza_may_answer(stanza)) {
		router->stats.dropped++;
		log_returned(router, stanza, "dropped");
		return NULL;
	}
	router->stats.returned++;
	log_returned(router, stanza, stanza_error_condition(error));
	return stanza_error_new(stanza, error, text);
}

static void return_to_component(struct peer *peer, const struct stanza *stanza,
				enum stanza_error error, const char *text)
{
	struct stanza *answer = make_error(peer->router, stanza, error, text);

	if (answer)
		(void)write_stanza(NULL, peer, answer);
	stanza_free(&answer);
}

/* Puts a stanza that is `from` a component into an envelope for a role. */
static void write_envelope(struct peer *sender, struct peer *target,
			   const char *from, const struct stanza *stanza)
{
	struct router *router = target->router;
	struct buf payload = { 0 };
	struct envelope envelope = {
		.at = target->name,
		.from = from,
		.to = element_attr(stanza->root, "to"),
	};

	stanza_write(stanza, &payload);
	envelope.payload = buf_data(&payload);
	envelope.payload_len = payload.len;
	buf_clear(&router->out, 65536);
	envelope_write(&router->out, &envelope);
	forward_bytes(sender, target, buf_data(&router->out), router->out.len);
	buf_free(&payload);
}

void component_deliver(struct peer *target, struct peer *sender,
		       const struct envelope *envelope)
{
	struct router *router = target->router;
	struct stanza *stanza, *answer;
	struct error err = { .text = "not a stanza" };

	stanza = envelope_parse(envelope, router->parser, &err);
	if (!stanza || !is_stanza(stanza->root)) {
		router->stats.malformed++;
		log_warning(router->log, "envelope.malformed",
			    LOG_S("from", sender->name),
			    LOG_S("at", target->name),
			    LOG_S("reason", err.text));
	} else if (!write_stanza(sender, target, stanza)) {
		answer = make_error(router, stanza, STANZA_RESOURCE_CONSTRAINT,
				    "the component does not read");
		if (answer)
			write_envelope(NULL, sender, target->name, answer);
		stanza_free(&answer);
	}
	stanza_free(&stanza);
}

/* -- from components ------------------------------------------------------- */

static void route(struct peer *peer, struct stanza *stanza,
		  const struct jid *to)
{
	struct router *router = peer->router;
	const struct member *member =
		members_route(router->members, jid_full(to));
	struct peer *target = member ? peer_find(router, member->name) : NULL;

	if (!target)
		return_to_component(peer, stanza,
				    STANZA_REMOTE_SERVER_NOT_FOUND, NULL);
	else if (target->kind == LINK_C2S || target->kind == LINK_ADMIN)
		return_to_component(peer, stanza, STANZA_SERVICE_UNAVAILABLE,
				    NULL);
	else if (target->kind != LINK_COMPONENT)
		write_envelope(peer, target, peer->name, stanza);
	else if (!write_stanza(peer, target, stanza))
		return_to_component(peer, stanza, STANZA_RESOURCE_CONSTRAINT,
				    "the component does not read");
}

/* What is addressed to the router: answers to its pings, and nothing else. */
static void to_router(struct peer *peer, const struct stanza *stanza)
{
	const char *id = element_attr(stanza->root, "id");

	if (!element_is(stanza->root, "iq", NS_CLIENT) ||
	    stanza_may_answer(stanza))
		return_to_component(peer, stanza, STANZA_SERVICE_UNAVAILABLE,
				    NULL);
	else if (id)
		peer_answered(peer, id);
}

/* Judges `to`, `from` having been judged, and sends it on its way with
 * prepared addresses. */
static void send_on(struct peer *peer, struct stanza *stanza,
		    const struct jid *from)
{
	struct jid *to = jid_parse(element_attr(stanza->root, "to"));

	element_set_attr(stanza->root, "from", jid_full(from));
	if (!to) {
		return_to_component(peer, stanza, STANZA_JID_MALFORMED, NULL);
		return;
	}
	element_set_attr(stanza->root, "to", jid_full(to));
	if (str_equal(jid_full(to), peer->router->env->instance))
		to_router(peer, stanza);
	else
		route(peer, stanza, to);
	jid_free(&to);
}

static void judge(struct peer *peer, struct stanza *stanza)
{
	const struct element *root = stanza->root;
	struct jid *from;

	if (str_equal(root->ns, NS_LINK)) {
		peer_fail(peer, STREAM_NOT_AUTHORIZED,
			  "this namespace is for roles");
		return;
	}
	if (!is_stanza(root)) {
		peer_fail(peer, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
		return;
	}
	if (!element_attr(root, "from") || !element_attr(root, "to")) {
		peer_fail(peer, STREAM_IMPROPER_ADDRESSING, NULL);
		return;
	}
	from = jid_parse(element_attr(root, "from"));
	if (!from || !str_equal(jid_domain(from), peer->name))
		peer_fail(peer, STREAM_INVALID_FROM, NULL);
	else
		send_on(peer, stanza, from);
	jid_free(&from);
}

void component_element(struct peer *peer, const char *bytes, size_t len)
{
	struct stanza *stanza;
	struct error err;

	peer->sent++;
	stanza = stanza_parse(peer->router->parser, &peer->ns, bytes, len,
			      &err);
	if (!stanza)
		peer_fail(peer, stream_error_of_bytes(bytes, len), err.text);
	else
		judge(peer, stanza);
	stanza_free(&stanza);
}
