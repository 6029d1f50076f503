/* SPDX-License-Identifier: Apache-2.0
 *
 * What DNSSEC says about the certificate of a server (RFC 7673, RFC 7712):
 * TLSA records that were proved, kept for the time of a stream.
 */
#ifndef S2S_DANE_H
#define S2S_DANE_H

#include <stdbool.h>
#include <stddef.h>

#include "util/net/conn.h"

struct resolver_answer;
struct s2s_dane;

/* The usable records of an answer about a server's host, copied; NULL: it has
 * none, or is not secure. */
struct s2s_dane *s2s_dane_new(const struct resolver_answer *answer,
			      const char *host);
void s2s_dane_free(struct s2s_dane **dane);

/* Whether one of them announces what the peer of a connection showed, and that
 * is for the domain or for the server's host, where names count (RFC 7673
 * section 4.2). */
bool s2s_dane_matches(const struct s2s_dane *dane, const struct conn *conn,
		      const char *domain);

#endif
