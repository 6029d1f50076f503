/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration file: values, messages with file and line, sections of
 * other roles, patterns, and --dump, which must read back the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/base/mem.h"
#include "util/role/config.h"

struct listen_options {
	char *name;
	char **addresses;
	bool tls;
	int64_t backlog;
	int64_t size;
	int64_t wait;
	int mode;
};

static const char *const modes[] = { "never", "maybe", "always", NULL };

static const struct option listen_rows[] = {
	{ .name = "name", .type = OPTION_STRING,
	  .offset = offsetof(struct listen_options, name), .help = "a name" },
	{ .name = "addresses", .type = OPTION_LIST,
	  .offset = offsetof(struct listen_options, addresses),
	  .fallback = "127.0.0.1:1, [::1]:1" },
	{ .name = "tls", .type = OPTION_BOOL,
	  .offset = offsetof(struct listen_options, tls), .fallback = "yes" },
	{ .name = "backlog", .type = OPTION_NUMBER,
	  .offset = offsetof(struct listen_options, backlog),
	  .fallback = "16", .min = 1, .max = 100 },
	{ .name = "size", .type = OPTION_SIZE,
	  .offset = offsetof(struct listen_options, size),
	  .fallback = "256K", .max = 1 << 30 },
	{ .name = "wait", .type = OPTION_DURATION,
	  .offset = offsetof(struct listen_options, wait),
	  .fallback = "90s", .min = 1 },
	{ .name = "mode", .type = OPTION_CHOICE,
	  .offset = offsetof(struct listen_options, mode),
	  .fallback = "maybe", .choices = modes },
	{ .name = NULL },
};

static const struct section listen_section = {
	.name = "listen", .titled = true,
	.size = sizeof(struct listen_options), .options = listen_rows,
};

static const struct section plain_section = {
	.name = "plain", .size = sizeof(struct listen_options),
	.options = listen_rows,
};

static const struct section *const sections[] = { &listen_section,
						  &plain_section, NULL };

static char *write_file(const char *text, mode_t mode)
{
	char *path = mem_printf("/tmp/test_config.%ld", (long)getpid());
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fputs(text, file) < 0, 0);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

static struct config *load(const char *text, bool strict, struct error *err)
{
	char *path = write_file(text, 0600);
	struct config *config = config_load(path, sections, strict, err);

	unlink(path);
	mem_free(path);
	return config;
}

static struct config *load_good(const char *text)
{
	struct error err = { .text = "" };
	struct config *config = load(text, false, &err);

	assert_string_equal(err.text, "");
	assert_non_null(config);
	return config;
}

static void test_defaults(void **state)
{
	struct config *config = load_good("");
	const struct listen_options *plain;
	const char *title = "x";

	(void)state;
	assert_int_equal(config_count(config, "listen"), 0);
	assert_int_equal(config_count(config, "plain"), 1);
	plain = config_get(config, "plain", 0, &title);
	assert_null(title);
	assert_null(plain->name);
	assert_string_equal(plain->addresses[0], "127.0.0.1:1");
	assert_string_equal(plain->addresses[1], "[::1]:1");
	assert_null(plain->addresses[2]);
	assert_true(plain->tls);
	assert_int_equal(plain->backlog, 16);
	assert_int_equal(plain->size, 256 * 1024);
	assert_int_equal(plain->wait, 90000);
	assert_int_equal(plain->mode, 1);
	assert_null(config_get(config, "plain", 1, NULL));
	assert_null(config_get(config, "nothing", 0, NULL));
	config_free(&config);
	assert_null(config);
}

static void test_values(void **state)
{
	struct config *config = load_good(
		"# comment\n"
		"listen \"a\" {\n"
		"	name = \"x // \\\"y\\\" # z\"  # comment\n"
		"	addresses = { one, # comment } \n"
		"		\"two\" /* } */, 'three' }\n"
		"	tls = off backlog = 100\n"
		"	size = 3M wait = 2h mode = always\n"
		"}\n"
		"listen b { addresses = {} size = 0 wait = 250ms }\n"
		"plain { addresses = just-one }\n");
	const struct listen_options *o;
	const char *title;

	(void)state;
	assert_int_equal(config_count(config, "listen"), 2);
	o = config_get(config, "listen", 0, &title);
	assert_string_equal(title, "a");
	assert_string_equal(o->name, "x // \"y\" # z");
	assert_string_equal(o->addresses[0], "one");
	assert_string_equal(o->addresses[1], "two");
	assert_string_equal(o->addresses[2], "three");
	assert_null(o->addresses[3]);
	assert_false(o->tls);
	assert_int_equal(o->backlog, 100);
	assert_int_equal(o->size, 3 << 20);
	assert_int_equal(o->wait, 7200000);
	assert_int_equal(o->mode, 2);
	o = config_get(config, "listen", 1, &title);
	assert_string_equal(title, "b");
	assert_null(o->addresses[0]);
	assert_int_equal(o->size, 0);
	assert_int_equal(o->wait, 250);
	o = config_get(config, "plain", 0, NULL);
	assert_string_equal(o->addresses[0], "just-one");
	assert_null(o->addresses[1]);
	config_free(&config);
}

static void test_errors(void **state)
{
	static const struct {
		const char *text, *line, *word;
		bool strict;
	} cases[] = {
		{ "plain {\n\tnme = x\n}", ":2:", "nme", false },
		{ "plain {\n\n\tbacklog = 101\n}", ":3:", "too large", false },
		{ "plain { backlog = 0 }", ":1:", "too small", false },
		{ "plain { backlog = 1x }", ":1:", "not a number", false },
		{ "plain { backlog = -1 }", ":1:", "too small", false },
		{ "plain { size = 1X }", ":1:", "not a size", false },
		{ "plain { size = 2G }", ":1:", "too large", false },
		{ "plain { size = 99999999999G }", ":1:", "size", false },
		{ "plain { size = 99999999999999999999999 }", ":1:", "size",
		  false },
		{ "plain { wait = 30 }", ":1:", "not a duration", false },
		{ "plain { wait = 0 }", ":1:", "too small", false },
		{ "plain { tls = 1 }", ":1:", "yes or no", false },
		{ "\n\nplain { mode = often }", ":3:", "never, maybe", false },
		{ "plain { name = x", ":1:", "not closed", false },
		{ "plain { name = \"x }\n\n", ":1:", "not closed", false },
		{ "plain { name = 'x }\n\n", ":1:", "not closed", false },
		{ "/* plain { }", ":1:", "not closed", false },
		{ "plain { name = ${x\n", ":1:", "not closed", false },
		{ "plain { name x }", ":1:", "equal sign", false },
		{ "plain { name = { x } }", ":1:", "unexpected", false },
		{ "plain { sub { x = 1 } }", ":1:", "sub", false },
		{ "plain { }\nplain { }", ":2:", "already", false },
		{ "plain { name = x\nname = y }", ":2:", "\"name\" is given "
		  "twice", false },
		{ "plain { addresses = { a }\n# x\naddresses = { } }", ":3:",
		  "given twice", false },
		{ "plain { name = ${TEST_CONFIG_NOT_SET} }", ":1:",
		  "no TEST_CONFIG_NOT_SET", false },
		{ "plain {\nname = \"a${TEST_CONFIG_NOT_SET}\" }", ":2:",
		  "no TEST_CONFIG_NOT_SET", false },
		{ "listen \u201ca\u201d { }", ":1:", "typographic", false },
		{ "plain { name = \u2018a\u2019 }", ":1:", "typographic",
		  false },
		{ "listen { }", ":1:", "title", false },
		{ "listen a { }\nlisten a { }", ":2:", "a", false },
		{ "plain a { }", ":1:", "brace", false },
		{ "name = x", ":1:", "does not start", false },
		{ "{ }", ":1:", "name of a section", false },
		{ "plain { } }", ":1:", "name of a section", false },
		{ "plain { name = * }", ":1:", "may not stand", false },
		{ "plain { }\nother { }", ":2:", "other", true },
		{ "plain { \" \" = x }", ":1:", "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error err = { .text = "" };
		struct config *config =
			load(cases[i].text, cases[i].strict, &err);

		if (config || !strstr(err.text, cases[i].line) ||
		    !strstr(err.text, cases[i].word) ||
		    !strstr(err.text, "/tmp/test_config."))
			fail_msg("case %zu: %s: %s", i, cases[i].text,
				 err.text);
	}
}

/* Those that are not set are a mistake, save in text taken as it is, with a
 * default, and in sections of others. */
static void test_variables(void **state)
{
	struct config *config = load_good(
		"plain { name = 'a${TEST_CONFIG_NOT_SET}'\n"
		"addresses = { ${TEST_CONFIG_NOT_SET:-b} } "
		"addresses += { c } }\n"
		"other { x = ${TEST_CONFIG_NOT_SET}  x = 1 }\n");
	const struct listen_options *plain =
		config_get(config, "plain", 0, NULL);

	(void)state;
	assert_string_equal(plain->name, "a${TEST_CONFIG_NOT_SET}");
	assert_string_equal(plain->addresses[0], "b");
	assert_string_equal(plain->addresses[1], "c");
	assert_null(plain->addresses[2]);
	config_free(&config);
}

/* A string that was not closed must not harm the next file. */
static void test_after_error(void **state)
{
	struct error err;
	struct config *config = load("plain { name = \"x", false, &err);

	(void)state;
	assert_null(config);
	config = load_good("plain { name = y }");
	config_free(&config);
}

static void test_other_sections(void **state)
{
	struct config *config = load_good(
		"other { }\n"
		"other \"titled\" { a = 1 b += { x, \"}\" } c = '}' }\n"
		"deep { a = { 1, 2 } in { x = 1 in \"t\" { y = {} } }\n"
		"	# }\n"
		"	/* } */ // }\n"
		"	z = ${HOME} f(x, y) \"odd\\\"}\" = 1 }\n"
		"plain { name = here }\n"
		"last { in { in { in { } } } }");
	const struct listen_options *o = config_get(config, "plain", 0, NULL);

	(void)state;
	assert_string_equal(o->name, "here");
	config_free(&config);
}

static void test_line_after_skipped(void **state)
{
	struct error err = { .text = "" };

	(void)state;
	assert_null(load("other {\n a = \"x\n y\"\n}\n/*\n*/\nplain { q = 1 }",
			 false, &err));
	assert_non_null(strstr(err.text, ":7:"));
}

static void test_find(void **state)
{
	struct config *config =
		load_good("listen \"c2s-*\" { backlog = 1 }\n"
			  "listen \"c2s-2\" { backlog = 2 }\n"
			  "listen \"*\" { backlog = 3 }\n");
	static const struct {
		const char *title;
		int64_t backlog;
	} cases[] = { { "c2s-1", 1 }, { "c2s-2", 2 }, { "sm-1", 3 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct listen_options *o =
			config_find(config, "listen", cases[i].title);

		assert_non_null(o);
		assert_int_equal(o->backlog, cases[i].backlog);
	}
	assert_null(config_find(config, "plain", "c2s-1"));
	config_free(&config);
}

static void test_variable(void **state)
{
	struct config *config;
	const struct listen_options *o;

	(void)state;
	setenv("TEST_CONFIG", "from outside", 1);
	config = load_good("plain { name = \"${TEST_CONFIG}!\" }");
	o = config_get(config, "plain", 0, NULL);
	assert_string_equal(o->name, "from outside!");
	config_free(&config);
}

static void test_dump(void **state)
{
	struct config *config = load_good(
		"listen \"q\\\"\\\\ ${HOME}\" {\n"
		"	name = \"\\\\ \\\" \\${HOME} \\n\\x07 # }\"\n"
		"	addresses = { \"a, b\", \"\", 'c' }\n"
		"	tls = no size = 1536K wait = 90s mode = never\n"
		"}\n"
		"plain { addresses = {} wait = 1d size = 1025 }\n");
	struct buf first = { .data = NULL }, second = { .data = NULL };
	const struct listen_options *o;

	(void)state;
	config_dump(config, &first);
	config_free(&config);
	config = load_good(buf_data(&first));
	config_dump(config, &second);
	assert_string_equal(buf_data(&first), buf_data(&second));
	assert_non_null(strstr(buf_data(&first), "\t# a name\n"));
	assert_non_null(strstr(buf_data(&first), "size = 1536K\n"));
	assert_non_null(strstr(buf_data(&first), "size = 1025\n"));
	assert_non_null(strstr(buf_data(&first), "wait = 1d\n"));
	o = config_get(config, "listen", 0, NULL);
	assert_string_equal(o->name, "\\ \" ${HOME} \n\a # }");
	assert_string_equal(o->addresses[1], "");
	assert_string_equal(o->addresses[2], "c");
	config_free(&config);
	buf_free(&first);
	buf_free(&second);
}

static void test_no_file(void **state)
{
	struct error err;

	(void)state;
	assert_null(config_load("/nonexistent/x", sections, false, &err));
	assert_non_null(strstr(err.text, "/nonexistent/x"));
	assert_null(config_load("/tmp", sections, false, &err));
}

static void test_secret(void **state)
{
	static const struct {
		const char *text, *secret;
		mode_t mode;
	} cases[] = {
		{ "secret\n", "secret", 0600 },
		{ "with space \r\nmore", "with space ", 0640 },
		{ "bare", "bare", 0400 },
		{ "open", NULL, 0604 },
		{ "writable", NULL, 0602 },
		{ "\nsecond", NULL, 0600 },
		{ "", NULL, 0600 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *path = write_file(cases[i].text, cases[i].mode);
		struct error err;
		char *secret = config_read_secret(path, &err);

		if (cases[i].secret)
			assert_string_equal(secret, cases[i].secret);
		else
			assert_null(secret);
		mem_free_secret(secret);
		unlink(path);
		mem_free(path);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_variables),
		cmocka_unit_test(test_after_error),
		cmocka_unit_test(test_other_sections),
		cmocka_unit_test(test_line_after_skipped),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_variable),
		cmocka_unit_test(test_dump),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
