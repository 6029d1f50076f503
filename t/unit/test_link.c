/* SPDX-License-Identifier: Apache-2.0
 *
 * The link against a router that loses things: each envelope arrives once and
 * in order, or comes back; callbacks never run inside a call.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/unit/fake_router.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/role/link_private.h"

#define DEADLINE_MS 8000
#define GOT_MAX 4096

struct role_side {
	struct link *link;
	bool lazy; /* keeps receipts instead of processing */
	bool apart; /* sends each for a session of its own */
	bool in_call;
	unsigned numbers[GOT_MAX]; /* the text of each payload, as a number */
	struct link_receipt receipts[GOT_MAX];
	size_t got;
	unsigned returned[GOT_MAX];
	size_t returned_count;
	char reason[64];
	char session[32], origin[32];
	unsigned drained, ups, downs;
	bool close_on_receive;
};

struct world {
	struct loop *loop;
	struct log log;
	struct timer timer;
	bool (*done)(struct world *world);
	uint64_t until;
	bool timed_out;
	struct fake_router routers[2];
	char addresses[2][64];
	struct role_side c2s, sm1, sm2;
	unsigned router_version, c2s_version, sm_version; /* 0: the newest */
};

/* -- roles ------------------------------------------------------------------ */

static unsigned number_of(const struct envelope *envelope)
{
	char text[16];
	const char *start = memchr(envelope->payload, '>',
				   envelope->payload_len);

	assert_non_null(start);
	snprintf(text, sizeof(text), "%.*s", 9, start + 1);
	return (unsigned)strtoul(text, NULL, 10);
}

static void on_received(struct link *link, const struct envelope *envelope,
			struct link_receipt receipt, void *ctx)
{
	struct role_side *side = ctx;

	assert_false(side->in_call);
	assert_true(side->got < GOT_MAX);
	side->receipts[side->got] = receipt;
	side->numbers[side->got++] = number_of(envelope);
	str_copy(side->session, sizeof(side->session),
		 envelope->session ? envelope->session : "");
	str_copy(side->origin, sizeof(side->origin),
		 envelope->origin ? envelope->origin : "");
	if (side->close_on_receive)
		link_close(&side->link);
	else if (!side->lazy)
		link_processed(link, receipt);
}

static void on_undelivered(struct link *link, const struct envelope *envelope,
			   const char *reason, void *ctx)
{
	struct role_side *side = ctx;

	(void)link;
	assert_false(side->in_call);
	assert_true(side->returned_count < GOT_MAX);
	side->returned[side->returned_count++] = number_of(envelope);
	str_copy(side->reason, sizeof(side->reason), reason);
}

static void on_drained(struct link *link, const char *at, void *ctx)
{
	struct role_side *side = ctx;

	(void)link;
	assert_string_equal(at, "sm-1");
	side->drained++;
}

static void on_state(struct link *link, bool connected, void *ctx)
{
	struct role_side *side = ctx;

	(void)link;
	if (connected)
		side->ups++;
	else
		side->downs++;
}

static const struct link_handlers handlers = {
	.received = on_received,
	.undelivered = on_undelivered,
	.drained = on_drained,
	.state = on_state,
};

static void open_side(struct world *world, struct role_side *side,
		      const char *name, const char *domain)
{
	const char *binds[] = { domain, NULL };
	const char *routers[3] = { NULL };
	struct link_options options = { .name = name,
					.routers = routers,
					.secret = "secret",
					.binds = binds,
					.queue_bytes = 16384 };

	options.version = side == &world->c2s ? world->c2s_version
					      : world->sm_version;

	for (int i = 0; i < 2 && *world->addresses[i]; i++)
		routers[i] = world->addresses[i];
	side->link = link_new(world->loop, &world->log, &options, &handlers,
			      side);
}

static enum link_sent send_text(struct role_side *side, const char *at,
				const char *to, unsigned number,
				size_t padding)
{
	struct envelope envelope = { .at = at, .to = to, .session = "s<1>",
				     .origin = "o/1" };
	struct buf payload = { .data = NULL };
	enum link_sent sent;
	char session[32];

	if (side->apart) {
		snprintf(session, sizeof(session), "c2s-1.%u", number);
		envelope.session = session;
	}
	buf_addf(&payload, "<m>%u", number);
	while (payload.len < padding)
		buf_add_char(&payload, ' ');
	buf_add_str(&payload, "</m>");
	envelope.payload = buf_data(&payload);
	envelope.payload_len = payload.len;
	side->in_call = true;
	sent = link_send(side->link, &envelope);
	side->in_call = false;
	buf_free(&payload);
	return sent;
}

static void send_range(struct role_side *side, const char *to, unsigned first,
		       unsigned last)
{
	for (unsigned i = first; i <= last; i++)
		assert_int_equal(send_text(side, NULL, to, i, 0), LINK_SENT);
}

/* -- waiting ---------------------------------------------------------------- */

static void on_poll(struct timer *timer)
{
	struct world *world = container_of(timer, struct world, timer);

	if (world->done && world->done(world)) {
		loop_stop(world->loop);
	} else if (loop_now(world->loop) >= world->until) {
		world->timed_out = true;
		loop_stop(world->loop);
	} else {
		timer_start(timer, world->loop, 2, on_poll);
	}
}

static void run(struct world *world, bool (*done)(struct world *world),
		uint64_t ms)
{
	world->done = done;
	world->timed_out = false;
	world->until = loop_now(world->loop) + ms;
	timer_start(&world->timer, world->loop, 0, on_poll);
	loop_run(world->loop);
	if (done)
		assert_false(world->timed_out);
}

static void wait_for(struct world *world, bool (*done)(struct world *world))
{
	run(world, done, DEADLINE_MS);
}

static void pass(struct world *world, uint64_t ms)
{
	run(world, NULL, ms);
}

static size_t outstanding(const struct role_side *side)
{
	struct link_stats stats;

	link_get_stats(side->link, &stats);
	return stats.outstanding;
}

static bool sm1_known(struct world *world)
{
	return str_equal(link_owner(world->c2s.link, "a@example.org"), "sm-1") &&
	       link_connected(world->sm1.link) &&
	       link_owns(world->sm1.link, "a@example.org") &&
	       link_owner(world->sm1.link, "c2s-1");
}

static bool settled(struct world *world)
{
	return outstanding(&world->c2s) == 0;
}

static void assert_range(const struct role_side *side, unsigned first,
			 unsigned last)
{
	assert_int_equal(side->got, last - first + 1);
	for (size_t i = 0; i < side->got; i++)
		assert_int_equal(side->numbers[i], first + i);
}

/* -- set-up ----------------------------------------------------------------- */

static void setup_world(struct world *world, unsigned routers)
{
	static const char *const names[2] = { "router-a", "router-b" };
	struct error err;

	memset(world, 0, sizeof(*world));
	world->loop = loop_new(&err);
	assert_non_null(world->loop);
	log_init(&world->log, "test");
	world->log.level = LOG_LEVEL_ERROR;
	for (unsigned i = 0; i < routers; i++) {
		snprintf(world->addresses[i], sizeof(world->addresses[i]),
			 "unix:/tmp/test_link.%ld.%u", (long)getpid(), i);
		fake_open(&world->routers[i], world->loop,
			  world->addresses[i], names[i]);
		world->routers[i].version = LINK_VERSION;
	}
}

static void setup_pair(struct world *world, unsigned routers)
{
	setup_world(world, routers);
	open_side(world, &world->sm1, "sm-1", "example.org");
	open_side(world, &world->c2s, "c2s-1", NULL);
	wait_for(world, sm1_known);
}

static void teardown(struct world *world)
{
	link_close(&world->c2s.link);
	link_close(&world->sm1.link);
	link_close(&world->sm2.link);
	for (int i = 0; i < 2; i++) {
		if (world->routers[i].listener)
			fake_close(&world->routers[i]);
	}
	pass(world, 5);
	timer_stop(&world->timer);
	loop_free(&world->loop);
}

/* -- tests ------------------------------------------------------------------ */

static void test_in_order(void **state)
{
	struct world *w = mem_new(struct world);

	(void)state;
	setup_pair(w, 1);
	send_range(&w->c2s, "a@example.org/x", 1, 500);
	assert_int_equal(w->sm1.got, 0);
	assert_int_equal(outstanding(&w->c2s), 500);
	wait_for(w, settled);
	assert_range(&w->sm1, 1, 500);
	assert_string_equal(w->sm1.session, "s<1>");
	assert_string_equal(w->sm1.origin, "o/1");
	/* Acknowledged in batches, not one by one. */
	assert_true(w->routers[0].acks < 100);
	teardown(w);
	mem_free(w);
}

static void test_no_route(void **state)
{
	struct world *w = mem_new(struct world);

	(void)state;
	setup_world(w, 1);
	open_side(w, &w->c2s, "c2s-1", NULL);
	assert_int_equal(send_text(&w->c2s, NULL, "a@example.org", 1, 0),
			 LINK_NO_ROUTE);
	assert_int_equal(send_text(&w->c2s, "sm-1", NULL, 1, 0),
			 LINK_NO_ROUTE);
	assert_null(link_owner(w->c2s.link, "a@example.org"));
	teardown(w);
	mem_free(w);
}

static bool sm1_got_1(struct world *world)
{
	return world->sm1.got >= 1;
}

static void test_loopback(void **state)
{
	struct world *w = mem_new(struct world);

	(void)state;
	setup_pair(w, 1);
	assert_int_equal(send_text(&w->sm1, NULL, "b@example.org", 7, 0),
			 LINK_SENT);
	assert_int_equal(w->sm1.got, 0);
	wait_for(w, sm1_got_1);
	assert_range(&w->sm1, 7, 7);
	assert_int_equal(w->routers[0].routed, 0);
	teardown(w);
	mem_free(w);
}

/* Who speaks which version of the protocol: router, c2s, sm. */
static const unsigned versions[][3] = {
	{ 2, 2, 2 }, { 1, 2, 2 }, { 2, 1, 2 }, { 2, 2, 1 }, { 1, 1, 1 },
};

#define VERSIONS (sizeof(versions) / sizeof(versions[0]))

static void setup_versions(struct world *world, const unsigned version[3])
{
	setup_world(world, 1);
	world->routers[0].version = version[0];
	world->c2s_version = version[1];
	world->sm_version = version[2];
	open_side(world, &world->sm1, "sm-1", "example.org");
	open_side(world, &world->c2s, "c2s-1", NULL);
	wait_for(world, sm1_known);
}

static void test_gap(void **state)
{
	(void)state;
	for (size_t i = 0; i < VERSIONS; i++) {
		struct world *w = mem_new(struct world);

		setup_versions(w, versions[i]);
		w->routers[0].drop_after = 2;
		w->routers[0].drop = 2;
		send_range(&w->c2s, "a@example.org", 1, 6);
		wait_for(w, settled);
		assert_range(&w->sm1, 1, 6);
		teardown(w);
		mem_free(w);
	}
}

static bool sm1_got_4(struct world *world)
{
	return world->sm1.got >= 4;
}

/* A sender of the newer version releases what is done out of its turn. */
static void test_processed_out_of_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < VERSIONS; i++) {
		struct world *w = mem_new(struct world);
		bool selective = i == 0;

		setup_versions(w, versions[i]);
		w->c2s.apart = w->sm1.lazy = true;
		send_range(&w->c2s, "a@example.org", 1, 4);
		wait_for(w, sm1_got_4);
		link_processed(w->sm1.link, w->sm1.receipts[3]);
		link_processed(w->sm1.link, w->sm1.receipts[1]);
		pass(w, 50);
		assert_int_equal(outstanding(&w->c2s), selective ? 2 : 4);
		link_processed(w->sm1.link, w->sm1.receipts[0]);
		link_processed(w->sm1.link, w->sm1.receipts[0]);
		pass(w, 50);
		assert_int_equal(outstanding(&w->c2s), selective ? 1 : 2);
		link_processed(w->sm1.link, w->sm1.receipts[2]);
		wait_for(w, settled);
		assert_range(&w->sm1, 1, 4);
		teardown(w);
		mem_free(w);
	}
}

static bool c2s_has_1(struct world *world)
{
	return outstanding(&world->c2s) == 1;
}

static bool sm1_got_300(struct world *world)
{
	return world->sm1.got >= 300;
}

/* Only the first stays at work; of the others, every second acknowledgement
 * is lost. What was lost is told again when it is asked for. */
static void test_one_holds_back_nobody(void **state)
{
	struct world *w = mem_new(struct world);

	(void)state;
	setup_pair(w, 1);
	w->c2s.apart = w->sm1.lazy = true;
	send_range(&w->c2s, "a@example.org", 1, 300);
	wait_for(w, sm1_got_300);
	w->routers[0].deaf = true;
	for (unsigned i = 299; i > 0; i--) {
		if (i % 2)
			link_processed(w->sm1.link, w->sm1.receipts[i]);
	}
	pass(w, 50);
	assert_int_equal(outstanding(&w->c2s), 300);
	w->routers[0].deaf = false;
	for (unsigned i = 298; i > 0; i -= 2)
		link_processed(w->sm1.link, w->sm1.receipts[i]);
	pass(w, 50);
	assert_int_equal(outstanding(&w->c2s), 151);
	fake_cut(&w->routers[0], "c2s-1");
	wait_for(w, c2s_has_1);
	send_range(&w->c2s, "a@example.org", 301, 302);
	pass(w, 50);
	link_processed(w->sm1.link, w->sm1.receipts[301]);
	link_processed(w->sm1.link, w->sm1.receipts[300]);
	wait_for(w, c2s_has_1);
	link_processed(w->sm1.link, w->sm1.receipts[0]);
	wait_for(w, settled);
	assert_range(&w->sm1, 1, 302);
	teardown(w);
	mem_free(w);
}

static bool sm1_got_3(struct world *world)
{
	return world->sm1.got >= 3;
}

static bool all_down(struct world *world)
{
	return world->c2s.downs == 1 && world->sm1.downs == 1;
}

/* Envelopes that were accepted and not acknowledged are repeated under the
 * same numbers after the router is back, and arrive once. */
static void test_router_restart(void **state)
{
	struct world *w = mem_new(struct world);

	(void)state;
	setup_pair(w, 1);
	w->sm1.lazy = true;
	send_range(&w->c2s, "a@example.org", 1, 3);
	wait_for(w, sm1_got_3);
	fake_close(&w->routers[0]);
	wait_for(w, all_down);
	assert_string_equal(link_owner(w->c2s.link, "a@example.org"), "sm-1");
	send_range(&w->c2s, "a@example.org", 4, 5);
	fake_open(&w->routers[0], w->loop, w->addresses[0], "router-a");
	w->sm1.lazy = false;
	for (size_t i = 0; i < 3; i++)
		link_processed(w->sm1.link, w->sm1.receipts[i]);
	wait_for(w, settled);
	assert_range(&w->sm1, 1, 5);
	assert_int_equal(w->c2s.returned_count, 0);
	assert_int_equal(w->c2s.ups, 2);
	teardown(w);
	mem_free(w);
}

/* A router that is back knows nobody at first: c2s must not think that sm has
 * ended, even when sm comes much later. */
static void test_grace(void **state)
{
	struct world *w = mem_new(struct world);
	struct fake_router *router = &w->routers[0];

	(void)state;
	setup_pair(w, 1);
	w->sm1.lazy = true;
	fake_close(router);
	wait_for(w, all_down);
	link_router_stop(&w->sm1.link->routers[0]);
	timer_stop(&w->sm1.link->routers[0].timer);
	fake_open(router, w->loop, w->addresses[0], "router-a");
	assert_int_equal(send_text(&w->c2s, "sm-1", NULL, 1, 0), LINK_SENT);
	pass(w, 700);
	assert_true(link_connected(w->c2s.link));
	assert_string_equal(link_owner(w->c2s.link, "a@example.org"), "sm-1");
	assert_int_equal(w->c2s.returned_count, 0);
	members_free(&w->sm1.link->routers[0].view);
	link_router_start(&w->sm1.link->routers[0]);
	wait_for(w, sm1_got_1);
	assert_range(&w->sm1, 1, 1);
	teardown(w);
	mem_free(w);
}

static bool sm2_known(struct world *world)
{
	size_t count;

	members_get(link_members(world->c2s.link), "example.org", &count);
	return count == 2;
}

/* A bare JID that the instance serves, of two. */
static const char *served_by(struct world *w, const char *instance, char *to,
			     size_t size)
{
	for (unsigned i = 0; i < 100; i++) {
		snprintf(to, size, "u%u@example.org", i);
		if (str_equal(link_owner(w->c2s.link, to), instance))
			return to;
	}
	fail();
	return NULL;
}

static bool sm2_got_2(struct world *world)
{
	return world->sm2.got >= 2 && world->c2s.returned_count >= 1;
}

static void test_owner_dies(void **state)
{
	struct world *w = mem_new(struct world);
	char to[32];

	(void)state;
	setup_pair(w, 1);
	open_side(w, &w->sm2, "sm-2", "example.org");
	wait_for(w, sm2_known);
	served_by(w, "sm-1", to, sizeof(to));
	w->sm1.lazy = true;
	assert_int_equal(send_text(&w->c2s, NULL, to, 1, 0), LINK_SENT);
	assert_int_equal(send_text(&w->c2s, "sm-1", to, 2, 0), LINK_SENT);
	assert_int_equal(send_text(&w->c2s, NULL, to, 3, 0), LINK_SENT);
	wait_for(w, sm1_got_3);
	link_close(&w->sm1.link);
	wait_for(w, sm2_got_2);
	wait_for(w, settled);
	assert_int_equal(w->sm2.got, 2);
	assert_int_equal(w->sm2.numbers[0], 1);
	assert_int_equal(w->sm2.numbers[1], 3);
	assert_int_equal(w->c2s.returned_count, 1);
	assert_int_equal(w->c2s.returned[0], 2);
	assert_string_equal(w->c2s.reason, "the instance is gone");
	teardown(w);
	mem_free(w);
}

static bool nobody_owns(struct world *world)
{
	return !link_owner(world->c2s.link, "a@example.org");
}

/* The only owner is killed; its successor gets what it did not process. */
static void test_held_for_successor(void **state)
{
	struct world *w = mem_new(struct world);

	(void)state;
	setup_pair(w, 1);
	w->sm1.lazy = true;
	send_range(&w->c2s, "a@example.org", 1, 3);
	wait_for(w, sm1_got_3);
	link_close(&w->sm1.link);
	wait_for(w, nobody_owns);
	assert_int_equal(outstanding(&w->c2s), 3);
	memset(&w->sm1, 0, sizeof(w->sm1));
	open_side(w, &w->sm1, "sm-1", "example.org");
	wait_for(w, settled);
	send_range(&w->c2s, "a@example.org", 4, 4);
	wait_for(w, settled);
	assert_range(&w->sm1, 1, 4);
	assert_int_equal(w->c2s.returned_count, 0);
	teardown(w);
	mem_free(w);
}

static bool returned_3(struct world *world)
{
	return world->c2s.returned_count == 3;
}

static void test_held_too_long(void **state)
{
	struct world *w = mem_new(struct world);
	struct link_item *item;

	(void)state;
	setup_pair(w, 1);
	w->sm1.lazy = true;
	send_range(&w->c2s, "a@example.org", 1, 3);
	wait_for(w, sm1_got_3);
	link_close(&w->sm1.link);
	wait_for(w, nobody_owns);
	assert_non_null(w->c2s.link->receivers);
	item = w->c2s.link->receivers->queue.first;
	for (; item; item = item->next) {
		assert_true(item->expires > loop_now(w->loop) + 25000);
		assert_true(item->expires <= loop_now(w->loop) + 30000);
		item->expires = 0;
	}
	wait_for(w, returned_3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(w->c2s.returned[i], i + 1);
	assert_string_equal(w->c2s.reason, "nobody serves the address");
	assert_int_equal(outstanding(&w->c2s), 0);
	teardown(w);
	mem_free(w);
}

/* The router cuts sm-1, which comes back as the same process: what it had
 * accepted is not delivered to it twice. */
static void test_same_process_back(void **state)
{
	struct world *w = mem_new(struct world);

	(void)state;
	setup_pair(w, 1);
	w->sm1.lazy = true;
	send_range(&w->c2s, "a@example.org", 1, 3);
	wait_for(w, sm1_got_3);
	fake_cut(&w->routers[0], "sm-1");
	wait_for(w, nobody_owns);
	wait_for(w, sm1_known);
	w->sm1.lazy = false;
	for (size_t i = 0; i < 3; i++)
		link_processed(w->sm1.link, w->sm1.receipts[i]);
	send_range(&w->c2s, "a@example.org", 4, 4);
	wait_for(w, settled);
	assert_range(&w->sm1, 1, 4);
	teardown(w);
	mem_free(w);
}

static bool c2s_sees_sm2_only(struct world *world)
{
	size_t count;

	members_get(link_members(world->c2s.link), "example.org", &count);
	return count == 1;
}

static bool sm2_got_3(struct world *world)
{
	return world->sm2.got >= 3;
}

static bool sm1_got_9(struct world *world)
{
	return world->sm1.got > 0 &&
	       world->sm1.numbers[world->sm1.got - 1] == 9;
}

/* As before, but another owner took over meanwhile: the numbers that are
 * missing at sm-1 are filled, so that it takes what comes after them. */
static void test_filled_numbers(void **state)
{
	struct world *w = mem_new(struct world);
	char to[32];

	(void)state;
	setup_pair(w, 1);
	open_side(w, &w->sm2, "sm-2", "example.org");
	wait_for(w, sm2_known);
	served_by(w, "sm-1", to, sizeof(to));
	w->routers[0].drop = 3; /* none of them reaches sm-1 */
	send_range(&w->c2s, to, 1, 3);
	pass(w, 50);
	assert_int_equal(w->sm1.got, 0);
	fake_cut(&w->routers[0], "sm-1");
	wait_for(w, c2s_sees_sm2_only);
	wait_for(w, sm2_got_3);
	wait_for(w, sm2_known);
	assert_string_equal(link_owner(w->c2s.link, to), "sm-1");
	send_range(&w->c2s, to, 9, 9);
	wait_for(w, sm1_got_9);
	wait_for(w, settled);
	assert_range(&w->sm2, 1, 3);
	assert_range(&w->sm1, 9, 9);
	teardown(w);
	mem_free(w);
}

static bool both_routers(struct world *world)
{
	return world->c2s.link->ready_count == 2 &&
	       world->sm1.link->ready_count == 2 && sm1_known(world);
}

/* The acknowledgements of one router are lost, then the router itself. */
static void test_second_router(void **state)
{
	struct world *w = mem_new(struct world);
	int used;

	(void)state;
	setup_pair(w, 2);
	wait_for(w, both_routers);
	w->routers[0].deaf = w->routers[1].deaf = true;
	send_range(&w->c2s, "a@example.org", 1, 3);
	wait_for(w, sm1_got_3);
	pass(w, 50);
	assert_int_equal(outstanding(&w->c2s), 3);
	used = w->routers[0].routed > 0 ? 0 : 1;
	assert_int_equal(w->routers[!used].routed, 0);
	w->routers[!used].deaf = false;
	fake_close(&w->routers[used]);
	send_range(&w->c2s, "a@example.org", 4, 6);
	wait_for(w, settled);
	assert_range(&w->sm1, 1, 6);
	assert_int_equal(w->c2s.downs, 0);
	assert_int_equal(w->c2s.returned_count, 0);
	teardown(w);
	mem_free(w);
}

/* Of one session nothing is released before what is earlier. */
static void test_sessions_in_order(void **state)
{
	struct world *w = mem_new(struct world);

	(void)state;
	setup_pair(w, 1);
	w->sm1.lazy = true;
	send_range(&w->c2s, "a@example.org", 1, 3);
	w->c2s.apart = true;
	send_range(&w->c2s, "a@example.org", 4, 4);
	wait_for(w, sm1_got_4);
	for (unsigned i = 1; i < 4; i++)
		link_processed(w->sm1.link, w->sm1.receipts[i]);
	pass(w, 50);
	assert_int_equal(outstanding(&w->c2s), 3);
	link_processed(w->sm1.link, w->sm1.receipts[0]);
	wait_for(w, settled);
	teardown(w);
	mem_free(w);
}

/* A router that seems well loses what goes one way; then one that answers
 * nothing any more. Neither waits for the end of its link. */
static void test_silent_way(void **state)
{
	struct world *w = mem_new(struct world);
	uint64_t start;
	int used;

	(void)state;
	setup_pair(w, 2);
	wait_for(w, both_routers);
	send_range(&w->c2s, "a@example.org", 1, 1);
	wait_for(w, settled);
	used = w->routers[0].routed > 0 ? 0 : 1;
	w->routers[used].drop = 1000;
	start = loop_now(w->loop);
	send_range(&w->c2s, "a@example.org", 2, 5);
	wait_for(w, settled);
	assert_in_range(loop_now(w->loop) - start, 2000, 4000);
	/* It is remembered. */
	start = loop_now(w->loop);
	send_range(&w->c2s, "a@example.org", 6, 9);
	wait_for(w, settled);
	assert_in_range(loop_now(w->loop) - start, 0, 500);
	w->routers[!used].mute = w->routers[!used].deaf = true;
	w->routers[used].drop = 0;
	pass(w, 4500);
	assert_int_equal(w->routers[used].routed, 1);
	send_range(&w->c2s, "a@example.org", 10, 12);
	wait_for(w, settled);
	assert_int_equal(w->routers[used].routed, 4);
	assert_range(&w->sm1, 1, 12);
	teardown(w);
	mem_free(w);
}

static bool c2s_drained(struct world *world)
{
	return world->c2s.drained > 0;
}

static bool returned_some(struct world *world)
{
	return world->c2s.returned_count > 0;
}

static void test_congestion(void **state)
{
	struct world *w = mem_new(struct world);
	unsigned sent = 0;

	(void)state;
	setup_pair(w, 1);
	w->sm1.lazy = true;
	assert_false(link_congested(w->c2s.link, "sm-1"));
	while (!link_congested(w->c2s.link, "sm-1") && sent < 1000)
		send_text(&w->c2s, NULL, "a@example.org", ++sent, 100);
	assert_true(sent > 50 && sent < 200);
	/* Far beyond that it comes back. */
	while (sent < 1500)
		send_text(&w->c2s, NULL, "a@example.org", ++sent, 100);
	wait_for(w, returned_some);
	assert_string_equal(w->c2s.reason, "the queue is full");
	assert_int_equal(w->c2s.drained, 0);
	pass(w, 100);
	w->sm1.lazy = false;
	for (size_t i = 0; i < w->sm1.got; i++)
		link_processed(w->sm1.link, w->sm1.receipts[i]);
	wait_for(w, c2s_drained);
	wait_for(w, settled);
	assert_int_equal(w->sm1.got + w->c2s.returned_count, sent);
	assert_int_equal(w->c2s.returned[0], w->sm1.got + 1);
	assert_false(link_congested(w->c2s.link, "sm-1"));
	teardown(w);
	mem_free(w);
}

static void test_too_large(void **state)
{
	struct world *w = mem_new(struct world);

	(void)state;
	setup_pair(w, 1);
	assert_int_equal(send_text(&w->c2s, NULL, "a@example.org", 1, 4 << 20),
			 LINK_SENT);
	assert_int_equal(w->c2s.returned_count, 0);
	wait_for(w, returned_some);
	send_range(&w->c2s, "a@example.org", 2, 2);
	wait_for(w, settled);
	assert_range(&w->sm1, 2, 2);
	teardown(w);
	mem_free(w);
}

/* What is not for this process, and what is no envelope. */
static void test_odd_input(void **state)
{
	static const char other[] =
		"<link:route xmlns='jabber:client' at='sm-1' from='c2s-1'"
		" epoch='00000000000000aa' n='1' for='00000000000000bb'>"
		"<m>1</m></link:route>"
		"<link:route xmlns='jabber:client' at='sm-2' from='c2s-1'>"
		"<m>2</m></link:route>";
	struct world *w = mem_new(struct world);

	(void)state;
	setup_pair(w, 1);
	fake_write(&w->routers[0], "sm-1", other);
	fake_write(&w->routers[0], "sm-1",
		   "<link:ping id='1'/><link:gone name='x'/>"
		   "<link:ack at='sm-1' from='x' for='00000000000000aa'"
		   " epoch='00000000000000bb' n='9'/>");
	pass(w, 50);
	assert_int_equal(w->sm1.got, 0);
	assert_int_equal(w->sm1.downs, 0);
	fake_write(&w->routers[0], "sm-1", "<link:route n='1'>x</link:route>");
	wait_for(w, nobody_owns);
	wait_for(w, sm1_known);
	send_range(&w->c2s, "a@example.org", 1, 1);
	wait_for(w, settled);
	assert_range(&w->sm1, 1, 1);
	teardown(w);
	mem_free(w);
}

static bool sm1_closed(struct world *world)
{
	return !world->sm1.link;
}

static void test_close_in_callback(void **state)
{
	struct world *w = mem_new(struct world);

	(void)state;
	setup_pair(w, 1);
	w->sm1.close_on_receive = true;
	send_range(&w->c2s, "a@example.org", 1, 20);
	wait_for(w, sm1_closed);
	assert_int_equal(w->sm1.got, 1);
	wait_for(w, nobody_owns);
	teardown(w);
	mem_free(w);
}

static bool admin_known(struct world *world)
{
	return link_owner(world->c2s.link, "sm-1") &&
	       link_owner(world->sm1.link, "admin-1");
}

/* An operator's link: not numbered in either direction. */
static void test_admin(void **state)
{
	struct world *w = mem_new(struct world);

	(void)state;
	setup_world(w, 1);
	open_side(w, &w->sm1, "sm-1", "example.org");
	open_side(w, &w->c2s, "admin-1", NULL);
	wait_for(w, admin_known);
	assert_int_equal(send_text(&w->c2s, "sm-1", NULL, 1, 0), LINK_SENT);
	assert_int_equal(send_text(&w->sm1, "admin-1", NULL, 2, 0), LINK_SENT);
	assert_int_equal(outstanding(&w->c2s), 0);
	assert_int_equal(outstanding(&w->sm1), 0);
	wait_for(w, sm1_got_1);
	assert_range(&w->sm1, 1, 1);
	assert_int_equal(w->sm1.receipts[0].peer, 0);
	pass(w, 20);
	assert_range(&w->c2s, 2, 2);
	assert_string_equal(link_router(w->c2s.link, 0), "router-a");
	assert_null(link_router(w->c2s.link, 1));
	teardown(w);
	mem_free(w);
}

static void test_bind_while_running(void **state)
{
	struct world *w = mem_new(struct world);

	(void)state;
	setup_pair(w, 1);
	link_unbind(w->sm1.link, "example.org");
	wait_for(w, nobody_owns);
	link_bind(w->sm1.link, "example.org");
	link_bind(w->sm1.link, "example.org");
	wait_for(w, sm1_known);
	teardown(w);
	mem_free(w);
}

static void count_refused(enum log_level level, const char *line, void *ctx)
{
	unsigned *count = ctx;

	(void)level;
	*count += strstr(line, "link.name-refused name=example.org") != NULL;
}

/* A name that is refused is logged once, and the link goes on; once it was
 * given, it is worth another line. */
static void test_name_refused(void **state)
{
	const char *refused = "<link:refused name='example.org'/>";
	struct world *w = mem_new(struct world);
	unsigned count = 0;

	(void)state;
	setup_pair(w, 1);
	w->log.target = LOG_TO_CALLBACK;
	w->log.level = LOG_LEVEL_WARNING;
	w->log.line = count_refused;
	w->log.line_ctx = &count;
	fake_write(&w->routers[0], "sm-1", refused);
	fake_write(&w->routers[0], "sm-1", refused);
	fake_write(&w->routers[0], "sm-1", "<link:refused name='other.org'/>");
	pass(w, 20);
	assert_int_equal(count, 1);
	fake_write(&w->routers[0], "sm-1", "<link:bound name='example.org'/>");
	fake_write(&w->routers[0], "sm-1", refused);
	pass(w, 20);
	assert_int_equal(count, 2);
	send_range(&w->c2s, "a@example.org", 1, 2);
	wait_for(w, settled);
	assert_range(&w->sm1, 1, 2);
	assert_int_equal(w->sm1.downs, 0);
	teardown(w);
	mem_free(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_no_route),
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_processed_out_of_order),
		cmocka_unit_test(test_one_holds_back_nobody),
		cmocka_unit_test(test_router_restart),
		cmocka_unit_test(test_grace),
		cmocka_unit_test(test_owner_dies),
		cmocka_unit_test(test_held_for_successor),
		cmocka_unit_test(test_held_too_long),
		cmocka_unit_test(test_same_process_back),
		cmocka_unit_test(test_filled_numbers),
		cmocka_unit_test(test_second_router),
		cmocka_unit_test(test_sessions_in_order),
		cmocka_unit_test(test_silent_way),
		cmocka_unit_test(test_congestion),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_odd_input),
		cmocka_unit_test(test_close_in_callback),
		cmocka_unit_test(test_admin),
		cmocka_unit_test(test_bind_while_running),
		cmocka_unit_test(test_name_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
