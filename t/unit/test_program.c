/* SPDX-License-Identifier: Apache-2.0
 *
 * Programs that end well, badly, not at all, or are not there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "util/net/program.h"

static void test_run(void **state)
{
	static const struct {
		const char *script, *why; /* why NULL: it ends well */
	} cases[] = {
		{ "exit 0", NULL },
		{ "echo nobody reads this; echo a warning >&2", NULL },
		{ "exit 3", "sh fails, and does not say why" },
		{ "echo 'the file is wrong' >&2; echo more >&2; exit 1",
		  "the file is wrong" },
		{ "kill -9 $$", "sh fails, and does not say why" },
		{ "exec sleep 60", "sh takes too long" },
		{ "i=0; while [ $i -lt 3000 ]; do echo line $i; "
		  "i=$((i+1)); done >&2; exit 1", "line 0" },
	};
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *const argv[] = { "sh", "-c", (char *)cases[i].script,
				       NULL };
		int rc = program_run(argv, 500, &err);

		assert_int_equal(rc, cases[i].why ? -1 : 0);
		if (cases[i].why)
			assert_string_equal(err.text, cases[i].why);
	}
}

static void test_absent(void **state)
{
	char *const argv[] = { "/nowhere/program", NULL };
	struct error err;

	(void)state;
	assert_int_equal(program_run(argv, 500, &err), -1);
	assert_string_equal(err.text, "cannot run /nowhere/program: "
				      "No such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_run),
		cmocka_unit_test(test_absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
