/* SPDX-License-Identifier: Apache-2.0
 *
 * Which domain a certificate is for: names of each kind, with certificates
 * made here.
 */
#include "util/net/certificate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>

#include "util/net/tlsa.h"

#define NAMES_MAX 4

enum kind { NONE, DNS, EMAIL, URI, XMPP, SRV, COMMON };

struct name {
	enum kind kind;
	const char *text;
};

static gnutls_x509_privkey_t key;

static void add_name(gnutls_x509_crt_t certificate, const struct name *name)
{
	static const int types[] = { [DNS] = GNUTLS_SAN_DNSNAME,
				     [EMAIL] = GNUTLS_SAN_RFC822NAME,
				     [URI] = GNUTLS_SAN_URI };
	size_t len = strlen(name->text);
	int code;

	if (name->kind == COMMON)
		code = gnutls_x509_crt_set_dn_by_oid(
			certificate, GNUTLS_OID_X520_COMMON_NAME, 0,
			name->text, (unsigned)len);
	else if (name->kind == XMPP)
		code = gnutls_x509_crt_set_subject_alt_othername(
			certificate, "1.3.6.1.5.5.7.8.5", name->text,
			(unsigned)len, GNUTLS_FSAN_ENCODE_UTF8_STRING);
	else if (name->kind == SRV)
		code = gnutls_x509_crt_set_subject_alt_othername(
			certificate, "1.3.6.1.5.5.7.8.7", name->text,
			(unsigned)len, GNUTLS_FSAN_ENCODE_OCTET_STRING);
	else
		code = gnutls_x509_crt_set_subject_alt_name(
			certificate, types[name->kind], name->text,
			(unsigned)len, GNUTLS_FSAN_APPEND);
	assert_int_equal(code, 0);
}

static gnutls_datum_t make(const struct name names[NAMES_MAX])
{
	gnutls_x509_crt_t certificate;
	gnutls_datum_t der;

	assert_int_equal(gnutls_x509_crt_init(&certificate), 0);
	gnutls_x509_crt_set_version(certificate, 3);
	gnutls_x509_crt_set_key(certificate, key);
	gnutls_x509_crt_set_serial(certificate, "\1", 1);
	gnutls_x509_crt_set_activation_time(certificate, 1600000000);
	gnutls_x509_crt_set_expiration_time(certificate, 4000000000);
	for (int i = 0; i < NAMES_MAX && names[i].kind != NONE; i++)
		add_name(certificate, &names[i]);
	assert_int_equal(gnutls_x509_crt_sign2(certificate, certificate, key,
					       GNUTLS_DIG_SHA256, 0),
			 0);
	assert_int_equal(gnutls_x509_crt_export2(certificate,
						 GNUTLS_X509_FMT_DER, &der),
			 0);
	gnutls_x509_crt_deinit(certificate);
	return der;
}

static const struct {
	struct name names[NAMES_MAX];
	const char *domain;
	bool good;
} cases[] = {
	{ { { DNS, "b.example" } }, "b.example", true },
	{ { { DNS, "B.Example" } }, "b.example", true },
	{ { { DNS, "c.example" }, { DNS, "b.example" } }, "b.example",
	  true },
	{ { { DNS, "b.example" } }, "a.b.example", false },
	{ { { DNS, "b.example" } }, "example", false },
	{ { { DNS, "b.example.org" } }, "b.example", false },
	{ { { DNS, "*.example.org" } }, "b.example.org", true },
	{ { { DNS, "*.example.org" } }, "a.b.example.org", false },
	{ { { DNS, "*.example.org" } }, "example.org", false },
	{ { { DNS, "*.org" } }, "example.org", false },
	{ { { DNS, "*" } }, "example", false },
	{ { { DNS, "b*.example.org" } }, "bob.example.org", false },
	{ { { DNS, "*.*.example.org" } }, "a.b.example.org", false },
	{ { { DNS, "a.*.org" } }, "a.example.org", false },
	{ { { DNS, "xn--bcher-kva.example" } }, "b\xc3\xbc" "cher.example",
	  true },
	{ { { XMPP, "b.example" } }, "b.example", true },
	{ { { XMPP, "b\xc3\xbc" "cher.example" } },
	  "b\xc3\xbc" "cher.example", true },
	{ { { XMPP, "x@b.example" } }, "b.example", false },
	{ { { XMPP, "*.example.org" } }, "b.example.org", false },
	{ { { EMAIL, "x@b.example" }, { URI, "xmpp:b.example" } },
	  "b.example", false },
	{ { { COMMON, "b.example" } }, "b.example", false },
	{ { { COMMON, "b.example" }, { DNS, "c.example" } }, "b.example",
	  false },
	{ { { NONE, NULL } }, "b.example", false },
};

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		gnutls_datum_t der = make(cases[i].names);

		if (certificate_is_for(der.data, der.size, cases[i].domain) !=
		    cases[i].good)
			fail_msg("case %zu: %s and %s", i,
				 cases[i].names[0].text, cases[i].domain);
		gnutls_free(der.data);
	}
}

/* A name with a NUL in it: the part before is nobody's name. GnuTLS makes no
 * such certificate, so a byte is changed in one that it made. */
static void test_nul(void **state)
{
	const struct name names[NAMES_MAX] = { { DNS,
						 "b.example!.evil.org" } };
	gnutls_datum_t der = make(names);
	unsigned char *mark = memmem(der.data, der.size, "example!", 8);

	(void)state;
	assert_non_null(mark);
	mark[7] = '\0';
	assert_false(certificate_is_for(der.data, der.size, "b.example"));
	gnutls_free(der.data);
}

static void test_pin(void **state)
{
	const struct name one[NAMES_MAX] = { { DNS, "b.example" } };
	const struct name other[NAMES_MAX] = { { DNS, "c.example" } };
	gnutls_datum_t der = make(one), renewed = make(other);
	char pin[CERTIFICATE_PIN_SIZE], again[CERTIFICATE_PIN_SIZE];

	(void)state;
	assert_int_equal(certificate_pin(der.data, der.size, pin), 0);
	assert_int_equal(strlen(pin), CERTIFICATE_PIN_SIZE - 1);
	/* Of the key: another certificate with it has the same. */
	assert_int_equal(certificate_pin(renewed.data, renewed.size, again), 0);
	assert_string_equal(pin, again);
	gnutls_free(der.data);
	gnutls_free(renewed.data);
}

/* RFC 6698 section 2.1: what is announced, and what nearly is. */
static void test_announced(void **state)
{
	const struct name names[NAMES_MAX] = { { DNS, "b.example" } };
	gnutls_datum_t der = make(names);
	struct certificate_chain chain = { .count = 1 };
	const struct certificate_chain none = { .count = 0 };
	unsigned char sum[64];
	size_t len = sizeof(sum);
	struct tlsa tlsa = { TLSA_DANE_EE, 0, 0, der.data, der.size };

	(void)state;
	chain.at[0].der = der.data;
	chain.at[0].len = der.size;
	assert_true(tlsa_matches(&tlsa, &chain, false));
	assert_false(tlsa_matches(&tlsa, &none, true));
	tlsa.len--;
	assert_false(tlsa_matches(&tlsa, &chain, false));
	gnutls_fingerprint(GNUTLS_DIG_SHA512, &der, sum, &len);
	tlsa = (struct tlsa){ TLSA_DANE_EE, 0, 2, sum, 64 };
	assert_true(tlsa_matches(&tlsa, &chain, false));
	tlsa.len = 63;
	assert_false(tlsa_matches(&tlsa, &chain, false));
	len = sizeof(sum);
	gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, sum,
				       &len);
	tlsa = (struct tlsa){ TLSA_DANE_EE, 1, 1, sum, 32 };
	assert_true(tlsa_matches(&tlsa, &chain, false));
	tlsa.usage = TLSA_PKIX_EE;
	assert_false(tlsa_matches(&tlsa, &chain, false));
	assert_true(tlsa_matches(&tlsa, &chain, true));
	/* It is nobody's authority. */
	tlsa.usage = TLSA_PKIX_TA;
	assert_false(tlsa_matches(&tlsa, &chain, true));
	tlsa.usage = TLSA_DANE_TA;
	assert_false(tlsa_matches(&tlsa, &chain, true));
	tlsa.usage = TLSA_DANE_EE;
	sum[31] ^= 1;
	assert_false(tlsa_matches(&tlsa, &chain, true));
	tlsa.usage = 4;
	assert_false(tlsa_is_usable(&tlsa));
	gnutls_free(der.data);
}

static void test_garbage(void **state)
{
	char pin[CERTIFICATE_PIN_SIZE];

	(void)state;
	assert_false(certificate_is_for("garbage", 7, "b.example"));
	assert_false(certificate_is_for("", 0, "b.example"));
	assert_int_equal(certificate_pin("garbage", 7, pin), -1);
}

static int setup(void **state)
{
	(void)state;
	gnutls_x509_privkey_init(&key);
	return gnutls_x509_privkey_generate(
		key, GNUTLS_PK_ECDSA,
		GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
}

static int teardown(void **state)
{
	(void)state;
	gnutls_x509_privkey_deinit(key);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_pin),
		cmocka_unit_test(test_announced),
		cmocka_unit_test(test_garbage),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
