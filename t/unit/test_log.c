/* SPDX-License-Identifier: Apache-2.0
 *
 * util/base/log: the form of a line, and that no value can forge one.
 */
#include "util/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/base/buf.h"

struct lines {
	struct buf text;
	unsigned count;
	enum log_level level;
};

static void keep_line(enum log_level level, const char *line, void *ctx)
{
	struct lines *lines = ctx;

	buf_clear(&lines->text, 4096);
	buf_add_str(&lines->text, line);
	lines->count++;
	lines->level = level;
}

static struct log callback_log(struct lines *lines)
{
	struct log log;

	log_init(&log, "sm-1");
	log.target = LOG_TO_CALLBACK;
	log.line = keep_line;
	log.line_ctx = lines;
	return log;
}

static void test_init(void **state)
{
	struct log log;

	(void)state;
	log_init(&log, "c2s-1");
	assert_string_equal(log.name, "c2s-1");
	assert_int_equal(log.level, LOG_LEVEL_INFO);
	assert_int_equal(log.target, LOG_TO_STDERR);
	log_init(&log, "0123456789012345678901234567890123456789"
		       "012345678901234567890123456789");
	assert_int_equal(strlen(log.name), sizeof(log.name) - 1);
}

static void test_fields(void **state)
{
	struct lines lines = { .count = 0 };
	struct log log = callback_log(&lines);

	(void)state;
	log_info(&log, "role.ready");
	assert_string_equal(buf_data(&lines.text), "role.ready");
	log_warning(&log, "session.open", LOG_S("jid", "a@b/c"),
		    LOG_S("none", NULL), LOG_N("count", -7),
		    LOG_S("why", "two words"), LOG_S("empty", ""));
	assert_string_equal(buf_data(&lines.text),
			    "session.open jid=a@b/c count=-7 "
			    "why=\"two words\" empty=\"\"");
	assert_int_equal(lines.level, LOG_LEVEL_WARNING);
	assert_int_equal(lines.count, 2);
	buf_free(&lines.text);
}

static void test_values(void **state)
{
	static const struct {
		const char *value, *written;
	} rows[] = {
		{ "a b", "\"a b\"" },
		{ "a=b", "\"a=b\"" },
		{ "a\"b", "\"a\\\"b\"" },
		{ "a\\b", "\"a\\\\b\"" },
		{ "a\nerror: forged k=v", "\"a\\nerror: forged k=v\"" },
		{ "\r\t\x1b[0m\x7f", "\"\\r\\t\\x1b[0m\\x7f\"" },
		{ "\xc3\xa9", "\"\xc3\xa9\"" },
		{ "\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"" },
		/* not UTF-8: alone, cut short, overlong, surrogate, too big */
		{ "\xff", "\"\\xff\"" },
		{ "a\xc3", "\"a\\xc3\"" },
		{ "\xe2\x80", "\"\\xe2\\x80\"" },
		{ "\xc0\x8a", "\"\\xc0\\x8a\"" },
		{ "\xe0\x80\x8a", "\"\\xe0\\x80\\x8a\"" },
		{ "\xed\xa0\x80", "\"\\xed\\xa0\\x80\"" },
		{ "\xf4\x90\x80\x80", "\"\\xf4\\x90\\x80\\x80\"" },
		/* next line, line separator, right-to-left override, isolate */
		{ "\xc2\x85", "\"\\xc2\\x85\"" },
		{ "\xe2\x80\xa8", "\"\\xe2\\x80\\xa8\"" },
		{ "\xe2\x80\xae", "\"\\xe2\\x80\\xae\"" },
		{ "\xe2\x81\xa6", "\"\\xe2\\x81\\xa6\"" },
		{ "\xe2\x82\xac", "\"\xe2\x82\xac\"" },
	};
	struct lines lines = { .count = 0 };
	struct log log = callback_log(&lines);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		log_info(&log, "e", LOG_S("k", rows[i].value));
		assert_memory_equal(buf_data(&lines.text), "e k=", 4);
		assert_string_equal(buf_data(&lines.text) + 4,
				    rows[i].written);
	}
	buf_free(&lines.text);
}

static void test_long_value(void **state)
{
	struct lines lines = { .count = 0 };
	struct log log = callback_log(&lines);
	char text[5000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_info(&log, "e", LOG_S("k", text), LOG_N("n", 1));
	assert_int_equal(lines.text.len,
			 strlen("e k=\"\" n=1") + 1024 + strlen("..."));
	assert_string_equal(buf_data(&lines.text) + lines.text.len - 9,
			    "x...\" n=1");
	buf_free(&lines.text);
}

static void test_levels(void **state)
{
	struct lines lines = { .count = 0 };
	struct log log = callback_log(&lines);
	enum log_level level = LOG_LEVEL_ERROR;

	(void)state;
	log_debug(&log, "not.wanted");
	assert_int_equal(lines.count, 0);
	log.level = LOG_LEVEL_ERROR;
	log_warning(&log, "not.wanted");
	assert_int_equal(lines.count, 0);
	log_error(&log, "wanted");
	assert_int_equal(lines.count, 1);
	log.level = LOG_LEVEL_DEBUG;
	log_debug(&log, "wanted", LOG_N("n", 1));
	assert_int_equal(lines.count, 2);

	assert_int_equal(log_parse_level("debug", &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_parse_level("error", &level), 0);
	assert_int_equal(level, LOG_LEVEL_ERROR);
	assert_int_equal(log_parse_level("Debug", &level), -1);
	assert_int_equal(log_parse_level("", &level), -1);
	assert_int_equal(level, LOG_LEVEL_ERROR);
	buf_free(&lines.text);
}

static int64_t fixed_now(void *ctx)
{
	return *(int64_t *)ctx;
}

/* What goes to stderr while the log writes one line. */
static void capture(struct log *log, char *text, size_t size)
{
	int ends[2];
	int saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	log_notice(log, "event.one", LOG_S("k", "v"));
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[1]);
	n = read(ends[0], text, size - 1);
	close(ends[0]);
	assert_true(n >= 0);
	text[n] = '\0';
}

static void test_stderr(void **state)
{
	int64_t now = INT64_C(1234567890000042);
	struct log log;
	char text[200];

	(void)state;
	unsetenv("JOURNAL_STREAM");
	log_init(&log, "c2s-1");
	log.now = fixed_now;
	log.now_ctx = &now;
	capture(&log, text, sizeof(text));
	assert_string_equal(text, "2009-02-13T23:31:30.000042Z c2s-1 notice: "
				  "event.one k=v\n");
	setenv("JOURNAL_STREAM", "8:1", 1);
	log_init(&log, "c2s-1");
	capture(&log, text, sizeof(text));
	assert_string_equal(text, "<5>event.one k=v\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_long_value),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_stderr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
