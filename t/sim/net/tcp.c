/* SPDX-License-Identifier: Apache-2.0
 *
 * TCP between simulated hosts, as far as programs can tell.
 */
#include "t/sim/net/tcp.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "t/sim/net/loop_sim.h"
#include "util/base/mem.h"
#include "util/base/table.h"
#include "util/net/timer.h"

/* A host that died says nothing: the kernel's keep-alive finds out. */
#define KEEPALIVE_US (600 * SECOND_US)
#define RETRANSMIT_US (3 * SECOND_US) /* at most, after a cut has healed */

struct tcp_end *tcp_peer(const struct tcp_end *end)
{
	return &end->tcp->ends[end == &end->tcp->ends[0] ? 1 : 0];
}

static struct sim_path *path_of(const struct tcp_end *end)
{
	return path_between(end->tcp->world, end->host, tcp_peer(end)->host);
}

static void segment_free(struct tcp_end *end, struct segment *segment)
{
	DL_DELETE(end->incoming, segment);
	buf_free(&segment->bytes);
	mem_free(segment);
}

static void tcp_free(struct tcp *tcp)
{
	for (unsigned i = 0; i < 2; i++) {
		struct tcp_end *end = &tcp->ends[i];

		world_cancel(tcp->world, &end->arrival);
		while (end->incoming)
			segment_free(end, end->incoming);
		buf_free(&end->received);
	}
	DL_DELETE(tcp->world->connections, tcp);
	mem_free(tcp);
}

void tcp_free_all(struct world *world)
{
	while (world->connections)
		tcp_free(world->connections);
}

/* When both programs are done with it nobody can tell what happens to it. */
static bool tcp_is_over(const struct tcp *tcp)
{
	return tcp->ends[0].closed && tcp->ends[1].closed;
}

static void on_arrival(struct sim_event *event);

static void schedule(struct tcp_end *end)
{
	if (end->incoming)
		world_at(end->tcp->world, &end->arrival, end->incoming->at,
			 on_arrival);
}

/* Puts a segment on its way to `end`. */
static void transmit(struct tcp_end *end, enum segment_kind kind,
		     const char *bytes, size_t len)
{
	struct world *world = end->tcp->world;
	struct tcp_end *from = tcp_peer(end);
	struct sim_path *path = path_of(end);
	struct segment *segment = mem_new(struct segment);
	uint64_t departure = world->now > from->busy_until ? world->now
							   : from->busy_until;

	segment->kind = kind;
	buf_add(&segment->bytes, bytes, len);
	from->busy_until = departure + len * SECOND_US / path->bandwidth;
	segment->at = from->busy_until + path->latency +
		      rng_range(&world->rng, 0, path->jitter);
	if (segment->at < end->last_at)
		segment->at = end->last_at;
	end->last_at = segment->at;
	end->unread += len;
	DL_APPEND(end->incoming, segment);
	if (segment == end->incoming)
		schedule(end);
}

static void ready(struct tcp_end *end)
{
	if (end->conn)
		conn_tcp_ready(end->conn);
}

/* An answer to what cannot be taken. One that the keep-alive of a host that
 * died would have made up comes now. */
static void send_reset(struct tcp_end *to)
{
	struct segment *last = to->incoming ? to->incoming->prev : NULL;

	if (to->closed || to->reset)
		return;
	if (!last || last->kind != SEGMENT_RST) {
		transmit(to, SEGMENT_RST, NULL, 0);
		return;
	}
	if (last->at > to->tcp->world->now + path_of(to)->latency)
		last->at = to->tcp->world->now + path_of(to)->latency;
	schedule(to);
}

static void accept_syn(struct tcp_end *end)
{
	struct listener *listener = listener_on(end->host, end->tcp->port);

	if (end->closed)
		return; /* nobody waits for it any more */
	if (!listener) {
		end->closed = true;
		send_reset(tcp_peer(end));
		return;
	}
	end->connected = true;
	transmit(tcp_peer(end), SEGMENT_SYN_ACK, NULL, 0);
	listener_queue(listener, end);
}

static void print(const struct tcp_end *end, const struct segment *segment)
{
	printf("%6" PRIu64 ".%06" PRIu64 " %s -> %s %u: %.*s\n",
	       end->tcp->world->now / SECOND_US,
	       end->tcp->world->now % SECOND_US, tcp_peer(end)->host->name,
	       end->host->name, end->tcp->number, (int)segment->bytes.len,
	       buf_data(&segment->bytes));
}

#define TRAP_US 3000 /* within which it snaps */

static void look_at_trap(struct world *world, const struct sim_host *host)
{
	if (world->trap_host != host || --world->trap_count > 0)
		return;
	world->trap_host = NULL;
	world_at(world, world->trap_event,
		 world->now + rng_range(&world->rng, 0, TRAP_US),
		 world->trap_run);
}

static void take(struct tcp_end *end, struct segment *segment)
{
	struct tcp *tcp = end->tcp;

	if (segment->kind == SEGMENT_DATA)
		look_at_trap(tcp->world, end->host);
	if (tcp->world->wire && segment->kind == SEGMENT_DATA)
		print(end, segment);

	world_note(tcp->world, tcp->number,
		   (uint64_t)segment->kind << 32 | segment->bytes.len);
	if (segment->kind == SEGMENT_SYN) {
		accept_syn(end);
		return;
	}
	if (end->closed) {
		if (segment->kind == SEGMENT_DATA)
			send_reset(tcp_peer(end));
		return;
	}
	switch (segment->kind) {
	case SEGMENT_SYN_ACK:
		end->connected = true;
		break;
	case SEGMENT_DATA:
		buf_add(&end->received, buf_data(&segment->bytes),
			segment->bytes.len);
		break;
	case SEGMENT_FIN:
		end->fin = true;
		break;
	default:
		end->reset = true;
	}
	ready(end);
}

static void on_arrival(struct sim_event *event)
{
	struct tcp_end *end = container_of(event, struct tcp_end, arrival);
	struct tcp *tcp = end->tcp;
	struct segment *segment = end->incoming;

	if (path_of(end)->cut)
		return; /* tcp_path_healed() goes on */
	if (end->host->down) {
		/* Lost; whoever sent it hears of it when the host is back. */
		segment->at = tcp->world->now + RETRANSMIT_US;
		schedule(end);
		return;
	}
	/* take() must see the list without it, and may add to the other. */
	DL_DELETE(end->incoming, segment);
	take(end, segment);
	buf_free(&segment->bytes);
	mem_free(segment);
	if (tcp_is_over(tcp))
		tcp_free(tcp);
	else
		schedule(end);
}

void tcp_path_healed(struct world *world, const struct sim_host *a,
		     const struct sim_host *b)
{
	struct tcp *tcp;

	DL_FOREACH (world->connections, tcp) {
		struct tcp_end *ends = tcp->ends;
		uint64_t delay;

		if (!(ends[0].host == a && ends[1].host == b) &&
		    !(ends[0].host == b && ends[1].host == a))
			continue;
		delay = rng_range(&world->rng, 0, RETRANSMIT_US);
		for (unsigned i = 0; i < 2; i++) {
			struct segment *segment;

			DL_FOREACH (ends[i].incoming, segment) {
				if (segment->at < world->now + delay)
					segment->at = world->now + delay;
				if (ends[i].last_at < segment->at)
					ends[i].last_at = segment->at;
			}
			schedule(&ends[i]);
		}
	}
}

struct tcp_end *tcp_connect(struct sim_host *from, struct conn *conn,
			    struct sim_host *to, unsigned port)
{
	struct world *world = from->world;
	struct tcp *tcp = mem_new(struct tcp);

	tcp->world = world;
	tcp->number = ++world->last_connection;
	tcp->port = port;
	tcp->ends[0] = (struct tcp_end){ .tcp = tcp, .host = from,
					 .conn = conn };
	tcp->ends[1] = (struct tcp_end){ .tcp = tcp, .host = to };
	DL_APPEND(world->connections, tcp);
	transmit(&tcp->ends[1], SEGMENT_SYN, NULL, 0);
	return &tcp->ends[0];
}

size_t tcp_send(struct tcp_end *end, const char *bytes, size_t len)
{
	struct tcp_end *to = tcp_peer(end);
	size_t room = to->unread < TCP_WINDOW ? TCP_WINDOW - to->unread : 0;

	assert(!end->fin_sent);
	if (len > room)
		len = room;
	if (len > 0)
		transmit(to, SEGMENT_DATA, bytes, len);
	return len;
}

void tcp_send_fin(struct tcp_end *end)
{
	if (end->fin_sent)
		return;
	end->fin_sent = true;
	transmit(tcp_peer(end), SEGMENT_FIN, NULL, 0);
}

void tcp_consume(struct tcp_end *end, size_t len)
{
	buf_consume(&end->received, len);
	end->unread -= len;
	/* There is room again; this is early by a latency. */
	if (len > 0)
		ready(tcp_peer(end));
}

void tcp_close(struct tcp_end *end, bool silent)
{
	struct tcp *tcp = end->tcp;
	struct tcp_end *peer = tcp_peer(end);
	struct world *world = tcp->world;

	end->conn = NULL;
	end->closed = true;
	if (silent && !peer->closed) {
		transmit(peer, SEGMENT_RST, NULL, 0);
		peer->incoming->prev->at = world->now + KEEPALIVE_US;
		schedule(peer);
	} else if (!end->connected) {
		/* Given up before it was there: its listener may have it. */
		if (peer->connected)
			send_reset(peer);
		else
			peer->closed = true;
	} else if (end->received.len > 0 && !end->reset) {
		send_reset(peer);
	} else if (!end->reset) {
		tcp_send_fin(end);
	}
	end->unread -= end->received.len;
	buf_free(&end->received);
	if (tcp_is_over(tcp))
		tcp_free(tcp);
}
