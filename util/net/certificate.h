/* SPDX-License-Identifier: Apache-2.0
 *
 * Which domain a certificate is for, in XMPP between servers (RFC 6120
 * section 13.7.1.2, RFC 9525). Whether it is genuine is not asked here.
 */
#ifndef UTIL_NET_CERTIFICATE_H
#define UTIL_NET_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/error.h"

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

struct certificate_prints {
	char pin[CERTIFICATE_PIN_SIZE];
	char fingerprint[48]; /* SHA-256 of the whole, in base64 */
};

/* Of the first certificate in a PEM file. */
int certificate_file_prints(const char *file, struct certificate_prints *prints,
			    struct error *err);

#define CERTIFICATE_CHAIN_MAX 16

struct certificate_chain { /* the peer's own first; nothing is owned */
	size_t count;
	struct {
		const void *der;
		size_t len;
	} at[CERTIFICATE_CHAIN_MAX];
};

/* SHA-256 of its public key (SubjectPublicKeyInfo), in lower-case hexadecimal
 * digits. -1 when it is no certificate. */
int certificate_pin(const void *der, size_t len,
		    char pin[CERTIFICATE_PIN_SIZE]);

#endif
