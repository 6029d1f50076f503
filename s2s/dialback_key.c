/* SPDX-License-Identifier: Apache-2.0
 *
 * HMAC-SHA256(SHA256(secret), "RECEIVING ORIGINATING ID"), all in hexadecimal
 * digits, as XEP-0185 section 3 recommends.
 */
#include "s2s/dialback_key.h"

#include <string.h>

#include "util/base/buf.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"

void dialback_key(char key[DIALBACK_KEY_SIZE], const char *secret,
		  const char *receiving, const char *originating,
		  const char *id)
{
	unsigned char sum[DIGEST_MAX];
	char secret_key[DIALBACK_KEY_SIZE];
	struct buf text = { 0 };

	crypto_digest(DIGEST_SHA256, secret, strlen(secret), sum);
	hex_encode(secret_key, sum, digest_size(DIGEST_SHA256));
	buf_addf(&text, "%s %s %s", receiving, originating, id);
	crypto_hmac(DIGEST_SHA256, secret_key, strlen(secret_key),
		    buf_data(&text), text.len, sum);
	hex_encode(key, sum, digest_size(DIGEST_SHA256));
	mem_wipe(secret_key, sizeof(secret_key));
	buf_free(&text);
}

bool dialback_key_is(const char *key, const char *secret,
		     const char *receiving, const char *originating,
		     const char *id)
{
	char expected[DIALBACK_KEY_SIZE];

	dialback_key(expected, secret, receiving, originating, id);
	return strlen(key) == DIALBACK_KEY_SIZE - 1 &&
	       mem_equal_secret(key, expected, DIALBACK_KEY_SIZE - 1);
}
