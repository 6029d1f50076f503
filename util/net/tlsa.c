/* SPDX-License-Identifier: Apache-2.0
 *
 * Comparing certificates with TLSA records, and building chains up to those
 * that such a record declares to be an authority.
 */
#include "util/net/tlsa.h"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <string.h>

#include "util/base/crypto.h"

#define SELECTOR_CERT	0
#define SELECTOR_KEY	1
#define MATCHING_FULL	0
#define MATCHING_SHA256 1
#define MATCHING_SHA512 2

bool tlsa_is_usable(const struct tlsa *tlsa)
{
	return tlsa->usage <= TLSA_DANE_EE && tlsa->selector <= SELECTOR_KEY &&
	       tlsa->matching <= MATCHING_SHA512 && tlsa->len > 0;
}

static gnutls_x509_crt_t import(const void *der, size_t len)
{
	gnutls_datum_t datum = { .data = (unsigned char *)der,
				 .size = (unsigned)len };
	gnutls_x509_crt_t certificate;

	if (len > UINT32_MAX || gnutls_x509_crt_init(&certificate) < 0)
		return NULL;
	if (gnutls_x509_crt_import(certificate, &datum,
				   GNUTLS_X509_FMT_DER) < 0) {
		gnutls_x509_crt_deinit(certificate);
		return NULL;
	}
	return certificate;
}

static bool matches(const struct tlsa *tlsa, const void *bytes, size_t len)
{
	unsigned char sum[DIGEST_MAX];
	enum digest digest = tlsa->matching == MATCHING_SHA256 ? DIGEST_SHA256
							       : DIGEST_SHA512;

	if (tlsa->matching == MATCHING_FULL)
		return tlsa->len == len && memcmp(tlsa->data, bytes, len) == 0;
	crypto_digest(digest, bytes, len, sum);
	return tlsa->len == digest_size(digest) &&
	       memcmp(tlsa->data, sum, tlsa->len) == 0;
}

static bool key_matches(const struct tlsa *tlsa, const void *der, size_t len)
{
	gnutls_x509_crt_t certificate = import(der, len);
	gnutls_datum_t info = { 0 };
	gnutls_pubkey_t key;
	bool same = false;

	if (!certificate)
		return false;
	if (gnutls_pubkey_init(&key) == 0) {
		same = gnutls_pubkey_import_x509(key, certificate, 0) == 0 &&
		       gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER,
					     &info) == 0 &&
		       matches(tlsa, info.data, info.size);
		gnutls_pubkey_deinit(key);
	}
	gnutls_free(info.data);
	gnutls_x509_crt_deinit(certificate);
	return same;
}

static bool announces(const struct tlsa *tlsa, const void *der, size_t len)
{
	return tlsa->selector == SELECTOR_CERT ? matches(tlsa, der, len)
					       : key_matches(tlsa, der, len);
}

/* Whether the chain without its end ends in this certificate, each signed by
 * the next and in its time. */
static bool is_issued_by(const struct certificate_chain *chain, size_t count,
			 const void *der, size_t len)
{
	gnutls_x509_crt_t list[CERTIFICATE_CHAIN_MAX] = { NULL }, anchor;
	gnutls_x509_trust_list_t trust = NULL;
	unsigned status = 1;
	size_t read = 0;

	anchor = import(der, len);
	while (anchor && read < count) {
		list[read] = import(chain->at[read].der, chain->at[read].len);
		if (!list[read])
			break;
		read++;
	}
	if (anchor && read == count &&
	    gnutls_x509_trust_list_init(&trust, 0) == 0 &&
	    gnutls_x509_trust_list_add_cas(trust, &anchor, 1, 0) == 1 &&
	    gnutls_x509_trust_list_verify_crt(trust, list, (unsigned)count, 0,
					      &status, NULL) < 0)
		status = 1;
	if (trust)
		gnutls_x509_trust_list_deinit(trust, 0);
	for (size_t i = 0; i < read; i++)
		gnutls_x509_crt_deinit(list[i]);
	if (anchor)
		gnutls_x509_crt_deinit(anchor);
	return status == 0;
}

/* The authority is in the chain, or whole in the record (RFC 7671 section
 * 5.2.2). */
static bool has_anchor(const struct tlsa *tlsa,
		       const struct certificate_chain *chain)
{
	for (size_t i = 1; i < chain->count; i++) {
		if (announces(tlsa, chain->at[i].der, chain->at[i].len) &&
		    is_issued_by(chain, i, chain->at[i].der,
				 chain->at[i].len))
			return true;
	}
	return tlsa->selector == SELECTOR_CERT &&
	       tlsa->matching == MATCHING_FULL &&
	       is_issued_by(chain, chain->count, tlsa->data, tlsa->len);
}

bool tlsa_matches(const struct tlsa *tlsa,
		  const struct certificate_chain *chain, bool genuine)
{
	if (!tlsa_is_usable(tlsa) || chain->count == 0)
		return false;
	switch (tlsa->usage) {
	case TLSA_PKIX_TA:
		return genuine && has_anchor(tlsa, chain);
	case TLSA_PKIX_EE:
		return genuine &&
		       announces(tlsa, chain->at[0].der, chain->at[0].len);
	case TLSA_DANE_TA:
		return has_anchor(tlsa, chain);
	default:
		return announces(tlsa, chain->at[0].der, chain->at[0].len);
	}
}
