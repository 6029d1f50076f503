/* SPDX-License-Identifier: Apache-2.0
 *
 * The domains that we speak for: those of the configuration, which have
 * certificates, and components, which use the certificate of the domain that
 * they belong to.
 */
#ifndef S2S_LOCAL_H
#define S2S_LOCAL_H

#include "s2s/s2s.h"

/* Takes over the sections `domain`, and the CAs. On failure everything is as
 * it was. Streams under way keep what they have. */
int s2s_locals_load(struct s2s *s2s, const struct s2s_config *config,
		    struct error *err);
void s2s_locals_free(struct s2s *s2s);

/* For each domain with a certificate: the SHA-256 of its key in hexadecimal
 * digits, and of the certificate in base64. */
void s2s_locals_each(const struct s2s *s2s,
		     void (*each)(const char *domain, const char *pin,
				  const char *fingerprint, void *ctx),
		     void *ctx);

/* Whether this (prepared) domain is ours. */
bool s2s_local_is(const struct s2s *s2s, const char *domain);

/* TLS for a connection that this domain makes; `direct`: without STARTTLS. */
struct tls_context *s2s_local_client(const struct s2s *s2s,
				     const char *domain, bool direct);

#endif
