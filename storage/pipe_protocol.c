/* SPDX-License-Identifier: Apache-2.0
 *
 * The three protocols of programs that check log-ins. Names are those of
 * prepared JIDs, so they hold no space, colon or control character; passwords
 * may hold anything, and are escaped, encoded, or at the end of a counted
 * message.
 */
#include "storage/pipe_protocol.h"

#include <string.h>

#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* -- lines ----------------------------------------------------------------- */

/* The first line as text (heap), without its end; the number of its bytes in
 * *len, 0: not whole, -1: not a line. */
static char *take_line(const char *bytes, size_t size, long *len)
{
	const char *end = memchr(bytes, '\n', size);
	size_t count = end != NULL ? (size_t)(end - bytes) : size;

	*len = 0;
	if (count > PIPE_ANSWER_MAX || memchr(bytes, '\0', count) != NULL)
		*len = -1;
	if (end == NULL || *len < 0)
		return NULL;
	*len = (long)count + 1;
	if (count > 0 && bytes[count - 1] == '\r')
		count--;
	return mem_strndup(bytes, count);
}

/* The next word; NULL: none. */
static char *next_word(char **rest)
{
	char *word = *rest + strspn(*rest, " ");

	*rest = word + strcspn(word, " ");
	if (**rest != '\0')
		*(*rest)++ = '\0';
	return *word != '\0' ? word : NULL;
}

/* -- chappe ---------------------------------------------------------------- */

/* Everything that could end a word or a line, and the sign itself. */
static void add_escaped(struct buf *to, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c <= ' ' || c == '%' || c == 0x7f)
			buf_addf(to, "%%%02X", c);
		else
			buf_add_char(to, (char)c);
	}
}

static void chappe_write(struct buf *to, const struct pipe_question *question,
			 unsigned capabilities)
{
	static const char *const names[] = {
		[PIPE_AUTH] = "auth", [PIPE_EXISTS] = "exists",
		[PIPE_SET] = "set", [PIPE_CREATE] = "create",
		[PIPE_REMOVE] = "remove",
	};

	(void)capabilities;
	buf_addf(to, "%llu %s ", (unsigned long long)question->id,
		 names[question->command]);
	add_escaped(to, question->user);
	buf_add_char(to, ' ');
	add_escaped(to, question->domain);
	if (question->password != NULL) {
		buf_add_char(to, ' ');
		add_escaped(to, question->password);
	}
	buf_add_char(to, '\n');
}

static int read_base64(char *text, unsigned char *to, size_t size, size_t *len)
{
	struct buf bytes = { .len = 0 };
	int result = -1;

	if (text != NULL && base64_decode(&bytes, text, strlen(text)) == 0 &&
	    bytes.len > 0 && bytes.len <= size) {
		memcpy(to, buf_data(&bytes), bytes.len);
		*len = bytes.len;
		result = 0;
	}
	buf_free_secret(&bytes);
	return result;
}

static char *next_field(char **rest)
{
	char *field = *rest;

	*rest += strcspn(field, ":");
	if (**rest != '\0')
		*(*rest)++ = '\0';
	return field;
}

/* MECHANISM:ROUNDS:SALT:STOREDKEY:SERVERKEY */
static int read_keys(char *word, struct pipe_answer *answer)
{
	const char *name = next_field(&word);
	bool sha1 = str_equal(name, "SCRAM-SHA-1");
	struct scram_keys *keys = sha1 ? &answer->sha1 : &answer->sha256;
	size_t size = digest_size(sha1 ? DIGEST_SHA1 : DIGEST_SHA256);
	size_t salt = 0, stored = 0, server = 0;
	uint64_t rounds;

	if ((!sha1 && !str_equal(name, "SCRAM-SHA-256")) ||
	    str_to_u64(next_field(&word), 1, 10000000, &rounds) != 0 ||
	    read_base64(next_field(&word), keys->salt, sizeof(keys->salt),
			&salt) != 0 ||
	    read_base64(next_field(&word), keys->stored_key, size,
			&stored) != 0 ||
	    read_base64(next_field(&word), keys->server_key, size,
			&server) != 0 ||
	    stored != size || server != size || *word != '\0')
		return -1;
	keys->rounds = (unsigned)rounds;
	keys->salt_len = (unsigned)salt;
	return 0;
}

static int chappe_result(char *word, char *rest, struct pipe_answer *answer)
{
	static const struct {
		const char *word;
		enum pipe_result result;
	} results[] = {
		{ "ok", PIPE_OK }, { "no", PIPE_NO },
		{ "disabled", PIPE_DISABLED }, { "expired", PIPE_EXPIRED },
		{ "error", PIPE_ERROR },
	};
	size_t i = 0, count = sizeof(results) / sizeof(results[0]);

	while (i < count && !str_equal(word, results[i].word))
		i++;
	if (i == count)
		return -1;
	answer->result = results[i].result;
	if (answer->result == PIPE_ERROR) {
		str_copy(answer->text, sizeof(answer->text), rest);
		return 0;
	}
	while ((word = next_word(&rest)) != NULL) {
		if (answer->result != PIPE_OK || read_keys(word, answer) != 0)
			return -1;
	}
	return 0;
}

static long chappe_read(const char *bytes, size_t size,
			struct pipe_answer *answer, bool *skip)
{
	long len;
	char *line = take_line(bytes, size, &len), *rest = line;
	char *number, *word;

	if (line == NULL)
		return len;
	number = next_word(&rest);
	word = next_word(&rest);
	*skip = number == NULL;
	if (number != NULL &&
	    (str_to_u64(number, 1, UINT64_MAX, &answer->id) != 0 ||
	     chappe_result(word, rest, answer) != 0))
		len = -1;
	mem_free_secret(line);
	return len;
}

/* -- jabberd2 -------------------------------------------------------------- */

static void jabberd2_write(struct buf *to,
			   const struct pipe_question *question,
			   unsigned capabilities)
{
	const char *name = NULL, *password = question->password;

	switch (question->command) {
	case PIPE_AUTH:
		name = "CHECK-PASSWORD";
		if ((capabilities & PIPE_CAN_CHECK) == 0) {
			name = "GET-PASSWORD";
			password = NULL;
		}
		break;
	case PIPE_EXISTS:
		name = "USER-EXISTS";
		break;
	case PIPE_SET:
		name = "SET-PASSWORD";
		break;
	case PIPE_CREATE:
		name = "CREATE-USER";
		password = NULL;
		break;
	case PIPE_REMOVE:
		name = "DELETE-USER";
		break;
	}
	buf_addf(to, "%s %s ", name, question->user);
	if (password != NULL) {
		base64_encode(to, password, strlen(password));
		buf_add_char(to, ' ');
	}
	buf_addf(to, "%s\n", question->domain);
}

/* "OK" with a list of commands is what it begins with. */
static int jabberd2_ok(char *rest, struct pipe_answer *answer)
{
	char *word = next_word(&rest);

	if (word == NULL)
		return 0;
	if (!str_equal(word, "USER-EXISTS") &&
	    strcspn(word, "-") == strlen(word))
		return str_copy(answer->password, sizeof(answer->password),
				word) ? 0 : -1;
	answer->result = PIPE_GREETING;
	for (; word != NULL; word = next_word(&rest)) {
		if (str_equal(word, "CHECK-PASSWORD"))
			answer->capabilities |= PIPE_CAN_CHECK;
	}
	return 0;
}

static long jabberd2_read(const char *bytes, size_t size,
			  struct pipe_answer *answer, bool *skip)
{
	long len;
	char *line = take_line(bytes, size, &len), *rest = line, *word;

	if (line == NULL)
		return len;
	word = next_word(&rest);
	*skip = word == NULL;
	if (str_equal(word, "NO"))
		answer->result = PIPE_NO;
	else if (word != NULL && (!str_equal(word, "OK") ||
				  jabberd2_ok(rest, answer) != 0))
		len = -1;
	mem_free_secret(line);
	return len;
}

/* -- extauth --------------------------------------------------------------- */

static void extauth_write(struct buf *to, const struct pipe_question *question,
			  unsigned capabilities)
{
	static const char *const names[] = {
		[PIPE_AUTH] = "auth", [PIPE_EXISTS] = "isuser",
		[PIPE_SET] = "setpass", [PIPE_CREATE] = "tryregister",
		[PIPE_REMOVE] = "removeuser",
	};
	struct buf text = { .len = 0 };

	(void)capabilities;
	buf_addf(&text, "%s:%s:%s", names[question->command], question->user,
		 question->domain);
	if (question->password != NULL)
		buf_addf(&text, ":%s", question->password);
	/* Names and passwords have limits that are far below 65 536. */
	buf_add_char(to, (char)(text.len >> 8));
	buf_add_char(to, (char)text.len);
	buf_add(to, buf_data(&text), text.len);
	buf_free_secret(&text);
}

static long extauth_read(const char *bytes, size_t size,
			 struct pipe_answer *answer, bool *skip)
{
	static const char head[3] = { 0, 2, 0 };

	*skip = false;
	if (memcmp(bytes, head, size < 3 ? size : 3) != 0)
		return -1;
	if (size < 4)
		return 0;
	if (bytes[3] != 0 && bytes[3] != 1)
		return -1;
	answer->result = bytes[3] == 1 ? PIPE_OK : PIPE_NO;
	return 4;
}

const struct pipe_protocol *pipe_protocol(enum pipe_protocol_name name)
{
	static const struct pipe_protocol protocols[] = {
		[PIPE_PROTOCOL_CHAPPE] = {
			.ids = true, .farewell = "",
			.write = chappe_write, .read = chappe_read },
		[PIPE_PROTOCOL_JABBERD2] = {
			.greets = true, .create_then_set = true,
			.farewell = "FREE\n",
			.write = jabberd2_write, .read = jabberd2_read },
		[PIPE_PROTOCOL_EXTAUTH] = {
			.farewell = "",
			.write = extauth_write, .read = extauth_read },
	};

	return &protocols[name];
}
