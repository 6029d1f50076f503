/* SPDX-License-Identifier: Apache-2.0
 *
 * A byte stream to a peer, over TCP or a Unix socket, in the clear or under
 * TLS. Writes are collected during a turn of the loop and go out with one
 * system call. An idle connection holds no buffers.
 *
 * Words: to *pause* is to stop reading, so that the peer feels it
 * (backpressure); *queued* bytes were written here and not yet taken by the
 * kernel.
 */
#ifndef UTIL_NET_CONN_H
#define UTIL_NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/base/error.h"
#include "util/net/certificate.h"
#include "util/net/loop.h"
#include "util/net/tls.h"

struct conn;

#define ADDRESS_MAX 128 /* bytes of any textual address, with the NUL */

/* Callbacks come from the loop, never from inside a call of this header. In
 * each of them the owner may call anything, also conn_close(); after
 * conn_close() or conn_abort() only `closed` still comes. */
struct conn_handlers { /* constant, or outliving the conn */
	/* An outgoing connection is established (before TLS). May be NULL. */
	void (*connected)(struct conn *conn, void *ctx);
	/* The TLS handshake is done. May be NULL. */
	void (*secured)(struct conn *conn, void *ctx);
	/* Bytes came; they are valid during the call. */
	void (*data)(struct conn *conn, const char *bytes, size_t len,
		     void *ctx);
	/* What was queued fell under a quarter of the mark given to
	 * conn_set_high_water() after it had been over it. May be NULL. */
	void (*drained)(struct conn *conn, void *ctx);
	/* The last callback, exactly once, also after conn_close() and for a
	 * connection that could not be made: the conn is freed afterwards.
	 * `reason` is a sentence for the log, NULL after an orderly end by the
	 * peer or by conn_close(). When the peer ended, what was queued gets
	 * one more write before this. A paused conn notices the peer's end
	 * when it is resumed. */
	void (*closed)(struct conn *conn, const char *reason, void *ctx);
};

/* Connects to "HOST:PORT", "[IPv6]:PORT" or "unix:/PATH". A host name is
 * looked up by the system's resolver off the loop and each of its addresses
 * is tried in turn. Errors come through `closed`. */
struct conn *conn_connect(struct loop *loop, const char *address,
			  const struct conn_handlers *handlers, void *ctx);

/* For what a listener accepted: takes over the callbacks. Data starts to flow
 * at the end of this turn. */
void conn_set_handlers(struct conn *conn, const struct conn_handlers *handlers,
		       void *ctx);

/* Starts TLS; what is written from now on goes out under it. All bytes that
 * were received and not yet handed to `data` are DISCARDED, also the rest of
 * the block that the current `data` call is reading must be ignored by the
 * caller (RFC 6120 section 5.4.3.3). For direct TLS it is called right in the
 * accept callback, when nothing was received yet. `host` is the name a client
 * asks for and verifies; NULL on a server. The handshake has 30 s. */
void conn_start_tls(struct conn *conn, struct tls_context *context,
		    const char *host);

void conn_write(struct conn *conn, const void *bytes, size_t len);
void conn_write_str(struct conn *conn, const char *text);

/* Bytes written and not yet taken by the kernel; in `closed`, those that never
 * were. Under TLS it may be more than was written, never less. */
size_t conn_queued(const struct conn *conn);

/* When more than `bytes` are queued, `drained` will be called once it is
 * better, and the conn counts as above the mark until then. The owner stops
 * writing by itself meanwhile. 0: never. */
void conn_set_high_water(struct conn *conn, size_t bytes);
bool conn_above_high_water(const struct conn *conn);

/* A peer that takes none of the queued bytes for `ms` milliseconds is cut off
 * with the reason "write time-out". Default 60 000; 0: never. */
void conn_set_write_timeout(struct conn *conn, uint64_t ms);

/* Reads at most `per_second` bytes a second on average, with bursts up to
 * `burst` bytes, by not reading more. 0: no limit. */
void conn_set_rate(struct conn *conn, uint64_t per_second, uint64_t burst);

/* No `data` from the return of this call until conn_resume(); bytes that are
 * already here wait inside. Calls do not nest. */
void conn_pause(struct conn *conn);
void conn_resume(struct conn *conn);

/* Sends what is queued (for at most 5 s), says good-bye under TLS, shuts down,
 * waits a second for the peer to do the same (so that it does not lose what
 * was sent), closes. */
void conn_close(struct conn *conn);

/* Closes at once; what is queued is lost. */
void conn_abort(struct conn *conn, const char *reason);

/* The peer: "192.0.2.1", "2001:db8::1", "unix". The second form cuts IPv6
 * addresses to their /64, for counting by customer. */
void conn_peer_address(const struct conn *conn, char to[ADDRESS_MAX]);
void conn_peer_network(const struct conn *conn, char to[ADDRESS_MAX]);

/* The port that the peer came from; 0: it has none. Behind one address there
 * can be many customers (RFC 6302). */
unsigned conn_peer_port(const struct conn *conn);

/* Facts of the TLS session; false/NULL/-1 without one. */
bool conn_is_secure(const struct conn *conn);
const char *conn_tls_version(const struct conn *conn); /* "TLSv1.3" */
/* By its name in the registry, "TLS_AES_256_GCM_SHA384"; "" without TLS. */
void conn_tls_cipher(const struct conn *conn, char *to, size_t size);
/* The host name the client asked for, NULL if none; valid with the conn. */
const char *conn_tls_host(const struct conn *conn);
bool conn_tls_alpn_matched(const struct conn *conn);

enum binding { BINDING_TLS_UNIQUE, BINDING_TLS_EXPORTER };

/* Channel binding data (RFC 5929, RFC 9266) into `to`, at most `size` bytes.
 * Returns the length, -1 when the session has no such binding: tls-unique is
 * for TLS 1.2 only, tls-exporter for TLS 1.3 and for 1.2 with the extended
 * master secret. */
int conn_channel_binding(const struct conn *conn, enum binding binding,
			 unsigned char *to, size_t size);

/* The peer's certificate, checked against the context's CAs: whether it is
 * valid, and its DNS names and common name handed to `name` one by one. */
bool conn_peer_verified(const struct conn *conn);
void conn_peer_names(const struct conn *conn,
		     void (*name)(const char *name, void *ctx), void *ctx);

/* The peer's certificate as DER, whatever it is worth; NULL: none. Valid
 * during the callback in which it is asked for. */
const void *conn_peer_certificate(const struct conn *conn, size_t *len);

/* The peer's whole chain, its own certificate first, as it was sent; count 0:
 * none. Valid as that is. */
void conn_peer_chain(const struct conn *conn, struct certificate_chain *chain);

/* Whether it was issued by one of the context's CAs and is in its time; for
 * what name is not asked. When not, `why` (of `size` bytes) says so, in words
 * fit for an error text. */
bool conn_peer_genuine(const struct conn *conn, char *why, size_t size);

#endif
