/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers, acknowledgements and what is sent again (docs/link.md section 5):
 * the side that sends. The invariant is that the queue of a receiver that is
 * there holds each number from acked + 1 to last, in order; a receiver that
 * was lost and comes back with the same epoch gets fillers for the numbers
 * whose envelopes went elsewhere meanwhile.
 */
#include "util/role/link_private.h"

#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"

#define RESEND_MS 10000	    /* without a word from the receiver */
#define REPEAT_MS 500	    /* between two answers to the same gap */
#define GONE_MS 5000	    /* of `gone` from a router that has the link */
#define HOLD_MS 30000	    /* for somebody to serve the name */
#define HOLD_CHECK_MS 500
#define QUEUE_FACTOR 8	    /* of queue_bytes: nothing is taken any more */

#define FILLER "<link:nothing/>"

static uint64_t now(const struct link *link)
{
	return loop_now(link->loop);
}

/* -- the table ------------------------------------------------------------ */

struct link_receiver *link_receiver_find(const struct link *link,
					 const char *name, const char *epoch)
{
	char key[LINK_KEY_MAX];
	struct link_receiver *receiver;
	size_t len;

	if (!epoch)
		return NULL;
	len = link_key(key, epoch, name);
	HASH_FIND(hh, link->receivers, key, len, receiver);
	return receiver;
}

struct link_receiver *link_receiver_get(struct link *link, const char *name,
					const char *epoch)
{
	struct link_receiver *receiver = link_receiver_find(link, name, epoch);
	size_t len = strlen(name);

	if (receiver)
		return receiver;
	/* The key in front of the name: one string serves as both. */
	receiver = mem_new(struct link_receiver);
	receiver->link = link;
	str_copy(receiver->epoch, sizeof(receiver->epoch), epoch);
	receiver->key = mem_printf("%s%s", epoch, name);
	receiver->name = receiver->key + strlen(epoch);
	receiver->lost = !link_is_present(link, name, epoch);
	receiver->lost_at = now(link);
	HASH_ADD_KEYPTR(hh, link->receivers, receiver->key,
			strlen(epoch) + len, receiver);
	return receiver;
}

void link_receiver_free(struct link_receiver *receiver)
{
	HASH_DEL(receiver->link->receivers, receiver);
	timer_stop(&receiver->timer);
	link_queue_free(&receiver->queue);
	mem_free(receiver->key);
	mem_free(receiver);
}

/* -- counting ------------------------------------------------------------- */

static void queue_put(struct link_receiver *receiver, struct link_item *item)
{
	struct link *link = receiver->link;

	link_queue_add(&receiver->queue, item);
	link->stats.outstanding++;
	link->stats.outstanding_bytes += item->size;
	if (receiver->lost)
		link->lost_items++;
}

static struct link_item *queue_take(struct link_receiver *receiver)
{
	struct link *link = receiver->link;
	struct link_item *item = link_queue_take(&receiver->queue);

	link->stats.outstanding--;
	link->stats.outstanding_bytes -= item->size;
	if (receiver->lost)
		link->lost_items--;
	return item;
}

static void check_congestion(struct link_receiver *receiver)
{
	size_t limit = receiver->link->queue_bytes;

	if (receiver->queue.bytes > limit) {
		receiver->congested = true;
	} else if (receiver->congested && receiver->queue.bytes <= limit / 2) {
		receiver->congested = false;
		receiver->drained = true;
		link_defer(receiver->link);
	}
}

/* -- sending -------------------------------------------------------------- */

static void write_item(struct link_receiver *receiver,
		       const struct link_item *item)
{
	struct envelope envelope = item->envelope;

	envelope.at = receiver->name;
	envelope.from = receiver->link->name;
	envelope.epoch = receiver->link->epoch;
	envelope.receiver_epoch = receiver->epoch;
	envelope.n = item->n;
	if (item->n <= receiver->written)
		receiver->link->stats.resent++;
	else
		receiver->written = item->n;
	link_router_write(receiver->router, &envelope);
}

/* Everything from the first number that is not acknowledged. */
static void resend(struct link_receiver *receiver)
{
	const struct link_item *item;

	if (receiver->lost)
		return;
	if (!receiver->router)
		receiver->router = link_router_pick(
			receiver->link, receiver->name, receiver->epoch);
	if (!receiver->router)
		return;
	receiver->resent_at = now(receiver->link);
	for (item = receiver->queue.first; item; item = item->next)
		write_item(receiver, item);
}

static void on_timer(struct timer *timer)
{
	struct link_receiver *receiver =
		container_of(timer, struct link_receiver, timer);
	struct link *link = receiver->link;
	uint64_t silent = now(link) - receiver->heard_at;

	if (!receiver->queue.first || receiver->lost)
		return;
	if (receiver->gone_at || silent >= RESEND_MS) {
		/* Perhaps another router has it. */
		if (receiver->gone_at)
			receiver->router = NULL;
		resend(receiver);
		receiver->heard_at = now(link);
		silent = 0;
	}
	timer_start(timer, link->loop, RESEND_MS - silent, on_timer);
}

static void on_hold(struct timer *timer);

static void hold(struct link_receiver *receiver, struct link_item *item)
{
	struct link *link = receiver->link;

	item->expires = now(link) + HOLD_MS;
	if (!timer_running(&link->hold))
		timer_start(&link->hold, link->loop, HOLD_CHECK_MS, on_hold);
}

void link_receiver_send(struct link_receiver *receiver, struct link_item *item)
{
	struct link *link = receiver->link;

	if (receiver->lost && item->pinned) {
		link_undeliver(link, item, "the instance is gone");
		return;
	}
	if (receiver->queue.bytes + item->size >
	    link->queue_bytes * QUEUE_FACTOR) {
		link_undeliver(link, item, "the queue is full");
		return;
	}
	item->n = ++receiver->last;
	queue_put(receiver, item);
	check_congestion(receiver);
	if (receiver->lost) {
		hold(receiver, item);
		return;
	}
	if (receiver->router)
		write_item(receiver, item);
	else
		resend(receiver);
	if (!timer_running(&receiver->timer)) {
		receiver->heard_at = now(link);
		timer_start(&receiver->timer, link->loop, RESEND_MS, on_timer);
	}
}

/* -- loss and return ------------------------------------------------------ */

static bool is_filler(const struct link_item *item)
{
	return item->envelope.control &&
	       str_equal(item->envelope.payload, FILLER);
}

/* Its process has ended, as far as anybody knows. What only it was meant for
 * goes back at once; the rest waits for who serves the name. */
static void lose(struct link_receiver *receiver)
{
	struct link *link = receiver->link;
	struct link_queue queue = { .first = NULL };
	struct link_item *item;

	while (receiver->queue.first)
		link_queue_add(&queue, queue_take(receiver));
	receiver->lost = true;
	receiver->lost_at = now(link);
	receiver->router = NULL;
	receiver->gone_at = 0;
	timer_stop(&receiver->timer);
	while (queue.first) {
		item = link_queue_take(&queue);
		if (is_filler(item)) {
			mem_free(item);
		} else if (item->pinned) {
			link_undeliver(link, item, "the instance is gone");
		} else {
			queue_put(receiver, item);
			hold(receiver, item);
		}
	}
	check_congestion(receiver);
	link_defer(link);
}

static struct link_item *filler_new(void)
{
	struct envelope envelope = { .control = true,
				     .payload = FILLER,
				     .payload_len = strlen(FILLER) };

	return link_item_new(&envelope);
}

/* The same process is back. It may or may not have got what we sent before. */
static void regain(struct link_receiver *receiver)
{
	struct link_queue queue = { .first = NULL };
	struct link_item *item;

	while (receiver->queue.first)
		link_queue_add(&queue, queue_take(receiver));
	receiver->lost = false;
	receiver->heard_at = now(receiver->link);
	for (uint64_t n = receiver->acked + 1; n <= receiver->last; n++) {
		if (queue.first && queue.first->n == n)
			item = link_queue_take(&queue);
		else
			item = filler_new();
		item->n = n;
		queue_put(receiver, item);
	}
	if (!receiver->queue.first)
		return;
	timer_start(&receiver->timer, receiver->link->loop, RESEND_MS,
		    on_timer);
	resend(receiver);
}

void link_receivers_update(struct link *link, const char *name)
{
	struct link_receiver *receiver, *next;
	bool present;

	HASH_ITER(hh, link->receivers, receiver, next) {
		if (!str_equal(receiver->name, name))
			continue;
		present = link_is_present(link, name, receiver->epoch);
		if (!present && !receiver->lost)
			lose(receiver);
		else if (present && receiver->lost)
			regain(receiver);
	}
}

void link_receivers_leave(struct link *link, const struct link_router *router)
{
	struct link_receiver *receiver, *next;

	HASH_ITER(hh, link->receivers, receiver, next) {
		if (receiver->router == router)
			receiver->router = NULL;
	}
	link_receivers_kick(link);
}

/* Gives what a lost receiver holds to those who serve it now. */
static void rehome(struct link_receiver *receiver)
{
	struct link *link = receiver->link;
	struct link_queue queue = { .first = NULL };
	struct link_item *item;
	uint64_t n;

	while (receiver->queue.first)
		link_queue_add(&queue, queue_take(receiver));
	while (queue.first) {
		item = link_queue_take(&queue);
		n = item->n;
		if (link_rehome(link, receiver, item))
			continue;
		item->n = n;
		queue_put(receiver, item);
	}
	check_congestion(receiver);
}

void link_receivers_kick(struct link *link)
{
	struct link_receiver *receiver, *next;
	bool moved = link->moved;

	link->moved = false;
	HASH_ITER(hh, link->receivers, receiver, next) {
		if (!receiver->queue.first)
			continue;
		if (receiver->lost && moved)
			rehome(receiver);
		else if (!receiver->lost && !receiver->router)
			resend(receiver);
	}
}

/* Items are in the order of their numbers, and so of their times. */
static void expire(struct link_receiver *receiver)
{
	struct link *link = receiver->link;

	while (receiver->queue.first &&
	       receiver->queue.first->expires <= now(link))
		link_undeliver(link, queue_take(receiver),
			       "nobody serves the address");
	check_congestion(receiver);
}

static void on_hold(struct timer *timer)
{
	struct link *link = container_of(timer, struct link, hold);
	struct link_receiver *receiver, *next;

	HASH_ITER(hh, link->receivers, receiver, next) {
		if (receiver->lost)
			expire(receiver);
	}
	if (link->lost_items > 0)
		timer_start(&link->hold, link->loop, HOLD_CHECK_MS, on_hold);
}

/* -- what comes back ------------------------------------------------------ */

static void progress(struct link_receiver *receiver, uint64_t n)
{
	struct link *link = receiver->link;
	struct link_item *item;

	receiver->acked = n;
	while (receiver->queue.first && receiver->queue.first->n <= n) {
		item = queue_take(receiver);
		if (!link->closed)
			link_delivered(link, item);
		mem_free(item);
	}
	receiver->heard_at = now(receiver->link);
	receiver->resent_at = 0;
	receiver->gone_at = 0;
	check_congestion(receiver);
	if (receiver->queue.first)
		return;
	timer_stop(&receiver->timer);
	/* Nothing is under way: the next one may take the best way again. */
	receiver->router = NULL;
}

void link_receiver_ack(struct link *link, const struct envelope *ack)
{
	struct link_receiver *receiver =
		link_receiver_find(link, ack->from, ack->epoch);

	if (!receiver || ack->n > receiver->last) {
		log_warning(link->log, "link.odd-ack",
			    LOG_S("from", ack->from), LOG_N("n", ack->n));
		return;
	}
	if (ack->n > receiver->acked) {
		progress(receiver, ack->n);
		return;
	}
	/* The same number again says that there was a gap behind it. Several
	 * envelopes behind one gap get as many answers. */
	if (ack->n == receiver->acked && receiver->queue.first &&
	    (receiver->resent_at == 0 ||
	     now(link) - receiver->resent_at >= REPEAT_MS))
		resend(receiver);
}

void link_receiver_gone(struct link *link, const char *name, const char *epoch)
{
	struct link_receiver *receiver = link_receiver_find(link, name, epoch);

	if (!receiver || receiver->lost || !receiver->queue.first)
		return;
	if (receiver->gone_at == 0) {
		receiver->gone_at = now(link) + 1;
	} else if (now(link) >= receiver->gone_at + GONE_MS) {
		/* The router has the link and still refuses. */
		log_warning(link->log, "link.refused", LOG_S("at", name));
		lose(receiver);
		return;
	}
	/* Members usually tell of the end in the same moment. */
	timer_start(&receiver->timer, link->loop, REPEAT_MS, on_timer);
}
