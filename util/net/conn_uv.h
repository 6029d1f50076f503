/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a connection, for the files of util/net only: conn.c its
 * life, conn_io.c its bytes, conn_connect.c its making, conn_tls.c its TLS.
 */
#ifndef UTIL_NET_CONN_UV_H
#define UTIL_NET_CONN_UV_H

#include <uv.h>

#include "util/base/buf.h"
#include "util/net/address.h"
#include "util/net/conn.h"
#include "util/net/loop_uv.h"
#include "util/net/timer.h"

#define CONN_LOOKUP_MS	  30000
#define CONN_CONNECT_MS	  10000 /* for each address */
#define CONN_HANDSHAKE_MS 30000
#define CONN_CLOSE_MS	  5000 /* to send what is queued */
#define CONN_LINGER_MS	  1000 /* for the peer to close as well */
#define CONN_LINGER_BYTES 262144
#define CONN_WRITE_MS	  60000

/*
 *   RESOLVING -> CONNECTING -> OPEN -> ENDING -> LINGERING -> CLOSED
 *
 * An accepted connection begins in OPEN, a numeric address in CONNECTING;
 * from everywhere it may go to CLOSED at once.
 */
enum conn_state {
	CONN_RESOLVING,
	CONN_CONNECTING,
	CONN_OPEN,
	CONN_ENDING,	/* sends what is queued; what comes is thrown away */
	CONN_LINGERING, /* our side is shut down; waits for the peer's */
	CONN_CLOSED	/* the `closed` callback is under way */
};

struct connecting;
struct conn_tls;
struct conn_write;

/* A token bucket over the bytes of the wire. */
struct conn_rate {
	struct conn *conn;
	uint64_t per_second;
	uint64_t burst;
	int64_t tokens;
	uint64_t filled_at; /* loop_now() */
	struct timer timer; /* running: reading is held back */
};

struct conn {
	struct loop *loop;
	const struct conn_handlers *handlers;
	void *ctx;
	struct conn *prev, *next; /* loop->conns */
	union {
		uv_handle_t any;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} handle;
	struct buf out;		  /* written by the owner */
	struct buf wire;	  /* to be sent as it is, before `out` */
	struct conn_write *write; /* what the kernel did not take at once */
	struct conn_tls *tls;
	struct connecting *connecting;
	struct conn_rate *rate;
	struct deferred flush;
	struct deferred task; /* next turn: `drained`, or waiting bytes */
	struct timer timer;   /* of the state, the handshake or the write */
	uint64_t write_timeout;
	uint64_t write_moved_at;
	size_t write_left; /* as seen by the last look of the timer */
	size_t high_water;
	size_t discarded;
	size_t unsent; /* when it was closed */
	char *reason;
	struct peer peer;
	unsigned char state; /* enum conn_state */
	bool has_handle;
	bool reading;
	bool paused;
	bool above; /* the high-water mark, until `drained` */
	bool ended; /* the peer sends no more */
};

/* conn.c */
struct conn *conn_new(struct loop *loop);
void conn_set_state(struct conn *conn, enum conn_state state);
void conn_flush_soon(struct conn *conn);
/* Closes now; `closed` comes later with the reason. */
void conn_finish(struct conn *conn, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Sends what is queued, then closes with the reason (NULL: orderly). */
void conn_end(struct conn *conn, const char *reason);
/* The last step, from the close callback of the handle. */
void conn_gone(struct conn *conn);
/* For the listener: a conn on an accepted descriptor, which it takes over. */
struct conn *conn_accepted(struct loop *loop, int fd,
			   const struct sockaddr *from);
/* Once the socket is connected. */
void conn_tune(struct conn *conn);

/* conn_io.c */
void conn_flush_run(struct deferred *flush);
void conn_task_run(struct deferred *task);
void conn_update_reading(struct conn *conn);
void conn_timer_run(struct timer *timer);
/* Starts or stops the write time-out, as is due. */
void conn_watch_write(struct conn *conn);
/* Hands bytes to the owner while it is open and not paused. */
bool conn_wants_data(const struct conn *conn);
void conn_deliver(struct conn *conn, const char *bytes, size_t len);
/* The peer sends no more: answers what is queued and closes. */
void conn_peer_ended(struct conn *conn, const char *reason);
size_t conn_write_size(const struct conn *conn);
void conn_rate_free(struct conn *conn);

/* conn_connect.c */
void connecting_free(struct conn *conn);
void connecting_timed_out(struct conn *conn);

/* conn_tls.c. What tls_read() cannot process yet waits inside. */
void conn_tls_free(struct conn *conn);
bool conn_tls_ready(const struct conn *conn);
bool conn_tls_waiting(const struct conn *conn);
void conn_tls_begin(struct conn *conn);
void conn_tls_read(struct conn *conn, const char *bytes, size_t len);
/* Encrypts a part of conn->out into loop->wire. -1: the session broke. */
int conn_tls_seal(struct conn *conn);
/* Appends the good-bye to conn->wire, once. False: nothing (more) to say. */
bool conn_tls_bye(struct conn *conn);

#endif
