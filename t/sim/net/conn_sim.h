/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a simulated connection; for the files of t/sim/net only.
 */
#ifndef T_SIM_NET_CONN_SIM_H
#define T_SIM_NET_CONN_SIM_H

#include "t/sim/net/loop_sim.h"
#include "t/sim/net/tcp.h"
#include "util/net/conn.h"

/* As in util/net/conn_uv.h. */
enum conn_state {
	CONN_CONNECTING,
	CONN_OPEN,
	CONN_ENDING,
	CONN_LINGERING,
	CONN_CLOSED
};

/* What stands for a handshake are lines that no XML begins with:
 * "\x16hello HOST ALPN\n", answered with "\x16ready ALPN\n". */
enum tls_state { TLS_NONE, TLS_FRESH, TLS_SHAKING, TLS_READY };

struct conn {
	struct loop *loop;
	const struct conn_handlers *handlers;
	void *ctx;
	struct conn *prev, *next; /* loop->conns */
	struct conn *prev_ready, *next_ready;
	bool is_ready;
	struct tcp_end *end; /* NULL: none (any more) */
	struct buf out;
	struct deferred flush, task;
	struct timer timer; /* of the state, the handshake or the write */
	struct timer rate_timer;
	uint64_t write_timeout, write_moved_at;
	size_t write_left;
	size_t high_water;
	uint64_t rate, burst;
	int64_t tokens;
	uint64_t filled_at;
	char *reason;
	char peer[32];
	struct tls_context *tls;
	enum tls_state tls_state;
	bool tls_client;
	char *tls_host;
	bool alpn;
	struct buf handshake; /* the peer's line, so far */
	enum conn_state state;
	bool paused;
	bool above;
	bool ended; /* the peer sends no more */
	bool connected_told;
};

struct conn *conn_accepted(struct loop *loop, struct tcp_end *end);

/* tls.c */
bool tls_is_client(const struct tls_context *context);
const char *tls_alpn(const struct tls_context *context);

#endif
