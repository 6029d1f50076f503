/* SPDX-License-Identifier: Apache-2.0
 *
 * What of a session's stanzas is under way: sent to its owner, who has neither
 * processed it nor let it come back. A session moves only when that is nothing,
 * so that no stanza is taken to be dealt with that comes back later.
 */
#ifndef C2S_FLIGHT_H
#define C2S_FLIGHT_H

#include "c2s/session.h"

/* Counts one more; its token for link_send(). flight_undo(): it was not sent. */
uint64_t flight_begin(struct stream *s);
void flight_undo(uint64_t token);

/* The link has answered for the envelope with this token. */
void flight_end(struct c2s *c2s, uint64_t token);

/* How many there are. */
unsigned flight_count(const struct session *session);

/* The session ends; what is under way is nobody's. */
void flight_leave(struct session *session);

/* At the end of the process, after the link. */
void flights_free(struct c2s *c2s);

#endif
