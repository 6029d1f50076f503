/* SPDX-License-Identifier: Apache-2.0
 *
 * The operator's admin link in the simulated world (docs/link.md section 7).
 */
#include "t/sim/operator.h"

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/role/link.h"
#include "util/xmpp/ns.h"

struct operator {
	struct sim *sim;
	struct sim_host *host;
	struct loop *loop;
	struct log log;
	struct link *link;
	struct stanza_parser *parser;
	char **routers;
	unsigned last_id, waiting;
	uint64_t first_asked; /* id of the first command that is waited for */
	char **rows;
	unsigned row_count;
};

static void on_row(struct operator *operator, const struct element *row)
{
	const struct element *field = element_child(row, "field", NS_LINK);

	for (; field; field = element_next_same(field)) {
		if (!str_equal(element_attr(field, "name"), "jid"))
			continue;
		operator->rows = mem_realloc(operator->rows,
					     operator->row_count + 1,
					     sizeof(*operator->rows));
		operator->rows[operator->row_count++] =
			mem_strdup(element_text(field));
	}
}

/* Not of a command that was only told, whose answer may never come. */
static bool is_asked(const struct operator *operator,
		     const struct element *root)
{
	const char *id = element_attr(root, "id");
	uint64_t value;

	return operator->first_asked > 0 && id &&
	       str_to_u64(id, operator->first_asked, UINT32_MAX, &value) == 0;
}

static void received(struct link *link, const struct envelope *envelope,
		     struct link_receipt receipt, void *ctx)
{
	struct operator *operator = ctx;
	struct stanza *stanza = envelope_parse(envelope, operator->parser,
					       NULL);

	link_processed(link, receipt);
	if (!stanza)
		return;
	if (element_is(stanza->root, "row", NS_LINK) &&
	    is_asked(operator, stanza->root)) {
		on_row(operator, stanza->root);
	} else if (element_is(stanza->root, "result", NS_LINK)) {
		const char *text = element_attr(stanza->root, "text");

		world_say(operator->sim->world, "operator", "%s: %s %s",
			  envelope->from,
			  element_attr(stanza->root, "status"),
			  text ? text : "");
		if (is_asked(operator, stanza->root))
			operator->waiting--;
	}
	stanza_free(&stanza);
}

static void undelivered(struct link *link, const struct envelope *envelope,
			const char *reason, void *ctx)
{
	struct operator *operator = ctx;

	(void)link;
	(void)envelope;
	world_say(operator->sim->world, "operator", "undelivered: %s", reason);
	if (operator->waiting > 0)
		operator->waiting--;
}

static const struct link_handlers handlers = {
	.received = received,
	.undelivered = undelivered,
};

static void on_line(enum log_level level, const char *line, void *ctx)
{
	struct operator *operator = ctx;

	(void)level;
	world_say(operator->sim->world, "operator", "%s", line);
}

static int64_t log_now(void *ctx)
{
	return loop_time_us(((struct operator *)ctx)->loop);
}

struct operator *operator_new(struct sim *sim)
{
	struct operator *operator = mem_new(struct operator);
	struct deployment *deployment = sim->deployment;
	unsigned count = deployment->count[SIM_ROUTER];
	struct link_options options = {
		.name = "admin-1",
		.secret = "open sesame",
		.plain_role = true,
	};

	operator->sim = sim;
	operator->host = host_new(sim->world, "operator");
	operator->loop = sim_loop_new(operator->host);
	log_init(&operator->log, "operator");
	operator->log.target = LOG_TO_CALLBACK;
	operator->log.line = on_line;
	operator->log.line_ctx = operator;
	operator->log.now = log_now;
	operator->log.now_ctx = operator;
	operator->routers = mem_calloc(count + 1, sizeof(char *));
	for (unsigned i = 0; i < count; i++)
		operator->routers[i] = mem_printf(
			"%s:%u",
			deployment->processes[SIM_ROUTER][i].host->address,
			ROUTER_PORT);
	options.routers = (const char *const *)operator->routers;
	operator->parser = stanza_parser_new();
	sim_loop_enter(operator->loop);
	if (sim->deployment->tls)
		options.tls = tls_context_new(TLS_CLIENT, NULL);
	operator->link = link_new(operator->loop, &operator->log, &options,
				  &handlers, operator);
	if (options.tls)
		tls_context_unref(&options.tls);
	sim_loop_leave(operator->loop);
	return operator;
}

static void forget_rows(struct operator *operator)
{
	for (unsigned i = 0; i < operator->row_count; i++)
		mem_free(operator->rows[i]);
	mem_free(operator->rows);
	operator->rows = NULL;
	operator->row_count = 0;
}

void operator_free(struct operator **operator_ptr)
{
	struct operator *operator = *operator_ptr;
	struct sim_leaks leaks;

	*operator_ptr = NULL;
	sim_loop_enter(operator->loop);
	link_close(&operator->link);
	sim_loop_leave(operator->loop);
	sim_loop_free(&operator->loop, &leaks);
	stanza_parser_free(&operator->parser);
	for (char **router = operator->routers; *router; router++)
		mem_free(*router);
	mem_free(operator->routers);
	forget_rows(operator);
	mem_free(operator);
}

void operator_command(struct operator *operator, const char *at,
		      const char *command, const char *argument,
		      const char *value)
{
	struct buf text = { 0 };
	struct envelope envelope = { .at = at, .control = true };

	buf_addf(&text, "<link:command name='%s' id='%u'>", command,
		 ++operator->last_id);
	if (argument)
		buf_addf(&text, "<link:argument name='%s'>%s</link:argument>",
			 argument, value);
	buf_add_str(&text, "</link:command>");
	envelope.payload = buf_data(&text);
	envelope.payload_len = text.len;
	sim_loop_enter(operator->loop);
	if (link_send(operator->link, &envelope) == LINK_SENT)
		operator->waiting += operator->first_asked > 0;
	else
		world_say(operator->sim->world, "operator", "%s is not there",
			  at);
	sim_loop_leave(operator->loop);
	buf_free(&text);
}

void operator_ask_sessions(struct operator *operator, enum sim_role kind)
{
	struct deployment *deployment = operator->sim->deployment;

	forget_rows(operator);
	operator->first_asked = operator->last_id + 1;
	operator->waiting = 0;
	for (unsigned i = 0; i < deployment->count[kind]; i++) {
		struct process *process = &deployment->processes[kind][i];

		if (process_runs(process))
			operator_command(operator, process->name,
					 "session.list", NULL, NULL);
	}
}

unsigned operator_sessions_of(const struct operator *operator,
			      const char *jid)
{
	unsigned count = 0;

	for (unsigned i = 0; i < operator->row_count; i++)
		count += str_equal(operator->rows[i], jid);
	return count;
}

unsigned operator_rows(const struct operator *operator)
{
	return operator->row_count;
}

unsigned operator_waiting(const struct operator *operator)
{
	return operator->waiting;
}

const char *operator_row(const struct operator *operator, unsigned i)
{
	return i < operator->row_count ? operator->rows[i] : NULL;
}
