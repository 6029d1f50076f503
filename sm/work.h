/* SPDX-License-Identifier: Apache-2.0
 *
 * What keeps a received envelope from being acknowledged until all that came
 * of it is done: stored, or in the hands of another process. Counted; the
 * last release acknowledges.
 */
#ifndef SM_WORK_H
#define SM_WORK_H

#include "sm/sm.h"

struct session;

/* Held once by the caller. */
struct work *work_new(struct sm *sm, struct link_receipt receipt);

/* One that belongs to no envelope, and calls instead of acknowledging. Not
 * called when the process ends before. `ctx` is heap memory, freed with it. */
typedef void work_done_cb(void *ctx);
struct work *work_new_call(struct sm *sm, work_done_cb *done, void *ctx);

struct work *work_hold(struct work *work); /* NULL is allowed, and stays NULL */
void work_release(struct work **work);

/* It is for this client's stanza; numbers come in order. */
void work_of_session(struct work *work, struct session *session,
		     uint64_t number);

/* A repeat of a stanza that may still be at work: it is done when that is. */
void work_join(struct session *session, uint64_t number, struct work *work);

/* Whether the work waits until another sm is done with this stanza, which came
 * of it. What came of another sm's stanza waits for messages only: two sms that
 * answer each other's presence would wait for each other for ever, since
 * acknowledgements are cumulative. */
bool work_may_wait(const struct work *work, const struct stanza *stanza);

/* For envelope.token, and back: a work (0 for NULL) that is held meanwhile, or
 * a stanza of a managed session. */
struct unacked;
uint64_t work_token(struct work *work);
uint64_t unacked_token(struct unacked *unacked);

/* What the link says about the envelope with this token: delivered, or not. Of
 * a stanza that was not, returns the work, for the caller to release; NULL when
 * there is none, or it is a managed session's matter. */
void token_delivered(uint64_t token);
struct work *token_returned(uint64_t token);

/* The number of the session's first stanza that is at work; 0: none is. */
uint64_t work_first_number(const struct session *session);

/* The session goes; its works come to their ends without it. */
void works_orphan(struct session *session);

/* At the end of the process: those that came to no end. */
void works_free(struct sm *sm);

#endif
