/* SPDX-License-Identifier: Apache-2.0
 *
 * `explain`: what would become of a stanza, asked of those who would have it
 * in their hands: the sm of the user, the s2s of the other server; and what
 * the members say about who serves what.
 */
#include "ctl/ctl.h"

#include <stdio.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/jid.h"

/* One of the two addresses. */
struct end {
	struct jid *jid;
	const char *kind;  /* of who serves the domain: "sm", "component" */
	const char *owner; /* instance; NULL: none */
};

struct explanation {
	struct ctl *ctl;
	struct end from, to;
	const char *stanza, *ns; /* ns may be NULL */
	int code;
};

/* -- what is known here --------------------------------------------------- */

static void end_init(struct end *end, struct ctl_call *call)
{
	end->kind = ctl_call_kind_of(call, jid_domain(end->jid));
	end->owner = ctl_call_owner(call, jid_full(end->jid));
}

static bool is_sm(const struct end *end)
{
	return str_equal(end->kind, "sm");
}

static bool is_outside(const struct end *end)
{
	return end->kind == NULL;
}

static void add_row(struct explanation *explanation, const char *about,
		    char *text)
{
	struct table *table = ctl_call_table(explanation->ctl->call);

	table_row(table);
	table_field(table, "about", about);
	table_field(table, "text", text);
	mem_free(text);
}

static void end_row(struct explanation *explanation, const char *about,
		    const struct end *end)
{
	const char *jid = jid_full(end->jid);
	const char *owner = end->owner ? end->owner : "nobody";
	char *text;

	if (is_sm(end))
		text = mem_printf("%s is of this server, on %s", jid, owner);
	else if (is_outside(end) && end->owner)
		text = mem_printf("%s is of another server, reached from %s",
				  jid, owner);
	else if (is_outside(end))
		text = mem_printf("%s is of another server, and there is no "
				  "s2s", jid);
	else
		text = mem_printf("%s is of the component %s", jid, owner);
	add_row(explanation, about, text);
}

/* -- asking --------------------------------------------------------------- */

static void add_arguments(struct explanation *explanation, bool judges)
{
	struct ctl_call *call = explanation->ctl->call;

	ctl_call_argument(call, "from", jid_full(explanation->from.jid));
	ctl_call_argument(call, "to", jid_full(explanation->to.jid));
	ctl_call_argument(call, "stanza", explanation->stanza);
	if (explanation->ns)
		ctl_call_argument(call, "namespace", explanation->ns);
	if (judges)
		ctl_call_argument(call, "judges", "yes");
}

static void note(struct explanation *explanation, int code)
{
	if (code > explanation->code)
		explanation->code = code;
}

static void ask_sm(struct explanation *explanation, const struct end *end,
		   bool judges, bool about)
{
	struct ctl_call *call = explanation->ctl->call;

	add_arguments(explanation, judges);
	if (about)
		ctl_call_argument(call, "about", jid_bare(end->jid));
	note(explanation,
	     ctl_call_serving(call, jid_full(end->jid), "explain"));
}

/* All of them: a stream comes in where it likes. */
static void ask_s2s(struct explanation *explanation, bool judges)
{
	struct ctl_call *call = explanation->ctl->call;
	bool out = is_outside(&explanation->to);
	const struct end *remote = out ? &explanation->to : &explanation->from;
	const struct end *local = out ? &explanation->from : &explanation->to;

	if (!remote->owner)
		return;
	add_arguments(explanation, judges);
	ctl_call_argument(call, "local", jid_domain(local->jid));
	ctl_call_argument(call, "remote", jid_domain(remote->jid));
	ctl_call_argument(call, "owner", remote->owner);
	note(explanation, ctl_call_kind(call, "s2s", "explain"));
}

/* -- the whole ------------------------------------------------------------ */

static void nowhere(struct explanation *explanation)
{
	add_row(explanation, "rule",
		mem_strdup("denied: neither address is of this server"));
}

static void ask(struct explanation *explanation)
{
	const struct end *from = &explanation->from, *to = &explanation->to;
	bool abroad = is_outside(from) || is_outside(to);

	if (is_outside(from) && is_outside(to)) {
		nowhere(explanation);
		return;
	}
	/* The first one of ours that has it judges, if it is no router. */
	if (is_sm(from))
		ask_sm(explanation, from, true, true);
	if (is_sm(to))
		ask_sm(explanation, to, !is_sm(from), true);
	if (abroad)
		ask_s2s(explanation, !is_sm(from) && !is_sm(to));
	else if (!is_sm(from) && !is_sm(to))
		add_row(explanation, "rule",
			mem_strdup("allowed: rules are not about components "
				   "among themselves"));
}

static void print(const struct table *table)
{
	for (size_t i = 0; i < table_rows(table); i++) {
		const char *instance = table_get(table, i, "instance");

		printf("%-8s %s%s%s%s\n", table_get(table, i, "about"),
		       table_get(table, i, "text"), instance ? " [" : "",
		       instance ? instance : "", instance ? "]" : "");
	}
}

static void show(const struct explanation *explanation)
{
	const struct table *table = ctl_call_table(explanation->ctl->call);
	struct buf text = { 0 };

	if (explanation->ctl->json) {
		table_print(table, true, &text);
		fputs(buf_data(&text), stdout);
		buf_free(&text);
	} else {
		print(table);
	}
}

static int run(struct explanation *explanation)
{
	struct ctl *ctl = explanation->ctl;

	ctl->call = ctl_call_open(ctl);
	if (!ctl->call)
		return CTL_UNAVAILABLE;
	end_init(&explanation->from, ctl->call);
	end_init(&explanation->to, ctl->call);
	end_row(explanation, "from", &explanation->from);
	end_row(explanation, "to", &explanation->to);
	ask(explanation);
	show(explanation);
	return explanation->code;
}

static bool is_stanza(const char *word)
{
	return str_equal(word, "message") || str_equal(word, "presence") ||
	       str_equal(word, "subscription") || str_equal(word, "iq");
}

int ctl_explain(struct ctl *ctl)
{
	struct explanation explanation = {
		.ctl = ctl,
		.from.jid = jid_parse(ctl->arguments[0]),
		.to.jid = jid_parse(ctl->arguments[1]),
		.stanza = ctl->argument_count > 2 ? ctl->arguments[2]
						  : "message",
		.ns = ctl->argument_count > 3 ? ctl->arguments[3] : NULL,
	};
	int code = CTL_USAGE;

	if (!explanation.from.jid || !explanation.to.jid)
		ctl_complain("'%s' is no address",
			     ctl->arguments[explanation.from.jid ? 1 : 0]);
	else if (!is_stanza(explanation.stanza))
		ctl_complain("'%s' is none of message, presence, "
			     "subscription, iq", explanation.stanza);
	else if (explanation.ns && !ctl_call_can_say(explanation.ns))
		ctl_complain("the namespace has characters that are not "
			     "allowed");
	else
		code = run(&explanation);
	jid_free(&explanation.from.jid);
	jid_free(&explanation.to.jid);
	return code;
}
