/* SPDX-License-Identifier: Apache-2.0
 *
 * How a session moves from one sm to another (docs/link.md section 6). The c2s
 * decides when and where to, and counts the moves: nobody else does, since the
 * session ends with its c2s, or sleeps.
 *
 *                 members, or the owner does not know the session
 *   STATE_OPEN ------------------------------------------> STATE_RECOVERING
 *
 *   in STATE_RECOVERING:
 *                        it lives                     released
 *   MOVE_NONE --------------------> MOVE_RELEASING ------------> MOVE_RELEASED
 *     |  ^  |                              | it died               |
 *     |  |  | it died, or does not know    |                       |
 *     |  |  | the session, and nothing <---+                       |
 *     |  |  v is under way                                         |
 *     |  |  +---------------> MOVE_OPENING <-----------------------+
 *     |  +-------------------------|  |  reopen, to who serves the user now
 *     |      it died               |  | opened
 *     +--> STATE_OPEN <---------------+
 *      it is the owner after all,
 *      and nothing is under way
 */
#ifndef C2S_MOVE_H
#define C2S_MOVE_H

#include "c2s/session.h"

/* Who serves the user now, NULL: nobody; and whether that is the owner. */
const struct member *c2s_owner_now(const struct stream *s);
bool c2s_owner_is(const struct session *session, const struct member *member);
void c2s_owner_set(struct session *session, const struct member *member);
/* The process that was asked last still lives. */
bool c2s_owner_lives(const struct stream *s);
/* The envelope is from it. */
bool c2s_from_owner(const struct stream *s, const struct envelope *envelope);

/* Keeps a stanza until there is an owner who takes it. */
void c2s_move_hold(struct session *session, uint64_t number,
		   const char *bytes, size_t len);
void c2s_move_forget(struct session *session);

/* Up to here no sm needs, or may, get the client's stanzas any more. */
uint64_t c2s_move_done(struct session *session);

/* An sm acknowledges the client's stanzas up to here to the client. False: more
 * are dealt with, and it does not know. */
bool c2s_move_told(struct session *session, uint64_t number);

/* A stanza came back from the link, or in <link:lost/>. */
void c2s_move_returned(struct stream *s, uint64_t number, const char *bytes,
		       size_t len);

/* Nothing is under way any more. */
void c2s_move_landed(struct stream *s);

/* A control element did not get to its owner. */
void c2s_move_undelivered(struct stream *s);

/* The owner does not take stanzas: find one who does. In STATE_OPEN or
 * STATE_RECOVERING. */
void c2s_move_begin(struct stream *s);

/* The timer of STATE_RECOVERING. */
void c2s_move_retry(struct stream *s);

/* The members of its domain have changed. In STATE_OPEN, STATE_RECOVERING. */
void c2s_move_members(struct stream *s);

/* The session ends: its domain need not wait for it. */
void c2s_move_end(struct stream *s);

/* Controls from the sm; opened: of a session that was open before. */
void c2s_move_opened(struct stream *s, const struct element *element);
void c2s_move_lost(struct stream *s, const struct envelope *envelope,
		   const struct element *element);
void c2s_move_released(struct stream *s, const struct envelope *envelope,
		       const struct element *element);

#endif
