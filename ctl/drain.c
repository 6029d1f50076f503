/* SPDX-License-Identifier: Apache-2.0
 *
 * `drain` and `undrain`: a role is asked to give its work to others, and watched
 * until it has. That goes on when nobody watches any more.
 */
#include "ctl/ctl.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"

/* Between two looks at what is left. */
#define LOOK_MS 250

/* For users who move to get where they go; sms wait for 2 s. */
#define SETTLE_MS 10000

/* For roles to come back to a router. */
#define RELINK_MS 5000

/* An answer to a question that needs no work. */
#define ANSWER_MS 5000

#define TEXT_MAX 160

/* -- telling --------------------------------------------------------------- */

void ctl_progress(const struct ctl *ctl, const char *instance,
		  const char *format, ...)
{
	va_list args;

	if (ctl->json)
		return;
	printf("%s ", instance);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

void ctl_result(struct ctl *ctl, const char *instance, const char *result)
{
	if (!ctl->results)
		ctl->results = table_new();
	table_row(ctl->results);
	table_field(ctl->results, "instance", instance);
	table_field(ctl->results, "result", result);
	ctl_progress(ctl, instance, "is %s", result);
}

void ctl_print_results(struct ctl *ctl)
{
	struct buf text = { 0 };

	if (ctl->json && ctl->results) {
		table_print(ctl->results, true, &text);
		fputs(buf_data(&text), stdout);
	}
	buf_free(&text);
	table_free(&ctl->results);
}

/* -- what is left ---------------------------------------------------------- */

struct look {
	char state[16];
	char text[TEXT_MAX]; /* "draining, 12 users left" */
	uint64_t left;
};

static const char *field(struct ctl_call *call, const char *name)
{
	return table_get(ctl_call_table(call), 0, name);
}

/* What there is of it, as people call it. */
static const char *things(const char *role)
{
	static const char *const words[][2] = {
		{ "sm", "users" }, { "c2s", "connections" },
		{ "router", "links" }, { "s2s", "connections" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_equal(words[i][0], role))
			return words[i][1];
	return "left";
}

/* Asks it once; CTL_OK when it has answered. */
static int look(struct ctl *ctl, const char *instance, struct look *look)
{
	struct ctl_call *call = ctl->call;
	bool router = ctl_call_is_router(call, instance);
	const char *word, *state, *count, *left;
	int code;

	table_clear(ctl_call_table(call));
	code = ctl_call_ask(call, instance, router ? "self" : "status",
			    ANSWER_MS);
	if (code != CTL_OK || table_rows(ctl_call_table(call)) == 0)
		return CTL_UNAVAILABLE;
	state = field(call, "state");
	left = field(call, "left");
	word = things(field(call, "role"));
	count = field(call, word);
	if (!state)
		return CTL_UNAVAILABLE;
	str_copy(look->state, sizeof(look->state), state);
	if (!left || str_to_u64(left, 0, UINT64_MAX, &look->left) < 0)
		look->left = 0;
	if (!count || str_equal(count, "0"))
		snprintf(look->text, sizeof(look->text),
			 "is %s, %s things to finish", state,
			 left ? left : "no");
	else
		snprintf(look->text, sizeof(look->text), "is %s, %s %s left",
			 state, count, word);
	table_clear(ctl_call_table(call));
	return CTL_OK;
}

/* Until it is drained, or nothing has moved for the time that an answer may
 * take. */
static int watch(struct ctl *ctl, const char *instance)
{
	uint64_t patience = (uint64_t)ctl->options->timeout, waited = 0;
	uint64_t least = UINT64_MAX;
	char said[TEXT_MAX] = "";
	struct look now;

	while (waited < patience) {
		if (look(ctl, instance, &now) != CTL_OK) {
			ctl_complain("%s does not answer", instance);
			return CTL_UNAVAILABLE;
		}
		if (str_equal(now.state, "drained"))
			return CTL_OK;
		if (!str_equal(now.state, "draining")) {
			ctl_complain("%s was taken back, or restarted, "
				     "meanwhile", instance);
			return CTL_FAILED;
		}
		if (!str_equal(now.text, said))
			ctl_progress(ctl, instance, "%s", now.text);
		str_copy(said, sizeof(said), now.text);
		waited = now.left < least ? 0 : waited + LOOK_MS;
		least = now.left < least ? now.left : least;
		ctl_call_pause(ctl->call, LOOK_MS);
	}
	ctl_complain("%s %s, and nothing moves any more; it goes on by itself",
		     instance, said);
	return CTL_FAILED;
}

/* -- routers --------------------------------------------------------------- */

static bool has_link(const struct table *table, const char *router,
		     const char *name)
{
	for (size_t i = 0; i < table_rows(table); i++)
		if (!str_equal(table_get(table, i, "instance"), router) &&
		    str_equal(table_get(table, i, "name"), name))
			return true;
	return false;
}

/* No router knows of the others, so this is found out here: whoever has a link
 * to it must have one to another as well. */
static int look_at_links(struct ctl *ctl, const char *instance,
			 struct error *err)
{
	struct table *table = ctl_call_table(ctl->call);
	const char *name = NULL;
	int code;

	table_clear(table);
	code = ctl_call_kind(ctl->call, "router", "status");
	if (code != CTL_OK)
		return error_set(err, "not all routers answer");
	for (size_t i = 0; i < table_rows(table); i++) {
		if (!str_equal(table_get(table, i, "instance"), instance) ||
		    str_equal(table_get(table, i, "kind"), "admin") ||
		    has_link(table, instance, table_get(table, i, "name")))
			continue;
		name = table_get(table, i, "name");
		break;
	}
	if (name)
		error_set(err, "%s has a link to no other router", name);
	table_clear(table);
	return name ? -1 : 0;
}

/* Roles come back by themselves to a router that was just undrained or has just
 * restarted, so one look may be too early if there is another router. */
static int may_drain_router(struct ctl *ctl, const char *instance,
			    struct error *err)
{
	bool others = link_router(ctl_call_link(ctl->call), 1) != NULL;
	int rc = look_at_links(ctl, instance, err);

	for (unsigned waited = 0; rc < 0 && others && waited < RELINK_MS;
	     waited += LOOK_MS) {
		ctl_call_pause(ctl->call, LOOK_MS);
		rc = look_at_links(ctl, instance, err);
	}
	return rc;
}

/* -- sms ------------------------------------------------------------------- */

static bool is_settling(struct ctl *ctl)
{
	struct table *table = ctl_call_table(ctl->call);
	bool found = false;

	table_clear(table);
	ctl_call_gather(ctl->call, ANSWER_MS);
	for (size_t i = 0; i < table_rows(table); i++)
		found |= str_equal(table_get(table, i, "settling"), "yes");
	table_clear(table);
	return found;
}

/* Users who are moving, since another sm was drained or came back a moment ago,
 * shall have got there before more of them move. */
static void wait_until_settled(struct ctl *ctl)
{
	for (unsigned waited = 0; waited < SETTLE_MS && is_settling(ctl);
	     waited += LOOK_MS)
		ctl_call_pause(ctl->call, LOOK_MS);
}

/* -- commands -------------------------------------------------------------- */

/* CTL_OK: it has begun. CTL_FAILED: it is refused, and why is in err. */
static int begin(struct ctl *ctl, const char *instance, bool force,
		 struct error *err)
{
	int code;

	if (ctl_call_is_router(ctl->call, instance) && !force &&
	    may_drain_router(ctl, instance, err) < 0)
		return CTL_FAILED;
	wait_until_settled(ctl);
	if (force)
		ctl_call_argument(ctl->call, "force", "yes");
	code = ctl_call_ask(ctl->call, instance, "drain", ANSWER_MS);
	error_set(err, "%s", ctl_call_said(ctl->call));
	return code;
}

static int drain_one(struct ctl *ctl, const char *instance)
{
	struct error err;
	int code = begin(ctl, instance, ctl->force, &err);

	if (code != CTL_OK) {
		ctl_complain("%s is not drained: %s%s", instance, err.text,
			     code == CTL_FAILED ? " (--force does it all the "
						  "same)" : "");
		return code;
	}
	code = watch(ctl, instance);
	if (code == CTL_OK)
		ctl_result(ctl, instance, "drained");
	return code;
}

int ctl_drain_if_possible(struct ctl *ctl, const char *instance)
{
	struct error err;
	int code = begin(ctl, instance, false, &err);

	if (code == CTL_OK)
		return watch(ctl, instance);
	ctl_progress(ctl, instance, "is not drained first: %s", err.text);
	return code == CTL_FAILED ? CTL_OK : code;
}

int ctl_drain(struct ctl *ctl)
{
	int worst = CTL_OK;

	ctl->call = ctl_call_open(ctl);
	if (!ctl->call)
		return CTL_UNAVAILABLE;
	for (int i = 0; i < ctl->argument_count; i++) {
		int code = drain_one(ctl, ctl->arguments[i]);

		worst = code > worst ? code : worst;
	}
	return worst;
}

int ctl_undrain(struct ctl *ctl)
{
	int worst = CTL_OK;

	ctl->call = ctl_call_open(ctl);
	if (!ctl->call)
		return CTL_UNAVAILABLE;
	for (int i = 0; i < ctl->argument_count; i++) {
		int code = ctl_call_instance(ctl->call, ctl->arguments[i],
					     "undrain");

		if (code == CTL_OK)
			ctl_result(ctl, ctl->arguments[i], "running");
		worst = code > worst ? code : worst;
	}
	return worst;
}
