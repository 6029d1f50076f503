/* SPDX-License-Identifier: Apache-2.0
 *
 * Stanzas that wait for a remote domain: bounded in number, bytes and age.
 * What becomes of those that are taken out is up to the owner.
 */
#ifndef S2S_QUEUE_H
#define S2S_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/role/link.h"

struct s2s_remote;

struct s2s_queued {
	struct s2s_queued *next;
	struct s2s_remote *remote;   /* once written: for whom */
	struct link_receipt receipt; /* n 0: none */
	uint64_t since;		     /* ms */
	int need;		     /* trust of the stream; -1: any */
	size_t len;
	char bytes[];
};

struct s2s_queue { /* embedded; zeroed it is empty */
	struct s2s_queued *first, *last;
	size_t count, bytes;
};

struct s2s_queue_limits {
	size_t count, bytes;
	uint64_t age; /* ms */
};

/* Copies the stanza to the end of the queue; false: it is full. */
bool s2s_queue_add(struct s2s_queue *queue,
		   const struct s2s_queue_limits *limits, const char *bytes,
		   size_t len, int need, struct link_receipt receipt,
		   uint64_t now);

/* A stanza by itself, for mem_free(). */
struct s2s_queued *s2s_queued_new(const char *bytes, size_t len, int need,
				  struct link_receipt receipt, uint64_t now);

/* Puts such a one at the end, or at the front, whatever the limits. */
void s2s_queue_take_over(struct s2s_queue *queue, struct s2s_queued *queued);
void s2s_queue_put_back(struct s2s_queue *queue, struct s2s_queued *queued);

/* Takes out the first; NULL: it is empty. For mem_free(). */
struct s2s_queued *s2s_queue_take(struct s2s_queue *queue);

/* The same, if it has waited for limits->age or longer. */
struct s2s_queued *s2s_queue_take_old(struct s2s_queue *queue,
				      const struct s2s_queue_limits *limits,
				      uint64_t now);

/* Milliseconds until the first one is that old; 0: it is, or nothing waits. */
uint64_t s2s_queue_due(const struct s2s_queue *queue,
		       const struct s2s_queue_limits *limits, uint64_t now);

#endif
