/* SPDX-License-Identifier: Apache-2.0
 *
 * The TLS half of a connection; for conn_tls.c and conn_facts.c only.
 */
#ifndef UTIL_NET_CONN_TLS_H
#define UTIL_NET_CONN_TLS_H

#include "util/net/conn_uv.h"
#include "util/net/tls_session.h"

/* FRESH -> SHAKING -> READY; from everywhere to BROKEN. */
enum tls_state {
	TLS_FRESH, /* conn_start_tls() was called in this turn */
	TLS_SHAKING,
	TLS_READY,
	TLS_BROKEN
};

struct conn_tls {
	gnutls_session_t session; /* NULL while FRESH */
	struct tls_context *context;
	char *host; /* a client's: to ask for; a server's: was asked for */
	const char *block; /* what was just read and not yet pulled */
	size_t block_len;
	struct buf waiting; /* what was read before a pause; before block */
	enum tls_state state;
	bool sealing;  /* pushed bytes go to loop->wire */
	bool bye;      /* was said */
	bool verified; /* the peer's certificate */
	unsigned chain; /* GnuTLS' status of it, whatever its name */
};

/* conn_facts.c: keeps what is asked for after the handshake. */
void conn_tls_note_facts(struct conn *conn);

#endif
