/* SPDX-License-Identifier: Apache-2.0
 *
 * A table of the elements that a role may send to the router. They are rare,
 * so they are parsed; what is frequent is told by its first bytes.
 */
#include "router/control.h"

#include <string.h>

#include "router/forward.h"
#include "router/handshake.h"
#include "router/names.h"
#include "router/peer.h"
#include "router/policy.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/jid.h"
#include "util/xmpp/ns.h"

#define SOFTWARE_MAX 64

static bool is_epoch(const char *text)
{
	return text && strspn(text, "0123456789abcdef") == EPOCH_DIGITS &&
	       text[EPOCH_DIGITS] == '\0';
}

static void on_role(struct peer *peer, const struct element *element)
{
	const char *epoch = element_attr(element, "epoch");
	const char *version = element_attr(element, "version");
	char software[SOFTWARE_MAX];
	struct buf text = { 0 };
	uint64_t theirs, ours;

	if (peer->state != PEER_ROLE || !is_epoch(epoch)) {
		peer_fail(peer, STREAM_BAD_FORMAT,
			  "role comes once, with an epoch");
		return;
	}
	if (!version || str_to_u64(version, 1, UINT32_MAX, &theirs) < 0) {
		peer_fail(peer, STREAM_UNSUPPORTED_VERSION, NULL);
		return;
	}
	str_copy(peer->epoch, sizeof(peer->epoch), epoch);
	if (element_attr(element, "software")) {
		str_copy(software, sizeof(software),
			 element_attr(element, "software"));
		peer->software = mem_strdup(software);
	}
	buf_add_str(&text, "<link:welcome");
	buf_add_attr(&text, "router", peer->router->env->instance);
	ours = (uint64_t)peer->router->options->common.link_version;
	peer->version = (unsigned)(theirs < ours ? theirs : ours);
	buf_addf(&text, " version='%u'/>", peer->version);
	peer_write(peer, buf_data(&text), text.len);
	buf_free(&text);
	handshake_up(peer);
}

static void write_answer(struct peer *peer, const char *answer,
			 const char *name)
{
	struct buf text = { 0 };

	buf_addf(&text, "<link:%s", answer);
	buf_add_attr(&text, "name", name);
	buf_add_str(&text, "/>");
	peer_write(peer, buf_data(&text), text.len);
	buf_free(&text);
}

/* Names are compared byte for byte: only prepared ones are taken. */
static bool is_name(const char *text)
{
	char *prepared;
	bool same;

	if (!text || str_equal(text, "*"))
		return text != NULL;
	prepared = jid_prepare_domain(text);
	same = prepared && str_equal(prepared, text);
	mem_free(prepared);
	return same;
}

static bool may_bind(const struct peer *peer, const char *name)
{
	const struct policy *policy = policy_find(peer->router, peer->name);

	return str_equal(name, peer->name) ||
	       (policy && policy_may_bind(policy, name));
}

/* The link stays: one name that stands in the wrong list must not cost the
 * others. */
static void refuse(struct peer *peer, const char *name)
{
	if (names_refuse(peer, name)) {
		peer->router->stats.refused++;
		log_warning(peer->router->log, "name.refused",
			    LOG_S("name", name), LOG_S("link", peer->name),
			    LOG_S("reason", "no `names` of its link section "
					    "allows it"));
	}
	write_answer(peer, "refused", name);
}

static void give(struct peer *peer, const char *name)
{
	names_forget_refused(peer, name);
	names_add(peer, name);
	log_info(peer->router->log, "name.bound", LOG_S("name", name),
		 LOG_S("link", peer->name));
	write_answer(peer, "bound", name);
}

static void on_bind(struct peer *peer, const struct element *element)
{
	struct router *router = peer->router;
	const char *name = element_attr(element, "name");
	struct peer *owner = NULL;

	if (!is_name(name)) {
		peer_fail(peer, STREAM_BAD_FORMAT, "bind needs a name");
		return;
	}
	HASH_FIND_STR(router->links, name, owner);
	if (peer->name_count + peer->refused_count >=
	    (size_t)router->options->max_names)
		peer_fail(peer, STREAM_POLICY_VIOLATION, "too many names");
	else if (!may_bind(peer, name))
		refuse(peer, name);
	else if (owner && owner != peer)
		peer_fail(peer, STREAM_CONFLICT,
			  "this name is another link's own");
	else
		give(peer, name);
}

static void on_unbind(struct peer *peer, const struct element *element)
{
	const char *name = element_attr(element, "name");

	if (!name || str_equal(name, peer->name)) {
		peer_fail(peer, STREAM_BAD_FORMAT,
			  "unbind needs a name that was bound");
		return;
	}
	names_forget_refused(peer, name);
	names_remove(peer, name);
	log_info(peer->router->log, "name.unbound", LOG_S("name", name),
		 LOG_S("link", peer->name));
}

void control_rights_changed(struct peer *peer)
{
	struct peer *owner;
	size_t refused = peer->refused_count;
	const char *name;
	char *copy;

	/* Backwards, because both lists close up behind what leaves them; and
	 * only over what was refused before, not in this call. */
	for (size_t i = refused; i-- > 0;) {
		HASH_FIND_STR(peer->router->links, peer->refused[i], owner);
		if (owner || !may_bind(peer, peer->refused[i]))
			continue;
		copy = mem_strdup(peer->refused[i]);
		give(peer, copy);
		mem_free(copy);
	}
	for (size_t i = peer->name_count; i-- > 1;) {
		name = names_get(peer, i);
		if (may_bind(peer, name))
			continue;
		copy = mem_strdup(name);
		names_remove(peer, copy);
		refuse(peer, copy);
		mem_free(copy);
	}
}

static void on_watch(struct peer *peer, const struct element *element)
{
	(void)element;
	names_watch(peer);
}

static void on_ping(struct peer *peer, const struct element *element)
{
	struct buf text = { 0 };

	buf_add_str(&text, "<link:pong");
	buf_add_attr(&text, "id", element_attr(element, "id"));
	buf_add_str(&text, "/>");
	peer_write(peer, buf_data(&text), text.len);
	buf_free(&text);
}

static void on_pong(struct peer *peer, const struct element *element)
{
	peer_answered(peer, element_attr(element, "id"));
}

static const struct control {
	const char *name;
	bool before_role; /* also allowed before <link:role/> */
	void (*run)(struct peer *peer, const struct element *element);
} controls[] = {
	{ "role", true, on_role },
	{ "ping", true, on_ping },
	{ "pong", true, on_pong },
	{ "bind", false, on_bind },
	{ "unbind", false, on_unbind },
	{ "watch", false, on_watch },
};

static void dispatch(struct peer *peer, const struct element *root)
{
	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++) {
		if (!element_is(root, controls[i].name, NS_LINK))
			continue;
		if (peer->state == PEER_UP || controls[i].before_role)
			controls[i].run(peer, root);
		else
			peer_fail(peer, STREAM_NOT_AUTHORIZED,
				  "role comes first");
		return;
	}
	peer_fail(peer, STREAM_UNSUPPORTED_STANZA_TYPE,
		  "no element of the link protocol");
}

void control_element(struct peer *peer, const char *bytes, size_t len)
{
	struct stanza *stanza;
	struct error err;

	if (peer->state == PEER_UP && forward_is_envelope(bytes, len)) {
		forward_envelope(peer, bytes, len);
		return;
	}
	stanza = stanza_parse(peer->router->parser, &peer->ns, bytes, len,
			      &err);
	if (!stanza) {
		peer_fail(peer, stream_error_of_bytes(bytes, len), err.text);
		return;
	}
	dispatch(peer, stanza->root);
	stanza_free(&stanza);
}
