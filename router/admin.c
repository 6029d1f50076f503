/* SPDX-License-Identifier: Apache-2.0
 *
 * The router's commands. Answers are envelopes from the router's name; the
 * router has no link to itself, so it writes them here.
 */
#include "router/admin.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "router/forward.h"
#include "router/names.h"
#include "router/peer.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/role/status.h"
#include "util/xmpp/ns.h"

struct call {
	struct router *router;
	struct peer *peer; /* who asked */
	const char *id;
	const struct element *command;
};

/* -- answering ------------------------------------------------------------- */

static void send_payload(struct call *call, struct buf *payload)
{
	struct envelope envelope = {
		.at = call->peer->name,
		.from = call->router->env->instance,
		.control = true,
		.payload = buf_data(payload),
		.payload_len = payload->len,
	};
	struct buf text = { 0 };

	envelope_write(&text, &envelope);
	forward_bytes(NULL, call->peer, buf_data(&text), text.len);
	buf_free(&text);
	buf_free(payload);
}

/* Pairs of name and value, ended by NULL; a NULL value is left out. */
static void __attribute__((sentinel)) answer_row(struct call *call, ...)
{
	struct buf payload = { 0 };
	const char *name, *value;
	va_list pairs;

	buf_add_str(&payload, "<link:row");
	buf_add_attr(&payload, "id", call->id);
	buf_add_char(&payload, '>');
	va_start(pairs, call);
	while ((name = va_arg(pairs, const char *))) {
		value = va_arg(pairs, const char *);
		if (!value)
			continue;
		buf_add_str(&payload, "<link:field");
		buf_add_attr(&payload, "name", name);
		buf_add_char(&payload, '>');
		buf_add_xml_text(&payload, value, strlen(value));
		buf_add_str(&payload, "</link:field>");
	}
	va_end(pairs);
	buf_add_str(&payload, "</link:row>");
	send_payload(call, &payload);
}

static void answer_result(struct call *call, const char *status,
			  const char *text)
{
	struct buf payload = { 0 };

	buf_add_str(&payload, "<link:result");
	buf_add_attr(&payload, "id", call->id);
	buf_add_attr(&payload, "status", status);
	buf_add_attr(&payload, "text", text);
	buf_add_str(&payload, "/>");
	send_payload(call, &payload);
}

static const char *argument(const struct call *call, const char *name)
{
	struct element *at = element_child(call->command, "argument", NS_LINK);

	for (; at; at = element_next_same(at)) {
		if (str_equal(element_attr(at, "name"), name))
			return element_text(at);
	}
	return NULL;
}

/* -- commands -------------------------------------------------------------- */

struct number {
	char text[24];
};

static const char *number(struct number *to, uint64_t value)
{
	snprintf(to->text, sizeof(to->text), "%" PRIu64, value);
	return to->text;
}

static void status_row(struct call *call, const struct peer *peer)
{
	struct number queue, in, out, uptime;
	struct buf names = { 0 };

	names_list(peer, &names);
	answer_row(call, "name", peer->name,
		   "kind", link_kind_name(peer->kind),
		   "address", peer->address, "names", buf_data(&names),
		   "queue", number(&queue, conn_queued(peer->conn)),
		   "in", number(&in, peer->sent),
		   "out", number(&out, peer->received),
		   "uptime", number(&uptime, (loop_now(call->router->loop) -
					      peer->up_at) / 1000),
		   "software", peer->software, NULL);
	buf_free(&names);
}

static void run_status(struct call *call)
{
	struct peer *peer, *next;

	HASH_ITER(hh, call->router->links, peer, next) {
		if (peer->state == PEER_UP)
			status_row(call, peer);
	}
	answer_result(call, "ok", NULL);
}

static void name_row(const char *name, const struct member *list, size_t count,
		     void *ctx)
{
	struct buf members = { 0 };

	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_add_char(&members, ' ');
		buf_add_str(&members, list[i].name);
	}
	answer_row(ctx, "name", name, "members", buf_data(&members), NULL);
	buf_free(&members);
}

static void run_names(struct call *call)
{
	members_each(call->router->members, name_row, call);
	answer_result(call, "ok", NULL);
}

static void run_kick(struct call *call)
{
	const char *name = argument(call, "name");
	struct peer *peer = NULL;

	if (!name) {
		answer_result(call, "invalid", "argument name is missing");
		return;
	}
	HASH_FIND_STR(call->router->links, name, peer);
	if (!peer) {
		answer_result(call, "not-found", "no link has this name");
		return;
	}
	/* First the answer: it may be the asking link itself. */
	answer_result(call, "ok", NULL);
	peer_fail(peer, STREAM_RESET, "closed by an operator");
}

static void run_reload(struct call *call)
{
	struct role_env *env = call->router->env;
	struct error err;

	if (env->request_reload(env, &err) < 0)
		answer_result(call, "failed", err.text);
	else
		answer_result(call, "ok", NULL);
}

static void run_stop(struct call *call)
{
	struct role_env *env = call->router->env;

	answer_result(call, "ok", NULL);
	env->request_stop(env);
}

/* A command that is answered later, when its link may be gone. */
struct later {
	struct router *router;
	char *id;
	char peer[];
};

static void restart_answer(void *ctx, const struct error *refused)
{
	struct later *later = ctx;
	struct call call = { .router = later->router, .id = later->id };

	call.peer = peer_find(later->router, later->peer);
	if (call.peer)
		answer_result(&call, refused ? "failed" : "ok",
			      refused ? refused->text : NULL);
	mem_free(later->id);
	mem_free(later);
}

static void run_restart(struct call *call)
{
	struct role_env *env = call->router->env;
	size_t size = strlen(call->peer->name) + 1;
	struct later *later = mem_alloc(sizeof(*later) + size);
	struct error err;

	later->router = call->router;
	later->id = mem_strdup(call->id);
	memcpy(later->peer, call->peer->name, size);
	if (env->request_restart(env, restart_answer, later, &err) < 0)
		restart_answer(later, &err);
}

static void run_drain(struct call *call)
{
	struct error err;

	/* Never refused: see router/drain.c. */
	(void)drain_begin(&call->router->drain, true, &err);
	answer_result(call, "ok", NULL);
}

static void run_undrain(struct call *call)
{
	drain_end(&call->router->drain);
	answer_result(call, "ok", NULL);
}

static void run_log_level(struct call *call)
{
	const char *level = argument(call, "level");

	if (!level || log_parse_level(level, &call->router->log->level) < 0)
		answer_result(call, "invalid",
			      "level: error, warning, notice, info, debug");
	else
		answer_result(call, "ok", NULL);
}

/* The router itself, as the other roles tell it of themselves; `status` is about
 * its links. */
static void run_self(struct call *call)
{
	const struct router *router = call->router;
	struct number left, uptime, links, bytes;
	struct peer *peer, *next;
	uint64_t waiting = 0, count = 0;

	HASH_ITER(hh, router->links, peer, next) {
		count += peer->state == PEER_UP && peer->kind != LINK_ADMIN;
		waiting += conn_queued(peer->conn);
	}
	answer_row(call, "role", "router", "name", router->env->instance,
		   "state", drain_state_name(&router->drain), "left",
		   drain_is_on(&router->drain) ?
			   number(&left, router->drain.ops->left(call->router)) :
			   NULL,
		   "epoch", router->epoch, "version", PACKAGE_VERSION,
		   "protocol",
		   status_protocol(router->options->common.link_version),
		   "uptime", number(&uptime, (loop_now(router->loop) -
					      router->started) / 1000),
		   "links", number(&links, count), "bytes",
		   number(&bytes, waiting), NULL);
	answer_result(call, "ok", NULL);
}

static const struct admin_command {
	const char *name;
	void (*run)(struct call *call);
	bool reads; /* changes nothing */
} commands[] = {
	{ "status", run_status, true },
	{ "names", run_names, true },
	{ "self", run_self, true },
	{ "link.kick", run_kick, false },
	{ "reload", run_reload, false },
	{ "restart", run_restart, false },
	{ "stop", run_stop, false },
	{ "drain", run_drain, false },
	{ "undrain", run_undrain, false },
	{ "log-level", run_log_level, false },
};

static void run(struct call *call)
{
	const char *name = element_attr(call->command, "name");

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!str_equal(name, commands[i].name))
			continue;
		log_at(call->router->log,
		       commands[i].reads ? LOG_LEVEL_DEBUG : LOG_LEVEL_NOTICE,
		       "command.run", LOG_S("name", name),
		       LOG_S("by", element_attr(call->command, "by")),
		       LOG_S("link", call->peer->name),
		       LOG_S("kicked", argument(call, "name")),
		       LOG_S("level", argument(call, "level")));
		commands[i].run(call);
		return;
	}
	answer_result(call, "invalid", "the router has no such command");
}

void admin_envelope(struct peer *peer, const struct envelope *envelope)
{
	struct router *router = peer->router;
	struct stanza *stanza;
	struct error err;
	struct call call = { .router = router, .peer = peer };

	stanza = envelope_parse(envelope, router->parser, &err);
	if (!stanza || !element_is(stanza->root, "command", NS_LINK)) {
		peer_fail(peer, STREAM_BAD_FORMAT,
			  stanza ? "no command" : err.text);
	} else {
		call.command = stanza->root;
		call.id = element_attr(stanza->root, "id");
		run(&call);
	}
	stanza_free(&stanza);
}
