/* SPDX-License-Identifier: Apache-2.0
 *
 * Which domain a certificate is for, in XMPP between servers (RFC 6120
 * section 13.7.1.2, RFC 9525). Whether it is genuine is not asked here.
 */
#ifndef UTIL_NET_CERTIFICATE_H
#define UTIL_NET_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>

/* Where the name of a person stands in a certificate. */
enum certificate_name {
	CERTIFICATE_XMPP_ADDR, /* addresses (RFC 6120 section 13.7.1.4) */
	CERTIFICATE_EMAIL,     /* addresses: rfc822Name */
	CERTIFICATE_UID,       /* of the subject */
	CERTIFICATE_CN	       /* likewise */
};

/* Hands the names of that kind to `name` one by one, as they are written. */
void certificate_person(const void *der, size_t len,
			enum certificate_name kind,
			void (*name)(const char *text, void *ctx), void *ctx);

#define CERTIFICATE_PIN_SIZE 65 /* hexadecimal SHA-256, with its NUL */

/* Whether the certificate (DER) names the domain (prepared, UTF-8) in its
 * subjectAltName: as SRVName "_xmpp-server.DOMAIN", as xmppAddr, or as
 * dNSName, where "*." in front stands for one whole label. Nothing else
 * counts, the common name least of all, nor a name with a NUL in it. */
bool certificate_is_for(const void *der, size_t len, const char *domain);

/* A TLSA record (RFC 6698 section 2.1). */
struct tlsa {
	unsigned char usage, selector, matching;
	const unsigned char *data;
	size_t len;
};

/* Whether the record is of a kind that is understood: DANE-EE (3), where the
 * certificate itself, or its key, is announced. */
bool tlsa_is_usable(const struct tlsa *tlsa);

/* Whether the certificate is the one that a usable record announces. Its names
 * and its time do not matter then (RFC 7671 section 5.1). */
bool certificate_is_announced(const void *der, size_t len,
			      const struct tlsa *tlsa);

/* SHA-256 of its public key (SubjectPublicKeyInfo), in lower-case hexadecimal
 * digits. -1 when it is no certificate. */
int certificate_pin(const void *der, size_t len,
		    char pin[CERTIFICATE_PIN_SIZE]);

#endif
