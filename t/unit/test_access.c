/* SPDX-License-Identifier: Apache-2.0
 *
 * Access rules: which one decides about which stanza, what a wrong one is told,
 * and what a thousand of them cost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/role/access.h"
#include "util/xmpp/ns.h"
#include "util/xmpp/stanza_error.h"

static const struct section *const sections[] = { &access_section, NULL };

static struct config *load(const char *text, struct error *err)
{
	char path[] = "/tmp/test-access-XXXXXX";
	int fd = mkstemp(path);
	struct config *config;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	config = config_load(path, sections, true, err);
	unlink(path);
	return config;
}

static struct access *compile(const char *text)
{
	struct error err = { "" };
	struct config *config = load(text, &err);
	struct access *access;

	if (!config)
		fail_msg("%s", err.text);
	access = access_new(config, NULL, &err);
	if (!access)
		fail_msg("%s", err.text);
	config_free(&config);
	return access;
}

/* alice is in sales, by the directory of this test, which knows nothing about
 * the group that it is "silent" about. */
static enum access_member in_group(const struct jid *jid, const char *group,
				   void *ctx)
{
	(void)ctx;
	if (str_equal(group, "silent"))
		return ACCESS_UNKNOWN;
	return str_equal(group, "sales") && str_equal(jid_local(jid), "alice")
		       ? ACCESS_YES
		       : ACCESS_NO;
}

static bool is_here(const struct jid *jid)
{
	return str_equal(jid_domain(jid), "here.example") ||
	       str_equal(jid_domain(jid), "bot.here.example");
}

struct asked {
	struct stanza *stanza;
	struct jid *from, *to;
	struct access_query query;
};

static void ask(struct asked *asked, const char *xml, enum trust trust)
{
	struct stanza_parser *parser = stanza_parser_new();

	*asked = (struct asked){ .stanza = stanza_parse(
					 parser, &stream_ns_client, xml,
					 strlen(xml), NULL) };
	stanza_parser_free(&parser);
	assert_non_null(asked->stanza);
	asked->from = jid_parse(element_attr(asked->stanza->root, "from"));
	asked->to = jid_parse(element_attr(asked->stanza->root, "to"));
	assert_non_null(asked->from);
	assert_non_null(asked->to);
	asked->query = (struct access_query){
		.from = asked->from,
		.to = asked->to,
		.from_here = is_here(asked->from),
		.to_here = is_here(asked->to),
		.trust = trust,
		.in_group = in_group,
	};
	access_query_read(&asked->query, asked->stanza->root);
}

static void asked_free(struct asked *asked)
{
	stanza_free(&asked->stanza);
	jid_free(&asked->from);
	jid_free(&asked->to);
}

/* What becomes of it: "RULE allow", "- allow", "RULE deny". */
static char *decide(struct access *access, const char *xml, enum trust trust)
{
	struct access_verdict verdict;
	struct asked asked;
	char *text;

	ask(&asked, xml, trust);
	verdict = access_judge(access, &asked.query);
	text = mem_printf("%s %s%s%s%s", verdict.rule ? verdict.rule->name : "-",
			  verdict.allowed ? "allow" : "deny",
			  verdict.untrusted ? " untrusted" : "",
			  verdict.unknown ? " unknown" : "",
			  verdict.need >= 0 ? " need" : "");
	asked_free(&asked);
	return text;
}

#define ALICE  "alice@here.example"
#define BOB    "bob@here.example"
#define BOT    "bot.here.example"
#define DAVE   "dave@partner.example"
#define EVE    "eve@evil.example"
#define MESSAGE(from, to) \
	"<message from='" from "' to='" to "'><body>x</body></message>"
#define STANZA(name, from, to, more) \
	"<" name " from='" from "' to='" to "' " more

struct row {
	const char *rules, *xml, *expected;
};

static void run_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct access *access = compile(rows[i].rules);
		char *got = decide(access, rows[i].xml, TRUST_ENCRYPTED);

		if (!str_equal(got, rows[i].expected))
			fail_msg("row %zu: %s\n%s\nis %s, not %s", i,
				 rows[i].rules, rows[i].xml, got,
				 rows[i].expected);
		mem_free(got);
		access_free(&access);
	}
}

#define RUN(rows) run_rows(rows, sizeof(rows) / sizeof((rows)[0]))

static void test_addresses(void **state)
{
	static const struct row rows[] = {
		{ "", MESSAGE(ALICE, EVE), "- allow" },
		{ "access r { }", MESSAGE(ALICE, EVE), "r deny" },
		{ "access r { }", MESSAGE(EVE, ALICE), "r deny" },
		/* Not ours at all. */
		{ "access r { }", MESSAGE(EVE, DAVE), "- allow" },
		{ "access r { whom = evil.example }", MESSAGE(EVE, ALICE),
		  "r deny" },
		{ "access r { whom = evil.example }",
		  MESSAGE("evil.example", ALICE), "r deny" },
		{ "access r { whom = evil.example }",
		  MESSAGE("eve@sub.evil.example", ALICE), "- allow" },
		{ "access r { whom = \"*.evil.example\" }",
		  MESSAGE("eve@sub.evil.example", ALICE), "r deny" },
		{ "access r { whom = \"*.evil.example\" }", MESSAGE(EVE, ALICE),
		  "- allow" },
		{ "access r { whom = \"*.1.2.3.4.5.6.7.8.9\" }",
		  MESSAGE("a.0.1.2.3.4.5.6.7.8.9", ALICE), "r deny" },
		{ "access r { whom = \"*.8.9\" }",
		  MESSAGE("a.0.1.2.3.4.5.6.7.8.9", ALICE), "r deny" },
		{ "access r { whom = \"*.3.4.5.6.7.8.9\" }",
		  MESSAGE("a.0.1.2.3.4.5.6.7.8.9", ALICE), "r deny" },
		{ "access r { whom = \"EVE@Evil.Example\" }",
		  MESSAGE("eve@evil.example/x", ALICE), "r deny" },
		{ "access r { whom = \"eve@evil.example/y\" }",
		  MESSAGE("eve@evil.example/x", ALICE), "- allow" },
		{ "access r { whom = \"eve@evil.example/x\" }",
		  MESSAGE("eve@evil.example/x", ALICE), "r deny" },
		{ "access r { whom = \"Spam-*@*\" }",
		  MESSAGE("spam-7@any.example/x", ALICE), "r deny" },
		{ "access r { whom = \"spam-*@*\" }",
		  MESSAGE("ham@any.example", ALICE), "- allow" },
		{ "access r { whom = outside }", MESSAGE(ALICE, EVE),
		  "r deny" },
		{ "access r { whom = outside }", MESSAGE(ALICE, BOB),
		  "- allow" },
		{ "access r { whom = outside }", MESSAGE(BOT, EVE), "r deny" },
		{ "access r { whom = outside }", MESSAGE(ALICE, BOT),
		  "- allow" },
		{ "access r { whom = inside }", MESSAGE(ALICE, BOT),
		  "r deny" },
		{ "access r { who = bot.here.example whom = outside }",
		  MESSAGE(EVE, "room@bot.here.example"), "r deny" },
		{ "access r { who = bot.here.example whom = outside }",
		  MESSAGE(EVE, ALICE), "- allow" },
		{ "access r { who = \"group:sales\" whom = outside }",
		  MESSAGE(ALICE, EVE), "r deny" },
		{ "access r { who = \"group:sales\" whom = outside }",
		  MESSAGE(BOB, EVE), "- allow" },
		/* While it is not known, nothing is let through. */
		{ "access r { who = \"group:silent\" whom = outside "
		  "action = allow }", MESSAGE(ALICE, EVE),
		  "r deny unknown" },
		{ "access r { who = \"group:silent\" whom = outside }",
		  MESSAGE(ALICE, EVE), "r deny unknown" },
		{ "access r { who = \"group:silent\" whom = outside }",
		  MESSAGE(ALICE, BOB), "- allow" },
		{ "access r { who = { \"group:silent\", \"group:sales\" } "
		  "whom = outside }", MESSAGE(ALICE, EVE), "r deny" },
		/* Nobody outside is in a group, whatever the name. */
		{ "access r { whom = \"group:sales\" }",
		  MESSAGE("alice@evil.example", BOB), "- allow" },
		{ "access r { who = " BOB " whom = \"group:sales\" }",
		  MESSAGE(ALICE, BOB), "r deny" },
		{ "access r { whom = { a.example, b.example, evil.example } }",
		  MESSAGE(EVE, ALICE), "r deny" },
		{ "access r { whom = { \"*.net\", evil.example } }",
		  MESSAGE(EVE, ALICE), "r deny" },
	};

	(void)state;
	RUN(rows);
}

#define PARTNERS                                                             \
	"access partners { whom = partner.example action = allow }"          \
	"access rest { whom = outside }"

static void test_order(void **state)
{
	static const struct row rows[] = {
		{ PARTNERS, MESSAGE(ALICE, DAVE), "partners allow" },
		{ PARTNERS, MESSAGE(DAVE, ALICE), "partners allow" },
		{ PARTNERS, MESSAGE(EVE, ALICE), "rest deny" },
		{ PARTNERS, MESSAGE(ALICE, BOB), "- allow" },
		{ "access rest { whom = outside }"
		  "access late { whom = partner.example action = allow }",
		  MESSAGE(ALICE, DAVE), "rest deny" },
		/* In different indexes, and in the rest. */
		{ "access one { who = " BOB " whom = outside action = allow }"
		  "access two { whom = evil.example }"
		  "access three { whom = \"*\" action = allow }",
		  MESSAGE(EVE, BOB), "one allow" },
		{ "access one { who = " BOB " whom = outside action = allow }"
		  "access two { whom = evil.example }"
		  "access three { whom = \"*\" action = allow }",
		  MESSAGE(EVE, ALICE), "two deny" },
		{ "access one { who = " BOB " whom = outside action = allow }"
		  "access two { whom = evil.example }"
		  "access three { whom = \"*\" action = allow }",
		  MESSAGE(DAVE, ALICE), "three allow" },
		/* Between two of ours: the first rule, for either of them. */
		{ "access in { who = " BOB " direction = in }"
		  "access out { who = " ALICE " direction = out "
		  "action = allow }",
		  MESSAGE(ALICE, BOB), "in deny" },
		{ "access out { who = " ALICE " direction = out "
		  "action = allow }"
		  "access in { who = " BOB " direction = in }",
		  MESSAGE(ALICE, BOB), "out allow" },
		{ "access out { who = " ALICE " direction = out }",
		  MESSAGE(BOB, ALICE), "- allow" },
	};

	(void)state;
	RUN(rows);
}

#define NO_PING "access r { what = iq namespace = \"urn:xmpp:ping\" }"
#define ONLY_PING                                                            \
	"access ping { what = iq namespace = \"urn:xmpp:ping\" "             \
	"action = allow } access r { what = iq }"
#define SUBSCRIBERS "access r { what = subscription direction = in }"

static void test_what(void **state)
{
	static const struct row rows[] = {
		{ "access r { what = message }", MESSAGE(EVE, ALICE),
		  "r deny" },
		{ "access r { what = { presence, iq } }", MESSAGE(EVE, ALICE),
		  "- allow" },
		{ "access r { what = presence }",
		  STANZA("presence", EVE, ALICE, "/>"), "r deny" },
		{ "access r { what = presence }",
		  STANZA("presence", EVE, ALICE, "type='subscribe'/>"),
		  "r deny" },
		{ "access r { what = subscription }",
		  STANZA("presence", EVE, ALICE, "/>"), "- allow" },
		{ SUBSCRIBERS,
		  STANZA("presence", EVE, ALICE, "type='subscribe'/>"),
		  "r deny" },
		{ SUBSCRIBERS,
		  STANZA("presence", ALICE, EVE, "type='subscribe'/>"),
		  "- allow" },
		/* The answer to what alice asked for. */
		{ SUBSCRIBERS,
		  STANZA("presence", EVE, ALICE, "type='subscribed'/>"),
		  "- allow" },
		/* What ends it is always taken. */
		{ SUBSCRIBERS,
		  STANZA("presence", EVE, ALICE, "type='unsubscribe'/>"),
		  "- allow" },
		{ NO_PING,
		  STANZA("iq", EVE, ALICE,
			 "type='get' id='1'><ping xmlns='urn:xmpp:ping'/>"
			 "</iq>"),
		  "r deny" },
		{ NO_PING,
		  STANZA("iq", EVE, ALICE,
			 "type='get' id='1'><query xmlns='x:y'/></iq>"),
		  "- allow" },
		{ NO_PING, STANZA("iq", EVE, ALICE, "type='result' id='1'/>"),
		  "- allow" },
		{ ONLY_PING,
		  STANZA("iq", EVE, ALICE,
			 "type='get' id='1'><ping xmlns='urn:xmpp:ping'/>"
			 "</iq>"),
		  "ping allow" },
		{ ONLY_PING,
		  STANZA("iq", ALICE, EVE, "type='result' id='1'/>"),
		  "ping allow" },
		{ ONLY_PING,
		  STANZA("iq", ALICE, EVE,
			 "type='result' id='1'><q xmlns='jabber:x'/></iq>"),
		  "r deny" },
		{ "access r { namespace = \"urn:xmpp:jingle:*\" }",
		  STANZA("message", EVE, ALICE,
			 "><body>x</body><p xmlns='urn:xmpp:jingle:7'/>"
			 "</message>"),
		  "r deny" },
	};

	(void)state;
	RUN(rows);
}

#define NOTHING_IN "access r { whom = outside direction = in }"

static void test_answers(void **state)
{
	static const struct row rows[] = {
		{ NOTHING_IN, MESSAGE(EVE, ALICE), "r deny" },
		{ NOTHING_IN, MESSAGE(ALICE, EVE), "- allow" },
		{ NOTHING_IN,
		  STANZA("message", EVE, ALICE, "type='error'/>"),
		  "- allow" },
		{ NOTHING_IN,
		  STANZA("iq", EVE, ALICE, "type='result' id='1'/>"),
		  "- allow" },
		/* What alice never was asked, she does not answer. */
		{ NOTHING_IN,
		  STANZA("message", ALICE, EVE, "type='error'/>"), "r deny" },
		{ NOTHING_IN,
		  STANZA("presence", ALICE, EVE, "type='probe'/>"),
		  "r deny" },
		{ NOTHING_IN,
		  STANZA("presence", EVE, ALICE, "type='probe'/>"),
		  "- allow" },
	};

	(void)state;
	RUN(rows);
}

static void test_trust(void **state)
{
	static const struct {
		const char *trust, *xml, *expected;
	} rows[] = {
		{ "trusted", MESSAGE(DAVE, ALICE), "r deny untrusted" },
		{ "encrypted", MESSAGE(DAVE, ALICE), "r allow" },
		{ "verified", MESSAGE(DAVE, ALICE), "r allow" },
		{ "any", MESSAGE(DAVE, ALICE), "r allow" },
		/* s2s sees what the stream has reached. */
		{ "trusted", MESSAGE(ALICE, DAVE), "r allow need" },
		{ "any", MESSAGE(ALICE, DAVE), "r allow" },
		{ "trusted", MESSAGE(ALICE, EVE), "- allow" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *rules = mem_printf(
			"access r { whom = partner.example action = allow "
			"trust = %s }", rows[i].trust);
		struct access *access = compile(rules);
		char *got = decide(access, rows[i].xml, TRUST_ENCRYPTED);

		assert_string_equal(got, rows[i].expected);
		mem_free(got);
		mem_free(rules);
		access_free(&access);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{ "\naccess r { who = \"a@@b\" }",
		  ":2: access \"r\": who: \"a@@b\" is no address" },
		{ "access a { }\n\n\naccess r {\nwhom = \"group:\" }",
		  ":4: access \"r\": whom: \"group:\" names no group" },
		{ "access r { who = outside }",
		  ":1: access \"r\": who: it is the side that is ours" },
		{ "access r { who = {} }", "an empty list means nobody" },
		{ "access r { what = {} }", "an empty list means nothing" },
		{ "access r { what = telegram }",
		  "what: \"telegram\" is none of message" },
		{ "access r { whom = \"*@x/y\" }",
		  "a pattern has no resource" },
		{ "access r { trust = trusted }",
		  "trust: a rule that denies asks for none" },
		{ "access r { namespace = \"\" }", "namespace: \"\" is none" },
		{ "access r {\n action = drop }",
		  ":2: action: \"drop\" is none of allow, deny" },
		{ "access r {\n error = gone }", ":2: error: \"gone\"" },
		{ "access r { } access r { }", "r" },
	};
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config *config = load(rows[i].text, &err);

		if (config) {
			assert_int_equal(access_check(config, &err), -1);
			config_free(&config);
		}
		if (!strstr(err.text, rows[i].expected))
			fail_msg("%s: %s", rows[i].text, err.text);
	}
}

static void test_conditions(void **state)
{
	struct access *access;
	const struct option *error = access_section.options;

	(void)state;
	while (!str_equal(error->name, "error"))
		error++;
	for (size_t i = 0; error->choices[i]; i++) {
		char *text = mem_printf("access r { error = %s }",
					error->choices[i]);

		access = compile(text);
		assert_string_equal(
			stanza_error_condition(access_options_error(
				access_get(access, 0)->options)),
			error->choices[i]);
		access_free(&access);
		mem_free(text);
	}
}

static void test_reload(void **state)
{
	struct error err = { "" };
	struct config *config =
		load("access new { }\naccess r { whom = evil.example }", &err);
	struct access *access = compile("access r { }"), *next;
	char *got = decide(access, MESSAGE(EVE, ALICE), TRUST_TRUSTED);
	char place[256];

	(void)state;
	mem_free(got);
	assert_non_null(config);
	next = access_new(config, access, &err);
	assert_non_null(next);
	access_free(&access);
	config_free(&config);
	assert_int_equal(access_get(next, 0)->matched, 0);
	assert_int_equal(access_get(next, 1)->matched, 1);
	assert_int_equal(access_get(next, 1)->denied, 1);
	access_place(next, access_get(next, 1), place, sizeof(place));
	assert_true(str_ends(place, ":2"));
	access_free(&next);
}

static void on_line(enum log_level level, const char *line, void *ctx)
{
	(void)level;
	if (strstr(line, "access.denied"))
		buf_addf(ctx, "%s\n", line);
}

static void test_log(void **state)
{
	struct buf lines = { 0 };
	struct access *access = compile("access r { }");
	struct access_verdict verdict;
	struct asked asked;
	struct log log;

	(void)state;
	log_init(&log, "test");
	log.target = LOG_TO_CALLBACK;
	log.line = on_line;
	log.line_ctx = &lines;
	ask(&asked, MESSAGE(EVE, ALICE), TRUST_TRUSTED);
	verdict = access_judge(access, &asked.query);
	for (uint64_t now = 5000; now < 7000; now += 10)
		access_log_denied(access, &log, now, &asked.query, &verdict);
	assert_non_null(strstr(buf_data(&lines), "rule=r from=" EVE));
	assert_non_null(strstr(buf_data(&lines), "others=99"));
	assert_null(strstr(strstr(buf_data(&lines), "others=99") + 1,
			   "access.denied"));
	asked_free(&asked);
	access_free(&access);
	buf_free(&lines);
}

/* -- what it costs --------------------------------------------------------- */

#define ROUNDS 20000

static double measure(const char *rules, const char *xml)
{
	struct access *access = compile(rules);
	struct timespec from, to;
	struct asked asked;

	ask(&asked, xml, TRUST_TRUSTED);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (unsigned i = 0; i < ROUNDS; i++) {
		access_query_read(&asked.query, asked.stanza->root);
		access_judge(access, &asked.query);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	asked_free(&asked);
	access_free(&access);
	return ((double)(to.tv_sec - from.tv_sec) * 1e9 +
		(double)(to.tv_nsec - from.tv_nsec)) / ROUNDS;
}

static void test_cost(void **state)
{
	static const unsigned counts[] = { 0, 1, 100, 1000 };

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct buf domains = { 0 }, suffixes = { 0 };
		struct buf patterns = { 0 };

		for (unsigned n = 0; n < counts[i]; n++) {
			buf_addf(&domains,
				 "access d%u { whom = d%u.example }\n", n, n);
			buf_addf(&suffixes,
				 "access s%u { whom = \"*.d%u.example\" }\n", n,
				 n);
			buf_addf(&patterns,
				 "access p%u { whom = \"*@d%u.*\" }\n", n, n);
		}
		print_message("%4u rules: %.0f ns with domains, %.0f ns with "
			      "domains below others, %.0f ns with other "
			      "patterns\n", counts[i],
			      measure(buf_data(&domains), MESSAGE(EVE, ALICE)),
			      measure(buf_data(&suffixes),
				      MESSAGE(EVE, ALICE)),
			      measure(buf_data(&patterns),
				      MESSAGE(EVE, ALICE)));
		buf_free(&domains);
		buf_free(&suffixes);
		buf_free(&patterns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_what),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_trust),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_cost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
