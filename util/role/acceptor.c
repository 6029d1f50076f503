/* SPDX-License-Identifier: Apache-2.0
 *
 * Listeners and the limits at the door. What becomes of a connection that was
 * let in is up to the role.
 */
#include "util/role/acceptor.h"

#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"
#include "util/net/listener.h"
#include "util/role/config_check.h"

#define REFUSED_LOG 1000 /* ms between two lines about that */

struct acceptor_network { /* one IPv4 address or IPv6 /64 */
	struct acceptor *acceptor;
	uint64_t connections;
	UT_hash_handle hh;
	char address[];
};

struct door {
	struct acceptor *acceptor;
	struct listener *listener;
	char *address;
	bool direct;
	bool wanted;
	struct door *next;
};

struct acceptor {
	struct loop *loop;
	struct log *log;
	acceptor_cb *cb;
	void *ctx;
	const struct acceptor_options *options; /* NULL: none yet */
	struct door *doors;
	struct acceptor_network *networks; /* by address */
	struct acceptor_counts counts;
	uint64_t refused_logged; /* when it was last, loop_now() */
	uint64_t refused_unlogged;
};

int acceptor_check(const struct acceptor_options *options, struct error *err)
{
	if (config_check_listen("listen", options->listen, err) < 0)
		return -1;
	return config_check_listen("listen-tls", options->listen_tls, err);
}

/* -- limits --------------------------------------------------------------- */

static struct acceptor_network *network_take(struct acceptor *acceptor,
					     const char *address)
{
	struct acceptor_network *network;
	size_t len = strlen(address);

	HASH_FIND_STR(acceptor->networks, address, network);
	if (!network) {
		network = mem_alloc(sizeof(*network) + len + 1);
		network->acceptor = acceptor;
		memcpy(network->address, address, len);
		HASH_ADD_KEYPTR(hh, acceptor->networks, network->address, len,
				network);
	}
	network->connections++;
	return network;
}

static void network_release(struct acceptor_network *network)
{
	if (--network->connections > 0)
		return;
	HASH_DEL(network->acceptor->networks, network);
	mem_free(network);
}

static bool is_over(uint64_t count, int64_t limit)
{
	return limit > 0 && count >= (uint64_t)limit;
}

/* Which limit keeps the connection out; NULL: none. */
static const char *reached_limit(struct acceptor *acceptor,
				 const char *address)
{
	const struct acceptor_options *options = acceptor->options;
	const struct acceptor_counts *counts = &acceptor->counts;
	struct acceptor_network *network;

	HASH_FIND_STR(acceptor->networks, address, network);
	if (network &&
	    is_over(network->connections, options->connections_network))
		return "connections-network";
	if (is_over(counts->unauthenticated, options->connections_before))
		return "connections-before-auth";
	if (is_over(counts->connections, options->connections))
		return "connections";
	return NULL;
}

/* One line a second at most: the log is not to be flooded either. */
static void refuse(struct acceptor *acceptor, const char *limit,
		   const char *address)
{
	uint64_t now = loop_now(acceptor->loop);

	acceptor->counts.refused++;
	if (acceptor->refused_logged &&
	    now - acceptor->refused_logged < REFUSED_LOG) {
		acceptor->refused_unlogged++;
		return;
	}
	log_warning(acceptor->log, "connection.refused", LOG_S("limit", limit),
		    LOG_S("network", address),
		    LOG_N("others", acceptor->refused_unlogged));
	acceptor->refused_logged = now;
	acceptor->refused_unlogged = 0;
}

static void on_accept(struct listener *listener, struct conn *conn, void *ctx)
{
	struct door *door = ctx;
	struct acceptor *acceptor = door->acceptor;
	struct admission admission = { .authenticated = false };
	char address[ADDRESS_MAX];
	const char *limit;

	(void)listener;
	conn_peer_network(conn, address);
	limit = reached_limit(acceptor, address);
	if (limit) {
		refuse(acceptor, limit, address);
		conn_close(conn);
		return;
	}
	acceptor->counts.accepted++;
	acceptor->counts.connections++;
	acceptor->counts.unauthenticated++;
	admission.network = network_take(acceptor, address);
	acceptor->cb(conn, &admission, door->direct, acceptor->ctx);
}

void admission_authenticated(struct admission *admission)
{
	if (!admission->network || admission->authenticated)
		return;
	admission->authenticated = true;
	admission->network->acceptor->counts.unauthenticated--;
}

void admission_release(struct admission *admission)
{
	if (!admission->network)
		return;
	admission_authenticated(admission);
	admission->network->acceptor->counts.connections--;
	network_release(admission->network);
	admission->network = NULL;
}

struct acceptor_counts acceptor_count(const struct acceptor *acceptor)
{
	struct acceptor_counts counts = acceptor->counts;

	counts.networks = HASH_COUNT(acceptor->networks);
	return counts;
}

/* -- listeners ------------------------------------------------------------ */

static struct door *find(struct acceptor *acceptor, const char *address,
			 bool direct)
{
	struct door *door;

	LL_FOREACH(acceptor->doors, door) {
		if (door->direct == direct &&
		    str_equal(door->address, address))
			return door;
	}
	return NULL;
}

static int listen_at(struct acceptor *acceptor, const char *address,
		     bool direct, struct error *err)
{
	struct door *door = find(acceptor, address, direct);

	if (door) {
		door->wanted = true;
		return 0;
	}
	door = mem_new(struct door);
	door->acceptor = acceptor;
	door->listener = listener_open_shared(acceptor->loop, address, 0666,
					      on_accept, door, err);
	if (!door->listener) {
		mem_free(door);
		return -1;
	}
	door->address = mem_strdup(address);
	door->direct = direct;
	door->wanted = true;
	LL_APPEND(acceptor->doors, door);
	log_notice(acceptor->log, "listen", LOG_S("address", address),
		   LOG_N("port", listener_port(door->listener)),
		   LOG_S("tls", direct ? "direct" : "starttls"));
	return 0;
}

static int listen_all(struct acceptor *acceptor, char **addresses, bool direct,
		      struct error *err)
{
	for (size_t i = 0; addresses && addresses[i]; i++) {
		if (listen_at(acceptor, addresses[i], direct, err) < 0)
			return -1;
	}
	return 0;
}

static void close_unwanted(struct acceptor *acceptor)
{
	struct door *door, *next;

	LL_FOREACH_SAFE(acceptor->doors, door, next) {
		if (door->wanted)
			continue;
		LL_DELETE(acceptor->doors, door);
		listener_close(&door->listener);
		mem_free(door->address);
		mem_free(door);
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

/* Those of the options; NULL: none. */
static void keep_only(struct acceptor *acceptor,
		      const struct acceptor_options *options)
{
	struct door *door;

	LL_FOREACH(acceptor->doors, door)
		door->wanted = options && is_in(door->direct
							? options->listen_tls
							: options->listen,
						door->address);
	close_unwanted(acceptor);
}

int acceptor_listen(struct acceptor *acceptor,
		    const struct acceptor_options *options, struct error *err)
{
	int result = 0;

	if (listen_all(acceptor, options->listen, false, err) < 0 ||
	    listen_all(acceptor, options->listen_tls, true, err) < 0)
		result = -1;
	else
		acceptor->options = options;
	keep_only(acceptor, acceptor->options);
	return result;
}

void acceptor_close(struct acceptor *acceptor)
{
	keep_only(acceptor, NULL);
}

void acceptor_each(struct acceptor *acceptor,
		   void (*each)(const char *address, bool direct,
				unsigned port, void *ctx),
		   void *ctx)
{
	struct door *door;

	LL_FOREACH(acceptor->doors, door)
		each(door->address, door->direct, listener_port(door->listener),
		     ctx);
}

/* -- life ----------------------------------------------------------------- */

struct acceptor *acceptor_new(struct loop *loop, struct log *log,
			      acceptor_cb *cb, void *ctx)
{
	struct acceptor *acceptor = mem_new(struct acceptor);

	acceptor->loop = loop;
	acceptor->log = log;
	acceptor->cb = cb;
	acceptor->ctx = ctx;
	return acceptor;
}

void acceptor_free(struct acceptor **acceptor)
{
	if (!*acceptor)
		return;
	acceptor_close(*acceptor);
	mem_free(*acceptor);
	*acceptor = NULL;
}
