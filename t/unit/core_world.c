/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole sm without a router: the functions of util/role/link.h as far as an
 * sm uses them, noting instead of sending.
 */
#include "t/unit/core_world.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "sm/domain.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"

struct link {
	struct core_world *core;
	const struct link_handlers *handlers;
	void *ctx;
	uint64_t *tokens; /* of what is delivered at the end of the turn */
	size_t token_count;
	struct deferred deliver;
};

/* -- the link -------------------------------------------------------------- */

struct link *role_link_new(struct role_env *env,
			   const struct common_options *options,
			   const char *const *binds,
			   const struct link_handlers *handlers, void *ctx,
			   struct error *err)
{
	struct core_world *core = container_of(env, struct core_world, env);
	struct link *link = mem_new(struct link);

	(void)options;
	(void)binds;
	(void)err;
	link->core = core;
	link->handlers = handlers;
	link->ctx = ctx;
	core->link = link;
	return link;
}

void role_link_metrics(const struct link *link, struct buf *to)
{
	(void)link;
	(void)to;
}

void link_close(struct link **link)
{
	(*link)->core->link = NULL;
	loop_defer_cancel((*link)->core->world.loop, &(*link)->deliver);
	mem_free((*link)->tokens);
	mem_free(*link);
	*link = NULL;
}

const char *link_name(const struct link *link)
{
	(void)link;
	return "sm-1";
}

bool link_connected(const struct link *link)
{
	return link->core->members != NULL;
}

const struct members *link_members(const struct link *link)
{
	return link->core->members;
}

const char *link_router(const struct link *link, size_t i)
{
	(void)link;
	return i == 0 ? "router" : NULL;
}

bool link_owns(const struct link *link, const char *to)
{
	const struct member *member =
		members_route(link->core->members, to);

	return member != NULL && str_equal(member->name, "sm-1");
}

bool link_congested(const struct link *link, const char *at)
{
	(void)link;
	(void)at;
	return false;
}

void link_bind(struct link *link, const char *name)
{
	(void)link;
	(void)name;
}

void link_unbind(struct link *link, const char *name)
{
	(void)link;
	(void)name;
}

void link_get_stats(const struct link *link, struct link_stats *stats)
{
	(void)link;
	*stats = (struct link_stats){ .sent = 0 };
}

static void deliver(struct deferred *deferred)
{
	struct link *link = container_of(deferred, struct link, deliver);

	for (size_t i = 0; i < link->token_count; i++)
		link->handlers->delivered(link, link->tokens[i], link->ctx);
	link->token_count = 0;
}

enum link_sent link_send(struct link *link, const struct envelope *envelope)
{
	struct core_world *core = link->core;
	struct sent *sent;

	if (envelope->at != NULL &&
	    str_equal(envelope->at, core->unreachable))
		return LINK_NO_ROUTE;
	if (envelope->at == NULL &&
	    members_route(core->members, envelope->to) == NULL)
		return LINK_NO_ROUTE;
	sent = mem_new(struct sent);
	sent->at = mem_strdup(envelope->at);
	sent->to = mem_strdup(envelope->to);
	sent->session = mem_strdup(envelope->session);
	sent->trust = mem_strdup(envelope->trust);
	sent->xml = mem_strndup(envelope->payload, envelope->payload_len);
	sent->control = envelope->control;
	LL_APPEND(core->sent, sent);
	if (envelope->token != 0) {
		link->tokens = mem_realloc(link->tokens, link->token_count + 1,
					   sizeof(*link->tokens));
		link->tokens[link->token_count++] = envelope->token;
		loop_defer(core->world.loop, &link->deliver, deliver);
	}
	return LINK_SENT;
}

void link_processed(struct link *link, struct link_receipt receipt)
{
	(void)receipt;
	link->core->processed++;
}

/* -- the world ------------------------------------------------------------- */

static void on_ready(struct role_env *env)
{
	container_of(env, struct core_world, env)->ready = true;
}

static void on_stopped(struct role_env *env)
{
	container_of(env, struct core_world, env)->stopped = true;
}

static void write_file(const struct world *world, const char *name,
		       const char *text)
{
	char *path = world_path(world, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	chmod(path, 0600);
	mem_free(path);
}

static void write_config(const struct core_world *core, const char *options)
{
	char *secret = world_path(&core->world, "ticket");
	char *text = mem_printf(
		"sm \"sm-*\" { ticket-secret-file = \"%s\" %s }\n"
		"storage \"main\" { driver = memory connection = \"\" }\n"
		"domain \"example.org\" { registration = yes }\n",
		secret, options);

	write_file(&core->world, "chappe.conf", text);
	write_file(&core->world, "ticket", "a secret of all sms\n");
	mem_free(text);
	mem_free(secret);
}

struct creation {
	struct core_world *core;
	unsigned done;
};

static void created(const struct auth_result *result, void *ctx)
{
	struct creation *creation = ctx;

	assert_int_equal(result->status, STORAGE_OK);
	creation->done++;
}

static void make_accounts(struct core_world *core)
{
	static const char *const jids[] = { "alice@example.org",
					    "bob@example.org" };
	struct auth *auth = sm_domain(core->sm, "example.org")->auth[0];
	struct creation creation = { .core = core };

	for (size_t i = 0; i < 2; i++)
		auth_create(auth, jids[i], "secret", created, &creation);
	for (unsigned i = 0; creation.done < 2 && i < 1000; i++)
		world_run(&core->world, 10);
	assert_int_equal(creation.done, 2);
}

static void core_start(struct core_world *core)
{
	struct error err = { "" };

	core->sm = sm_role.start(&core->env, &err);
	if (core->sm == NULL)
		fail_msg("%s", err.text);
	core_member(core, "sm-1", "sm", "00000000000000a1");
	core_member(core, "c2s-1", "c2s", CORE_EPOCH);
	core_member(core, "example.org", "sm", "00000000000000a1");
	make_accounts(core);
}

void core_init(struct core_world *core, const char *options)
{
	static const struct section *const sections[] = {
		&sm_section, &domain_section, &storage_section, NULL
	};
	struct error err = { "" };
	char *path;

	memset(core, 0, sizeof(*core));
	world_init(&core->world);
	write_config(core, options);
	path = world_path(&core->world, "chappe.conf");
	core->env.config = config_load(path, sections, true, &err);
	if (core->env.config == NULL)
		fail_msg("%s", err.text);
	mem_free(path);
	core->env.loop = core->world.loop;
	core->env.log = &core->world.log;
	core->env.instance = "sm-1";
	core->env.ready = on_ready;
	core->env.stopped = on_stopped;
	core->members = members_new();
	core_start(core);
}

static void sent_free(struct sent *sent)
{
	mem_free(sent->at);
	mem_free(sent->to);
	mem_free(sent->session);
	mem_free(sent->trust);
	mem_free(sent->xml);
	mem_free(sent);
}

static void drop_first(struct core_world *core)
{
	struct sent *sent = core->sent;

	core->sent = sent->next;
	sent_free(sent);
}

static void core_end(struct core_world *core)
{
	sm_role.stop(core->sm);
	for (unsigned i = 0; !core->stopped && i < 1000; i++)
		world_run(&core->world, 10);
	assert_true(core->stopped);
	sm_role.free(core->sm);
	core->stopped = false;
	while (core->sent != NULL)
		drop_first(core);
}

void core_restart(struct core_world *core)
{
	core_end(core);
	core_start(core);
}

void core_free(struct core_world *core)
{
	struct config *config = (struct config *)core->env.config;

	core_end(core);
	if (core->found != NULL)
		sent_free(core->found);
	members_free(&core->members);
	config_free(&config);
	world_free(&core->world);
}

/* -- what comes ------------------------------------------------------------ */

static void receive(struct core_world *core, struct envelope *envelope,
		    const char *xml)
{
	struct link_receipt receipt = { .peer = 1, .n = ++core->received };

	envelope->at = "sm-1";
	envelope->payload = xml;
	envelope->payload_len = strlen(xml);
	core->link->handlers->received(core->link, envelope, receipt,
				       core->link->ctx);
}

void core_control(struct core_world *core, const char *session,
		  const char *xml)
{
	struct envelope envelope = { .from = "c2s-1", .epoch = CORE_EPOCH,
				     .session = session, .control = true };

	receive(core, &envelope, xml);
}

void core_stanza_from(struct core_world *core, const char *from,
		      const char *session, unsigned n, const char *xml)
{
	char *origin = mem_printf("%s/%u", session, n);
	struct envelope envelope = { .from = from, .epoch = CORE_EPOCH,
				     .session = session, .origin = origin,
				     .to = "alice@example.org" };

	receive(core, &envelope, xml);
	mem_free(origin);
}

void core_stanza(struct core_world *core, const char *session, unsigned n,
		 const char *xml)
{
	core_stanza_from(core, "c2s-1", session, n, xml);
}

void core_route(struct core_world *core, const char *from, const char *xml)
{
	struct envelope envelope = { .from = from, .epoch = CORE_EPOCH };

	receive(core, &envelope, xml);
}

void core_route_trusted(struct core_world *core, const char *from,
			const char *trust, const char *xml)
{
	struct envelope envelope = { .from = from, .epoch = CORE_EPOCH,
				     .trust = trust };

	receive(core, &envelope, xml);
}

void core_undelivered(struct core_world *core, const char *at,
		      const char *session, const char *xml)
{
	struct envelope envelope = { .at = at, .from = "sm-1",
				     .session = session, .payload = xml,
				     .payload_len = strlen(xml) };

	core->link->handlers->undelivered(core->link, &envelope, "gone",
					  core->link->ctx);
}

/* c2s-1 has no sessions that would have to move. */
static void say_settled(struct core_world *core, const struct member *member)
{
	char *xml = mem_printf("<link:settled domain='example.org' "
			       "members='%016llx'/>",
			       members_print(member, 1));

	core_control(core, NULL, xml);
	mem_free(xml);
}

void core_member(struct core_world *core, const char *name, const char *kind,
		 const char *epoch)
{
	struct member member = { .name = (char *)name, .kind = (char *)kind,
				 .epoch = (char *)epoch };

	if (str_equal(kind, "sm"))
		member.name = (char *)"sm-1";
	members_set(core->members, name, &member, epoch != NULL ? 1 : 0);
	core->link->handlers->members(core->link, name, core->link->ctx);
	if (str_equal(name, "example.org") && epoch != NULL)
		say_settled(core, &member);
}

/* -- what goes ------------------------------------------------------------- */

const struct sent *core_expect(struct core_world *core, const char *text)
{
	for (unsigned i = 0; i < 1000; i++) {
		while (core->sent != NULL) {
			if (strstr(core->sent->xml, text) != NULL) {
				struct sent *found = core->sent;

				LL_DELETE(core->sent, found);
				if (core->found != NULL)
					sent_free(core->found);
				core->found = found;
				return found;
			}
			drop_first(core);
		}
		world_run(&core->world, 10);
	}
	fail_msg("nothing with '%s' was sent; the log:\n%s", text,
		 buf_data(&core->world.lines));
	return NULL;
}

void core_expect_no(struct core_world *core, const char *text)
{
	const struct sent *sent;

	for (unsigned i = 0; i < 5; i++)
		world_run(&core->world, 5);
	LL_FOREACH(core->sent, sent) {
		if (strstr(sent->xml, text) != NULL)
			fail_msg("'%s' was sent", sent->xml);
	}
}

static struct stanza *parse(const struct core_world *core, const char *xml)
{
	const struct envelope envelope = { .control = true, .payload = xml,
					   .payload_len = strlen(xml) };
	struct stanza *stanza =
		envelope_parse(&envelope, core->sm->parser, NULL);

	assert_non_null(stanza);
	return stanza;
}

char *core_attr(const struct core_world *core, const char *xml,
		const char *name)
{
	struct stanza *stanza = parse(core, xml);
	char *value = mem_strdup(element_attr(stanza->root, name));

	stanza_free(&stanza);
	return value;
}

char *core_text(const struct core_world *core, const char *xml)
{
	struct stanza *stanza = parse(core, xml);
	const char *text = element_text(stanza->root);
	struct buf bytes = { .len = 0 };

	assert_int_equal(base64_decode(&bytes, text, strlen(text)), 0);
	stanza_free(&stanza);
	return buf_take(&bytes);
}

void core_command(struct core_world *core, const char *xml)
{
	struct stanza *stanza = parse(core, xml);

	core->link->handlers->command(core->link, "admin-1", stanza,
				      core->link->ctx);
	stanza_free(&stanza);
}

/* -- clients --------------------------------------------------------------- */

char *core_login(struct core_world *core, const char *session,
		 const char *name)
{
	struct buf message = { .len = 0 }, text = { .len = 0 };
	char *xml;

	buf_add(&message, "", 1);
	buf_add(&message, name, strlen(name) + 1);
	buf_add_str(&message, "secret");
	base64_encode(&text, buf_data(&message), message.len);
	xml = mem_printf("<link:auth domain='example.org' mechanism='PLAIN' "
			 "address='192.0.2.1' tls='TLSv1.3'>%s</link:auth>",
			 buf_data(&text));
	core_control(core, session, xml);
	mem_free(xml);
	buf_free(&message);
	buf_free(&text);
	return core_attr(core, core_expect(core, "<link:success")->xml, "ticket");
}

char *core_open(struct core_world *core, const char *session,
		const char *name, const char *resource)
{
	char *ticket = core_login(core, session, name);
	char *xml = mem_printf("<link:open jid='%s@example.org' ticket='%s' "
			       "address='192.0.2.1' resource='%s'/>", name,
			       ticket, resource);
	char *jid;

	core_control(core, session, xml);
	jid = core_attr(core, core_expect(core, "<link:opened")->xml, "jid");
	mem_free(xml);
	mem_free(ticket);
	return jid;
}
