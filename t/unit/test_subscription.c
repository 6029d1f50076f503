/* SPDX-License-Identifier: Apache-2.0
 *
 * The subscription state machine, cell by cell against the tables A.2.1 to
 * A.3.4 of RFC 6121, which are written down here as they stand there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sm/subscription.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* In the words of appendix A.1. */
static const char *const names[STATE_COUNT] = {
	"None",		     "None + Pending Out",
	"None + Pending In", "None + Pending Out+In",
	"To",		     "To + Pending In",
	"From",		     "From + Pending Out",
	"Both",
};

struct row {
	const char *state;
	const char *pass; /* "MUST" or "MUST NOT" */
	const char *next; /* NULL: no state change */
};

struct table {
	bool outbound;
	enum subscription_event event;
	struct row rows[STATE_COUNT];
};

static const struct table tables[] = {
	{ true, EVENT_SUBSCRIBE, {
		{ "None", "MUST", "None + Pending Out" },
		{ "None + Pending Out", "MUST", NULL },
		{ "None + Pending In", "MUST", "None + Pending Out+In" },
		{ "None + Pending Out+In", "MUST", NULL },
		{ "To", "MUST", NULL },
		{ "To + Pending In", "MUST", NULL },
		{ "From", "MUST", "From + Pending Out" },
		{ "From + Pending Out", "MUST", NULL },
		{ "Both", "MUST", NULL } } },
	{ true, EVENT_UNSUBSCRIBE, {
		{ "None", "MUST", NULL },
		{ "None + Pending Out", "MUST", "None" },
		{ "None + Pending In", "MUST", NULL },
		{ "None + Pending Out+In", "MUST", "None + Pending In" },
		{ "To", "MUST", "None" },
		{ "To + Pending In", "MUST", "None + Pending In" },
		{ "From", "MUST", NULL },
		{ "From + Pending Out", "MUST", "From" },
		{ "Both", "MUST", "From" } } },
	{ true, EVENT_SUBSCRIBED, {
		{ "None", "MUST NOT", NULL },
		{ "None + Pending Out", "MUST NOT", NULL },
		{ "None + Pending In", "MUST", "From" },
		{ "None + Pending Out+In", "MUST", "From + Pending Out" },
		{ "To", "MUST NOT", NULL },
		{ "To + Pending In", "MUST", "Both" },
		{ "From", "MUST NOT", NULL },
		{ "From + Pending Out", "MUST NOT", NULL },
		{ "Both", "MUST NOT", NULL } } },
	{ true, EVENT_UNSUBSCRIBED, {
		{ "None", "MUST NOT", NULL },
		{ "None + Pending Out", "MUST NOT", NULL },
		{ "None + Pending In", "MUST", "None" },
		{ "None + Pending Out+In", "MUST", "None + Pending Out" },
		{ "To", "MUST NOT", NULL },
		{ "To + Pending In", "MUST", "To" },
		{ "From", "MUST", "None" },
		{ "From + Pending Out", "MUST", "None + Pending Out" },
		{ "Both", "MUST", "To" } } },
	{ false, EVENT_SUBSCRIBE, {
		{ "None", "MUST", "None + Pending In" },
		{ "None + Pending Out", "MUST", "None + Pending Out+In" },
		{ "None + Pending In", "MUST NOT", NULL },
		{ "None + Pending Out+In", "MUST NOT", NULL },
		{ "To", "MUST", "To + Pending In" },
		{ "To + Pending In", "MUST NOT", NULL },
		{ "From", "MUST NOT", NULL },
		{ "From + Pending Out", "MUST NOT", NULL },
		{ "Both", "MUST NOT", NULL } } },
	{ false, EVENT_UNSUBSCRIBE, {
		{ "None", "MUST NOT", NULL },
		{ "None + Pending Out", "MUST NOT", NULL },
		{ "None + Pending In", "MUST", "None" },
		{ "None + Pending Out+In", "MUST", "None + Pending Out" },
		{ "To", "MUST NOT", NULL },
		{ "To + Pending In", "MUST", "To" },
		{ "From", "MUST", "None" },
		{ "From + Pending Out", "MUST", "None + Pending Out" },
		{ "Both", "MUST", "To" } } },
	{ false, EVENT_SUBSCRIBED, {
		{ "None", "MUST NOT", NULL },
		{ "None + Pending Out", "MUST", "To" },
		{ "None + Pending In", "MUST NOT", NULL },
		{ "None + Pending Out+In", "MUST", "To + Pending In" },
		{ "To", "MUST NOT", NULL },
		{ "To + Pending In", "MUST NOT", NULL },
		{ "From", "MUST NOT", NULL },
		{ "From + Pending Out", "MUST", "Both" },
		{ "Both", "MUST NOT", NULL } } },
	{ false, EVENT_UNSUBSCRIBED, {
		{ "None", "MUST NOT", NULL },
		{ "None + Pending Out", "MUST", "None" },
		{ "None + Pending In", "MUST NOT", NULL },
		{ "None + Pending Out+In", "MUST", "None + Pending In" },
		{ "To", "MUST", "None" },
		{ "To + Pending In", "MUST", "None + Pending In" },
		{ "From", "MUST NOT", NULL },
		{ "From + Pending Out", "MUST", "From" },
		{ "Both", "MUST", "From" } } },
};

static enum subscription_state state_named(const char *name)
{
	for (unsigned i = 0; i < STATE_COUNT; i++) {
		if (strcmp(names[i], name) == 0)
			return (enum subscription_state)i;
	}
	fail_msg("no state %s", name);
	return STATE_NONE;
}

/* What a client sees of a state: all before " + Pending In", and "Out". */
static void visible(const char *name, char to[32])
{
	char *in;

	str_copy(to, 32, name);
	in = strstr(to, " + Pending In");
	if (in == NULL)
		in = strstr(to, "+In");
	if (in != NULL)
		*in = '\0';
}

static void check_row(const struct table *table, const struct row *row)
{
	enum subscription_state state = state_named(row->state);
	const struct subscription_step *step =
		table->outbound ?
			subscription_outbound(state, table->event) :
			subscription_inbound(state, table->event, false);
	const char *next = row->next != NULL ? row->next : row->state;
	char before[32], after[32];

	assert_int_equal(step->action == ACTION_PASS,
			 strcmp(row->pass, "MUST") == 0);
	assert_string_equal(names[step->next], next);
	visible(row->state, before);
	visible(next, after);
	if (step->action != ACTION_APPROVE && step->action != ACTION_UNAPPROVE)
		assert_int_equal(step->push, strcmp(before, after) != 0);
}

static void test_tables(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		for (size_t j = 0; j < STATE_COUNT; j++)
			check_row(&tables[i], &tables[i].rows[j]);
	}
}

/* Section 3.1.3: whoever sees us already is told so. */
static void test_auto_reply(void **state)
{
	(void)state;
	for (unsigned i = 0; i < STATE_COUNT; i++) {
		const struct subscription_step *step = subscription_inbound(
			(enum subscription_state)i, EVENT_SUBSCRIBE, false);
		bool from = strncmp(names[i], "From", 4) == 0 ||
			    strcmp(names[i], "Both") == 0;

		assert_int_equal(step->action == ACTION_REPLY, from);
	}
}

/* Section 3.4.2, outbound: in these states it is remembered, or forgotten. */
static void test_pre_approval_outbound(void **state)
{
	static const char *const approvable[] = { "None", "None + Pending Out",
						  "To" };

	(void)state;
	for (unsigned i = 0; i < STATE_COUNT; i++) {
		enum subscription_state at = (enum subscription_state)i;
		bool may = false;

		for (size_t j = 0; j < 3; j++)
			may = may || strcmp(approvable[j], names[i]) == 0;
		assert_int_equal(subscription_outbound(at, EVENT_SUBSCRIBED)
						 ->action == ACTION_APPROVE,
				 may);
		assert_int_equal(subscription_outbound(at, EVENT_UNSUBSCRIBED)
						 ->action == ACTION_UNAPPROVE,
				 may);
	}
}

/* Section 3.4.2, inbound: answered for the user, who sees the new state. */
static void test_pre_approval_inbound(void **state)
{
	static const struct {
		const char *state, *next;
	} rows[] = {
		{ "None", "From" },
		{ "None + Pending Out", "From + Pending Out" },
		{ "To", "Both" },
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const struct subscription_step *step = subscription_inbound(
			state_named(rows[i].state), EVENT_SUBSCRIBE, true);

		assert_int_equal(step->action, ACTION_REPLY);
		assert_string_equal(names[step->next], rows[i].next);
		assert_true(step->push);
	}
	/* It says nothing about other stanzas. */
	assert_int_equal(
		subscription_inbound(STATE_NONE, EVENT_SUBSCRIBED, true)->action,
		ACTION_IGNORE);
}

static void test_items(void **state)
{
	(void)state;
	for (unsigned i = 0; i < STATE_COUNT; i++) {
		struct roster_item item = {
			.request = mem_strdup("<presence/>"),
		};

		subscription_state_apply(&item, (enum subscription_state)i);
		assert_int_equal(subscription_state_of(&item), i);
		assert_int_equal(item.request != NULL,
				 strstr(names[i], "In") != NULL);
		assert_int_equal(item.ask, strstr(names[i], "Out") != NULL);
		mem_free(item.request);
	}
}

static void test_types(void **state)
{
	enum subscription_event event;

	(void)state;
	assert_int_equal(subscription_event_parse("unsubscribed", &event), 0);
	assert_int_equal(event, EVENT_UNSUBSCRIBED);
	assert_int_equal(subscription_event_parse("Subscribe", &event), -1);
	assert_int_equal(subscription_event_parse(NULL, &event), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_auto_reply),
		cmocka_unit_test(test_pre_approval_outbound),
		cmocka_unit_test(test_pre_approval_inbound),
		cmocka_unit_test(test_items),
		cmocka_unit_test(test_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
