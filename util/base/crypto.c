/* SPDX-License-Identifier: Apache-2.0
 *
 * Digests, keys and encodings: GnuTLS for the primitives, and SipHash, which
 * it lacks. Drawing random bytes and TLS itself belong to util/net.
 */
#include "util/base/crypto.h"

#include <assert.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/base/mem.h"

static gnutls_mac_algorithm_t digest_mac(enum digest digest)
{
	switch (digest) {
	case DIGEST_SHA1:
		return GNUTLS_MAC_SHA1;
	case DIGEST_SHA256:
		return GNUTLS_MAC_SHA256;
	case DIGEST_SHA512:
		return GNUTLS_MAC_SHA512;
	}
	assert(!"a digest of the enum");
	return GNUTLS_MAC_UNKNOWN;
}

static gnutls_digest_algorithm_t digest_hash(enum digest digest)
{
	switch (digest) {
	case DIGEST_SHA1:
		return GNUTLS_DIG_SHA1;
	case DIGEST_SHA256:
		return GNUTLS_DIG_SHA256;
	case DIGEST_SHA512:
		return GNUTLS_DIG_SHA512;
	}
	assert(!"a digest of the enum");
	return GNUTLS_DIG_UNKNOWN;
}

size_t digest_size(enum digest digest)
{
	return gnutls_hash_get_len(digest_hash(digest));
}

/* A primitive that fails leaves a key that is no key: stop rather than store
 * or compare it. */
static void must_succeed(int result)
{
	if (result < 0) {
		gnutls_perror(result);
		abort();
	}
}

void crypto_digest(enum digest digest, const void *data, size_t len,
		   unsigned char out[DIGEST_MAX])
{
	must_succeed(gnutls_hash_fast(digest_hash(digest), data, len, out));
}

void crypto_hmac(enum digest digest, const void *key, size_t key_len,
		 const void *data, size_t len, unsigned char out[DIGEST_MAX])
{
	must_succeed(gnutls_hmac_fast(digest_mac(digest), key, key_len, data,
				      len, out));
}

void crypto_pbkdf2(enum digest digest, const char *password, const void *salt,
		   size_t salt_len, unsigned rounds,
		   unsigned char out[DIGEST_MAX])
{
	/* GnuTLS only reads through both. */
	const gnutls_datum_t key = {
		.data = (unsigned char *)(uintptr_t)password,
		.size = (unsigned)strlen(password),
	};
	const gnutls_datum_t salt_datum = {
		.data = (unsigned char *)(uintptr_t)salt,
		.size = (unsigned)salt_len,
	};

	must_succeed(gnutls_pbkdf2(digest_mac(digest), &key, &salt_datum,
				   rounds, out, digest_size(digest)));
}

void crypto_scram_keys(enum digest digest, const unsigned char *salted,
		       unsigned char stored_key[DIGEST_MAX],
		       unsigned char server_key[DIGEST_MAX])
{
	static const char client_word[] = "Client Key";
	static const char server_word[] = "Server Key";
	unsigned char client_key[DIGEST_MAX];
	size_t size = digest_size(digest);

	crypto_hmac(digest, salted, size, client_word, strlen(client_word),
		    client_key);
	crypto_digest(digest, client_key, size, stored_key);
	crypto_hmac(digest, salted, size, server_word, strlen(server_word),
		    server_key);
	mem_wipe(client_key, sizeof(client_key));
}

static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buf *to, const void *data, size_t len)
{
	const unsigned char *in = data;
	char *out = buf_reserve(to, (len + 2) / 3 * 4);
	char *place = out;

	for (; len >= 3; len -= 3, in += 3) {
		*place++ = base64_digits[in[0] >> 2];
		*place++ = base64_digits[(in[0] & 3) << 4 | in[1] >> 4];
		*place++ = base64_digits[(in[1] & 15) << 2 | in[2] >> 6];
		*place++ = base64_digits[in[2] & 63];
	}
	if (len > 0) {
		unsigned second = len > 1 ? in[1] : 0;

		*place++ = base64_digits[in[0] >> 2];
		*place++ = base64_digits[(in[0] & 3) << 4 | second >> 4];
		*place++ = len > 1 ? base64_digits[(second & 15) << 2] : '=';
		*place++ = '=';
	}
	buf_commit(to, (size_t)(place - out));
}

/* 0..63, or -1. Without a table that is indexed by the secret. */
static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* Decodes four characters of which the last `padding` are known to be '='.
 * Returns the bytes written, or -1. */
static int base64_quad(const char *in, unsigned padding, char *out)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < 4; i++) {
		int value = i < 4 - padding ? base64_value(in[i]) : 0;

		if (value < 0)
			return -1;
		bits = bits << 6 | (uint32_t)value;
	}
	/* Bits that no byte uses must be zero, or the same bytes would have
	 * several texts (RFC 4648 section 3.5). */
	if ((padding == 1 && (bits & 0xff)) ||
	    (padding == 2 && (bits & 0xffff)))
		return -1;
	out[0] = (char)(bits >> 16);
	if (padding < 2)
		out[1] = (char)(bits >> 8);
	if (padding < 1)
		out[2] = (char)bits;
	return 3 - (int)padding;
}

int base64_decode(struct buf *to, const char *text, size_t len)
{
	char *out;
	size_t done = 0;

	if (len % 4 != 0)
		return -1;
	out = buf_reserve(to, len / 4 * 3);
	for (size_t i = 0; i < len; i += 4) {
		unsigned padding = 0;
		int n;

		if (i + 4 == len && text[i + 3] == '=')
			padding = text[i + 2] == '=' ? 2 : 1;
		n = base64_quad(text + i, padding, out + done);
		if (n < 0) {
			/* What was decoded may be half a password. */
			mem_wipe(out, done);
			return -1;
		}
		done += (size_t)n;
	}
	buf_commit(to, done);
	return 0;
}

void hex_encode(char *to, const void *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *in = data;

	for (size_t i = 0; i < len; i++) {
		*to++ = digits[in[i] >> 4];
		*to++ = digits[in[i] & 15];
	}
	*to = '\0';
}

static uint64_t read_le64(const unsigned char *p, size_t len)
{
	uint64_t word = 0;

	for (size_t i = 0; i < len; i++)
		word |= (uint64_t)p[i] << (8 * i);
	return word;
}

static uint64_t rotate(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static void sip_rounds(uint64_t v[4], int rounds)
{
	while (rounds-- > 0) {
		v[0] += v[1];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[0] = rotate(v[0], 32);
		v[2] += v[3];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[2] = rotate(v[2], 32);
	}
}

/* Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012. */
uint64_t crypto_siphash(const uint64_t key[2], const void *data, size_t len)
{
	const unsigned char *in = data;
	uint64_t last = (uint64_t)len << 56;
	uint64_t v[4] = {
		key[0] ^ 0x736f6d6570736575,
		key[1] ^ 0x646f72616e646f6d,
		key[0] ^ 0x6c7967656e657261,
		key[1] ^ 0x7465646279746573,
	};

	for (; len >= 8; len -= 8, in += 8) {
		uint64_t word = read_le64(in, 8);

		v[3] ^= word;
		sip_rounds(v, 2);
		v[0] ^= word;
	}
	last |= read_le64(in, len);
	v[3] ^= last;
	sip_rounds(v, 2);
	v[0] ^= last;
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
