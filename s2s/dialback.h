/* SPDX-License-Identifier: Apache-2.0
 *
 * Server dialback (XEP-0220) in its three parts: we send a key (initiating),
 * we get one and have it verified (receiving), we are asked about one
 * (authoritative).
 */
#ifndef S2S_DIALBACK_H
#define S2S_DIALBACK_H

#include "s2s/stream.h"

/* An element in the namespace of dialback, on a stream of either direction. */
void s2s_dialback_element(struct s2s_stream *s, const struct element *element);

/* Initiating: sends our key. */
void s2s_dialback_send_key(struct s2s_stream *s);

/* Receiving: asks, on the remote's stream, for what has not been asked yet. */
void s2s_dialback_send_verifies(struct s2s_remote *remote);

/* The same: the remote's answer, for the incoming stream that waits for it, if
 * it is still there with that id. `condition`: of the error, NULL: none. */
void s2s_dialback_verified(struct s2s_remote *remote, uint64_t serial,
			   const char *id, bool valid, const char *condition,
			   const char *text);

/* The same: there is not even anybody to ask. */
void s2s_dialback_unverified(struct s2s_stream *s, const char *local,
			     const char *remote, enum stanza_error condition,
			     const char *text);

#endif
