/* SPDX-License-Identifier: Apache-2.0
 *
 * SCRAM keys between text and bytes.
 */
#include "storage/ldap_keys.h"

#include <string.h>

#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* More would keep the client busy for minutes. */
#define ROUNDS_MAX 10000000
#define VALUE_MAX 1024

/* First line of what we keep. */
#define KEPT_FORM "chappe-scram 1"

struct scheme {
	const char *name;
	enum digest digest;
	bool salted; /* SaltedPassword instead of the keys made of it */
};

static const struct scheme schemes[] = {
	{ "SCRAM-SHA-256", DIGEST_SHA256, false },
	{ "SCRAM-SHA-1", DIGEST_SHA1, false },
	{ "PBKDF2-SHA256", DIGEST_SHA256, true },
	{ "PBKDF2-SHA1", DIGEST_SHA1, true },
	{ "PBKDF2", DIGEST_SHA1, true },
};

static const struct scheme *scheme_find(const char *name)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
		if (str_equal_nocase(schemes[i].name, name))
			return &schemes[i];
	}
	return NULL;
}

/* Decodes exactly, or at most (`exact` false), `size` bytes. The passlib
 * alphabet has "." for "+", and no padding. -1: it is none of that. */
static int bytes_read(unsigned char *to, size_t size, bool exact,
		      const char *text)
{
	struct buf plain = { .len = 0 }, bytes = { .len = 0 };
	int len = -1;

	for (; *text != '\0'; text++)
		buf_add_char(&plain, *text == '.' ? '+' : *text);
	while (plain.len % 4 != 0)
		buf_add_char(&plain, '=');
	if (base64_decode(&bytes, buf_data(&plain), plain.len) == 0 &&
	    bytes.len > 0 && bytes.len <= size &&
	    (!exact || bytes.len == size)) {
		memcpy(to, buf_data(&bytes), bytes.len);
		len = (int)bytes.len;
	}
	buf_free_secret(&plain);
	buf_free_secret(&bytes);
	return len;
}

/* fields: rounds, salt, and StoredKey, ServerKey or SaltedPassword. */
static bool keys_from_fields(struct scram_keys *keys,
			     const struct scheme *scheme, char *const *fields)
{
	size_t size = digest_size(scheme->digest);
	unsigned char salted[DIGEST_MAX];
	uint64_t rounds;
	int salt_len;

	if (str_to_u64(fields[0], 1, ROUNDS_MAX, &rounds) != 0)
		return false;
	salt_len = bytes_read(keys->salt, sizeof(keys->salt), false,
			      fields[1]);
	if (salt_len <= 0)
		return false;
	if (scheme->salted) {
		if (bytes_read(salted, size, true, fields[2]) < 0)
			return false;
		crypto_scram_keys(scheme->digest, salted, keys->stored_key,
				  keys->server_key);
		mem_wipe(salted, sizeof(salted));
	} else if (bytes_read(keys->stored_key, size, true, fields[2]) < 0 ||
		   bytes_read(keys->server_key, size, true, fields[3]) < 0) {
		return false;
	}
	keys->rounds = (unsigned)rounds;
	keys->salt_len = (unsigned)salt_len;
	return true;
}

/* Cuts the text at the separators; RFC 5803 allows spaces around them. */
static bool split(char *text, const char *separators, char **fields,
		  size_t count)
{
	size_t found = 0;
	char *field;

	while ((field = strsep(&text, separators)) != NULL) {
		if (found == count)
			return false;
		fields[found++] = str_trim(field);
	}
	return found == count;
}

/* `text` is ours to cut. */
static bool keys_from_text(struct account *account, char *text)
{
	const struct scheme *scheme;
	struct scram_keys keys = { .rounds = 0 };
	char *fields[4], *end, *rest;
	bool read;

	if (text[0] == '{') {
		end = strchr(++text, '}');
		if (end == NULL)
			return false;
	} else {
		end = strchr(text, '$');
		if (end == NULL)
			return false;
	}
	*end = '\0';
	rest = end + 1;
	scheme = scheme_find(str_trim(text));
	if (scheme == NULL)
		return false;
	read = split(rest, "$:,", fields, scheme->salted ? 3 : 4) &&
	       keys_from_fields(&keys, scheme, fields);
	if (read && scheme->digest == DIGEST_SHA1)
		account->sha1 = keys;
	else if (read)
		account->sha256 = keys;
	mem_wipe(&keys, sizeof(keys));
	return read;
}

bool ldap_keys_read(struct account *account, const char *value, size_t len)
{
	char *text;
	bool read;

	if (len > VALUE_MAX || memchr(value, '\0', len) != NULL)
		return false;
	text = mem_strndup(value, len);
	read = keys_from_text(account, text);
	mem_wipe(text, len);
	mem_free(text);
	return read;
}

/* -- what we keep ---------------------------------------------------------- */

static void keys_write(struct buf *to, const char *name, enum digest digest,
		       const struct scram_keys *keys)
{
	size_t size = digest_size(digest);

	buf_addf(to, "%s$%u:", name, keys->rounds);
	base64_encode(to, keys->salt, keys->salt_len);
	buf_add_char(to, '$');
	base64_encode(to, keys->stored_key, size);
	buf_add_char(to, ':');
	base64_encode(to, keys->server_key, size);
	buf_add_char(to, '\n');
}

void ldap_keys_write(struct buf *to, const struct account *account,
		     const char *stamp)
{
	buf_addf(to, KEPT_FORM "\n%s\n", stamp);
	keys_write(to, "SCRAM-SHA-1", DIGEST_SHA1, &account->sha1);
	keys_write(to, "SCRAM-SHA-256", DIGEST_SHA256, &account->sha256);
}

bool ldap_keys_parse(struct account *account, const char *stamp,
		     const char *data, size_t len)
{
	char *text, *rest, *sha1, *sha256;
	const char *form, *kept;
	bool read;

	if (memchr(data, '\0', len) != NULL)
		return false;
	text = rest = mem_strndup(data, len);
	form = strsep(&rest, "\n");
	kept = strsep(&rest, "\n");
	sha1 = strsep(&rest, "\n");
	sha256 = strsep(&rest, "\n");
	read = rest != NULL && *rest == '\0' &&
	       str_equal(form, KEPT_FORM) && str_equal(kept, stamp) &&
	       keys_from_text(account, sha1) &&
	       keys_from_text(account, sha256);
	mem_wipe(text, len);
	mem_free(text);
	return read;
}
