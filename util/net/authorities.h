/* SPDX-License-Identifier: Apache-2.0
 *
 * Authorities whose certificates clients may log in with, and what these have
 * revoked.
 */
#ifndef UTIL_NET_AUTHORITIES_H
#define UTIL_NET_AUTHORITIES_H

#include "util/net/conn.h"

struct authorities;

/* From PEM files; `crl_file` NULL: nothing is revoked. An authority that has a
 * CRL there must have one that is valid. NULL with err. */
struct authorities *authorities_new(const char *ca_file, const char *crl_file,
				    struct error *err);
void authorities_free(struct authorities **authorities);

enum certificate_state {
	CERTIFICATE_MISSING, /* the peer showed none */
	CERTIFICATE_GOOD,
	CERTIFICATE_EXPIRED,
	CERTIFICATE_BAD /* of somebody else, revoked, for another use ... */
};

/* Judges the certificate of the peer as it is now; `why` (of `size` bytes)
 * says what is wrong, in words fit for the log. */
enum certificate_state authorities_judge(const struct authorities *authorities,
					 const struct conn *conn, char *why,
					 size_t size);

#endif
