/* SPDX-License-Identifier: Apache-2.0
 *
 * A list with limits.
 */
#include "s2s/queue.h"

#include <string.h>

#include "util/base/mem.h"

bool s2s_queue_add(struct s2s_queue *queue,
		   const struct s2s_queue_limits *limits, const char *bytes,
		   size_t len, int need, struct link_receipt receipt,
		   uint64_t now)
{
	/* A single stanza has its own limit: an empty queue takes it. */
	if (queue->count >= limits->count ||
	    (queue->count > 0 && queue->bytes + len > limits->bytes))
		return false;
	s2s_queue_take_over(queue, s2s_queued_new(bytes, len, need, receipt,
						   now));
	return true;
}

struct s2s_queued *s2s_queued_new(const char *bytes, size_t len, int need,
				  struct link_receipt receipt, uint64_t now)
{
	struct s2s_queued *queued = mem_alloc(sizeof(*queued) + len);

	queued->receipt = receipt;
	queued->since = now;
	queued->need = need;
	queued->len = len;
	memcpy(queued->bytes, bytes, len);
	return queued;
}

void s2s_queue_take_over(struct s2s_queue *queue, struct s2s_queued *queued)
{
	queued->next = NULL;
	if (queue->last)
		queue->last->next = queued;
	else
		queue->first = queued;
	queue->last = queued;
	queue->count++;
	queue->bytes += queued->len;
}

void s2s_queue_put_back(struct s2s_queue *queue, struct s2s_queued *queued)
{
	queued->next = queue->first;
	queue->first = queued;
	if (!queue->last)
		queue->last = queued;
	queue->count++;
	queue->bytes += queued->len;
}

struct s2s_queued *s2s_queue_take(struct s2s_queue *queue)
{
	struct s2s_queued *queued = queue->first;

	if (!queued)
		return NULL;
	queue->first = queued->next;
	if (!queue->first)
		queue->last = NULL;
	queue->count--;
	queue->bytes -= queued->len;
	queued->next = NULL;
	return queued;
}

struct s2s_queued *s2s_queue_take_old(struct s2s_queue *queue,
				      const struct s2s_queue_limits *limits,
				      uint64_t now)
{
	if (!queue->first || s2s_queue_due(queue, limits, now) > 0)
		return NULL;
	return s2s_queue_take(queue);
}

uint64_t s2s_queue_due(const struct s2s_queue *queue,
		       const struct s2s_queue_limits *limits, uint64_t now)
{
	uint64_t age;

	if (!queue->first)
		return 0;
	age = now - queue->first->since;
	return age >= limits->age ? 0 : limits->age - age;
}
