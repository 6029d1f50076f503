/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernels of two hosts do about a TCP connection: bytes in order,
 * after a latency, within a window; ends that outlive their processes.
 * For the files of t/sim/net only.
 */
#ifndef T_SIM_NET_TCP_H
#define T_SIM_NET_TCP_H

#include "t/sim/net/world.h"
#include "util/base/buf.h"

struct conn;
struct listener;

#define TCP_WINDOW 131072 /* bytes on the way or unread, each direction */

enum segment_kind { SEGMENT_SYN, SEGMENT_SYN_ACK, SEGMENT_DATA, SEGMENT_FIN,
		    SEGMENT_RST };

struct segment {
	enum segment_kind kind;
	uint64_t at;
	struct buf bytes;
	struct segment *prev, *next;
};

struct tcp_end {
	struct tcp *tcp;
	struct sim_host *host;
	struct conn *conn;     /* NULL: closed, or not accepted yet */
	struct listener *queued; /* waits there to be accepted */
	struct tcp_end *next_queued;
	struct segment *incoming;
	size_t unread;	   /* bytes in `incoming` and `received` */
	struct buf received;
	struct sim_event arrival; /* of the first incoming segment */
	uint64_t last_at;  /* the last arrival here */
	uint64_t busy_until; /* our sending */
	bool connected;
	bool reset;	   /* came */
	bool fin;	   /* came */
	bool fin_sent;
	bool closed;	   /* by our process */
};

struct tcp {
	struct world *world;
	unsigned number;
	unsigned port;
	struct tcp_end ends[2]; /* who connected, who accepted */
	struct tcp *prev, *next;
};

/* Starts to connect; conn_tcp_ready() tells of the outcome. NULL when there
 * is no such host. */
struct tcp_end *tcp_connect(struct sim_host *from, struct conn *conn,
			    struct sim_host *to, unsigned port);
struct tcp_end *tcp_peer(const struct tcp_end *end);

/* Takes as many bytes as there is room for. */
size_t tcp_send(struct tcp_end *end, const char *bytes, size_t len);
void tcp_send_fin(struct tcp_end *end);

/* The process has read `len` bytes of what was received. */
void tcp_consume(struct tcp_end *end, size_t len);

/* The process closes its end; the connection may be freed. `silent`: its host
 * has died. */
void tcp_close(struct tcp_end *end, bool silent);

void tcp_path_healed(struct world *world, const struct sim_host *a,
		     const struct sim_host *b);
void tcp_free_all(struct world *world);

/* conn.c: something has changed for the conn; look at its end in the next
 * turn. */
void conn_tcp_ready(struct conn *conn);

/* listener.c */
struct listener *listener_on(struct sim_host *host, unsigned port);
void listener_queue(struct listener *listener, struct tcp_end *end);

#endif
