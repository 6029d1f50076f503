/* SPDX-License-Identifier: Apache-2.0
 *
 * The hot path. Nothing is dropped on the way from role to role: who writes
 * to a link that is above its mark is not read until it is better, and a link
 * that stays there is closed, which its senders hear of and send again.
 */
#include "router/forward.h"

#include <string.h>

#include "router/admin.h"
#include "router/component.h"
#include "router/peer.h"
#include "router/policy.h"
#include "util/base/str.h"

static bool starts(const char *bytes, size_t len, const char *text)
{
	size_t text_len = strlen(text);

	return len > text_len && memcmp(bytes, text, text_len) == 0 &&
	       strchr(" \t\r\n/>", bytes[text_len]) != NULL;
}

bool forward_is_envelope(const char *bytes, size_t len)
{
	return starts(bytes, len, "<link:route") ||
	       starts(bytes, len, "<link:ack");
}

void forward_bytes(struct peer *sender, struct peer *target, const char *bytes,
		   size_t len)
{
	struct router_stats *stats = &target->router->stats;

	if (sender) {
		stats->envelopes[sender->kind]++;
		stats->bytes[sender->kind] += len;
	}
	target->received++;
	peer_write(target, bytes, len);
	if (sender && target->kind != LINK_COMPONENT &&
	    conn_above_high_water(target->conn))
		peer_block(sender, target);
}

/* Acknowledgements are not answered: the members say the same. */
static void answer_gone(struct peer *sender, const struct envelope *envelope)
{
	struct buf text = { 0 };

	if (!envelope->payload)
		return;
	sender->router->stats.gone++;
	buf_add_str(&text, "<link:gone");
	buf_add_attr(&text, "name", envelope->at);
	buf_add_attr(&text, "epoch", envelope->receiver_epoch);
	buf_add_str(&text, "/>");
	peer_write(sender, buf_data(&text), text.len);
	buf_free(&text);
}

static void refuse(struct peer *sender, const struct envelope *envelope)
{
	sender->router->stats.refused++;
	log_warning(sender->router->log, "envelope.refused",
		    LOG_S("from", sender->name),
		    LOG_S("kind", link_kind_name(sender->kind)),
		    LOG_S("at", envelope->at));
	answer_gone(sender, envelope);
}

/* Whether the envelope says the truth about its sender. */
static bool is_genuine(const struct peer *sender,
		       const struct envelope *envelope)
{
	return str_equal(envelope->from, sender->name) &&
	       (!envelope->epoch || str_equal(envelope->epoch, sender->epoch));
}

static void to_router(struct peer *sender, const struct envelope *envelope)
{
	if (sender->kind != LINK_ADMIN || !envelope->payload)
		refuse(sender, envelope);
	else
		admin_envelope(sender, envelope);
}

static void to_link(struct peer *sender, const struct envelope *envelope,
		    const char *bytes, size_t len)
{
	struct peer *target = peer_find(sender->router, envelope->at);

	if (!target ||
	    (envelope->receiver_epoch &&
	     !str_equal(envelope->receiver_epoch, target->epoch)))
		answer_gone(sender, envelope);
	else if (!policy_may_send(sender->kind, target->kind))
		refuse(sender, envelope);
	else if (envelope->trust &&
		 !policy_may_vouch(sender->kind, target->kind))
		peer_fail(sender, STREAM_INVALID_FROM,
			  "trust is for s2s to state");
	else if (target->kind != LINK_COMPONENT)
		forward_bytes(sender, target, bytes, len);
	else if (envelope->payload && !envelope->control)
		component_deliver(target, sender, envelope);
	else
		refuse(sender, envelope);
}

void forward_envelope(struct peer *sender, const char *bytes, size_t len)
{
	struct router *router = sender->router;
	struct envelope envelope;

	sender->sent++;
	if (envelope_read(&envelope, bytes, len, &router->space) < 0)
		peer_fail(sender, STREAM_BAD_FORMAT, "malformed envelope");
	else if (!is_genuine(sender, &envelope))
		peer_fail(sender, STREAM_INVALID_FROM,
			  "envelope under another name or epoch");
	else if (str_equal(envelope.at, router->env->instance))
		to_router(sender, &envelope);
	else
		to_link(sender, &envelope, bytes, len);
}
