/* SPDX-License-Identifier: Apache-2.0
 *
 * PKIX over Secure HTTP (RFC 7711): a domain says by HTTPS which certificates
 * its XMPP server has, so that whoever hosts that needs none for the domain.
 */
#ifndef S2S_POSH_H
#define S2S_POSH_H

#include "s2s/s2s.h"
#include "util/net/conn.h"

/* Whether it is worth asking: the peer shows a certificate, which is not known
 * to be the domain's, and the domain was not asked yet. */
bool s2s_posh_is_wanted(const struct s2s *s2s, const struct conn *conn,
			const char *domain);

/* Asks; the stream of that serial number is told by s2s_posh_known(), of
 * incoming.c or outgoing.c, whatever came of it. */
void s2s_posh_ask(struct s2s *s2s, const char *domain, uint64_t serial);

/* Whether the domain, asked before, has announced this certificate. */
bool s2s_posh_vouches(const struct s2s *s2s, const char *domain,
		      const void *der, size_t len);

void s2s_posh_free(struct s2s *s2s);

#endif
