/* SPDX-License-Identifier: Apache-2.0
 *
 * What sm and s2s both say about rules: `access list`, and the part of
 * `explain` that is about the rule.
 */
#include "util/role/access_command.h"

#include <inttypes.h>
#include <stdio.h>

#include "util/base/mem.h"
#include "util/base/str.h"

#define NUMBER_MAX 24
#define PLACE_MAX  512
#define TEXT_MAX   400

static const char *number(char to[NUMBER_MAX], uint64_t value)
{
	snprintf(to, NUMBER_MAX, "%" PRIu64, value);
	return to;
}

static char *joined(char *const *list)
{
	struct buf text = { .data = NULL };

	for (; *list; list++)
		buf_addf(&text, "%s%s", text.len ? " " : "", *list);
	return buf_take(&text);
}

/* -- the list ------------------------------------------------------------- */

static void rule_row(struct command_call *call, const struct access *access,
		     const struct access_rule *rule)
{
	const struct access_options *options = rule->options;
	char *who = joined(options->who), *whom = joined(options->whom);
	char *what = joined(options->what), *ns = joined(options->ns);
	char matched[NUMBER_MAX], denied[NUMBER_MAX], place[PLACE_MAX];

	access_place(access, rule, place, sizeof(place));
	command_row(call, "rule", rule->name, "action",
		    access_actions[options->action], "who", who, "whom", whom,
		    "what", what, "namespace", *options->ns ? ns : NULL,
		    "direction", access_directions[options->direction],
		    "trust",
		    options->trust ? trust_names[options->trust - 1] : NULL,
		    "matched", number(matched, rule->matched), "denied",
		    number(denied, rule->denied), "place", place, NULL);
	mem_free(who);
	mem_free(whom);
	mem_free(what);
	mem_free(ns);
}

void access_command_list(struct command_call *call,
			 const struct access *access)
{
	const struct access_rule *rule;
	char matched[NUMBER_MAX];

	for (size_t i = 0; (rule = access_get(access, i)); i++)
		rule_row(call, access, rule);
	command_row(call, "rule", "(none)", "action", "allow", "matched",
		    number(matched, access_unmatched(access)), NULL);
	command_finish(call, "ok", NULL);
}

/* -- explain -------------------------------------------------------------- */

static enum access_what what_of(const char *word)
{
	static const struct {
		const char *word;
		enum access_what what;
	} words[] = {
		{ "message", ACCESS_MESSAGE },
		{ "presence", ACCESS_PRESENCE },
		{ "subscription", ACCESS_SUBSCRIPTION },
		{ "iq", ACCESS_IQ },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (str_equal(words[i].word, word))
			return words[i].what;
	}
	return 0;
}

void access_command_clear(struct access_asked *asked)
{
	jid_free(&asked->from);
	jid_free(&asked->to);
}

int access_command_read(struct command_call *call, struct access_asked *asked)
{
	const char *from = command_argument(call, "from");
	const char *to = command_argument(call, "to");

	*asked = (struct access_asked){
		.from = from ? jid_parse(from) : NULL,
		.to = to ? jid_parse(to) : NULL,
		.what = what_of(command_argument(call, "stanza")),
		.ns = command_argument(call, "namespace"),
	};
	if (asked->from && asked->to && asked->what)
		return 0;
	access_command_clear(asked);
	command_finish(call, "invalid", "from, to and stanza are needed: two "
					"addresses, and message, presence, "
					"subscription or iq");
	return -1;
}

static void no_rule(struct command_call *call)
{
	command_row(call, "about", "rule", "text",
		    "allowed: no rule is about this", "action", "allow", NULL);
}

void access_command_verdict(struct command_call *call,
			    const struct access *access,
			    const struct access_query *query)
{
	struct access_verdict verdict = access_find(access, query);
	const struct access_rule *rule = verdict.rule;
	char place[PLACE_MAX], why[TEXT_MAX], *text;
	int trust;

	if (!rule) {
		no_rule(call);
		return;
	}
	trust = rule->options->trust - 1;
	access_place(access, rule, place, sizeof(place));
	access_text(&verdict, why, sizeof(why));
	text = mem_printf("%s by rule \"%s\" (%s)%s%s%s%s%s%s",
			  verdict.allowed ? "allowed" : "denied", rule->name,
			  place,
			  trust >= 0 ? ", if the other server is " : "",
			  trust >= 0 ? trust_names[trust] : "",
			  verdict.allowed ? "" : ": ",
			  verdict.allowed ? ""
					  : stanza_error_condition(
						    access_error(&verdict)),
			  verdict.allowed ? "" : ", ",
			  verdict.allowed ? "" : why);
	command_row(call, "about", "rule", "text", text, "action",
		    verdict.allowed ? "allow" : "deny", "rule", rule->name,
		    "place", place, "trust",
		    trust >= 0 ? trust_names[trust] : NULL, "condition",
		    verdict.allowed ? NULL
				    : stanza_error_condition(
					      access_error(&verdict)),
		    NULL);
	mem_free(text);
}
