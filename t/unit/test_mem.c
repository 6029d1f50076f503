/* SPDX-License-Identifier: Apache-2.0
 *
 * util/base/mem: zeroing, copies, overflow, and the handling of secrets.
 */
#include "util/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_zeroed(void **state)
{
	unsigned char *bytes = mem_calloc(16, 4);
	void *nothing = mem_calloc(0, 0);

	(void)state;
	for (size_t i = 0; i < 64; i++)
		assert_int_equal(bytes[i], 0);
	assert_non_null(nothing);
	mem_free(bytes);
	mem_free(nothing);
	mem_free(NULL);
}

static void test_realloc_keeps(void **state)
{
	char *text = mem_strdup("keep");

	(void)state;
	text = mem_realloc(text, 100, 10);
	assert_string_equal(text, "keep");
	text = mem_realloc(text, 0, 10);
	assert_non_null(text);
	mem_free(text);
}

static void test_copies(void **state)
{
	char *all = mem_strndup("abc", 10);
	char *part = mem_strndup("abc", 2);
	char *none = mem_strndup("abc", 0);
	char *bytes = mem_dup("a\0b", 4);
	char *printed = mem_printf("%s-%d", "x", 7);

	(void)state;
	assert_null(mem_strdup(NULL));
	assert_string_equal(all, "abc");
	assert_string_equal(part, "ab");
	assert_string_equal(none, "");
	assert_memory_equal(bytes, "a\0b", 4);
	assert_string_equal(printed, "x-7");
	mem_free(all);
	mem_free(part);
	mem_free(none);
	mem_free(bytes);
	mem_free(printed);
}

static void overflow_calloc(void)
{
	mem_free(mem_calloc(SIZE_MAX / 2, 4));
}

static void overflow_realloc(void)
{
	mem_free(mem_realloc(NULL, SIZE_MAX / 2, 4));
}

/* Runs it in a child; whether abort() ended that. */
static int aborts(void (*action)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		close(STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		action();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void test_overflow_aborts(void **state)
{
	(void)state;
	assert_true(aborts(overflow_calloc));
	assert_true(aborts(overflow_realloc));
}

static void test_secrets(void **state)
{
	char secret[] = "secret";

	(void)state;
	assert_true(mem_equal_secret("abc", "abc", 3));
	assert_true(mem_equal_secret("abc", "abd", 2));
	assert_true(mem_equal_secret("a", "b", 0));
	assert_false(mem_equal_secret("abc", "abd", 3));
	assert_false(mem_equal_secret("xbc", "abc", 3));
	assert_false(mem_equal_secret("\x80", "\0", 1));
	mem_wipe(secret, 3);
	assert_memory_equal(secret, "\0\0\0ret", 7);
	mem_wipe(NULL, 0);
	mem_free_secret(NULL);
	mem_free_secret(mem_strdup("secret"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zeroed),
		cmocka_unit_test(test_realloc_keeps),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_overflow_aborts),
		cmocka_unit_test(test_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
