/* SPDX-License-Identifier: Apache-2.0
 *
 * One conversation over an admin link: commands go out, rows and results come
 * back, and the loop runs only while something is awaited.
 */
#include "ctl/ctl.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/ns.h"
#include "util/xmpp/utf8.h"

/* How long a router, and whoever serves a name, may take to appear. */
#define CONNECT_MS 5000
/* How long the other routers may take when one has answered, and how often
 * they are looked at. */
#define OTHERS_MS 1000
#define LOOK_MS 5

struct ctl_call {
	struct ctl *ctl;
	struct role_env env;
	struct log log;
	char instance[32];
	struct loop *loop;
	struct link *link;
	struct stanza_parser *parser;
	struct table *table;
	struct buf arguments; /* of the next command, as XML */
	uint64_t first_id, last_id; /* of the commands that are waited for */
	unsigned waiting;  /* answers outstanding */
	bool watching;	   /* a router has told us who is there */
	const char *leaving; /* the kind of roles whose end is awaited */
	bool quiet;	   /* who does not answer is not complained about */
	char by[128];	   /* who gives the commands */
	int code;	   /* the worst answer of this command */
	struct error said; /* the last text of a result */
	bool timed_out;
	struct timer timer;
};

/* -- waiting ------------------------------------------------------------- */

static void on_timer(struct timer *timer)
{
	struct ctl_call *call = container_of(timer, struct ctl_call, timer);

	call->timed_out = true;
	loop_stop(call->loop);
}

static bool is_connected(const struct ctl_call *call)
{
	return call->watching;
}

static bool is_known_everywhere(const struct ctl_call *call)
{
	return link_all_tried(call->link);
}

static bool is_answered(const struct ctl_call *call)
{
	return call->waiting == 0;
}

/* -- who is there -------------------------------------------------------- */

struct census {
	const char *kind; /* NULL: every role */
	unsigned count;
};

/* A link's own name is a name with one member: itself. */
static bool is_role(const char *name, const struct member *list, size_t count,
		    const char *kind)
{
	return count == 1 && str_equal(name, list[0].name) && list[0].epoch &&
	       !str_equal(list[0].kind, "admin") &&
	       (!kind || str_equal(list[0].kind, kind));
}

static void census_add(const char *name, const struct member *list,
		       size_t count, void *ctx)
{
	struct census *census = ctx;

	census->count += is_role(name, list, count, census->kind);
}

bool ctl_call_has(const struct ctl_call *call, const char *kind)
{
	struct census census = { kind, 0 };

	members_each(link_members(call->link), census_add, &census);
	return census.count > 0;
}

bool ctl_call_serves(const struct ctl_call *call, const char *domain,
		     const char *kind)
{
	const struct member *list;
	size_t count;

	list = members_get(link_members(call->link), domain, &count);
	for (size_t i = 0; i < count; i++)
		if (str_equal(list[i].kind, kind))
			return true;
	ctl_complain("no %s serves %s", kind, domain);
	return false;
}

const char *ctl_call_kind_of(const struct ctl_call *call, const char *domain)
{
	const struct member *list;
	size_t count = 0;

	list = members_get(link_members(call->link), domain, &count);
	return count > 0 ? list[0].kind : NULL;
}

const char *ctl_call_owner(const struct ctl_call *call, const char *address)
{
	return link_owner(call->link, address);
}

bool ctl_call_is_router(const struct ctl_call *call, const char *instance)
{
	const char *router;

	for (size_t i = 0; (router = link_router(call->link, i)); i++)
		if (str_equal(router, instance))
			return true;
	return false;
}

static bool has_left(const struct ctl_call *call)
{
	return !ctl_call_has(call, call->leaving);
}

static void run_until(struct ctl_call *call, uint64_t ms,
		      bool (*done)(const struct ctl_call *call))
{
	call->timed_out = false;
	timer_start(&call->timer, call->loop, ms, on_timer);
	while (!done(call) && !call->timed_out)
		loop_run(call->loop);
	timer_stop(&call->timer);
}

static void answered(struct ctl_call *call, int code)
{
	if (code > call->code)
		call->code = code;
	if (call->waiting && --call->waiting == 0)
		loop_stop(call->loop);
}

/* -- answers ------------------------------------------------------------- */

static int code_of(const char *status)
{
	static const struct {
		const char *status;
		int code;
	} codes[] = { { "ok", CTL_OK },		  { "invalid", CTL_USAGE },
		      { "not-found", CTL_NOT_FOUND },
		      { "conflict", CTL_CONFLICT },
		      { "unavailable", CTL_UNAVAILABLE } };

	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		if (str_equal(codes[i].status, status))
			return codes[i].code;
	return CTL_FAILED;
}

/* The link of this very command, in a router's answer to `status`. */
static bool is_own_link(const struct ctl_call *call,
			const struct element *field)
{
	return element_attr(field, "name") &&
	       str_equal(element_attr(field, "name"), "name") &&
	       str_equal(element_text(field), call->instance);
}

static void take_row(struct ctl_call *call, const char *from,
		     const struct element *row)
{
	struct element *field = element_child(row, "field", NS_LINK);

	if (field && is_own_link(call, field))
		return;
	table_row(call->table);
	table_field(call->table, "instance", from);
	for (; field; field = element_next_same(field)) {
		const char *name = element_attr(field, "name");

		if (name && !str_equal(name, "instance"))
			table_field(call->table, name, element_text(field));
	}
}

static void take_result(struct ctl_call *call, const char *from,
			const struct element *result)
{
	int code = code_of(element_attr(result, "status"));
	const char *text = element_attr(result, "text");

	if (code != CTL_OK && !call->quiet)
		ctl_complain("%s: %s", from,
			     text ? text : element_attr(result, "status"));
	if (text)
		error_set(&call->said, "%s", text);
	answered(call, code);
}

/* Not of a command that was given up. */
static bool is_awaited(const struct ctl_call *call, const struct element *root)
{
	const char *id = element_attr(root, "id");
	uint64_t value;

	return id && call->first_id <= call->last_id &&
	       str_to_u64(id, call->first_id, call->last_id, &value) == 0;
}

static void received(struct link *link, const struct envelope *envelope,
		     struct link_receipt receipt, void *ctx)
{
	struct ctl_call *call = ctx;
	struct stanza *stanza = envelope_parse(envelope, call->parser, NULL);

	link_processed(link, receipt);
	if (stanza && is_awaited(call, stanza->root)) {
		if (element_is(stanza->root, "row", NS_LINK))
			take_row(call, envelope->from, stanza->root);
		else if (element_is(stanza->root, "result", NS_LINK))
			take_result(call, envelope->from, stanza->root);
	}
	stanza_free(&stanza);
}

static void undelivered(struct link *link, const struct envelope *envelope,
			const char *reason, void *ctx)
{
	struct ctl_call *call = ctx;

	(void)link;
	if (!call->quiet)
		ctl_complain("%s does not answer: %s",
			     envelope->at ? envelope->at : envelope->to,
			     reason);
	answered(call, CTL_UNAVAILABLE);
}

static void state_changed(struct link *link, bool connected, void *ctx)
{
	struct ctl_call *call = ctx;

	(void)link;
	call->watching = connected;
	if (connected)
		loop_stop(call->loop);
}

static void members_changed(struct link *link, const char *name, void *ctx)
{
	struct ctl_call *call = ctx;

	(void)link;
	(void)name;
	if (call->leaving)
		loop_stop(call->loop);
}

/* -- opening ------------------------------------------------------------- */

/* For the logs of the roles: "alice@host", or "root (alice)@host" of who used
 * sudo(8). Nothing proves it. */
static void say_who(struct ctl_call *call)
{
	const struct passwd *entry = getpwuid(getuid());
	const char *before = getenv("SUDO_USER");
	char host[64] = "?";

	if (gethostname(host, sizeof(host)) == 0)
		host[sizeof(host) - 1] = '\0';
	if (before && ctl_call_can_say(before))
		snprintf(call->by, sizeof(call->by), "%s (%s)@%s",
			 entry ? entry->pw_name : "?", before, host);
	else
		snprintf(call->by, sizeof(call->by), "%s@%s",
			 entry ? entry->pw_name : "?", host);
}

static const struct link_handlers handlers = {
	.received = received,
	.undelivered = undelivered,
	.members = members_changed,
	.state = state_changed,
};

static struct ctl_call *call_new(struct ctl *ctl, struct loop *loop)
{
	struct ctl_call *call = mem_new(struct ctl_call);
	char digits[17];

	call->ctl = ctl;
	call->loop = loop;
	call->parser = stanza_parser_new();
	call->table = table_new();
	loop_random_hex(loop, digits, 16);
	str_copy(call->instance, sizeof(call->instance), "admin-");
	str_copy(call->instance + 6, sizeof(call->instance) - 6, digits);
	log_init(&call->log, "chappectl");
	call->log.level = LOG_LEVEL_ERROR;
	say_who(call);
	call->env = (struct role_env){ .loop = loop,
				       .log = &call->log,
				       .config = ctl->config,
				       .instance = call->instance,
				       .plain_link = true };
	return call;
}

/* Commands that go to every router, or every role, want all of them. */
static void wait_for_others(struct ctl_call *call)
{
	for (unsigned ms = 0; ms < OTHERS_MS && !is_known_everywhere(call);
	     ms += LOOK_MS)
		run_until(call, LOOK_MS, is_known_everywhere);
}

struct ctl_call *ctl_call_open(struct ctl *ctl)
{
	struct error err = { "" };
	struct loop *loop = loop_new(&err);
	struct ctl_call *call;
	const char *reason;

	if (!loop) {
		ctl_complain("%s", err.text);
		return NULL;
	}
	call = call_new(ctl, loop);
	call->link = role_link_new(&call->env, &ctl->options->common, NULL,
				   &handlers, call, &err);
	if (!call->link) {
		ctl_complain("%s", err.text);
		ctl_call_close(&call);
		return NULL;
	}
	run_until(call, CONNECT_MS, is_connected);
	if (!call->watching) {
		reason = link_reason(call->link);
		ctl_complain("no router answers at %s%s%s",
			     ctl->options->common.routers[0],
			     reason ? ": " : "", reason ? reason : "");
		ctl_call_close(&call);
		return NULL;
	}
	wait_for_others(call);
	return call;
}

void ctl_call_close(struct ctl_call **call)
{
	struct ctl_call *old = *call;

	if (!old)
		return;
	timer_stop(&old->timer);
	if (old->link)
		link_close(&old->link);
	stanza_parser_free(&old->parser);
	table_free(&old->table);
	buf_free_secret(&old->arguments);
	loop_free(&old->loop);
	mem_free(old);
	*call = NULL;
}

struct table *ctl_call_table(struct ctl_call *call)
{
	return call->table;
}

/* -- sending ------------------------------------------------------------- */

bool ctl_call_can_say(const char *text)
{
	return utf8_is_xml(text, strlen(text));
}

void ctl_call_argument(struct ctl_call *call, const char *name,
		       const char *value)
{
	struct buf *to = &call->arguments;

	buf_add_str(to, "<link:argument");
	buf_add_attr(to, "name", name);
	buf_add_str(to, ">");
	buf_add_xml_text(to, value, strlen(value));
	buf_add_str(to, "</link:argument>");
}

static void send_one(struct ctl_call *call, const char *at, const char *to,
		     const char *name)
{
	struct buf payload = { 0 };
	struct envelope envelope = { .at = at, .to = to, .control = true };

	if (call->waiting == 0)
		call->first_id = call->last_id + 1;
	buf_add_str(&payload, "<link:command");
	buf_add_attr(&payload, "name", name);
	buf_addf(&payload, " id='%" PRIu64 "'", ++call->last_id);
	buf_add_attr(&payload, "by", call->by);
	buf_add_char(&payload, '>');
	buf_add(&payload, buf_data(&call->arguments), call->arguments.len);
	buf_add_str(&payload, "</link:command>");
	envelope.payload = buf_data(&payload);
	envelope.payload_len = payload.len;
	call->waiting++;
	if (link_send(call->link, &envelope) == LINK_NO_ROUTE) {
		if (!call->quiet)
			ctl_complain("%s is not there", at ? at : to);
		error_set(&call->said, "it is not there");
		answered(call, CTL_UNAVAILABLE);
	}
	buf_free_secret(&payload);
}

/* Waits for all answers and gives the worst. */
static int finish(struct ctl_call *call, uint64_t ms)
{
	run_until(call, ms, is_answered);
	if (call->waiting) {
		if (!call->quiet)
			ctl_complain("no answer in time");
		call->code = CTL_UNAVAILABLE;
		call->waiting = 0;
		call->first_id = call->last_id + 1;
	}
	buf_free_secret(&call->arguments);
	return call->code;
}

static uint64_t patience(const struct ctl_call *call)
{
	return (uint64_t)call->ctl->options->timeout;
}

int ctl_call_serving(struct ctl_call *call, const char *to, const char *name)
{
	call->code = CTL_OK;
	send_one(call, NULL, to, name);
	return finish(call, patience(call));
}

int ctl_call_instance(struct ctl_call *call, const char *instance,
		      const char *name)
{
	call->code = CTL_OK;
	send_one(call, instance, NULL, name);
	return finish(call, patience(call));
}

int ctl_call_ask(struct ctl_call *call, const char *instance,
		 const char *name, uint64_t ms)
{
	int code;

	call->code = CTL_OK;
	call->quiet = true;
	error_set(&call->said, "no answer");
	send_one(call, instance, NULL, name);
	code = finish(call, ms);
	call->quiet = false;
	return code;
}

const char *ctl_call_said(const struct ctl_call *call)
{
	return call->said.text;
}

static bool never(const struct ctl_call *call)
{
	return call->timed_out;
}

void ctl_call_pause(struct ctl_call *call, uint64_t ms)
{
	run_until(call, ms, never);
}

const struct link *ctl_call_link(const struct ctl_call *call)
{
	return call->link;
}

struct broadcast {
	struct ctl_call *call;
	const char *kind; /* NULL: every role */
	const char *name;
	unsigned sent;
};

static void send_to_member(const char *name, const struct member *list,
			   size_t count, void *ctx)
{
	struct broadcast *broadcast = ctx;

	if (!is_role(name, list, count, broadcast->kind))
		return;
	send_one(broadcast->call, name, NULL, broadcast->name);
	broadcast->sent++;
}

int ctl_call_kind(struct ctl_call *call, const char *kind, const char *name)
{
	struct broadcast broadcast = { call, kind, name, 0 };
	const char *router;

	call->code = CTL_OK;
	if (!kind || !str_equal(kind, "router"))
		members_each(link_members(call->link), send_to_member,
			     &broadcast);
	if (!kind || str_equal(kind, "router"))
		for (size_t i = 0; (router = link_router(call->link, i)); i++) {
			send_one(call, router, NULL, name);
			broadcast.sent++;
		}
	if (!broadcast.sent) {
		ctl_complain("there is no %s", kind ? kind : "role");
		return CTL_UNAVAILABLE;
	}
	return finish(call, patience(call));
}

void ctl_call_gather(struct ctl_call *call, uint64_t ms)
{
	struct broadcast broadcast = { call, NULL, "status", 0 };
	const char *router;

	call->quiet = true;
	members_each(link_members(call->link), send_to_member, &broadcast);
	for (size_t i = 0; (router = link_router(call->link, i)); i++)
		send_one(call, router, NULL, "self");
	finish(call, ms);
	call->quiet = false;
}

int ctl_call_gone(struct ctl_call *call, const char *kind)
{
	call->leaving = kind;
	run_until(call, (uint64_t)call->ctl->options->timeout, has_left);
	call->leaving = NULL;
	if (!ctl_call_has(call, kind))
		return CTL_OK;
	ctl_complain("a role of the kind %s does not end", kind);
	return CTL_UNAVAILABLE;
}
