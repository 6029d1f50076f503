/* SPDX-License-Identifier: Apache-2.0
 *
 * Programs beside us: what they write, how they end, and that none stays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "t/unit/net_world.h"
#include "util/base/buf.h"
#include "util/base/str.h"
#include "util/net/process.h"

struct seen {
	struct loop *loop;
	struct process *process;
	struct buf output;
	char reason[64];
	unsigned ends;
	bool free_on_data;
};

static void on_data(struct process *process, const char *bytes, size_t len,
		    void *ctx)
{
	struct seen *seen = ctx;

	assert_ptr_equal(process, seen->process);
	buf_add(&seen->output, bytes, len);
	if (seen->free_on_data)
		process_free(&seen->process);
}

static void on_ended(struct process *process, const char *reason, void *ctx)
{
	struct seen *seen = ctx;

	assert_ptr_equal(process, seen->process);
	seen->process = NULL;
	seen->ends++;
	str_copy(seen->reason, sizeof(seen->reason), reason);
}

static const struct process_handlers handlers = {
	.data = on_data,
	.ended = on_ended,
};

static void start(struct seen *seen, const char *script)
{
	char *argv[] = { "/bin/sh", "-c", (char *)script, NULL };
	struct error err;

	memset(seen, 0, sizeof(*seen));
	seen->loop = loop_new(&err);
	seen->process = process_start(seen->loop, argv, &handlers, seen, &err);
	assert_non_null(seen->process);
	assert_int_equal(seen->output.len, 0);
}

static void run_until_end(struct seen *seen)
{
	for (int i = 0; i < 500 && seen->ends == 0; i++)
		world_run_for(seen->loop, 10);
	assert_int_equal(seen->ends, 1);
}

static void finish(struct seen *seen)
{
	process_free(&seen->process);
	assert_null(seen->process);
	buf_free(&seen->output);
	loop_free(&seen->loop);
}

static void test_echo(void **state)
{
	struct seen seen;

	(void)state;
	start(&seen, "read line; echo got $line; read line; echo and $line; "
		     "exit 3");
	process_write(seen.process, "one\n", 4);
	process_write(seen.process, "two\n", 4);
	run_until_end(&seen);
	assert_string_equal(buf_data(&seen.output), "got one\nand two\n");
	assert_string_equal(seen.reason, "it ended with status 3");
	finish(&seen);
}

static void test_ends(void **state)
{
	static const struct {
		const char *script, *reason;
	} cases[] = {
		{ "exit 0", "it ended with status 0" },
		{ "kill -9 $$", "it was ended by signal 9" },
		{ "exec >&-; exec sleep 60", "it closed its output" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct seen seen;

		start(&seen, cases[i].script);
		run_until_end(&seen);
		assert_string_equal(seen.reason, cases[i].reason);
		finish(&seen);
	}
}

/* Let go of: no callback, and it ends, by SIGTERM or in the end by SIGKILL. */
static void test_let_go(void **state)
{
	static const char *const scripts[] = {
		"echo x; exec sleep 60", "trap '' TERM; echo x; exec sleep 60",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		struct seen seen;

		start(&seen, scripts[i]);
		seen.free_on_data = true;
		for (int n = 0; n < 500 && seen.process != NULL; n++)
			world_run_for(seen.loop, 10);
		assert_null(seen.process);
		world_run_for(seen.loop, i == 0 ? 100 : 2500);
		assert_int_equal(seen.ends, 0);
		finish(&seen);
	}
}

/* The loop goes while programs run. */
static void test_loop_goes(void **state)
{
	struct seen seen;

	(void)state;
	start(&seen, "trap '' TERM; exec sleep 60");
	world_run_for(seen.loop, 50);
	process_write(seen.process, "secret\n", 7);
	buf_free(&seen.output);
	loop_free(&seen.loop);
	assert_int_equal(seen.ends, 0);
}

static void test_no_program(void **state)
{
	char *argv[] = { "/no/such/program", NULL };
	struct error err;
	struct loop *loop = loop_new(&err);

	(void)state;
	assert_null(process_start(loop, argv, &handlers, NULL, &err));
	assert_string_equal(err.text,
			    "/no/such/program: no such file or directory");
	loop_free(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_let_go),
		cmocka_unit_test(test_loop_goes),
		cmocka_unit_test(test_no_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
