/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the streams and the link: who a stanza is from and for is checked
 * here, in both directions, and what cannot be delivered returns from here.
 */
#ifndef S2S_RELAY_H
#define S2S_RELAY_H

#include "s2s/stream.h"

extern const struct link_handlers s2s_relay_handlers;

/* message, presence or iq. */
bool s2s_relay_is_stanza(const struct element *root);

/* A stanza that came in on a stream: to the role that serves its address. */
void s2s_relay_stanza(struct s2s_stream *s, struct stanza *stanza);

/* A stanza of ours (as bytes) cannot be delivered: its sender gets an error,
 * unless it may not be answered. The receipt (n = 0: none) is processed. */
/* The receipt, if it is one, is processed. */
void s2s_relay_done(struct s2s *s2s, struct link_receipt receipt);

void s2s_relay_bounce(struct s2s *s2s, const char *bytes, size_t len,
		      enum stanza_error condition, const char *text,
		      struct link_receipt receipt);

#endif
