/* SPDX-License-Identifier: Apache-2.0
 *
 * Listeners, and who may come in: limits on connections from one network, in
 * all, and before authentication. A connection over a limit is closed at once
 * and costs nothing more.
 */
#include "c2s/accept.h"

#include <string.h>

#include "c2s/stream.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/net/listener.h"

#define REFUSED_LOG 1000 /* ms between two lines about that */

struct c2s_listener {
	struct c2s *c2s;
	struct listener *listener;
	char *address;
	bool direct;
	bool wanted;
	struct c2s_listener *next;
};

/* -- limits --------------------------------------------------------------- */

static struct network *network_take(struct c2s *c2s, const char *address)
{
	struct network *network;
	size_t len = strlen(address);

	HASH_FIND_STR(c2s->networks, address, network);
	if (!network) {
		network = mem_alloc(sizeof(*network) + len + 1);
		memcpy(network->address, address, len);
		HASH_ADD_KEYPTR(hh, c2s->networks, network->address, len,
				network);
	}
	network->connections++;
	return network;
}

void network_release(struct c2s *c2s, struct network *network)
{
	if (--network->connections > 0)
		return;
	HASH_DEL(c2s->networks, network);
	mem_free(network);
}

static bool is_over(uint64_t count, int64_t limit)
{
	return limit > 0 && count >= (uint64_t)limit;
}

/* Which limit keeps the connection out; NULL: none. */
static const char *reached_limit(struct c2s *c2s, const char *address)
{
	const struct c2s_config *config = c2s->config;
	struct network *network;

	HASH_FIND_STR(c2s->networks, address, network);
	if (network &&
	    is_over(network->connections, config->connections_network))
		return "connections-network";
	if (is_over(c2s->unauthenticated, config->connections_before))
		return "connections-before-auth";
	if (is_over(c2s->connections, config->connections))
		return "connections";
	return NULL;
}

/* One line a second at most: the log is not to be flooded either. */
static void refuse(struct c2s *c2s, const char *limit, const char *address)
{
	uint64_t now = loop_now(c2s->loop);

	c2s->stats.refused++;
	if (c2s->refused_logged && now - c2s->refused_logged < REFUSED_LOG) {
		c2s->refused_unlogged++;
		return;
	}
	log_warning(c2s->log, "connection.refused", LOG_S("limit", limit),
		    LOG_S("network", address),
		    LOG_N("others", c2s->refused_unlogged));
	c2s->refused_logged = now;
	c2s->refused_unlogged = 0;
}

static void on_accept(struct listener *listener, struct conn *conn, void *ctx)
{
	struct c2s_listener *l = ctx;
	struct c2s *c2s = l->c2s;
	char address[ADDRESS_MAX];
	const char *limit;

	(void)listener;
	conn_peer_network(conn, address);
	limit = reached_limit(c2s, address);
	if (limit) {
		refuse(c2s, limit, address);
		conn_close(conn);
		return;
	}
	c2s->stats.accepted++;
	stream_new(c2s, conn, network_take(c2s, address), l->direct);
}

/* -- listeners ------------------------------------------------------------ */

static struct c2s_listener *find(struct c2s *c2s, const char *address,
				 bool direct)
{
	struct c2s_listener *l;

	LL_FOREACH(c2s->listeners, l) {
		if (l->direct == direct && str_equal(l->address, address))
			return l;
	}
	return NULL;
}

static int listen_at(struct c2s *c2s, const char *address, bool direct,
		     struct error *err)
{
	struct c2s_listener *l = find(c2s, address, direct);

	if (l) {
		l->wanted = true;
		return 0;
	}
	l = mem_new(struct c2s_listener);
	l->c2s = c2s;
	l->listener =
		listener_open_shared(c2s->loop, address, 0666, on_accept, l,
				     err);
	if (!l->listener) {
		mem_free(l);
		return -1;
	}
	l->address = mem_strdup(address);
	l->direct = direct;
	l->wanted = true;
	LL_APPEND(c2s->listeners, l);
	log_notice(c2s->log, "listen", LOG_S("address", address),
		   LOG_N("port", listener_port(l->listener)),
		   LOG_S("tls", direct ? "direct" : "starttls"));
	return 0;
}

static int listen_all(struct c2s *c2s, char **addresses, bool direct,
		      struct error *err)
{
	for (size_t i = 0; addresses && addresses[i]; i++) {
		if (listen_at(c2s, addresses[i], direct, err) < 0)
			return -1;
	}
	return 0;
}

static void close_unwanted(struct c2s *c2s)
{
	struct c2s_listener *l, *next;

	LL_FOREACH_SAFE(c2s->listeners, l, next) {
		if (l->wanted)
			continue;
		LL_DELETE(c2s->listeners, l);
		listener_close(&l->listener);
		mem_free(l->address);
		mem_free(l);
	}
}

static bool is_in(char **addresses, const char *address)
{
	for (size_t i = 0; addresses && addresses[i]; i++) {
		if (str_equal(addresses[i], address))
			return true;
	}
	return false;
}

/* Those of the configuration `config`. */
static void mark_wanted(struct c2s *c2s, const struct c2s_config *config)
{
	struct c2s_listener *l;

	LL_FOREACH(c2s->listeners, l)
		l->wanted =
			is_in(l->direct ? config->listen_tls : config->listen,
			      l->address);
}

int accept_listen(struct c2s *c2s, const struct c2s_config *config,
		  struct error *err)
{
	if (listen_all(c2s, config->listen, false, err) < 0 ||
	    listen_all(c2s, config->listen_tls, true, err) < 0) {
		/* Back to what there was. */
		if (c2s->config)
			mark_wanted(c2s, c2s->config);
		close_unwanted(c2s);
		return -1;
	}
	mark_wanted(c2s, config);
	close_unwanted(c2s);
	return 0;
}

void accept_close(struct c2s *c2s)
{
	struct c2s_listener *l;

	LL_FOREACH(c2s->listeners, l)
		l->wanted = false;
	close_unwanted(c2s);
}

void accept_each(struct c2s *c2s,
		 void (*each)(const char *address, bool direct, unsigned port,
			      void *ctx),
		 void *ctx)
{
	struct c2s_listener *l;

	LL_FOREACH(c2s->listeners, l)
		each(l->address, l->direct, listener_port(l->listener), ctx);
}
