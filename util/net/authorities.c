/* SPDX-License-Identifier: Apache-2.0
 *
 * The certificates of clients against trust lists of GnuTLS. Not part of a TLS
 * context: which list counts is known only when the stream says for which
 * domain it is, and a list that was loaded again counts for old connections.
 */
#include "util/net/authorities.h"

#include <gnutls/x509.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/net/conn_tls.h"

#define CHAIN_MAX 16

struct authorities {
	gnutls_x509_trust_list_t list;
};

static int add_files(struct authorities *authorities, const char *ca_file,
		     const char *crl_file, struct error *err)
{
	int count = gnutls_x509_trust_list_add_trust_file(
		authorities->list, ca_file, NULL, GNUTLS_X509_FMT_PEM, 0, 0);

	if (count < 0)
		return error_set(err, "%s: %s", ca_file,
				 gnutls_strerror(count));
	if (count == 0)
		return error_set(err, "%s: there is no certificate in it",
				 ca_file);
	if (!crl_file)
		return 0;
	count = gnutls_x509_trust_list_add_trust_file(
		authorities->list, NULL, crl_file, GNUTLS_X509_FMT_PEM, 0,
		GNUTLS_TL_VERIFY_CRL);
	if (count < 0)
		return error_set(err, "%s: %s", crl_file,
				 gnutls_strerror(count));
	if (count == 0)
		return error_set(err, "%s: there is no CRL of the authorities "
				 "in it", crl_file);
	return 0;
}

struct authorities *authorities_new(const char *ca_file, const char *crl_file,
				    struct error *err)
{
	struct authorities *authorities = mem_new(struct authorities);
	int code = gnutls_x509_trust_list_init(&authorities->list, 0);

	if (code < 0) {
		error_set(err, "%s: %s", ca_file, gnutls_strerror(code));
		mem_free(authorities);
		return NULL;
	}
	if (add_files(authorities, ca_file, crl_file, err) < 0)
		authorities_free(&authorities);
	return authorities;
}

void authorities_free(struct authorities **authorities)
{
	if (*authorities) {
		gnutls_x509_trust_list_deinit((*authorities)->list, 1);
		mem_free(*authorities);
	}
	*authorities = NULL;
}

static enum certificate_state describe(unsigned status, char *why, size_t size)
{
	const char *text = "it is not valid";

	if (status & GNUTLS_CERT_REVOKED)
		text = "it was revoked";
	else if (status & GNUTLS_CERT_SIGNER_NOT_FOUND)
		text = "its issuer is not trusted here";
	else if (status & (GNUTLS_CERT_REVOCATION_DATA_SUPERSEDED |
			   GNUTLS_CERT_REVOCATION_DATA_ISSUED_IN_FUTURE))
		text = "the CRL is out of date";
	else if (status & GNUTLS_CERT_PURPOSE_MISMATCH)
		text = "it is not for clients";
	else if (status & GNUTLS_CERT_NOT_ACTIVATED)
		text = "it is not valid yet";
	else if (status & GNUTLS_CERT_EXPIRED)
		text = "it has expired";
	str_copy(why, size, text);
	/* Only that, and nothing else. */
	return (status & ~(unsigned)GNUTLS_CERT_INVALID) == GNUTLS_CERT_EXPIRED
		       ? CERTIFICATE_EXPIRED
		       : CERTIFICATE_BAD;
}

static enum certificate_state judge(const struct authorities *authorities,
				    gnutls_x509_crt_t *chain, unsigned count,
				    char *why, size_t size)
{
	gnutls_typed_vdata_st purpose = {
		.type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT,
	};
	unsigned status = 0;
	int code = gnutls_x509_trust_list_verify_crt2(
		authorities->list, chain, count, &purpose, 1, 0, &status, NULL);

	if (code < 0) {
		str_copy(why, size, gnutls_strerror(code));
		return CERTIFICATE_BAD;
	}
	return status == 0 ? CERTIFICATE_GOOD : describe(status, why, size);
}

enum certificate_state authorities_judge(const struct authorities *authorities,
					 const struct conn *conn, char *why,
					 size_t size)
{
	gnutls_x509_crt_t chain[CHAIN_MAX];
	enum certificate_state state;
	const gnutls_datum_t *given;
	unsigned count = 0, used = 0;

	given = conn_tls_ready(conn) ? gnutls_certificate_get_peers(
					       conn->tls->session, &count)
				     : NULL;
	if (!given || count == 0) {
		str_copy(why, size, "there is none");
		return CERTIFICATE_MISSING;
	}
	while (used < count && used < CHAIN_MAX &&
	       gnutls_x509_crt_init(&chain[used]) == 0) {
		used++;
		if (gnutls_x509_crt_import(chain[used - 1], &given[used - 1],
					   GNUTLS_X509_FMT_DER) < 0)
			break;
	}
	state = judge(authorities, chain, used, why, size);
	while (used > 0)
		gnutls_x509_crt_deinit(chain[--used]);
	return state;
}
