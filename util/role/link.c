/* SPDX-License-Identifier: Apache-2.0
 *
 * The link as the role sees it: where an envelope goes, and the callbacks.
 * Connections are in link_router.c, who is there in link_members.c, numbers
 * in link_sequence.c and link_sender.c.
 */
#include "util/role/link_private.h"

#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/role/command.h"

#define QUEUE_BYTES (1 << 20)
#define ENVELOPE_MAX (3 << 20)	   /* routers end a link over 4 MiB */
#define UNNUMBERED_MAX (16 << 20) /* waiting for one router */

size_t link_key(char key[LINK_KEY_MAX], const char *epoch, const char *name)
{
	size_t epoch_len = strnlen(epoch, EPOCH_DIGITS);
	size_t name_len = strnlen(name, LINK_KEY_MAX - EPOCH_DIGITS);

	memcpy(key, epoch, epoch_len);
	memcpy(key + epoch_len, name, name_len);
	return epoch_len + name_len;
}

/* -- held envelopes ------------------------------------------------------- */

static size_t text_size(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static const char *text_put(char **to, const char *text)
{
	char *start = *to;
	size_t size = text_size(text);

	if (!text)
		return NULL;
	memcpy(start, text, size);
	*to += size;
	return start;
}

/* FNV-1a; who shares a number with others by chance waits for them at times,
 * and no more. */
static unsigned stream_of(const struct envelope *envelope)
{
	const char *text = envelope->session;
	size_t len = text ? strlen(text) : 0;
	unsigned hash = 2166136261U;

	if (!text && envelope->to) {
		text = envelope->to;
		len = strcspn(text, "/");
	}
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * 16777619U;
	return hash ^ hash >> 16;
}

struct link_item *link_item_new(const struct envelope *envelope)
{
	size_t size = text_size(envelope->at) + text_size(envelope->to) +
		      text_size(envelope->receiver_epoch) +
		      text_size(envelope->session) +
		      text_size(envelope->origin) +
		      text_size(envelope->trust) +
		      text_size(envelope->namespaces) +
		      envelope->payload_len + 1;
	struct link_item *item = mem_alloc(sizeof(*item) + size);
	char *to = item->data;

	item->size = sizeof(*item) + size;
	item->pinned = envelope->at != NULL;
	item->stream = stream_of(envelope);
	item->envelope.at = text_put(&to, envelope->at);
	item->envelope.receiver_epoch =
		text_put(&to, envelope->receiver_epoch);
	item->envelope.to = text_put(&to, envelope->to);
	item->envelope.session = text_put(&to, envelope->session);
	item->envelope.origin = text_put(&to, envelope->origin);
	item->envelope.trust = text_put(&to, envelope->trust);
	item->envelope.namespaces = text_put(&to, envelope->namespaces);
	item->envelope.control = envelope->control;
	item->envelope.token = envelope->token;
	item->envelope.payload = to;
	item->envelope.payload_len = envelope->payload_len;
	memcpy(to, envelope->payload, envelope->payload_len);
	return item;
}

void link_queue_add(struct link_queue *queue, struct link_item *item)
{
	item->next = NULL;
	if (queue->last)
		queue->last->next = item;
	else
		queue->first = item;
	queue->last = item;
	queue->count++;
	queue->bytes += item->size;
}

struct link_item *link_queue_take(struct link_queue *queue)
{
	struct link_item *item = queue->first;

	queue->first = item->next;
	if (!queue->first)
		queue->last = NULL;
	queue->count--;
	queue->bytes -= item->size;
	item->next = NULL;
	return item;
}

void link_queue_free(struct link_queue *queue)
{
	while (queue->first)
		mem_free(link_queue_take(queue));
}

/* -- the end of a turn ---------------------------------------------------- */

static void deliver_loopback(struct link *link)
{
	const struct link_receipt receipt = { .peer = 0 };

	while (!link->closed && link->loopback.first) {
		struct link_item *item = link_queue_take(&link->loopback);

		item->envelope.at = link->name;
		item->envelope.from = link->name;
		item->envelope.epoch = link->epoch;
		link_receive(link, &item->envelope, receipt);
		if (!link->closed)
			link_delivered(link, item);
		mem_free(item);
	}
}

/* What nobody will acknowledge. */
static void tell_written(struct link *link)
{
	while (!link->closed && link->written.first) {
		struct link_item *item = link_queue_take(&link->written);

		link_delivered(link, item);
		mem_free(item);
	}
}

static void give_back(struct link *link)
{
	while (!link->closed && link->undelivered.first) {
		struct link_item *item = link_queue_take(&link->undelivered);

		link->handlers.undelivered(link, &item->envelope, item->reason,
					   link->ctx);
		mem_free(item);
	}
}

static void tell_drained(struct link *link)
{
	struct link_receiver *receiver, *next;

	HASH_ITER(hh, link->receivers, receiver, next) {
		if (link->closed)
			return;
		if (!receiver->drained)
			continue;
		receiver->drained = false;
		if (link->handlers.drained)
			link->handlers.drained(link, receiver->name,
					       link->ctx);
	}
}

static void on_turn(struct deferred *deferred)
{
	struct link *link = container_of(deferred, struct link, turn);

	link_enter(link);
	if (link->moved)
		link_receivers_kick(link);
	deliver_loopback(link);
	tell_written(link);
	give_back(link);
	tell_drained(link);
	if (!link->closed)
		link_senders_ack(link);
	link_leave(link);
}

void link_defer(struct link *link)
{
	if (!link->closed)
		loop_defer(link->loop, &link->turn, on_turn);
}

void link_delivered(struct link *link, const struct link_item *item)
{
	if (item->envelope.token && link->handlers.delivered)
		link->handlers.delivered(link, item->envelope.token,
					 link->ctx);
}

void link_undeliver(struct link *link, struct link_item *item,
		    const char *reason)
{
	item->reason = reason;
	/* The role gets it as it was given by it. */
	if (!item->pinned)
		item->envelope.at = NULL;
	link_queue_add(&link->undelivered, item);
	link->stats.undelivered++;
	link_defer(link);
}

/* -- receiving ------------------------------------------------------------ */

static bool payload_is(const struct envelope *envelope, const char *start)
{
	size_t len = strlen(start);

	return envelope->control && envelope->payload_len > len &&
	       memcmp(envelope->payload, start, len) == 0 &&
	       strchr(" \t\r\n/>", envelope->payload[len]);
}

static void receive_command(struct link *link, const struct envelope *envelope)
{
	static const struct command no_commands[] = { { .name = NULL } };
	static const struct command_role nobody = { .table = no_commands };
	struct error err = { .text = "" };
	struct stanza *stanza = envelope_parse(envelope, link->parser, &err);

	if (!stanza) {
		log_warning(link->log, "command.malformed",
			    LOG_S("from", envelope->from),
			    LOG_S("reason", err.text));
		return;
	}
	if (link->handlers.command)
		link->handlers.command(link, envelope->from, stanza,
				       link->ctx);
	else
		command_dispatch(link, &nobody, envelope->from, stanza);
	stanza_free(&stanza);
}

void link_receive(struct link *link, const struct envelope *envelope,
		  struct link_receipt receipt)
{
	link->stats.received++;
	if (payload_is(envelope, "<link:nothing")) {
		link_processed(link, receipt);
	} else if (payload_is(envelope, "<link:command")) {
		receive_command(link, envelope);
		if (!link->closed)
			link_processed(link, receipt);
	} else {
		link->handlers.received(link, envelope, receipt, link->ctx);
	}
}

void link_processed(struct link *link, struct link_receipt receipt)
{
	if (receipt.peer != 0)
		link_sender_processed(link, receipt);
}

/* -- sending -------------------------------------------------------------- */

static bool is_self(const struct link *link, const struct member *member)
{
	return str_equal(member->name, link->name);
}

/* Commands and their answers, and all that components send and get, are not
 * numbered (docs/link.md section 4). */
static bool is_numbered(const struct link *link, const struct member *member)
{
	const struct member *self;
	size_t count;

	if (!member->epoch || str_equal(member->kind, "admin") ||
	    link->plain_role)
		return false;
	self = members_get(link->members, link->name, &count);
	return !self || !str_equal(self->kind, "admin");
}

static const struct member *find_target(const struct link *link,
					const struct envelope *envelope)
{
	const struct member *list;
	size_t count;

	if (!envelope->at)
		return envelope->to
			       ? members_route(link->members, envelope->to)
			       : NULL;
	list = members_get(link->members, envelope->at, &count);
	for (size_t i = 0; i < count; i++) {
		if (str_equal(list[i].name, envelope->at))
			return !envelope->receiver_epoch ||
					       str_equal(list[i].epoch,
							 envelope->receiver_epoch)
				       ? &list[i]
				       : NULL;
	}
	return NULL;
}

/* Takes the item over. */
static void send_plain(struct link *link, struct link_router *router,
		       const char *at, struct link_item *item)
{
	struct envelope envelope = item->envelope;

	if (conn_queued(router->conn) > UNNUMBERED_MAX) {
		link_undeliver(link, item, "the queue is full");
		return;
	}
	envelope.at = at;
	envelope.from = link->name;
	link_router_write(router, &envelope);
	if (!item->envelope.token) {
		mem_free(item);
		return;
	}
	link_queue_add(&link->written, item);
	link_defer(link);
}

/* False, and the item stays the caller's, when there is no way. */
static bool send_item(struct link *link, const struct member *member,
		      struct link_item *item)
{
	struct link_router *router;

	if (is_self(link, member)) {
		link_queue_add(&link->loopback, item);
		link_defer(link);
		return true;
	}
	if (is_numbered(link, member)) {
		link_receiver_send(link_receiver_get(link, member->name,
						     member->epoch),
				   item);
		return true;
	}
	router = link_router_pick(link, member->name, member->epoch, NULL);
	if (router)
		send_plain(link, router, member->name, item);
	return router != NULL;
}

bool link_rehome(struct link *link, const struct link_receiver *receiver,
		 struct link_item *item)
{
	const struct member *member = find_target(link, &item->envelope);

	if (!member || !link_is_present(link, member->name, member->epoch) ||
	    (str_equal(member->name, receiver->name) &&
	     str_equal(member->epoch, receiver->epoch)))
		return false;
	return send_item(link, member, item);
}

static struct link_router *find_router(const struct link *link,
				       const char *name)
{
	for (size_t i = 0; name && i < link->router_count; i++) {
		if (link->routers[i].state == ROUTER_READY &&
		    str_equal(link->routers[i].name, name))
			return &link->routers[i];
	}
	return NULL;
}

enum link_sent link_send(struct link *link, const struct envelope *envelope)
{
	struct link_router *router = find_router(link, envelope->at);
	const struct member *member = NULL;
	struct link_item *item;

	/* What waits for the new owner of a name goes before this. */
	if (link->moved)
		link_receivers_kick(link);
	if (!router) {
		member = find_target(link, envelope);
		if (!member)
			return LINK_NO_ROUTE;
	}
	item = link_item_new(envelope);
	if (item->size > ENVELOPE_MAX) {
		link_undeliver(link, item, "larger than an envelope may be");
	} else if (router) {
		send_plain(link, router, router->name, item);
	} else if (!send_item(link, member, item)) {
		mem_free(item);
		return LINK_NO_ROUTE;
	}
	link->stats.sent++;
	return LINK_SENT;
}

bool link_congested(const struct link *link, const char *at)
{
	const struct member *list;
	const struct link_receiver *receiver;
	size_t count;

	list = members_get(link->members, at, &count);
	if (count == 0 || !list[0].epoch)
		return false;
	receiver = link_receiver_find(link, at, list[0].epoch);
	return receiver && receiver->congested;
}

/* -- names and members ---------------------------------------------------- */

const char *link_owner(const struct link *link, const char *to)
{
	const struct member *member = members_route(link->members, to);

	return member ? member->name : NULL;
}

bool link_owns(const struct link *link, const char *to)
{
	return str_equal(link_owner(link, to), link->name);
}

static struct link_bind *find_bind(struct link *link, const char *name)
{
	struct link_bind *bind;

	DL_FOREACH(link->binds, bind) {
		if (str_equal(bind->name, name))
			return bind;
	}
	return NULL;
}

void link_bind(struct link *link, const char *name)
{
	struct link_bind *bind;

	if (find_bind(link, name))
		return;
	bind = mem_new(struct link_bind);
	bind->name = mem_strdup(name);
	DL_APPEND(link->binds, bind);
	for (size_t i = 0; i < link->router_count; i++)
		link_router_bind(&link->routers[i], "bind", name);
}

static void free_bind(struct link *link, struct link_bind *bind)
{
	DL_DELETE(link->binds, bind);
	mem_free(bind->name);
	mem_free(bind);
}

void link_unbind(struct link *link, const char *name)
{
	struct link_bind *bind = find_bind(link, name);

	if (!bind)
		return;
	for (size_t i = 0; i < link->router_count; i++)
		link_router_bind(&link->routers[i], "unbind", name);
	free_bind(link, bind);
}

/* -- life ----------------------------------------------------------------- */

struct link *link_new(struct loop *loop, struct log *log,
		      const struct link_options *options,
		      const struct link_handlers *handlers, void *ctx)
{
	struct link *link = mem_new(struct link);

	link->loop = loop;
	link->log = log;
	link->name = mem_strdup(options->name);
	loop_random_hex(loop, link->epoch, EPOCH_DIGITS);
	link->secret = mem_strdup(options->secret);
	link->tls = options->tls ? tls_context_ref(options->tls) : NULL;
	link->plain_role = options->plain_role;
	link->version = options->version ? options->version : LINK_VERSION;
	link->queue_bytes =
		options->queue_bytes ? options->queue_bytes : QUEUE_BYTES;
	link->handlers = *handlers;
	link->ctx = ctx;
	link->members = members_new();
	link->parser = stanza_parser_new();
	for (size_t i = 0; options->binds && options->binds[i]; i++)
		link_bind(link, options->binds[i]);
	while (options->routers[link->router_count])
		link->router_count++;
	link->routers = mem_calloc(link->router_count,
				   sizeof(*link->routers));
	for (size_t i = 0; i < link->router_count; i++) {
		link->routers[i].link = link;
		link->routers[i].address = mem_strdup(options->routers[i]);
		link_router_start(&link->routers[i]);
	}
	return link;
}

static void destroy(struct link *link)
{
	struct link_receiver *receiver, *next;

	for (size_t i = 0; i < link->router_count; i++)
		link_router_free(&link->routers[i]);
	mem_free(link->routers);
	HASH_ITER(hh, link->receivers, receiver, next)
		link_receiver_free(receiver);
	link_senders_free(link);
	while (link->binds)
		free_bind(link, link->binds);
	link_queue_free(&link->loopback);
	link_queue_free(&link->written);
	link_queue_free(&link->undelivered);
	members_free(&link->members);
	stanza_parser_free(&link->parser);
	if (link->tls)
		tls_context_unref(&link->tls);
	buf_free(&link->out);
	buf_free(&link->space);
	mem_free_secret(link->secret);
	mem_free(link->name);
	mem_free(link);
}

void link_close(struct link **link_ptr)
{
	struct link *link = *link_ptr;

	*link_ptr = NULL;
	if (!link)
		return;
	link_senders_ack(link);
	link->closed = true;
	for (size_t i = 0; i < link->router_count; i++)
		link_router_stop(&link->routers[i]);
	timer_stop(&link->grace);
	timer_stop(&link->hold);
	timer_stop(&link->sweep);
	timer_stop(&link->tell);
	loop_defer_cancel(link->loop, &link->turn);
	/* The calls that we are in the middle of still look at it. */
	if (link->busy == 0)
		destroy(link);
}

void link_enter(struct link *link)
{
	link->busy++;
}

void link_leave(struct link *link)
{
	if (--link->busy == 0 && link->closed)
		destroy(link);
}

/* -- questions ------------------------------------------------------------ */

const char *link_epoch(const struct link *link)
{
	return link->epoch;
}

const char *link_name(const struct link *link)
{
	return link->name;
}

bool link_connected(const struct link *link)
{
	return link->ready_count > 0;
}

const struct members *link_members(const struct link *link)
{
	return link->members;
}

const char *link_router(const struct link *link, size_t i)
{
	for (size_t j = 0; j < link->router_count; j++) {
		if (link->routers[j].state == ROUTER_READY && i-- == 0)
			return link->routers[j].name;
	}
	return NULL;
}

bool link_router_facts(const struct link *link, size_t i,
		       struct link_router_facts *facts)
{
	const struct link_router *router;

	if (i >= link->router_count)
		return false;
	router = &link->routers[i];
	*facts = (struct link_router_facts){
		.address = router->address,
		.name = router->name,
		.reason = router->reason,
		.connected = router->state == ROUTER_READY,
	};
	return true;
}

const char *link_reason(const struct link *link)
{
	for (size_t i = 0; i < link->router_count; i++) {
		if (link->routers[i].reason)
			return link->routers[i].reason;
	}
	return NULL;
}

bool link_all_tried(const struct link *link)
{
	for (size_t i = 0; i < link->router_count; i++) {
		if (link->routers[i].state != ROUTER_READY &&
		    !link->routers[i].reason)
			return false;
	}
	return true;
}

void link_get_stats(const struct link *link, struct link_stats *stats)
{
	*stats = link->stats;
	stats->routers_connected = (unsigned)link->ready_count;
}
