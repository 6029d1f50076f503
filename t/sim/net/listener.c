/* SPDX-License-Identifier: Apache-2.0
 *
 * Listening sockets of simulated hosts: the kernel completes a connection,
 * the process accepts it in a turn of its own.
 */
#include "util/net/listener.h"

#include <string.h>

#include "t/sim/net/conn_sim.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"

struct listener {
	struct loop *loop;
	unsigned port;
	listener_accept_cb *accept;
	void *ctx;
	struct tcp_end *queue;
	bool is_accepting;
	bool dead;
	struct listener *next_accepting;
	struct listener *prev, *next; /* world->listeners */
};

struct listener *listener_open(struct loop *loop, const char *address,
			       unsigned mode, listener_accept_cb *accept,
			       void *ctx, struct error *err)
{
	const char *colon = strrchr(address, ':');
	struct listener *listener;
	uint64_t port;

	(void)mode;
	if (!colon || str_to_u64(colon + 1, 0, 65535, &port) < 0) {
		error_set(err, "%s: no address of this world", address);
		return NULL;
	}
	listener = mem_new(struct listener);
	listener->loop = loop;
	listener->port = port ? (unsigned)port : ++loop->world->last_port;
	listener->accept = accept;
	listener->ctx = ctx;
	DL_APPEND(loop->world->listeners, listener);
	loop->listener_count++;
	return listener;
}

struct listener *listener_open_shared(struct loop *loop, const char *address,
				      unsigned mode,
				      listener_accept_cb *accept, void *ctx,
				      struct error *err)
{
	return listener_open(loop, address, mode, accept, ctx, err);
}

unsigned listener_port(const struct listener *listener)
{
	return listener->port;
}

/* The next one in the queue of those that the kernel has accepted. */
static struct tcp_end *take(struct listener *listener)
{
	struct tcp_end *end = listener->queue;

	if (!end)
		return NULL;
	LL_DELETE2(listener->queue, end, next_queued);
	end->queued = NULL;
	return end;
}

static void stop(struct listener *listener, bool silent)
{
	struct tcp_end *end;

	while ((end = take(listener)))
		tcp_close(end, silent);
	if (listener->is_accepting)
		LL_DELETE2(listener->loop->accepting, listener, next_accepting);
	listener->is_accepting = false;
	if (!listener->dead)
		DL_DELETE(listener->loop->world->listeners, listener);
	listener->dead = true;
}

void listener_close(struct listener **listener)
{
	if (!*listener)
		return;
	stop(*listener, false);
	(*listener)->loop->listener_count--;
	mem_free(*listener);
	*listener = NULL;
}

void listener_kill(struct loop *loop, bool silent)
{
	struct listener *listener, *next;

	DL_FOREACH_SAFE (loop->world->listeners, listener, next) {
		if (listener->loop == loop)
			stop(listener, silent);
	}
}

struct listener *listener_on(struct sim_host *host, unsigned port)
{
	struct listener *listener;

	DL_FOREACH (host->world->listeners, listener) {
		if (listener->loop->host == host && listener->port == port)
			return listener;
	}
	return NULL;
}

void listener_queue(struct listener *listener, struct tcp_end *end)
{
	struct loop *loop = listener->loop;

	end->queued = listener;
	end->next_queued = NULL;
	LL_APPEND2(listener->queue, end, next_queued);
	if (!listener->is_accepting) {
		listener->is_accepting = true;
		listener->next_accepting = NULL;
		LL_APPEND2(loop->accepting, listener, next_accepting);
	}
	loop_wake(loop);
}

void listener_accept(struct listener *listener)
{
	struct loop *loop = listener->loop;
	struct tcp_end *end = take(listener);
	struct conn *conn;

	if (!listener->queue) {
		LL_DELETE2(loop->accepting, listener, next_accepting);
		listener->is_accepting = false;
	}
	if (!end)
		return;
	conn = conn_accepted(loop, end);
	conn_tcp_ready(conn);
	listener->accept(listener, conn, listener->ctx);
}
