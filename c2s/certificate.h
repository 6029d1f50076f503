/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates of clients (XEP-0178 section 2): whether one is good for the
 * stream's domain, and whose it is.
 */
#ifndef C2S_CERTIFICATE_H
#define C2S_CERTIFICATE_H

#include "c2s/domain.h"

/* As it is now. GOOD only if it names somebody of the domain; `why` (of `size`
 * bytes) says what is wrong. */
enum certificate_state c2s_certificate_judge(const struct stream *s, char *why,
					     size_t size);

/* Whether the client may log in with it; if there is one and it is not good,
 * the log says why. */
bool c2s_certificate_offered(const struct stream *s);

/* Appends a <link:name> for each bare JID of the domain that a certificate
 * that is good names. */
void c2s_certificate_write(const struct stream *s, struct buf *to);

#endif
