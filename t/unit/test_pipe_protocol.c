/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "storage/pipe_protocol.h"
#include "util/base/mem.h"

#define CHAPPE	 PIPE_PROTOCOL_CHAPPE
#define JABBERD2 PIPE_PROTOCOL_JABBERD2
#define EXTAUTH	 PIPE_PROTOCOL_EXTAUTH

static void test_questions(void **state)
{
	static const struct {
		enum pipe_protocol_name protocol;
		enum pipe_command command;
		const char *user, *password;
		unsigned capabilities;
		const char *wanted;
		size_t len; /* 0: of the text */
	} cases[] = {
		{ CHAPPE, PIPE_AUTH, "alice", "secret", 0,
		  "7 auth alice example.org secret\n", 0 },
		{ CHAPPE, PIPE_AUTH, "b%c", "a b\n8 auth x\t%\x7f", 0,
		  "7 auth b%25c example.org a%20b%0A8%20auth%20x%09%25%7F\n",
		  0 },
		{ CHAPPE, PIPE_AUTH, "m\xc3\xbcller", "\xe2\x82\xac", 0,
		  "7 auth m\xc3\xbcller example.org \xe2\x82\xac\n", 0 },
		{ CHAPPE, PIPE_EXISTS, "alice", NULL, 0,
		  "7 exists alice example.org\n", 0 },
		{ CHAPPE, PIPE_SET, "alice", "new", 0,
		  "7 set alice example.org new\n", 0 },
		{ CHAPPE, PIPE_CREATE, "alice", "new", 0,
		  "7 create alice example.org new\n", 0 },
		{ CHAPPE, PIPE_REMOVE, "alice", NULL, 0,
		  "7 remove alice example.org\n", 0 },
		{ JABBERD2, PIPE_AUTH, "alice", "a b\n", PIPE_CAN_CHECK,
		  "CHECK-PASSWORD alice YSBiCg== example.org\n", 0 },
		{ JABBERD2, PIPE_AUTH, "alice", "secret", 0,
		  "GET-PASSWORD alice example.org\n", 0 },
		{ JABBERD2, PIPE_EXISTS, "alice", NULL, 0,
		  "USER-EXISTS alice example.org\n", 0 },
		{ JABBERD2, PIPE_SET, "alice", "x", 0,
		  "SET-PASSWORD alice eA== example.org\n", 0 },
		{ JABBERD2, PIPE_CREATE, "alice", "x", 0,
		  "CREATE-USER alice example.org\n", 0 },
		{ JABBERD2, PIPE_REMOVE, "alice", NULL, 0,
		  "DELETE-USER alice example.org\n", 0 },
		{ EXTAUTH, PIPE_AUTH, "alice", "a:b\n", 0,
		  "\0\x1b" "auth:alice:example.org:a:b\n", 29 },
		{ EXTAUTH, PIPE_EXISTS, "alice", NULL, 0,
		  "\0\x18" "isuser:alice:example.org", 26 },
		{ EXTAUTH, PIPE_REMOVE, "alice", NULL, 0,
		  "\0\x1c" "removeuser:alice:example.org", 30 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pipe_question question = {
			.id = 7, .command = cases[i].command,
			.user = cases[i].user, .domain = "example.org",
			.password = cases[i].password,
		};
		size_t len = cases[i].len ? cases[i].len
					  : strlen(cases[i].wanted);
		struct buf text = { .len = 0 };

		pipe_protocol(cases[i].protocol)
			->write(&text, &question, cases[i].capabilities);
		assert_int_equal(text.len, len);
		assert_memory_equal(buf_data(&text), cases[i].wanted, len);
		buf_free(&text);
	}
}

#define KEYS256                                                              \
	"SCRAM-SHA-256:4096:c2FsdA==:"                                       \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"                      \
	"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define KEYS1                                                                \
	"SCRAM-SHA-1:5000:c2FsdA==:AAAAAAAAAAAAAAAAAAAAAAAAAAA=:"            \
	"AQEBAQEBAQEBAQEBAQEBAQEBAQE="

struct answer_case {
	enum pipe_protocol_name protocol;
	const char *bytes;
	size_t len; /* 0: of the text */
	long used;
	enum pipe_result result;
	uint64_t id;
	bool skip;
};

static const struct answer_case answers[] = {
	{ CHAPPE, "7 ok\n8 no\n", 0, 5, PIPE_OK, 7, false },
	{ CHAPPE, "7 no\r\n", 0, 6, PIPE_NO, 7, false },
	{ CHAPPE, "7 disabled\n", 0, 11, PIPE_DISABLED, 7, false },
	{ CHAPPE, "7 expired\n", 0, 10, PIPE_EXPIRED, 7, false },
	{ CHAPPE, "7 error no database\n", 0, 20, PIPE_ERROR, 7, false },
	{ CHAPPE, "7 ok " KEYS256 " " KEYS1 "\n", 0, 207, PIPE_OK, 7, false },
	{ CHAPPE, "\n", 0, 1, 0, 0, true },
	{ CHAPPE, "7 ok", 0, 0, 0, 0, false },
	{ CHAPPE, "7\n", 0, -1, 0, 0, false },
	{ CHAPPE, "ok\n", 0, -1, 0, 0, false },
	{ CHAPPE, "0 ok\n", 0, -1, 0, 0, false },
	{ CHAPPE, "-1 ok\n", 0, -1, 0, 0, false },
	{ CHAPPE, "7 yes\n", 0, -1, 0, 0, false },
	{ CHAPPE, "7 ok more\n", 0, -1, 0, 0, false },
	{ CHAPPE, "7 no " KEYS1 "\n", 0, -1, 0, 0, false },
	{ CHAPPE, "7 ok SCRAM-SHA-256:0:c2FsdA==:AA==:AA==\n", 0, -1, 0, 0,
	  false },
	{ CHAPPE, "7 ok SCRAM-SHA-256:4096:c2FsdA==:AA==:AA==\n", 0, -1, 0, 0,
	  false },
	{ CHAPPE, "7 ok SCRAM-SHA-256\n", 0, -1, 0, 0, false },
	{ CHAPPE, "7 ok " KEYS1 ":x\n", 0, -1, 0, 0, false },
	{ CHAPPE, "7 o\0k\n", 6, -1, 0, 0, false },
	{ JABBERD2, "OK\n", 0, 3, PIPE_OK, 0, false },
	{ JABBERD2, "NO\n", 0, 3, PIPE_NO, 0, false },
	{ JABBERD2, "OK c2VjcmV0\n", 0, 12, PIPE_OK, 0, false },
	{ JABBERD2, "OK USER-EXISTS GET-PASSWORD FREE\n", 0, 33,
	  PIPE_GREETING, 0, false },
	{ JABBERD2, "\nOK\n", 0, 1, 0, 0, true },
	{ JABBERD2, "MAYBE\n", 0, -1, 0, 0, false },
	{ JABBERD2, "OK", 0, 0, 0, 0, false },
	{ EXTAUTH, "\0\2\0\1", 4, 4, PIPE_OK, 0, false },
	{ EXTAUTH, "\0\2\0\0\0\2", 6, 4, PIPE_NO, 0, false },
	{ EXTAUTH, "\0\2\0", 3, 0, 0, 0, false },
	{ EXTAUTH, "\0", 1, 0, 0, 0, false },
	{ EXTAUTH, "\0\2\0\2", 4, -1, 0, 0, false },
	{ EXTAUTH, "\0\3", 2, -1, 0, 0, false },
	{ EXTAUTH, "Traceback", 9, -1, 0, 0, false },
};

static void test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		const struct answer_case *c = &answers[i];
		size_t len = c->len ? c->len : strlen(c->bytes);
		/* A copy of its size: reading past the end is noticed. */
		char *bytes = mem_dup(c->bytes, len);
		struct pipe_answer answer = { .id = 0 };
		bool skip = false;
		long used = pipe_protocol(c->protocol)
				    ->read(bytes, len, &answer, &skip);

		mem_free(bytes);
		assert_int_equal(used, c->used);
		if (used <= 0)
			continue;
		assert_int_equal(skip, c->skip);
		assert_int_equal(answer.result, c->result);
		assert_int_equal(answer.id, c->id);
	}
}

static void test_keys(void **state)
{
	static const char line[] = "1 ok " KEYS256 "\n";
	struct pipe_answer answer = { .id = 0 };
	bool skip;

	(void)state;
	pipe_protocol(CHAPPE)->read(line, strlen(line), &answer, &skip);
	assert_int_equal(answer.sha256.rounds, 4096);
	assert_int_equal(answer.sha256.salt_len, 4);
	assert_memory_equal(answer.sha256.salt, "salt", 4);
	assert_int_equal(answer.sha256.server_key[31], 1);
	assert_int_equal(answer.sha1.rounds, 0);
}

static void test_long_line(void **state)
{
	char *bytes = mem_alloc(PIPE_ANSWER_MAX + 2);
	struct pipe_answer answer = { .id = 0 };
	bool skip;

	(void)state;
	memset(bytes, 'x', PIPE_ANSWER_MAX + 2);
	assert_int_equal(pipe_protocol(CHAPPE)->read(bytes, PIPE_ANSWER_MAX,
						     &answer, &skip), 0);
	assert_int_equal(pipe_protocol(CHAPPE)->read(
				 bytes, PIPE_ANSWER_MAX + 1, &answer, &skip),
			 -1);
	mem_free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_questions),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_long_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
