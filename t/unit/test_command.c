/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands from an operator's link through a router to a role, answered at
 * once and later.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "t/unit/fake_router.h"
#include "util/base/str.h"
#include "util/net/timer.h"
#include "util/role/command.h"

struct world {
	struct loop *loop;
	struct log log;
	struct timer timer;
	uint64_t until;
	struct fake_router router;
	struct link *admin, *sm, *bare;
	struct buf answers;
	unsigned results, wanted;
	struct command_call *later;
};

static void run_list(struct command_call *call, void *ctx)
{
	(void)ctx;
	command_row(call, "domain", command_argument(call, "domain"), "none",
		    command_argument(call, "none"), NULL);
	command_row(call, "jid", "a<b&c", NULL);
	command_finish(call, "ok", NULL);
}

static void run_later(struct command_call *call, void *ctx)
{
	struct world *world = ctx;

	world->later = call;
}

static const struct command commands[] = {
	{ "session.list", run_list, true },
	{ "later", run_later, false },
	{ .name = NULL },
};

static void on_command(struct link *link, const char *from,
		       const struct stanza *stanza, void *ctx)
{
	const struct command_role role = { .table = commands, .ctx = ctx };

	command_dispatch(link, &role, from, stanza);
}

static void on_received(struct link *link, const struct envelope *envelope,
			struct link_receipt receipt, void *ctx)
{
	struct world *world = ctx;

	link_processed(link, receipt);
	assert_true(envelope->control);
	buf_add(&world->answers, envelope->payload, envelope->payload_len);
	buf_add_char(&world->answers, '\n');
	if (envelope->payload_len > 12 &&
	    memcmp(envelope->payload, "<link:result", 12) == 0)
		world->results++;
}

static void on_undelivered(struct link *link, const struct envelope *envelope,
			   const char *reason, void *ctx)
{
	(void)link;
	(void)envelope;
	(void)ctx;
	fail_msg("undelivered: %s", reason);
}

static void on_poll(struct timer *timer)
{
	struct world *world = container_of(timer, struct world, timer);
	bool ready = link_owner(world->admin, "sm-1") &&
		     link_owner(world->sm, "admin-1") &&
		     link_owner(world->admin, "sm-2") &&
		     link_owner(world->bare, "admin-1") &&
		     world->results >= world->wanted;

	assert_true(loop_now(world->loop) < world->until);
	if (world->later) {
		command_finish(world->later, "unavailable", "a 'reason'");
		world->later = NULL;
	}
	if (ready)
		loop_stop(world->loop);
	else
		timer_start(timer, world->loop, 2, on_poll);
}

static void run(struct world *world)
{
	world->until = loop_now(world->loop) + 5000;
	timer_start(&world->timer, world->loop, 0, on_poll);
	loop_run(world->loop);
}

static struct link *open_link(struct world *world, const char *address,
			      const char *name, bool commands_known)
{
	const char *routers[] = { address, NULL };
	struct link_options options = { .name = name, .routers = routers,
					.secret = "s" };
	struct link_handlers handlers = {
		.received = on_received, .undelivered = on_undelivered,
		.command = commands_known ? on_command : NULL,
	};

	return link_new(world->loop, &world->log, &options, &handlers, world);
}

static void ask(struct world *world, const char *at, const char *text)
{
	const struct envelope envelope = { .at = at, .control = true,
					   .payload = text,
					   .payload_len = strlen(text) };

	buf_clear(&world->answers, 0);
	world->wanted = world->results + 1;
	assert_int_equal(link_send(world->admin, &envelope), LINK_SENT);
	run(world);
}

static void check_answers(struct world *world)
{
	ask(world, "sm-1",
	    "<link:command name='session.list' id='7&lt;'>"
	    "<link:argument name='x'>y</link:argument>"
	    "<link:argument name='domain'>ex&amp;</link:argument>"
	    "</link:command>");
	assert_string_equal(
		buf_data(&world->answers),
		"<link:row id='7&lt;'><link:field name='domain'>ex&amp;"
		"</link:field></link:row>\n"
		"<link:row id='7&lt;'><link:field name='jid'>a&lt;b&amp;c"
		"</link:field></link:row>\n"
		"<link:result id='7&lt;' status='ok'/>\n");
	ask(world, "sm-1", "<link:command name='later' id='8'/>");
	assert_string_equal(buf_data(&world->answers),
			    "<link:result id='8' status='unavailable' "
			    "text='a &apos;reason&apos;'/>\n");
	ask(world, "sm-1", "<link:command name='nothing' id='9'/>");
	assert_non_null(strstr(buf_data(&world->answers),
			       "id='9' status='invalid'"));
	ask(world, "sm-1", "<link:command id='10'/>");
	assert_non_null(strstr(buf_data(&world->answers),
			       "id='10' status='invalid'"));
	ask(world, "sm-2", "<link:command name='later' id='11'/>");
	assert_non_null(strstr(buf_data(&world->answers),
			       "id='11' status='invalid'"));
}

static void test_commands(void **state)
{
	struct world world = { .results = 0 };
	struct error err;
	char address[64];

	(void)state;
	snprintf(address, sizeof(address), "unix:/tmp/test_command.%ld",
		 (long)getpid());
	world.loop = loop_new(&err);
	log_init(&world.log, "test");
	world.log.level = LOG_LEVEL_ERROR;
	fake_open(&world.router, world.loop, address, "router");
	world.sm = open_link(&world, address, "sm-1", true);
	world.bare = open_link(&world, address, "sm-2", false);
	world.admin = open_link(&world, address, "admin-1", false);
	run(&world);
	check_answers(&world);
	link_close(&world.admin);
	link_close(&world.sm);
	link_close(&world.bare);
	fake_close(&world.router);
	timer_stop(&world.timer);
	loop_free(&world.loop);
	buf_free(&world.answers);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
