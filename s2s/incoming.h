/* SPDX-License-Identifier: Apache-2.0
 *
 * The receiving side of a stream between servers: header, features, STARTTLS,
 * SASL EXTERNAL (XEP-0178).
 */
#ifndef S2S_INCOMING_H
#define S2S_INCOMING_H

#include "s2s/stream.h"

void s2s_incoming_header(struct s2s_stream *s, const struct element *header);
void s2s_incoming_element(struct s2s_stream *s, struct stanza *stanza);

/* POSH has been asked: goes on where s2s_incoming_header() stopped. */
void s2s_incoming_judged(struct s2s_stream *s);

#endif
