/* SPDX-License-Identifier: Apache-2.0
 *
 * Digests, keys and encodings over GnuTLS. No randomness here: that comes
 * from loop_random() so that a simulated world can be replayed.
 */
#ifndef UTIL_BASE_CRYPTO_H
#define UTIL_BASE_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

#include "util/base/buf.h"

enum digest { DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512 };

#define DIGEST_MAX 64

/* Bytes that the digest gives: 20, 32, 64. */
size_t digest_size(enum digest digest);

void crypto_digest(enum digest digest, const void *data, size_t len,
		   unsigned char out[DIGEST_MAX]);
void crypto_hmac(enum digest digest, const void *key, size_t key_len,
		 const void *data, size_t len, unsigned char out[DIGEST_MAX]);

/* RFC 2898 PBKDF2, one block of digest_size() bytes. Takes about 0.2 us a
 * round: never on the loop, but in a worker. */
void crypto_pbkdf2(enum digest digest, const char *password, const void *salt,
		   size_t salt_len, unsigned rounds,
		   unsigned char out[DIGEST_MAX]);

/* The keys of RFC 5802 section 3 from SaltedPassword: StoredKey, ServerKey. */
void crypto_scram_keys(enum digest digest, const unsigned char *salted,
		       unsigned char stored_key[DIGEST_MAX],
		       unsigned char server_key[DIGEST_MAX]);

/* RFC 4648 section 4, with padding and without line breaks. Decoding refuses
 * everything else (-1) and appends nothing then. */
void base64_encode(struct buf *to, const void *data, size_t len);
int base64_decode(struct buf *to, const char *text, size_t len);

/* Lower-case hexadecimal digits; `to` has room for 2 * len + 1 bytes. */
void hex_encode(char *to, const void *data, size_t len);

/* SipHash-2-4 of the data under a 128-bit key. The same on every machine. */
uint64_t crypto_siphash(const uint64_t key[2], const void *data, size_t len);

#endif
