/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts what is still to be done for a received envelope, and acknowledges
 * the envelope when all of it is (design.md 5).
 */
#include "sm/sm.h"

#include <assert.h>

#include "util/base/mem.h"

struct work {
	struct sm *sm;
	struct link_receipt receipt;
	unsigned holds;
};

struct work *work_new(struct sm *sm, struct link_receipt receipt)
{
	struct work *work = mem_new(struct work);

	work->sm = sm;
	work->receipt = receipt;
	work->holds = 1;
	return work;
}

struct work *work_hold(struct work *work)
{
	if (work != NULL)
		work->holds++;
	return work;
}

void work_release(struct work **work)
{
	struct work *held = *work;

	if (held == NULL)
		return;
	*work = NULL;
	assert(held->holds > 0);
	if (--held->holds > 0)
		return;
	/* At the end of the process the link goes first. */
	if (held->sm->link != NULL)
		link_processed(held->sm->link, held->receipt);
	mem_free(held);
}
