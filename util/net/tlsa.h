/* SPDX-License-Identifier: Apache-2.0
 *
 * What a TLSA record says about the certificates of a peer (RFC 6698, with
 * the corrections of RFC 7671).
 */
#ifndef UTIL_NET_TLSA_H
#define UTIL_NET_TLSA_H

#include "util/net/certificate.h"

enum tlsa_usage {
	TLSA_PKIX_TA, /* it was issued by this one, and is valid beside */
	TLSA_PKIX_EE, /* it is this one, and is valid beside */
	TLSA_DANE_TA, /* it was issued by this one, known or not */
	TLSA_DANE_EE  /* it is this one, whatever it says */
};

struct tlsa { /* RFC 6698 section 2.1 */
	unsigned char usage, selector, matching;
	const unsigned char *data;
	size_t len;
};

/* Whether the record is of a kind that is understood. */
bool tlsa_is_usable(const struct tlsa *tlsa);

/* Whether the chain is what a usable record announces. `genuine`: it was
 * issued by an authority that we know, and is in its time. Names are not
 * looked at: they count for all usages but DANE-EE (RFC 7671 section 5). */
bool tlsa_matches(const struct tlsa *tlsa,
		  const struct certificate_chain *chain, bool genuine);

#endif
