/* SPDX-License-Identifier: Apache-2.0
 *
 * The initiating side of a stream between servers: header, STARTTLS, the
 * judgement of the peer, SASL EXTERNAL (XEP-0178) or dialback.
 */
#ifndef S2S_OUTGOING_H
#define S2S_OUTGOING_H

#include "s2s/stream.h"

/* Begins on a connection that was just made; `host` is the remote domain as
 * TLS asks for it. */
void s2s_outgoing_start(struct s2s_stream *s, const char *host);

void s2s_outgoing_header(struct s2s_stream *s, const struct element *header);
void s2s_outgoing_element(struct s2s_stream *s, struct stanza *stanza);

/* The answer to our dialback key: NULL, or what it says against us. */
void s2s_outgoing_judged(struct s2s_stream *s, const char *refusal);

/* POSH has been asked: the peer is judged again. */
void s2s_outgoing_known(struct s2s_stream *s);

#endif
