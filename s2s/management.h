/* SPDX-License-Identifier: Apache-2.0
 *
 * Stream management (XEP-0198) between servers: what was written and not yet
 * acknowledged is kept, and sent again on the stream that follows; what comes
 * in is acknowledged when a role of ours has it.
 *
 * A *management* belongs to a stream. When the connection breaks it is
 * *suspended*, until another stream resumes it or its time is over.
 */
#ifndef S2S_MANAGEMENT_H
#define S2S_MANAGEMENT_H

#include "s2s/s2s.h"

struct s2s_management;
struct s2s_queued;
struct s2s_remote;
struct s2s_stream;

/* Incoming: the feature, if stanzas may come on this stream without another
 * one being opened on it. */
void s2s_management_offer(const struct s2s_stream *s, struct buf *to);

/* Outgoing, authenticated just now: asks for management. True: that stanzas
 * have to wait, since a former stream is to be resumed first;
 * s2s_remote_opened() follows. */
bool s2s_management_begin(struct s2s_stream *s);

/* Any element in its namespace. */
void s2s_management_element(struct s2s_stream *s,
			    const struct element *element);

/* -- what is sent --------------------------------------------------------- */

/* Too much is unacknowledged: stanzas wait until s2s_remotes_flush(). */
bool s2s_management_full(const struct s2s_stream *s);

/* A stanza was written. Takes it over, until the peer has acknowledged it. */
void s2s_management_take_sent(struct s2s_stream *s, struct s2s_remote *remote,
			      struct s2s_queued *queued);

/* Stanzas that the peer has not acknowledged; 0 also without management. */
size_t s2s_management_unacked(const struct s2s_stream *s);

/* -- what is received ----------------------------------------------------- */

/* A stanza came. False: it came before, on the stream that was resumed. */
bool s2s_management_received(struct s2s_stream *s);

/* It is being given to a role: the token for link_send(), 0: none needed. */
uint64_t s2s_management_token(struct s2s_stream *s);

/* The role has it, or it is known that none will have it. */
void s2s_management_handled(struct s2s *s2s, uint64_t token);

/* Says how much was handled: before the end of the stream. */
void s2s_management_part(struct s2s_stream *s);

/* -- the end -------------------------------------------------------------- */

/* The stream has ended. `broken`: without a word, so that it may be resumed.
 * Says whether it was suspended; if not, what is unacknowledged stands at the
 * front of the queues of its remotes. */
bool s2s_management_end(struct s2s_stream *s, bool broken);

/* A remote waits for its stream to be resumed: s2s_remote_opened() or
 * s2s_remote_released() follows. */
void s2s_management_wait(struct s2s_management *m, struct s2s_remote *remote);

/* It will not be resumed: as s2s_management_end() without suspension. */
void s2s_management_drop(struct s2s_management **m);

/* At the end of the process: frees all, without a word to anybody. */
void s2s_managements_free(struct s2s *s2s);

#endif
