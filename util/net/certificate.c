/* SPDX-License-Identifier: Apache-2.0
 *
 * The names in a certificate, compared with the domain that its holder says
 * to be.
 */
#include "util/net/certificate.h"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <string.h>
#include <strings.h>

#include "util/base/buf.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define NAME_MAX_BYTES 1100 /* of one name in a certificate */
#define SRV_SERVICE    "_xmpp-server."
#define OID_XMPP_ADDR  "1.3.6.1.5.5.7.8.5" /* RFC 6120 section 13.7.1.4 */
#define OID_SRV_NAME   "1.3.6.1.5.5.7.8.7" /* RFC 4985 */

/* A domain in both of its forms (RFC 5890); `ascii` NULL: it has none. */
struct names {
	const char *domain;
	char *ascii;
};

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

/* -- names ---------------------------------------------------------------- */

static bool same(const char *name, const struct names *names)
{
	return str_equal_nocase(name, names->domain) ||
	       (names->ascii && str_equal_nocase(name, names->ascii));
}

/* RFC 9525 section 6.3: the wildcard is the whole left-most label, and stands
 * for exactly one; what is left has at least two. */
static bool wildcard_matches(const char *name, const char *domain)
{
	const char *rest = domain ? strchr(domain, '.') : NULL;

	return rest && str_starts(name, "*.") && !strchr(name + 1, '*') &&
	       strchr(name + 2, '.') && str_equal_nocase(name + 1, rest);
}

static bool dns_matches(const char *name, const struct names *names)
{
	return same(name, names) || wildcard_matches(name, names->domain) ||
	       wildcard_matches(name, names->ascii);
}

static bool srv_matches(const char *name, const struct names *names)
{
	return strncasecmp(name, SRV_SERVICE, strlen(SRV_SERVICE)) == 0 &&
	       same(name + strlen(SRV_SERVICE), names);
}

/* The text of the i-th otherName in `text`, and its type, which GnuTLS gives
 * as such and, for types that it does not know, as DER of the value. NULL: it
 * is not a text. */
static const char *other_text(gnutls_x509_crt_t certificate, unsigned i,
			      char oid[64], char text[NAME_MAX_BYTES])
{
	size_t len = 64;
	int type = gnutls_x509_crt_get_subject_alt_othername_oid(
		certificate, i, oid, &len);
	const char *start = text;

	if (type < 0)
		return NULL;
	len = NAME_MAX_BYTES - 1;
	if (gnutls_x509_crt_get_subject_alt_name(certificate, i, text, &len,
						 NULL) < 0)
		return NULL;
	text[len] = '\0';
	/* IA5String or UTF8String with a short or a one-byte long length. */
	if (len > 2 && (text[0] == 0x16 || text[0] == 0x0c)) {
		size_t head = (unsigned char)text[1] == 0x81 ? 3 : 2;
		size_t said = (unsigned char)text[head - 1];

		if (len <= head || said != len - head)
			return NULL;
		start += head;
		len -= head;
	}
	return strlen(start) == len ? start : NULL;
}

static bool other_matches(gnutls_x509_crt_t certificate, unsigned i,
			  const struct names *names)
{
	char oid[64], text[NAME_MAX_BYTES];
	const char *start = other_text(certificate, i, oid, text);

	if (!start)
		return false;
	if (str_equal(oid, OID_XMPP_ADDR))
		return same(start, names);
	if (str_equal(oid, OID_SRV_NAME))
		return srv_matches(start, names);
	return false;
}

/* One name of the list; -1 after the last one. */
static int name_matches(gnutls_x509_crt_t certificate, unsigned i,
			const struct names *names)
{
	char text[NAME_MAX_BYTES];
	size_t len = sizeof(text) - 1;
	int type = gnutls_x509_crt_get_subject_alt_name(certificate, i, text,
							&len, NULL);

	if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
		return -1;
	if (type == GNUTLS_SAN_OTHERNAME || type >= GNUTLS_SAN_OTHERNAME_XMPP)
		return other_matches(certificate, i, names);
	if (type != GNUTLS_SAN_DNSNAME)
		return 0;
	text[len] = '\0';
	return strlen(text) == len && dns_matches(text, names);
}

bool certificate_is_for(const void *der, size_t len, const char *domain)
{
	gnutls_x509_crt_t certificate = import(der, len);
	struct names names = { .domain = domain };
	gnutls_datum_t ascii = { 0 };
	int found = 0;

	if (!certificate)
		return false;
	if (gnutls_idna_map(domain, (unsigned)strlen(domain), &ascii, 0) == 0)
		names.ascii = (char *)ascii.data;
	for (unsigned i = 0; found == 0; i++)
		found = name_matches(certificate, i, &names);
	gnutls_free(ascii.data);
	gnutls_x509_crt_deinit(certificate);
	return found > 0;
}

/* -- people --------------------------------------------------------------- */

static void alternative_names(gnutls_x509_crt_t certificate,
			      enum certificate_name kind,
			      void (*name)(const char *text, void *ctx),
			      void *ctx)
{
	char oid[64], text[NAME_MAX_BYTES];

	for (unsigned i = 0;; i++) {
		size_t len = sizeof(text) - 1;
		const char *start = text;
		int type = gnutls_x509_crt_get_subject_alt_name(
			certificate, i, text, &len, NULL);

		if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			return;
		if (kind == CERTIFICATE_EMAIL) {
			if (type != GNUTLS_SAN_RFC822NAME)
				continue;
			text[len] = '\0';
			if (strlen(text) != len)
				continue;
		} else {
			start = other_text(certificate, i, oid, text);
			if (!start || !str_equal(oid, OID_XMPP_ADDR))
				continue;
		}
		name(start, ctx);
	}
}

static void subject_names(gnutls_x509_crt_t certificate, const char *oid,
			  void (*name)(const char *text, void *ctx), void *ctx)
{
	char text[NAME_MAX_BYTES];

	for (unsigned i = 0;; i++) {
		size_t len = sizeof(text) - 1;
		int code = gnutls_x509_crt_get_dn_by_oid(certificate, oid, i,
							 0, text, &len);

		if (code < 0)
			return;
		text[len] = '\0';
		if (strlen(text) == len)
			name(text, ctx);
	}
}

void certificate_person(const void *der, size_t len,
			enum certificate_name kind,
			void (*name)(const char *text, void *ctx), void *ctx)
{
	gnutls_x509_crt_t certificate = import(der, len);

	if (!certificate)
		return;
	if (kind == CERTIFICATE_UID)
		subject_names(certificate, GNUTLS_OID_LDAP_UID, name, ctx);
	else if (kind == CERTIFICATE_CN)
		subject_names(certificate, GNUTLS_OID_X520_COMMON_NAME, name,
			      ctx);
	else
		alternative_names(certificate, kind, name, ctx);
	gnutls_x509_crt_deinit(certificate);
}

/* -- pins ----------------------------------------------------------------- */

int certificate_pin(const void *der, size_t len,
		    char pin[CERTIFICATE_PIN_SIZE])
{
	gnutls_x509_crt_t certificate = import(der, len);
	unsigned char id[32];
	size_t size = sizeof(id);
	int code;

	if (!certificate)
		return -1;
	code = gnutls_x509_crt_get_key_id(certificate, GNUTLS_KEYID_USE_SHA256,
					  id, &size);
	gnutls_x509_crt_deinit(certificate);
	if (code < 0 || size != sizeof(id))
		return -1;
	hex_encode(pin, id, sizeof(id));
	return 0;
}

/* -- our own -------------------------------------------------------------- */

static int take_prints(const gnutls_datum_t *pem,
		       struct certificate_prints *prints)
{
	gnutls_x509_crt_t list[CERTIFICATE_CHAIN_MAX];
	unsigned count = CERTIFICATE_CHAIN_MAX;
	unsigned char sum[DIGEST_MAX];
	gnutls_datum_t der = { 0 };
	struct buf text = { 0 };
	int result = -1;

	if (gnutls_x509_crt_list_import(list, &count, pem, GNUTLS_X509_FMT_PEM,
					0) < 1)
		return -1;
	if (gnutls_x509_crt_export2(list[0], GNUTLS_X509_FMT_DER, &der) == 0 &&
	    certificate_pin(der.data, der.size, prints->pin) == 0) {
		crypto_digest(DIGEST_SHA256, der.data, der.size, sum);
		base64_encode(&text, sum, digest_size(DIGEST_SHA256));
		str_copy(prints->fingerprint, sizeof(prints->fingerprint),
			 buf_data(&text));
		result = 0;
	}
	buf_free(&text);
	gnutls_free(der.data);
	for (unsigned i = 0; i < count; i++)
		gnutls_x509_crt_deinit(list[i]);
	return result;
}

int certificate_file_prints(const char *file, struct certificate_prints *prints,
			    struct error *err)
{
	gnutls_datum_t pem = { 0 };
	int result;

	if (gnutls_load_file(file, &pem) < 0)
		return error_set(err, "%s: cannot be read", file);
	result = take_prints(&pem, prints);
	gnutls_free(pem.data);
	if (result < 0)
		return error_set(err, "%s: there is no certificate in it",
				 file);
	return 0;
}
