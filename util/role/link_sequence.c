/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers, acknowledgements and what is sent again (docs/link.md section 5):
 * the side that sends. The invariant is that the queue of a receiver that is
 * there holds each number from got + 1 to last, in order, behind those that the
 * receiver has and still works on; a receiver that was lost and comes back with
 * the same epoch gets fillers for the numbers whose envelopes went elsewhere
 * meanwhile. A receiver of the first version does not say what it has got:
 * there `got` is `acked`.
 */
#include "util/role/link_private.h"

#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"

#define RESEND_MS 10000	    /* without a word from the receiver */
#define PATIENCE_MS 2500    /* the same, of one that says what it has got */
#define AVOID_MS 60000	    /* a way that did not lead there */
#define STREAMS 65536	    /* that are told apart, a power of two */
#define NUMBERS_MAX 1000000 /* from the first that is not processed */
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

/* `before`: the one before it, NULL: it is the first. */
static void queue_remove(struct link_receiver *receiver,
			 struct link_item *before, struct link_item *item)
{
	struct link_queue *queue = &receiver->queue;
	struct link *link = receiver->link;

	if (!before) {
		(void)queue_take(receiver);
		return;
	}
	before->next = item->next;
	if (queue->last == item)
		queue->last = before;
	queue->count--;
	queue->bytes -= item->size;
	link->stats.outstanding--;
	link->stats.outstanding_bytes -= item->size;
	if (receiver->lost)
		link->lost_items--;
}

static void check_congestion(struct link_receiver *receiver)
{
	size_t limit = receiver->link->queue_bytes;

	if (receiver->queue.bytes > limit ||
	    receiver->last - receiver->acked > NUMBERS_MAX / 2) {
		receiver->congested = true;
	} else if (receiver->congested && receiver->queue.bytes <= limit / 2 &&
		   receiver->last - receiver->acked <= NUMBERS_MAX / 4) {
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

/* The router to try now; what did not lead there lately is the last. */
static struct link_router *find_way(struct link_receiver *receiver)
{
	if (now(receiver->link) >= receiver->avoid_until)
		receiver->avoid = NULL;
	return link_router_pick(receiver->link, receiver->name,
				receiver->epoch, receiver->avoid);
}

/* Whether there is anything that it does not say to have. */
static bool is_awaited(const struct link_receiver *receiver)
{
	return receiver->queue.first && receiver->last > receiver->got;
}

/* Everything from the first number that it has not got. When it has got all,
 * one that it still works on asks it to say again what it is done with. */
static void resend(struct link_receiver *receiver)
{
	const struct link_item *item;

	if (receiver->lost)
		return;
	if (!receiver->router)
		receiver->router = find_way(receiver);
	if (!receiver->router || !receiver->queue.first)
		return;
	receiver->resent_at = now(receiver->link);
	if (!is_awaited(receiver)) {
		write_item(receiver, receiver->queue.first);
		return;
	}
	for (item = receiver->queue.first; item; item = item->next) {
		if (item->n > receiver->got)
			write_item(receiver, item);
	}
}

/* How long to wait for a sign of progress. */
static uint64_t patience(const struct link_receiver *receiver)
{
	uint64_t ms = PATIENCE_MS;

	/* With one way only, there is nothing better to do. */
	if (!is_awaited(receiver) || !receiver->router ||
	    receiver->link->ready_count < 2 ||
	    (!receiver->selective &&
	     link_view_version(receiver->router, receiver->name,
			       receiver->epoch) < 2))
		return RESEND_MS;
	for (unsigned i = 0; i < receiver->tries && ms < RESEND_MS; i++)
		ms *= 2;
	return ms < RESEND_MS ? ms : RESEND_MS;
}

/* This way does not seem to lead there: perhaps another one does. */
static void change_way(struct link_receiver *receiver)
{
	struct link_router *old = receiver->router;

	receiver->avoid = old;
	receiver->avoid_until = now(receiver->link) + AVOID_MS;
	receiver->router = find_way(receiver);
	receiver->tries++;
	if (old && receiver->router && old != receiver->router)
		log_info(receiver->link->log, "link.other-way",
			 LOG_S("at", receiver->name),
			 LOG_S("silent", old->name),
			 LOG_S("router", receiver->router->name));
}

static void on_timer(struct timer *timer)
{
	struct link_receiver *receiver =
		container_of(timer, struct link_receiver, timer);
	struct link *link = receiver->link;
	uint64_t silent = now(link) - receiver->heard_at;

	if (!receiver->queue.first || receiver->lost)
		return;
	if (receiver->gone_at || silent >= patience(receiver)) {
		/* Perhaps another router has it. */
		if (receiver->gone_at)
			receiver->router = NULL;
		else if (is_awaited(receiver))
			change_way(receiver);
		resend(receiver);
		receiver->heard_at = now(link);
		silent = 0;
	}
	timer_start(timer, link->loop, patience(receiver) - silent, on_timer);
}

static void wait_for_word(struct link_receiver *receiver)
{
	receiver->heard_at = now(receiver->link);
	timer_start(&receiver->timer, receiver->link->loop,
		    patience(receiver), on_timer);
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
		    link->queue_bytes * QUEUE_FACTOR ||
	    receiver->last - receiver->acked >= NUMBERS_MAX) {
		link_undeliver(link, item, "the queue is full");
		return;
	}
	item->n = ++receiver->last;
	item->done = false;
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
	/* It had got all before this one. */
	if (receiver->got + 1 == item->n)
		wait_for_word(receiver);
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
	/* What it has got already may stay missing. */
	while (queue.first && queue.first->n <= receiver->got)
		queue_put(receiver, link_queue_take(&queue));
	for (uint64_t n = receiver->got + 1; n <= receiver->last; n++) {
		if (queue.first && queue.first->n == n)
			item = link_queue_take(&queue);
		else
			item = filler_new();
		item->n = n;
		queue_put(receiver, item);
	}
	if (!receiver->queue.first)
		return;
	resend(receiver);
	wait_for_word(receiver);
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

void link_receivers_avoid(struct link *link, const struct link_router *router)
{
	struct link_receiver *receiver, *next;
	struct link_router *other;

	HASH_ITER(hh, link->receivers, receiver, next) {
		if (receiver->router != router || receiver->lost)
			continue;
		other = find_way(receiver);
		if (!other || other == router)
			continue;
		receiver->router = other;
		resend(receiver);
	}
}

void link_receivers_leave(struct link *link, const struct link_router *router)
{
	struct link_receiver *receiver, *next;

	HASH_ITER(hh, link->receivers, receiver, next) {
		if (receiver->router == router)
			receiver->router = NULL;
		if (receiver->avoid == router)
			receiver->avoid = NULL;
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

/* Marks what lies in the ranges of `done`; -1: malformed. */
static int mark_ranges(struct link_receiver *receiver,
		       const struct envelope *ack)
{
	struct link_item *item = receiver->queue.first;
	const char *ranges = ack->done;
	uint64_t first = 0, last = ack->n;
	int rc = 1;

	for (; item; item = item->next) {
		while (rc == 1 && item->n > last) {
			rc = envelope_next_range(&ranges, last, &first, &last);
			if (rc == 1 && last > ack->got)
				rc = -1;
		}
		if (rc != 1)
			break;
		if (item->n >= first)
			item->done = receiver->marked = true;
	}
	return rc < 0 ? -1 : 0;
}

/* Takes out what is done, unless something earlier of the same stream is not:
 * should the receiver be lost, both go to the next one, in order, and who
 * counts what came of a session does not miss one. */
static void release(struct link_receiver *receiver, struct link_queue *done)
{
	unsigned char busy[STREAMS / 8] = { 0 };
	struct link_item *before = NULL, *item = receiver->queue.first, *next;

	receiver->marked = false;
	for (; item; item = next) {
		unsigned char *byte = &busy[item->stream % STREAMS / 8];
		unsigned char bit = (unsigned char)(1U << item->stream % 8);

		next = item->next;
		if (item->done && !(*byte & bit)) {
			queue_remove(receiver, before, item);
			link_queue_add(done, item);
			continue;
		}
		if (item->done)
			receiver->marked = true;
		else
			*byte |= bit;
		before = item;
	}
}

/* Moves what is acknowledged from the queue to `done`; -1: malformed. */
static int take_done(struct link_receiver *receiver,
		     const struct envelope *ack, struct link_queue *done)
{
	int rc = 0;

	while (receiver->queue.first && receiver->queue.first->n <= ack->n)
		link_queue_add(done, queue_take(receiver));
	if (ack->done)
		rc = mark_ranges(receiver, ack);
	if (receiver->marked)
		release(receiver, done);
	return rc;
}

/* The role may send more in its callbacks. */
static void tell_delivered(struct link *link, struct link_queue *done)
{
	struct link_item *item;

	while (done->first) {
		item = link_queue_take(done);
		if (!link->closed)
			link_delivered(link, item);
		mem_free(item);
	}
}

static void progress(struct link_receiver *receiver)
{
	struct link *link = receiver->link;

	receiver->heard_at = now(link);
	receiver->resent_at = 0;
	receiver->gone_at = 0;
	receiver->tries = 0;
	check_congestion(receiver);
	if (receiver->queue.first) {
		timer_start(&receiver->timer, link->loop, patience(receiver),
			    on_timer);
		return;
	}
	timer_stop(&receiver->timer);
	/* Nothing is under way: the next one may take the best way again. */
	receiver->router = NULL;
}

/* The receiver saw a gap. Several envelopes behind one gap get as many
 * answers. */
static void fill_gap(struct link_receiver *receiver)
{
	if (receiver->queue.first &&
	    (receiver->resent_at == 0 ||
	     now(receiver->link) - receiver->resent_at >= REPEAT_MS))
		resend(receiver);
}

/* Whether it can be true; late ones tell less than is known. */
static bool is_plausible(const struct link_receiver *receiver,
			 const struct envelope *ack)
{
	uint64_t got = ack->selective ? ack->got : ack->n;

	return receiver && ack->n <= got && got <= receiver->last;
}

void link_receiver_ack(struct link *link, const struct envelope *ack)
{
	struct link_receiver *receiver =
		link_receiver_find(link, ack->from, ack->epoch);
	struct link_queue done = { .first = NULL };
	bool is_news;

	if (!is_plausible(receiver, ack) ||
	    take_done(receiver, ack, &done) < 0) {
		log_warning(link->log, "link.odd-ack",
			    LOG_S("from", ack->from), LOG_N("n", ack->n));
		tell_delivered(link, &done);
		return;
	}
	receiver->selective = ack->selective;
	is_news = ack->n > receiver->acked || ack->done;
	if (ack->n > receiver->acked)
		receiver->acked = ack->n;
	if (ack->n > receiver->got)
		receiver->got = ack->n;
	if (ack->selective && ack->got > receiver->got) {
		receiver->got = ack->got;
		is_news = true;
	}
	if (is_news)
		progress(receiver);
	/* In the first version, the same number again. */
	if (ack->selective ? ack->gap : !is_news && ack->n == receiver->acked)
		fill_gap(receiver);
	tell_delivered(link, &done);
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
