/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts what is still to be done for a received envelope, and acknowledges
 * the envelope when all of it is (design.md 5). For a client's stanza the
 * session is told as well: what it acknowledges to the client (XEP-0198) ends
 * before the first stanza that is still at work.
 */
#include "sm/work.h"

#include <assert.h>

#include "sm/management.h"
#include "sm/route.h"
#include "sm/session.h"
#include "util/base/mem.h"

struct work {
	struct sm *sm;
	struct link_receipt receipt;
	work_done_cb *done; /* NULL: of an envelope */
	void *ctx;
	unsigned holds;
	bool of_client; /* for a stanza of one of our clients */
	struct work *prev, *next; /* in sm->works */
	struct session *session;  /* whose stanza it is; NULL: nobody's */
	uint64_t number;	  /* of the stanza */
	struct work *also;	  /* released with it; of a repeat */
	struct work *before, *after; /* in session->works, in order */
};

static struct work *work_make(struct sm *sm)
{
	struct work *work = mem_new(struct work);

	work->sm = sm;
	work->holds = 1;
	DL_APPEND(sm->works, work);
	return work;
}

struct work *work_new(struct sm *sm, struct link_receipt receipt)
{
	struct work *work = work_make(sm);

	work->receipt = receipt;
	return work;
}

struct work *work_new_call(struct sm *sm, work_done_cb *done, void *ctx)
{
	struct work *work = work_make(sm);

	work->done = done;
	work->ctx = ctx;
	return work;
}

void work_of_session(struct work *work, struct session *session,
		     uint64_t number)
{
	work->session = session;
	work->number = number;
	work->of_client = true;
	DL_APPEND2(session->works, work, before, after);
}

void work_join(struct session *session, uint64_t number, struct work *work)
{
	struct work *first = session->works;

	while (first != NULL && first->number < number)
		first = first->after;
	if (first == NULL || first->number != number)
		return;
	/* The chain is of repeats of repeats, and is short. */
	while (first->also != NULL)
		first = first->also;
	first->also = work_hold(work);
}

bool work_may_wait(const struct work *work, const struct stanza *stanza)
{
	return work != NULL && (work->of_client || stanza_kind(stanza) == 0);
}

/* Memory is aligned, so the lowest bit is free to tell the two apart. */
uint64_t work_token(struct work *work)
{
	return work != NULL ? (uint64_t)(uintptr_t)work | 1 : 0;
}

uint64_t unacked_token(struct unacked *unacked)
{
	return (uint64_t)(uintptr_t)unacked;
}

void token_delivered(uint64_t token)
{
	struct work *work = (struct work *)(uintptr_t)(token & ~UINT64_C(1));

	if (token & 1)
		work_release(&work);
	else if (token != 0)
		unacked_delivered((struct unacked *)(uintptr_t)token);
}

struct work *token_returned(uint64_t token)
{
	if (token & 1)
		return (struct work *)(uintptr_t)(token & ~UINT64_C(1));
	if (token != 0)
		unacked_returned((struct unacked *)(uintptr_t)token);
	return NULL;
}

uint64_t work_first_number(const struct session *session)
{
	return session->works != NULL ? session->works->number : 0;
}

void works_orphan(struct session *session)
{
	struct work *work, *next;

	DL_FOREACH_SAFE2(session->works, work, next, after)
		work->session = NULL;
	session->works = NULL;
}

struct work *work_hold(struct work *work)
{
	if (work != NULL)
		work->holds++;
	return work;
}

static void work_free(struct work *work)
{
	DL_DELETE(work->sm->works, work);
	mem_free(work->ctx);
	mem_free(work);
}

void work_release(struct work **work)
{
	struct work *held = *work, *also;
	struct session *session;

	if (held == NULL)
		return;
	*work = NULL;
	assert(held->holds > 0);
	if (--held->holds > 0)
		return;
	session = held->session;
	if (session != NULL)
		DL_DELETE2(session->works, held, before, after);
	/* At the end of the process the link goes first, and nothing is done
	 * any more because it is given up. */
	if (held->sm->link != NULL && held->done != NULL)
		held->done(held->ctx);
	else if (held->sm->link != NULL)
		link_processed(held->sm->link, held->receipt);
	also = held->also;
	work_free(held);
	work_release(&also);
	/* What it does, it does not do at once, for who calls may be in the
	 * middle of things of this session. */
	if (session != NULL)
		management_progress(session);
}

void works_free(struct sm *sm)
{
	struct work *work, *next;

	DL_FOREACH_SAFE(sm->works, work, next)
		work_free(work);
}
