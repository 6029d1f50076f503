/* SPDX-License-Identifier: Apache-2.0
 *
 * Listeners, and who may come in: limits on connections from one network, in
 * all, and before authentication. A connection over a limit is closed at once
 * and costs nothing more.
 */
#include "s2s/accept.h"

#include <string.h>

#include "s2s/stream.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/net/listener.h"

#define REFUSED_LOG 1000 /* ms between two lines about that */

struct s2s_network { /* one IPv4 address or IPv6 /64 */
	uint64_t connections;
	UT_hash_handle hh;
	char address[];
};

struct s2s_listener {
	struct s2s *s2s;
	struct listener *listener;
	char *address;
	bool direct;
	bool wanted;
	struct s2s_listener *next;
};

/* -- limits --------------------------------------------------------------- */

static struct s2s_network *network_take(struct s2s *s2s, const char *address)
{
	struct s2s_network *network;
	size_t len = strlen(address);

	HASH_FIND_STR(s2s->networks, address, network);
	if (!network) {
		network = mem_alloc(sizeof(*network) + len + 1);
		memcpy(network->address, address, len);
		HASH_ADD_KEYPTR(hh, s2s->networks, network->address, len,
				network);
	}
	network->connections++;
	return network;
}

void s2s_network_release(struct s2s *s2s, struct s2s_network *network)
{
	if (--network->connections > 0)
		return;
	HASH_DEL(s2s->networks, network);
	mem_free(network);
}

static bool is_over(uint64_t count, int64_t limit)
{
	return limit > 0 && count >= (uint64_t)limit;
}

/* Which limit keeps the connection out; NULL: none. */
static const char *reached_limit(struct s2s *s2s, const char *address)
{
	const struct s2s_config *config = s2s->config;
	struct s2s_network *network;

	HASH_FIND_STR(s2s->networks, address, network);
	if (network &&
	    is_over(network->connections, config->connections_network))
		return "connections-network";
	if (is_over(s2s->unauthenticated, config->connections_before))
		return "connections-before-auth";
	if (is_over(s2s->connections, config->connections))
		return "connections";
	return NULL;
}

/* One line a second at most: the log is not to be flooded either. */
static void refuse(struct s2s *s2s, const char *limit, const char *address)
{
	uint64_t now = loop_now(s2s->loop);

	s2s->stats.refused_connections++;
	if (s2s->refused_logged && now - s2s->refused_logged < REFUSED_LOG) {
		s2s->refused_unlogged++;
		return;
	}
	log_warning(s2s->log, "connection.refused", LOG_S("limit", limit),
		    LOG_S("network", address),
		    LOG_N("others", s2s->refused_unlogged));
	s2s->refused_logged = now;
	s2s->refused_unlogged = 0;
}

static void on_accept(struct listener *listener, struct conn *conn, void *ctx)
{
	struct s2s_listener *l = ctx;
	struct s2s *s2s = l->s2s;
	char address[ADDRESS_MAX];
	const char *limit;
	struct s2s_stream *s;

	(void)listener;
	conn_peer_network(conn, address);
	limit = reached_limit(s2s, address);
	if (limit) {
		refuse(s2s, limit, address);
		conn_close(conn);
		return;
	}
	s2s->stats.accepted++;
	s = s2s_stream_new(s2s, conn, true, l->direct);
	s->network = network_take(s2s, address);
	log_debug(s2s->log, "stream.accepted", LOG_N("stream", s->serial),
		  LOG_S("address", address));
	if (l->direct)
		conn_start_tls(conn, s2s->direct, NULL);
}

/* -- listeners ------------------------------------------------------------ */

static struct s2s_listener *find(struct s2s *s2s, const char *address,
				 bool direct)
{
	struct s2s_listener *l;

	LL_FOREACH(s2s->listeners, l) {
		if (l->direct == direct && str_equal(l->address, address))
			return l;
	}
	return NULL;
}

static int listen_at(struct s2s *s2s, const char *address, bool direct,
		     struct error *err)
{
	struct s2s_listener *l = find(s2s, address, direct);

	if (l) {
		l->wanted = true;
		return 0;
	}
	l = mem_new(struct s2s_listener);
	l->s2s = s2s;
	l->listener =
		listener_open_shared(s2s->loop, address, 0666, on_accept, l,
				     err);
	if (!l->listener) {
		mem_free(l);
		return -1;
	}
	l->address = mem_strdup(address);
	l->direct = direct;
	l->wanted = true;
	LL_APPEND(s2s->listeners, l);
	log_notice(s2s->log, "listen", LOG_S("address", address),
		   LOG_N("port", listener_port(l->listener)),
		   LOG_S("tls", direct ? "direct" : "starttls"));
	return 0;
}

static int listen_all(struct s2s *s2s, char **addresses, bool direct,
		      struct error *err)
{
	for (size_t i = 0; addresses && addresses[i]; i++) {
		if (listen_at(s2s, addresses[i], direct, err) < 0)
			return -1;
	}
	return 0;
}

static void close_unwanted(struct s2s *s2s)
{
	struct s2s_listener *l, *next;

	LL_FOREACH_SAFE(s2s->listeners, l, next) {
		if (l->wanted)
			continue;
		LL_DELETE(s2s->listeners, l);
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
static void mark_wanted(struct s2s *s2s, const struct s2s_config *config)
{
	struct s2s_listener *l;

	LL_FOREACH(s2s->listeners, l)
		l->wanted =
			is_in(l->direct ? config->listen_tls : config->listen,
			      l->address);
}

int s2s_accept_listen(struct s2s *s2s, const struct s2s_config *config,
		  struct error *err)
{
	if (listen_all(s2s, config->listen, false, err) < 0 ||
	    listen_all(s2s, config->listen_tls, true, err) < 0) {
		/* Back to what there was. */
		if (s2s->config)
			mark_wanted(s2s, s2s->config);
		close_unwanted(s2s);
		return -1;
	}
	mark_wanted(s2s, config);
	close_unwanted(s2s);
	return 0;
}

void s2s_accept_close(struct s2s *s2s)
{
	struct s2s_listener *l;

	LL_FOREACH(s2s->listeners, l)
		l->wanted = false;
	close_unwanted(s2s);
}
