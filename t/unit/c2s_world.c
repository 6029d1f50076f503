/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the tests of c2s; see the header.
 */
#include "t/unit/c2s_world.h"

#include <stdio.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/role/command.h"

#define TRIES 2000 /* of 2 ms each */

struct reply {
	struct reply *next;
	bool control;
	char *from;
	char *session;
	char *payload;
};

/* -- the link ------------------------------------------------------------ */

static const char *current_epoch(struct link *link, const char *name)
{
	size_t count;
	const struct member *list =
		members_get(link->members, "example.org", &count);

	for (size_t i = 0; list && i < count; i++) {
		if (str_equal(list[i].name, name))
			return list[i].epoch;
	}
	return NULL;
}

static void deliver(struct timer *timer)
{
	struct link *link = container_of(timer, struct link, timer);
	struct reply *reply;

	while (!link->silent && link->token_count > 0)
		link->handlers.delivered(
			link, link->tokens[--link->token_count], link->ctx);
	while ((reply = link->replies) != NULL) {
		struct envelope envelope = {
			.at = "c2s-1",
			.from = reply->from,
			.epoch = current_epoch(link, reply->from),
			.session = reply->session,
			.control = reply->control,
			.n = 1,
			.payload = reply->payload,
			.payload_len = strlen(reply->payload),
		};
		struct link_receipt receipt = { 1, 1 };

		LL_DELETE(link->replies, reply);
		link->handlers.received(link, &envelope, receipt, link->ctx);
		mem_free(reply->from);
		mem_free(reply->session);
		mem_free(reply->payload);
		mem_free(reply);
	}
}

static void say(struct link *link, const char *from, const char *session,
		bool control, const char *payload)
{
	struct reply *reply = mem_new(struct reply);

	reply->control = control;
	reply->from = mem_strdup(from);
	reply->session = mem_strdup(session);
	reply->payload = mem_strdup(payload);
	LL_APPEND(link->replies, reply);
	timer_start(&link->timer, link->loop, 1, deliver);
}

static const char success[] =
	"<link:success jid='alice@example.org' ticket='T'/>";

static const struct {
	const char *start, *answer;
} answers[] = {
	{ "<link:mechanisms ",
	  "<link:mechanisms domain='example.org' caps-node='urn:n' "
	  "caps-ver='V' registration='true'>"
	  "<link:mechanism name='SCRAM-SHA-256' plus='true'/>"
	  "<link:mechanism name='PLAIN'/></link:mechanisms>" },
	{ "<link:response>", success },
	{ "<link:open ", "<link:opened jid='alice@example.org/phone'/>" },
	{ "<link:register ",
	  "<link:registered><iq xmlns='jabber:client' type='result' id='r1'/>"
	  "</link:registered>" },
};

static void answer_reopen(struct link *link, const struct envelope *envelope,
			  const char *payload)
{
	const char *generation = strstr(payload, "generation='");
	char *text = mem_printf("<link:opened jid='alice@example.org/phone' "
				"%.*s/>", (int)strcspn(generation + 12, "'") +
				13, generation);

	say(link, envelope->at, envelope->session, true, text);
	mem_free(text);
}

static void answer(struct link *link, const struct envelope *envelope,
		   const char *payload)
{
	const char *text = NULL;

	if (link->mute)
		return;
	if (str_starts(payload, "<link:auth "))
		text = strstr(payload, "SCRAM")
			       ? "<link:challenge>Y2g=</link:challenge>"
			       : success;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		if (str_starts(payload, answers[i].start))
			text = answers[i].answer;
	}
	if (link->failure && text == success)
		text = link->failure;
	if (str_starts(payload, "<link:reopen "))
		answer_reopen(link, envelope, payload);
	else if (text)
		say(link, envelope->at, envelope->session, true, text);
}

enum link_sent link_send(struct link *link, const struct envelope *envelope)
{
	const char *at = envelope->at ? envelope->at : "sm-1";
	char *payload;

	if (!current_epoch(link, at) ||
	    (envelope->receiver_epoch &&
	     !str_equal(current_epoch(link, at), envelope->receiver_epoch)))
		return LINK_NO_ROUTE;
	if (envelope->token) {
		assert_true(link->token_count < 16);
		link->tokens[link->token_count++] = envelope->token;
		timer_start(&link->timer, link->loop, 1, deliver);
	}
	payload = mem_strndup(envelope->payload, envelope->payload_len);
	buf_addf(&link->sent, "%s %s %s\n", at,
		 envelope->origin ? strrchr(envelope->origin, '/') : "-",
		 payload);
	if (envelope->session)
		str_copy(link->session, sizeof(link->session),
			 envelope->session);
	if (envelope->control)
		answer(link, envelope, payload);
	mem_free(payload);
	return LINK_SENT;
}

bool link_congested(const struct link *link, const char *at)
{
	return at && link->congested;
}

void link_processed(struct link *link, struct link_receipt receipt)
{
	assert_int_equal(receipt.n, 1);
	link->processed++;
}

const struct members *link_members(const struct link *link)
{
	return link->members;
}

const char *link_name(const struct link *link)
{
	return link ? "c2s-1" : NULL;
}

const char *link_router(const struct link *link, size_t i)
{
	(void)link;
	return i == 0 ? "router" : NULL;
}

void link_get_stats(const struct link *link, struct link_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->outstanding = link->processed;
}

void role_link_metrics(const struct link *link, struct buf *to)
{
	buf_addf(to, "link %u\n", link->processed);
}

struct link *role_link_new(struct role_env *env,
			   const struct common_options *options,
			   const char *const *binds,
			   const struct link_handlers *handlers, void *ctx,
			   struct error *err)
{
	struct link *link = mem_new(struct link);

	(void)options;
	(void)binds;
	(void)err;
	link->loop = env->loop;
	link->handlers = *handlers;
	link->ctx = ctx;
	link->members = members_new();
	return link;
}

void link_close(struct link **link)
{
	struct reply *reply, *next;

	LL_FOREACH_SAFE((*link)->replies, reply, next) {
		mem_free(reply->from);
		mem_free(reply->session);
		mem_free(reply->payload);
		mem_free(reply);
	}
	timer_stop(&(*link)->timer);
	members_free(&(*link)->members);
	buf_free(&(*link)->sent);
	mem_free(*link);
	*link = NULL;
}

/* -- commands ------------------------------------------------------------ */

struct command_call {
	const char *argument, *value;
	struct buf *answer;
};

const char *command_argument(const struct command_call *call, const char *name)
{
	return str_equal(call->argument, name) ? call->value : NULL;
}

void command_row(struct command_call *call, ...)
{
	const char *name, *value;
	va_list args;

	va_start(args, call);
	while ((name = va_arg(args, const char *)) != NULL) {
		value = va_arg(args, const char *);
		buf_addf(call->answer, "%s=%s ", name, value ? value : "");
	}
	va_end(args);
	buf_add_char(call->answer, '\n');
}

void command_finish(struct command_call *call, const char *status,
		    const char *text)
{
	buf_addf(call->answer, "%s %s\n", status, text ? text : "");
}

/* The stanza is our call, in a disguise. */
void command_dispatch(struct link *link, const struct command_role *role,
		      const char *from, const struct stanza *stanza)
{
	struct command_call *call = (struct command_call *)(uintptr_t)stanza;
	const struct command *command;

	(void)link;
	for (command = role->table; command->name; command++) {
		if (str_equal(command->name, from))
			command->run(call, role->ctx);
	}
	for (command = role_commands; command->name; command++) {
		if (str_equal(command->name, from))
			command->run(call, (void *)(uintptr_t)role);
	}
}

const char *world_command(struct c2s_world *world, const char *name,
			  const char *argument, const char *value)
{
	struct command_call call = { argument, value, &world->answer };

	buf_clear(&world->answer, 0);
	world->link->handlers.command(world->link, name,
				      (const struct stanza *)&call,
				      world->link->ctx);
	return buf_data(&world->answer);
}

/* -- the world ----------------------------------------------------------- */

static void on_ready(struct role_env *env)
{
	container_of(env, struct c2s_world, env)->ready = true;
}

static void on_stopped(struct role_env *env)
{
	container_of(env, struct c2s_world, env)->stopped = true;
}

static struct config *make_config(struct c2s_world *world, const char *options)
{
	const char *path = certificates_path(&world->certificates, "conf");
	const char *dir = world->certificates.dir;
	struct config *config;
	struct error err;
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fprintf(file,
		"c2s \"c2s-*\" {\n"
		"listen = {\"127.0.0.1:0\"}\nlisten-tls = {\"127.0.0.1:0\"}\n"
		"%s\n}\n"
		"domain \"example.org\" {\n"
		"certificate = \"%s/example.org.crt\"\n"
		"key = \"%s/example.org.key\"\n}\n",
		options, dir, dir);
	assert_int_equal(fclose(file), 0);
	config = config_load(path, c2s_sections, false, &err);
	if (!config)
		fail_msg("%s", err.text);
	return config;
}

static void ignore_line(enum log_level level, const char *line, void *ctx)
{
	(void)level;
	(void)line;
	(void)ctx;
}

void world_start_without_sm(struct c2s_world *world, const char *options)
{
	static const char *const names[] = { "example.org", NULL };
	struct error err;

	memset(world, 0, sizeof(*world));
	certificates_make(&world->certificates, names);
	world->tls = world_client_tls(&world->certificates);
	world->tls_direct = world_client_tls(&world->certificates);
	tls_context_set_alpn(world->tls_direct, "xmpp-client");
	world->loop = loop_new(NULL);
	log_init(&world->log, "c2s-1");
	world->log.target = LOG_TO_CALLBACK;
	world->log.line = ignore_line;
	world->config = make_config(world, options);
	world->env.loop = world->loop;
	world->env.log = &world->log;
	world->env.config = world->config;
	world->env.instance = "c2s-1";
	world->env.ready = on_ready;
	world->env.stopped = on_stopped;
	world->c2s = c2s_role.start(&world->env, &err);
	if (!world->c2s)
		fail_msg("%s", err.text);
	world->link = world->c2s->link;
	world_run_for(world->loop, 5);
	assert_true(world->ready);
}

void world_start(struct c2s_world *world, const char *options)
{
	world_start_without_sm(world, options);
	world_sm(world, "sm-1", "0000000000000001");
	world_run_for(world->loop, 5);
}

int world_reload(struct c2s_world *world, const char *options)
{
	struct config *old = world->config;
	struct config *config = make_config(world, options);
	struct error err;

	world->config = config;
	world->env.config = config;
	if (c2s_role.reload(world->c2s, &err) == 0) {
		config_free(&old);
		return 0;
	}
	world->config = old;
	world->env.config = old;
	config_free(&config);
	return -1;
}

void world_stop(struct c2s_world *world)
{
	c2s_role.free(world->c2s);
	config_free(&world->config);
	buf_free(&world->answer);
	tls_context_unref(&world->tls);
	tls_context_unref(&world->tls_direct);
	loop_free(&world->loop);
	certificates_free(&world->certificates);
}

void world_sm(struct c2s_world *world, const char *name, const char *epoch)
{
	struct member member = { .name = (char *)name, .kind = (char *)"sm",
				 .epoch = (char *)epoch };

	members_set(world->link->members, "example.org", &member,
		    name ? 1 : 0);
	world->link->handlers.members(world->link, "example.org",
				      world->link->ctx);
}

void world_say(struct c2s_world *world, const char *from, bool control,
	       const char *payload)
{
	say(world->link, from, world->link->session, control, payload);
}

/* -- the client ---------------------------------------------------------- */

struct ports {
	unsigned plain, direct;
};

static void note_port(const char *address, bool direct, unsigned port,
		      void *ctx)
{
	struct ports *ports = ctx;

	(void)address;
	if (direct)
		ports->direct = port;
	else
		ports->plain = port;
}

void client_connect(struct c2s_world *world, struct client *client, bool direct)
{
	struct ports ports;
	char address[64];

	memset(client, 0, sizeof(*client));
	acceptor_each(world->c2s->acceptor, note_port, &ports);
	snprintf(address, sizeof(address), "127.0.0.1:%u",
		 direct ? ports.direct : ports.plain);
	client->end.host = "example.org";
	if (direct)
		client->end.tls = world->tls_direct;
	end_connect(&client->end, world->loop, address);
	for (unsigned i = 0; direct && !client->end.secured; i++) {
		assert_true(i < TRIES && !client->end.closed);
		world_run_for(world->loop, 2);
	}
}

void client_free(struct client *client)
{
	if (client->end.conn) {
		conn_abort(client->end.conn, NULL);
		world_run_for(client->end.loop, 5);
	}
	end_free(&client->end);
}

void client_send(struct client *client, const char *text)
{
	assert_non_null(client->end.conn);
	conn_write_str(client->end.conn, text);
}

const char *client_has(const struct client *client, const char *text)
{
	return strstr(buf_data(&client->end.got) + client->read, text);
}

void client_expect(struct client *client, const char *text)
{
	const char *at;

	for (unsigned i = 0; !(at = client_has(client, text)); i++) {
		if (i == TRIES || (client->end.closed && i > 5))
			fail_msg("no `%s` in `%s`", text,
				 buf_data(&client->end.got) + client->read);
		world_run_for(client->end.loop, 2);
	}
	client->read = (size_t)(at - buf_data(&client->end.got)) +
		       strlen(text);
}

void client_expect_closed(struct client *client)
{
	for (unsigned i = 0; !client->end.closed; i++) {
		if (i == TRIES)
			fail_msg("it was not closed");
		world_run_for(client->end.loop, 2);
	}
}

void sm_expect(struct c2s_world *world, const char *text)
{
	const char *at;

	for (unsigned i = 0;
	     !(at = strstr(buf_data(&world->link->sent) + world->link->read,
			   text));
	     i++) {
		if (i == TRIES)
			fail_msg("no `%s` in `%s`", text,
				 buf_data(&world->link->sent) +
					 world->link->read);
		world_run_for(world->loop, 2);
	}
	world->link->read = (size_t)(at - buf_data(&world->link->sent)) +
			    strlen(text);
}

void client_secure(struct c2s_world *world, struct client *client)
{
	client_send(client, HEADER);
	client_expect(client, "</stream:features>");
	client_send(client, STARTTLS);
	client_expect(client, "<proceed xmlns='urn:ietf:params:xml:ns:"
			      "xmpp-tls'/>");
	conn_start_tls(client->end.conn, world->tls, "example.org");
	client_send(client, HEADER);
	client_expect(client, "</stream:features>");
}

void client_login(struct c2s_world *world, struct client *client)
{
	client_connect(world, client, false);
	client_secure(world, client);
	client_send(client, AUTH_PLAIN);
	client_expect(client, "<success ");
	client_send(client, HEADER);
	client_expect(client, "</stream:features>");
	client_send(client, BIND);
	client_expect(client, "<jid>alice@example.org/phone</jid></bind></iq>");
}
