/* SPDX-License-Identifier: Apache-2.0
 *
 * What operators' programs answer, in each protocol, and what they are asked:
 * whatever a password holds, it stays one question. The first byte is the
 * protocol, and whether it is an answer or a password.
 */
#include "t/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "storage/pipe_protocol.h"
#include "util/base/mem.h"

static void require(int condition)
{
	if (!condition)
		abort();
}

static void fuzz_answers(const struct pipe_protocol *protocol,
			 const char *bytes, size_t size)
{
	while (size > 0) {
		struct pipe_answer answer = { .id = 0 };
		bool skip = false;
		long used = protocol->read(bytes, size, &answer, &skip);

		require(used <= (long)size);
		require(memchr(answer.text, '\0', sizeof(answer.text)) !=
			NULL);
		require(memchr(answer.password, '\0',
			       sizeof(answer.password)) != NULL);
		require(answer.sha1.salt_len <= sizeof(answer.sha1.salt));
		require(answer.sha256.salt_len <= sizeof(answer.sha256.salt));
		if (used <= 0)
			return;
		bytes += used;
		size -= (size_t)used;
	}
}

static void fuzz_question(enum pipe_protocol_name name, char *password)
{
	struct pipe_question question = {
		.id = 1, .command = PIPE_AUTH, .user = "alice",
		.domain = "example.org", .password = password,
	};
	struct buf text = { .len = 0 };
	const char *bytes;

	pipe_protocol(name)->write(&text, &question, PIPE_CAN_CHECK);
	bytes = buf_data(&text);
	if (name == PIPE_PROTOCOL_EXTAUTH)
		require(text.len == 2 + ((size_t)(unsigned char)bytes[0] << 8) +
					    (unsigned char)bytes[1]);
	else
		require(memchr(bytes, '\n', text.len) == bytes + text.len - 1);
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum pipe_protocol_name name;
	char *copy;

	if (size == 0 || size > 60000)
		return 0;
	name = (enum pipe_protocol_name)(data[0] % 3);
	if (data[0] & 0x40) {
		copy = mem_strndup((const char *)data + 1, size - 1);
		fuzz_question(name, copy);
	} else {
		/* Of its size: reading past the end is noticed. */
		copy = mem_dup(data + 1, size - 1);
		fuzz_answers(pipe_protocol(name), copy, size - 1);
	}
	mem_free(copy);
	return 0;
}
