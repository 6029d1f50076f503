/* SPDX-License-Identifier: Apache-2.0
 *
 * util/base/crypto: the vectors of the RFCs and of SipHash's authors, and
 * what base64 must refuse.
 */
#include "util/base/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>


static void assert_hex(const unsigned char *bytes, size_t len,
		       const char *expected)
{
	char text[2 * DIGEST_MAX + 1];

	hex_encode(text, bytes, len);
	assert_string_equal(text, expected);
}

/* RFC 3174 and RFC 6234: "abc". */
static void test_digest(void **state)
{
	unsigned char out[DIGEST_MAX];

	(void)state;
	assert_int_equal(digest_size(DIGEST_SHA1), 20);
	assert_int_equal(digest_size(DIGEST_SHA256), 32);
	assert_int_equal(digest_size(DIGEST_SHA512), 64);
	crypto_digest(DIGEST_SHA1, "abc", 3, out);
	assert_hex(out, 20, "a9993e364706816aba3e25717850c26c9cd0d89d");
	crypto_digest(DIGEST_SHA256, "abc", 3, out);
	assert_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223"
			    "b00361a396177a9cb410ff61f20015ad");
	crypto_digest(DIGEST_SHA512, "abc", 3, out);
	assert_hex(out, 64, "ddaf35a193617abacc417349ae204131"
			    "12e6fa4e89a97ea20a9eeee64b55d39a"
			    "2192992a274fc1a836ba3c23a3feebbd"
			    "454d4423643ce80e2a9ac94fa54ca49f");
	crypto_digest(DIGEST_SHA1, "", 0, out);
	assert_hex(out, 20, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

/* RFC 2202 and RFC 4231, test case 2. */
static void test_hmac(void **state)
{
	static const char text[] = "what do ya want for nothing?";
	unsigned char out[DIGEST_MAX];

	(void)state;
	crypto_hmac(DIGEST_SHA1, "Jefe", 4, text, strlen(text), out);
	assert_hex(out, 20, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
	crypto_hmac(DIGEST_SHA256, "Jefe", 4, text, strlen(text), out);
	assert_hex(out, 32, "5bdcc146bf60754e6a042426089575c7"
			    "5a003f089d2739839dec58b964ec3843");
	crypto_hmac(DIGEST_SHA512, "Jefe", 4, text, strlen(text), out);
	assert_hex(out, 64, "164b7a7bfcf819e2e395fbe73b56e0a3"
			    "87bd64222e831fd610270cd7ea250554"
			    "9758bf75c05a994a6d034f65f8f0e6fd"
			    "caeab1a34d4a6b4b636e070a38bce737");
}

/* RFC 6070 as far as it fits in one block; the third has a longer key there,
 * whose first block this is. */
static void test_pbkdf2(void **state)
{
	static const struct {
		const char *password, *salt;
		unsigned rounds;
		const char *key;
	} rows[] = {
		{ "password", "salt", 1,
		  "0c60c80f961f0e71f3a9b524af6012062fe037a6" },
		{ "password", "salt", 2,
		  "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957" },
		{ "passwordPASSWORDpassword",
		  "saltSALTsaltSALTsaltSALTsaltSALTsalt", 4096,
		  "3d2eec4fe41c849b80c8d83662c0e44a8b291a96" },
		{ "password", "salt", 4096,
		  "4b007901b765489abead49d926f721d065a429c1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned char out[DIGEST_MAX];

		crypto_pbkdf2(DIGEST_SHA1, rows[i].password, rows[i].salt,
			      strlen(rows[i].salt), rows[i].rounds, out);
		assert_hex(out, 20, rows[i].key);
	}
}

/* The exchanges that RFC 5802 section 5 and RFC 7677 section 3 print. */
static const struct scram_row {
	enum digest digest;
	const char *salt, *auth_message, *proof, *signature;
} scram_rows[] = {
	{ DIGEST_SHA1, "QSXCR+Q6sek8bf92",
	  "n=user,r=fyko+d2lbbFgONRv9qkxdawL,"
	  "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
	  "s=QSXCR+Q6sek8bf92,i=4096,"
	  "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
	  "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ=" },
	{ DIGEST_SHA256, "W22ZaJ0SNY7soEsUEjb6gQ==",
	  "n=user,r=rOprNGfwEbeRWgbNEkqO,"
	  "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	  "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
	  "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
	  "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	  "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" },
};

/* The server's side of the exchange, from the keys that it would store. */
static void check_scram(const struct scram_row *row)
{
	unsigned char salted[DIGEST_MAX], stored[DIGEST_MAX];
	unsigned char server[DIGEST_MAX], mac[DIGEST_MAX], hash[DIGEST_MAX];
	const char *message = row->auth_message;
	size_t size = digest_size(row->digest);
	struct buf salt = { 0 }, proof = { 0 }, text = { 0 };

	base64_decode(&salt, row->salt, strlen(row->salt));
	base64_decode(&proof, row->proof, strlen(row->proof));
	assert_int_equal(proof.len, size);
	crypto_pbkdf2(row->digest, "pencil", buf_data(&salt), salt.len, 4096,
		      salted);
	crypto_scram_keys(row->digest, salted, stored, server);

	crypto_hmac(row->digest, stored, size, message, strlen(message), mac);
	for (size_t i = 0; i < size; i++)
		mac[i] ^= (unsigned char)buf_data(&proof)[i];
	crypto_digest(row->digest, mac, size, hash);
	assert_memory_equal(hash, stored, size);

	crypto_hmac(row->digest, server, size, message, strlen(message), mac);
	base64_encode(&text, mac, size);
	assert_string_equal(buf_data(&text), row->signature);
	buf_free(&salt);
	buf_free(&proof);
	buf_free(&text);
}

static void test_scram(void **state)
{
	(void)state;
	check_scram(&scram_rows[0]);
	check_scram(&scram_rows[1]);
}

/* RFC 4648 section 10, and every byte there and back. */
static void test_base64(void **state)
{
	static const struct {
		const char *plain, *text;
	} rows[] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
		{ "\xfb\xff", "+/8=" },
	};
	struct buf buf = { 0 }, back = { 0 };
	unsigned char all[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_clear(&buf, 0);
		base64_encode(&buf, rows[i].plain, strlen(rows[i].plain));
		assert_string_equal(buf_data(&buf), rows[i].text);
		buf_clear(&buf, 0);
		assert_int_equal(base64_decode(&buf, rows[i].text,
					       strlen(rows[i].text)), 0);
		assert_string_equal(buf_data(&buf), rows[i].plain);
	}
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (unsigned char)i;
	for (size_t len = 250; len <= sizeof(all); len++) {
		buf_clear(&buf, 0);
		buf_clear(&back, 0);
		base64_encode(&buf, all, len);
		assert_int_equal(base64_decode(&back, buf_data(&buf), buf.len),
				 0);
		assert_int_equal(back.len, len);
		assert_memory_equal(buf_data(&back), all, len);
	}
	buf_free(&buf);
	buf_free(&back);
}

static void test_base64_refuses(void **state)
{
	static const char *const rows[] = {
		"Z", "Zg", "Zg=", "Zm8", "=", "==", "===", "====", "Z===",
		"Zg==Zg==", "Zm8=Zm9v", "Z=g=", "Zg=a", "Zm9v\n", "Zm 9v",
		" Zm9", "Zm9v====", "Zm-_", "Zm9\x80",
		/* bits behind the last byte */
		"Zh==", "Zm9=", "Zm9vYh==",
	};
	struct buf buf = { 0 };

	(void)state;
	buf_add_str(&buf, "kept");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(base64_decode(&buf, rows[i], strlen(rows[i])),
				 -1);
		assert_int_equal(buf.len, 4);
		assert_string_equal(buf_data(&buf), "kept");
	}
	/* A NUL within the length. */
	assert_int_equal(base64_decode(&buf, "Zm\0v", 4), -1);
	buf_free(&buf);
}

static void test_hex(void **state)
{
	char text[7];

	(void)state;
	hex_encode(text, "\x00\x9a\xff", 3);
	assert_string_equal(text, "009aff");
	hex_encode(text, "", 0);
	assert_string_equal(text, "");
}

/* vectors.h of the reference implementation: key 00..0f, input 00..n-1. */
static void test_siphash(void **state)
{
	static const struct {
		size_t len;
		uint64_t hash;
	} rows[] = {
		{ 0, 0x726fdb47dd0e0e31 },  { 1, 0x74f839c593dc67fd },
		{ 2, 0x0d6c8009d9a94f5a },  { 3, 0x85676696d7fb7e2d },
		{ 4, 0xcf2794e0277187b7 },  { 5, 0x18765564cd99a68d },
		{ 6, 0xcbc9466e58fee3ce },  { 7, 0xab0200f58b01d137 },
		{ 8, 0x93f5f5799a932462 },  { 15, 0xa129ca6149be45e5 },
		{ 63, 0x958a324ceb064572 },
	};
	const uint64_t key[2] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
	unsigned char in[64];

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (unsigned char)i;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(crypto_siphash(key, in, rows[i].len),
				 rows[i].hash);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_pbkdf2),
		cmocka_unit_test(test_scram),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_base64_refuses),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_siphash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
