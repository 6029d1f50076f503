/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers and acknowledgements (docs/link.md section 5): the side that
 * receives. For each sender it is known up to where all has come, and up to
 * where all has been processed; between the two a ring remembers which.
 */
#include "util/role/link_private.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"

#define RING_FIRST 64
#define RING_KEPT 4096	/* when it is empty */
#define FRESH_MAX 256	/* ranges that are kept apart from the ring */
#define RANGES_MAX 256	/* in one acknowledgement */
#define TELL_MS 500	/* until what is still at work is told to have come */
#define SWEEP_MS 60000
/* How long an instance is remembered after it went: replaced by a new one of
 * its name, or without a successor (it may only be cut off). */
#define REPLACED_MS 60000
#define ABSENT_MS 86400000

static struct link_sender *find(const struct link *link, const char *name,
				const char *epoch)
{
	char key[LINK_KEY_MAX];
	size_t len = link_key(key, epoch, name);
	struct link_sender *sender;

	HASH_FIND(hh, link->senders, key, len, sender);
	return sender;
}

static struct link_sender *get(struct link *link, const char *name,
			       const char *epoch)
{
	struct link_sender *sender = find(link, name, epoch);

	if (sender)
		return sender;
	sender = mem_new(struct link_sender);
	sender->id = ++link->last_sender_id;
	str_copy(sender->epoch, sizeof(sender->epoch), epoch);
	sender->key = mem_printf("%s%s", epoch, name);
	sender->name = sender->key + strlen(epoch);
	sender->room = RING_FIRST;
	sender->done = mem_alloc(sender->room);
	sender->present = link_is_present(link, name, epoch);
	sender->gone_at = loop_now(link->loop);
	HASH_ADD_KEYPTR(hh, link->senders, sender->key, strlen(sender->key),
			sender);
	HASH_ADD(hh_id, link->senders_by_id, id, sizeof(sender->id), sender);
	return sender;
}

static void forget(struct link *link, struct link_sender *sender)
{
	if (sender->ack_due)
		LL_DELETE2(link->due, sender, next_due);
	HASH_DELETE(hh, link->senders, sender);
	HASH_DELETE(hh_id, link->senders_by_id, sender);
	mem_free(sender->done);
	mem_free(sender->fresh);
	mem_free(sender->key);
	mem_free(sender);
}

/* -- accepting and processing --------------------------------------------- */

static void acknowledge(struct link *link, struct link_sender *sender)
{
	if (!sender->ack_due) {
		sender->ack_due = true;
		LL_PREPEND2(link->due, sender, next_due);
	}
	link_defer(link);
}

static unsigned char *slot(struct link_sender *sender, uint64_t n)
{
	return &sender->done[n & (sender->room - 1)];
}

static void make_room(struct link_sender *sender)
{
	unsigned char *old = sender->done;
	size_t old_room = sender->room;

	if (sender->accepted == sender->processed && old_room > RING_KEPT)
		sender->room = RING_FIRST;
	else if (sender->accepted - sender->processed < old_room)
		return;
	else
		sender->room *= 2;
	sender->done = mem_alloc(sender->room);
	for (uint64_t n = sender->processed + 1; n <= sender->accepted; n++)
		*slot(sender, n) = old[n & (old_room - 1)];
	mem_free(old);
}

/* The way back, and whether what it leads to knows the second version. */
static struct link_router *way_back(const struct link *link,
				    const struct link_sender *sender,
				    bool *selective)
{
	struct link_router *router =
		link_router_pick(link, sender->name, sender->epoch, NULL);

	*selective = router && link_view_version(router, sender->name,
						 sender->epoch) >= 2;
	return router;
}

static bool is_selective(const struct link *link,
			 const struct link_sender *sender)
{
	bool selective;

	(void)way_back(link, sender, &selective);
	return selective;
}

/* What is still at work when it is looked at is told to have come: else its
 * sender would look for another way. */
static void on_tell(struct timer *timer)
{
	struct link *link = container_of(timer, struct link, tell);
	struct link_sender *sender, *next;

	HASH_ITER(hh, link->senders, sender, next) {
		if (sender->told != sender->accepted)
			acknowledge(link, sender);
	}
}

/* Processed out of its turn. */
static void remember(struct link_sender *sender, uint64_t n)
{
	struct link_range *last;

	last = sender->fresh_count > 0
		       ? &sender->fresh[sender->fresh_count - 1]
		       : NULL;
	if (last && last->last + 1 == n) {
		last->last = n;
	} else if (sender->fresh_count == FRESH_MAX) {
		sender->all = true;
	} else {
		if (!sender->fresh)
			sender->fresh = mem_calloc(FRESH_MAX,
						   sizeof(*sender->fresh));
		sender->fresh[sender->fresh_count++] =
			(struct link_range){ n, n };
	}
}

bool link_sender_accept(struct link *link, const struct envelope *envelope,
			struct link_receipt *receipt)
{
	struct link_sender *sender =
		get(link, envelope->from, envelope->epoch);

	if (envelope->n <= sender->accepted) {
		link->stats.repeats++;
		/* In the first version, what is still being worked on is
		 * acknowledged later. */
		if (envelope->n <= sender->processed ||
		    is_selective(link, sender)) {
			sender->all = true;
			acknowledge(link, sender);
		}
		return false;
	}
	if (envelope->n != sender->accepted + 1) {
		sender->gap = true;
		acknowledge(link, sender);
		return false;
	}
	make_room(sender);
	sender->accepted = envelope->n;
	if (!timer_running(&link->tell))
		timer_start(&link->tell, link->loop, TELL_MS, on_tell);
	*slot(sender, envelope->n) = 0;
	receipt->peer = sender->id;
	receipt->n = envelope->n;
	return true;
}

void link_sender_processed(struct link *link, struct link_receipt receipt)
{
	struct link_sender *sender;
	uint64_t before;

	HASH_FIND(hh_id, link->senders_by_id, &receipt.peer,
		  sizeof(receipt.peer), sender);
	if (!sender || receipt.n <= sender->processed ||
	    receipt.n > sender->accepted)
		return;
	*slot(sender, receipt.n) = 1;
	before = sender->processed;
	while (sender->processed < sender->accepted &&
	       *slot(sender, sender->processed + 1))
		sender->processed++;
	if (sender->processed == before)
		remember(sender, receipt.n);
	acknowledge(link, sender);
}

/* -- telling -------------------------------------------------------------- */

static void write_ack(struct link *link, struct link_sender *sender,
		      struct link_router *router, const char *done)
{
	struct envelope ack = { .at = sender->name,
				.from = link->name,
				.receiver_epoch = sender->epoch,
				.epoch = link->epoch,
				.n = sender->processed };

	if (done) {
		ack.selective = true;
		ack.got = sender->accepted;
		ack.gap = sender->gap;
		ack.done = *done ? done : NULL;
	}
	link_router_write(router, &ack);
}

/* In the first version a gap is told by the same number twice, so it must not
 * be told otherwise. */
static void ack_first_version(struct link *link, struct link_sender *sender,
			      struct link_router *router)
{
	bool same = sender->processed == sender->acked;

	if (same && !sender->gap && !sender->all)
		return;
	write_ack(link, sender, router, NULL);
	if (sender->gap && !same)
		write_ack(link, sender, router, NULL);
}

struct ranges {
	struct link *link;
	struct link_sender *sender;
	struct link_router *router;
	struct buf text;
	unsigned count;
};

static void add_range(struct ranges *ranges, uint64_t first, uint64_t last)
{
	struct link_sender *sender = ranges->sender;

	if (last <= sender->processed)
		return;
	if (first <= sender->processed)
		first = sender->processed + 1;
	if (ranges->count == RANGES_MAX) {
		write_ack(ranges->link, sender, ranges->router,
			  buf_data(&ranges->text));
		buf_clear(&ranges->text, 65536);
		ranges->count = 0;
	}
	buf_addf(&ranges->text, "%s%llu", ranges->count++ ? " " : "",
		 (unsigned long long)first);
	if (last > first)
		buf_addf(&ranges->text, "-%llu", (unsigned long long)last);
}

static void add_all(struct ranges *ranges)
{
	struct link_sender *sender = ranges->sender;
	uint64_t first = 0;

	for (uint64_t n = sender->processed + 1; n <= sender->accepted; n++) {
		bool done = *slot(sender, n);

		if (done && first == 0)
			first = n;
		if (!done && first != 0)
			add_range(ranges, first, n - 1);
		if (!done)
			first = 0;
	}
	if (first != 0)
		add_range(ranges, first, sender->accepted);
}

static int compare(const void *a, const void *b)
{
	const struct link_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static void ack_selectively(struct link *link, struct link_sender *sender,
			    struct link_router *router)
{
	struct ranges ranges = { .link = link, .sender = sender,
				 .router = router };

	if (sender->all) {
		add_all(&ranges);
	} else {
		if (sender->fresh_count > 1)
			qsort(sender->fresh, sender->fresh_count,
			      sizeof(*sender->fresh), compare);
		for (size_t i = 0; i < sender->fresh_count; i++)
			add_range(&ranges, sender->fresh[i].first,
				  sender->fresh[i].last);
	}
	write_ack(link, sender, router,
		  ranges.count ? buf_data(&ranges.text) : "");
	buf_free(&ranges.text);
}

/* An acknowledgement that finds no way is not kept: without it the sender
 * sends again, and gets all of it. */
static void tell(struct link *link, struct link_sender *sender)
{
	bool selective;
	struct link_router *router = way_back(link, sender, &selective);

	if (!router)
		return;
	if (selective)
		ack_selectively(link, sender, router);
	else
		ack_first_version(link, sender, router);
	sender->fresh_count = 0;
	sender->gap = sender->all = false;
	sender->acked = sender->processed;
	sender->told = sender->accepted;
}

void link_senders_ack(struct link *link)
{
	struct link_sender *sender;

	while ((sender = link->due)) {
		LL_DELETE2(link->due, sender, next_due);
		sender->ack_due = false;
		tell(link, sender);
	}
}

/* -- forgetting ----------------------------------------------------------- */

/* Whether an instance that is gone since then may be forgotten. */
static bool is_over(const struct link *link, const char *name,
		    uint64_t gone_at)
{
	uint64_t absent = loop_now(link->loop) - gone_at;

	if (absent < REPLACED_MS)
		return false;
	return absent >= ABSENT_MS || link_is_present(link, name, NULL);
}

static void on_sweep(struct timer *timer)
{
	struct link *link = container_of(timer, struct link, sweep);
	struct link_sender *sender, *next_sender;
	struct link_receiver *receiver, *next_receiver;

	HASH_ITER(hh, link->senders, sender, next_sender) {
		if (!sender->present &&
		    is_over(link, sender->name, sender->gone_at))
			forget(link, sender);
	}
	HASH_ITER(hh, link->receivers, receiver, next_receiver) {
		if (receiver->lost && !receiver->queue.first &&
		    is_over(link, receiver->name, receiver->lost_at))
			link_receiver_free(receiver);
	}
	timer_start(timer, link->loop, SWEEP_MS, on_sweep);
}

void link_senders_update(struct link *link, const char *name)
{
	struct link_sender *sender, *next;
	bool present;

	HASH_ITER(hh, link->senders, sender, next) {
		if (!str_equal(sender->name, name))
			continue;
		present = link_is_present(link, name, sender->epoch);
		if (sender->present && !present)
			sender->gone_at = loop_now(link->loop);
		sender->present = present;
	}
	if (!timer_running(&link->sweep))
		timer_start(&link->sweep, link->loop, SWEEP_MS, on_sweep);
}

void link_senders_free(struct link *link)
{
	struct link_sender *sender, *next;

	HASH_ITER(hh, link->senders, sender, next)
		forget(link, sender);
}
