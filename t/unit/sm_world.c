/* SPDX-License-Identifier: Apache-2.0
 *
 * The world that the tests of the sm's features run in.
 */
#include "t/unit/sm_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "sm/management.h"
#include "sm/domain.h"
#include "sm/handover.h"
#include "sm/modules.h"
#include "util/base/mem.h"
#include "util/base/str.h"

static const struct sm_module *const world_modules[] = {
	&sm_module_iq,	     &sm_module_roster,	 &sm_module_disco,
	&sm_module_ping,     &sm_module_version, &sm_module_time,
	&sm_module_last,     &sm_module_private, &sm_module_vcard,
	&sm_module_register, &sm_module_offline, &sm_module_contact,
	&sm_module_session,
};

#define MODULES (sizeof(world_modules) / sizeof(world_modules[0]))

static struct sm_world *world_of(struct sm *sm)
{
	return container_of(sm, struct sm_world, sm);
}

/* -- in the place of the core ---------------------------------------------- */

static void note(struct buf *buf, const struct stanza *stanza)
{
	stanza_write(stanza, buf);
	buf_add_char(buf, '\n');
}

void route_stanza(struct sm *sm, struct stanza *stanza, const char *origin,
		  struct work *work)
{
	(void)origin;
	(void)work;
	note(&world_of(sm)->routed, stanza);
	stanza_free(&stanza);
}

void route_log_error(struct sm *sm, const struct stanza *answer,
		     enum stanza_error error, const char *text)
{
	(void)sm;
	(void)answer;
	(void)error;
	(void)text;
}

void route_error(struct sm *sm, const struct stanza *stanza,
		 enum stanza_error error, const char *text)
{
	(void)text;
	if (stanza_may_answer(stanza))
		buf_addf(&world_of(sm)->errors, "%s to %s\n",
			 stanza_error_condition(error),
			 element_attr(stanza->root, "from"));
}

void session_send(struct session *session, const struct stanza *stanza)
{
	session_deliver(session, stanza, NULL, NULL);
}

bool session_is_awake(const struct session *session)
{
	(void)session;
	return true;
}

void session_deliver(struct session *session, const struct stanza *stanza,
		     const char *origin, struct work *work)
{
	struct sm_world *world = world_of(session->sm);

	(void)origin;
	(void)work;
	buf_addf(&world->sent, "%s ", jid_resource(session->jid));
	note(&world->sent, stanza);
}

void session_changed(struct session *session)
{
	session->snapshot_due = true;
}

struct session *session_by_resource(const struct user *user,
				    const char *resource)
{
	struct session *session;

	DL_FOREACH(user->sessions, session) {
		if (str_equal(jid_resource(session->jid), resource))
			return session;
	}
	return NULL;
}

struct contact *user_contact(const struct user *user, const char *bare)
{
	struct contact *contact;

	HASH_FIND_STR(user->roster, bare, contact);
	return contact;
}

struct user *user_find(struct sm *sm, const char *bare)
{
	struct user *user = world_of(sm)->user;

	return str_equal(bare, jid_bare(user->jid)) ? user : NULL;
}

void user_pin(struct user *user)
{
	user->pins++;
}

void user_unpin(struct user *user)
{
	assert_true(user->pins > 0);
	user->pins--;
}

/* -- stream management, of which there is none ----------------------------- */

struct session *management_find(const struct user *user, const char *id)
{
	(void)user;
	(void)id;
	return NULL;
}

bool management_has(const struct management *m, const char *origin)
{
	(void)m;
	(void)origin;
	return false;
}

uint64_t management_hash(const char *origin)
{
	uint64_t hash = 5381;

	while (*origin != '\0')
		hash = hash * 33 + (unsigned char)*origin++;
	return hash;
}

void management_guard(struct management *m, uint64_t number,
		      struct work *work)
{
	(void)m;
	(void)number;
	(void)work;
}

void management_keep(struct session *session, const struct stanza *stanza,
		     const char *origin)
{
	session_deliver(session, stanza, origin, NULL);
}

void management_store_copies(struct user *user, const char *origin,
			     struct work *work)
{
	(void)user;
	(void)origin;
	(void)work;
}

/* The c2s has it at once. */
void snapshot_send_with(struct session *session, struct work *work)
{
	session_changed(session);
	(void)work;
}

/* -- work ------------------------------------------------------------------ */

struct work *work_new_call(struct sm *sm, work_done_cb *done, void *ctx)
{
	struct work *work = mem_new(struct work);

	(void)sm;
	work->holds = 1;
	work->done = done;
	work->ctx = ctx;
	return work;
}

struct work *work_hold(struct work *work)
{
	if (work != NULL)
		work->holds++;
	return work;
}

void work_release(struct work **work)
{
	struct work *held = *work;

	*work = NULL;
	if (held == NULL)
		return;
	assert_true(held->holds > 0);
	if (--held->holds > 0 || held->done == NULL)
		return;
	held->done(held->ctx);
	mem_free(held->ctx);
	mem_free(held);
}

void user_removed(struct user *user)
{
	world_of(user->sm)->removed = true;
}

bool handover_is_open(const struct sm *sm, const struct sm_domain *domain)
{
	(void)sm;
	(void)domain;
	return false;
}

bool user_is_ours(const struct sm *sm, const struct jid *jid)
{
	(void)sm;
	(void)jid;
	return true;
}

struct auth *domain_writable_auth(const struct sm_domain *domain)
{
	return domain->auth_count > 0 ? domain->auth[0] : NULL;
}

void registration_answer(struct registration *registration,
			 struct stanza *reply)
{
	note(&world_of(registration->sm)->answers, reply);
	stanza_free(&reply);
	stanza_free(&registration->iq);
	work_release(&registration->work);
	mem_free(registration->address);
	mem_free(registration);
}

const struct members *link_members(const struct link *link)
{
	return ((const struct sm_world *)(const void *)link)->members;
}

bool link_congested(const struct link *link, const char *at)
{
	/* The link is the world. */
	(void)at;
	return ((const struct sm_world *)(const void *)link)->congested;
}

/* -- the world --------------------------------------------------------------
 */

static void **blocks(size_t size_of(const struct sm_module *))
{
	void **data = mem_calloc(MODULES, sizeof(*data));

	for (size_t i = 0; i < MODULES; i++) {
		size_t size = size_of(world_modules[i]);

		data[i] = size > 0 ? mem_alloc(size) : NULL;
	}
	return data;
}

static size_t sm_size(const struct sm_module *module)
{
	return module->data_size;
}

static size_t user_size(const struct sm_module *module)
{
	return module->user_size;
}

static void blocks_free(void **data)
{
	for (size_t i = 0; i < MODULES; i++)
		mem_free(data[i]);
	mem_free(data);
}

void sm_world_init(struct sm_world *world, const char *driver,
		   const char *connection)
{
	struct auth_setup setup;
	struct user *user;

	memset(world, 0, sizeof(*world));
	world_init(&world->world);
	world->options.roster_max = 5;
	world->options.offline_max = 200;
	world->domain.name = (char *)"example.org";
	world->domain.jid = jid_parse("example.org");
	world->domain.options = &world->domain_options;
	world->domain.storage = world_open(&world->world, driver, connection);
	world->sm.loop = world->world.loop;
	world->sm.started = loop_now(world->sm.loop);
	world->sm.log = &world->world.log;
	world->sm.options = &world->options;
	world->sm.link = (struct link *)(void *)world;
	world->sm.parser = stanza_parser_new();
	world->sm.modules = world_modules;
	world->sm.module_count = MODULES;
	world->sm.module_data = blocks(sm_size);
	setup = (struct auth_setup){ .loop = world->sm.loop,
				     .log = world->sm.log,
				     .storage = world->domain.storage };
	world->auth = auth_open(&setup, "storage", NULL, NULL);
	assert_non_null(world->auth);
	world->domain.auth = &world->auth;
	world->domain.auth_count = 1;
	world->members = members_new();
	user = mem_new(struct user);
	user->sm = &world->sm;
	user->domain = &world->domain;
	user->jid = jid_parse("alice@example.org");
	user->state = USER_READY;
	user->has_account = true;
	user->module_data = blocks(user_size);
	world->user = user;
}

void sm_world_free(struct sm_world *world)
{
	struct user *user = world->user;

	sm_world_settle(world);
	while (user->sessions != NULL)
		sm_world_close(user->sessions);
	sm_world_settle(world);
	assert_int_equal(user->pins, 0);
	assert_int_equal(world->work.holds, 0);
	for (size_t i = 0; i < MODULES; i++) {
		if (world_modules[i]->user_unloaded != NULL)
			world_modules[i]->user_unloaded(user);
		if (world_modules[i]->stop != NULL)
			world_modules[i]->stop(&world->sm);
	}
	auth_close(&world->auth);
	members_free(&world->members);
	storage_close(&world->domain.storage);
	roster_free(user);
	blocks_free(user->module_data);
	jid_free(&user->jid);
	mem_free(user->copies);
	mem_free(user);
	blocks_free(world->sm.module_data);
	stanza_parser_free(&world->sm.parser);
	jid_free(&world->domain.jid);
	buf_free(&world->routed);
	buf_free(&world->errors);
	buf_free(&world->answers);
	buf_free(&world->sent);
	world_free(&world->world);
}

struct session *sm_world_session(struct sm_world *world, const char *resource)
{
	struct session *session = mem_new(struct session);

	session->sm = &world->sm;
	session->user = world->user;
	session->id = mem_printf("c2s-1.%s", resource);
	session->c2s = "c2s-1";
	session->jid = jid_with_resource(world->user->jid, resource);
	DL_APPEND(world->user->sessions, session);
	world->user->session_count++;
	return session;
}

void sm_world_close(struct session *session)
{
	struct directed *directed, *next;

	for (size_t i = 0; i < MODULES; i++) {
		if (world_modules[i]->session_closed != NULL)
			world_modules[i]->session_closed(session);
	}
	presence_session_closed(session);
	DL_DELETE(session->user->sessions, session);
	session->user->session_count--;
	LL_FOREACH_SAFE(session->directed, directed, next)
		mem_free(directed);
	stanza_free(&session->presence);
	jid_free(&session->jid);
	mem_free(session->id);
	mem_free(session);
}

static struct stanza *parse(struct sm *sm, const char *xml)
{
	struct stanza *stanza = stanza_parse(sm->parser, &stream_ns_client, xml,
					     strlen(xml), NULL);

	assert_non_null(stanza);
	return stanza;
}

void sm_world_receive(struct sm_world *world, const char *xml)
{
	struct stanza *stanza = parse(&world->sm, xml);
	struct task task = {
		.sm = &world->sm,
		.domain = &world->domain,
		.stanza = stanza,
		.from = jid_parse(element_attr(stanza->root, "from")),
		.to = jid_parse(element_attr(stanza->root, "to")),
		.work = work_hold(&world->work),
	};

	task.user = jid_local(task.to) != NULL ? world->user : NULL;
	if (task.user == NULL)
		iq_to_server(&task);
	else if (element_is(stanza->root, "iq", NS_CLIENT))
		iq_to_user(&task);
	else if (element_is(stanza->root, "message", NS_CLIENT))
		message_to_user(&task);
	else
		presence_to_user(&task);
	work_release(&task.work);
	jid_free(&task.from);
	jid_free(&task.to);
	stanza_free(&task.stanza);
}

void sm_world_presence(struct session *session, const char *xml)
{
	struct stanza *stanza = parse(session->sm, xml);

	element_set_attr(stanza->root, "from", jid_full(session->jid));
	presence_from_session(session, stanza, NULL, NULL);
}

void sm_world_settle(struct sm_world *world)
{
	struct storage_stats stats;

	do {
		world_run(&world->world, 5);
		storage_get_stats(world->domain.storage, &stats);
	} while (stats.pending > 0);
}

void sm_world_saw(struct buf *buf, const char *text)
{
	if (strstr(buf_data(buf), text) == NULL)
		fail_msg("no\n%s\nin\n%s", text, buf_data(buf));
	buf_clear(buf, 0);
}

void sm_world_nothing(struct buf *buf)
{
	assert_string_equal(buf_data(buf), "");
}

unsigned sm_world_count(const struct buf *buf, const char *text)
{
	const char *at = buf_data(buf);
	unsigned count = 0;

	while ((at = strstr(at, text)) != NULL) {
		count++;
		at++;
	}
	return count;
}
