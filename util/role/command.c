/* SPDX-License-Identifier: Apache-2.0
 *
 * Answering commands: finds the handler, keeps what it needs to answer later.
 * What a command does is the role's.
 */
#include "util/role/command.h"

#include <stdarg.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/role/role.h"
#include "util/xmpp/ns.h"

struct command_call {
	struct link *link;
	char *from; /* the link that asked */
	char *id;   /* as it gave it; NULL when it gave none */
	struct stanza *stanza;
};

static void answer(struct command_call *call, const struct buf *payload)
{
	const struct envelope envelope = { .at = call->from,
					   .control = true,
					   .payload = buf_data(payload),
					   .payload_len = payload->len };

	/* Who has left does not want the answer any more. */
	(void)link_send(call->link, &envelope);
}

static const struct command *find(const struct command *table,
				  const char *name)
{
	for (; table->name; table++) {
		if (str_equal(table->name, name))
			return table;
	}
	return NULL;
}

/* Only arguments that are named here get into the log. */
static void log_run(const struct command_role *role,
		    const struct command_call *call,
		    const struct command *command)
{
	const struct element *root = call->stanza->root;

	log_at(role->env->log,
	       command->reads ? LOG_LEVEL_DEBUG : LOG_LEVEL_NOTICE,
	       "command.run", LOG_S("name", command->name),
	       LOG_S("by", element_attr(root, "by")),
	       LOG_S("link", call->from),
	       LOG_S("jid", command_argument(call, "jid")),
	       LOG_S("session", command_argument(call, "session")),
	       LOG_S("domain", command_argument(call, "domain")),
	       LOG_S("level", command_argument(call, "level")),
	       LOG_S("force", command_argument(call, "force")));
}

static struct command_call *call_new(struct link *link, const char *from,
				     const struct stanza *stanza)
{
	struct command_call *call = mem_new(struct command_call);

	call->link = link;
	call->from = mem_strdup(from);
	call->id = mem_strdup(element_attr(stanza->root, "id"));
	call->stanza = stanza_copy(stanza);
	return call;
}

void command_dispatch(struct link *link, const struct command_role *role,
		      const char *from, const struct stanza *stanza)
{
	struct command_call *call = call_new(link, from, stanza);
	const char *name = element_attr(stanza->root, "name");
	const struct command *command = find(role->table, name);
	void *ctx = role->ctx;

	if (!command && role->env) {
		command = find(role_commands, name);
		ctx = (void *)(uintptr_t)role;
	}
	if (!command) {
		command_finish(call, "invalid", "no such command");
		return;
	}
	if (role->env)
		log_run(role, call, command);
	command->run(call, ctx);
}

const char *command_argument(const struct command_call *call, const char *name)
{
	const struct element *argument =
		element_child(call->stanza->root, "argument", NS_LINK);

	for (; argument; argument = element_next_same(argument)) {
		if (str_equal(element_attr(argument, "name"), name))
			return element_text(argument);
	}
	return NULL;
}

static void add_field(struct buf *to, const char *name, const char *value)
{
	buf_add_str(to, "<link:field");
	buf_add_attr(to, "name", name);
	buf_add_char(to, '>');
	buf_add_xml_text(to, value, strlen(value));
	buf_add_str(to, "</link:field>");
}

void command_row(struct command_call *call, ...)
{
	struct buf payload = { .data = NULL };
	const char *name, *value;
	va_list args;

	buf_add_str(&payload, "<link:row");
	buf_add_attr(&payload, "id", call->id);
	buf_add_char(&payload, '>');
	va_start(args, call);
	while ((name = va_arg(args, const char *))) {
		value = va_arg(args, const char *);
		if (value)
			add_field(&payload, name, value);
	}
	va_end(args);
	buf_add_str(&payload, "</link:row>");
	answer(call, &payload);
	buf_free(&payload);
}

void command_finish(struct command_call *call, const char *status,
		    const char *text)
{
	struct buf payload = { .data = NULL };

	buf_add_str(&payload, "<link:result");
	buf_add_attr(&payload, "id", call->id);
	buf_add_attr(&payload, "status", status);
	buf_add_attr(&payload, "text", text);
	buf_add_str(&payload, "/>");
	answer(call, &payload);
	buf_free(&payload);
	stanza_free(&call->stanza);
	mem_free(call->from);
	mem_free(call->id);
	mem_free(call);
}
