/* SPDX-License-Identifier: Apache-2.0
 *
 * What a connection needs of a TLS context; for the files of util/net only.
 */
#ifndef UTIL_NET_TLS_SESSION_H
#define UTIL_NET_TLS_SESSION_H

#include <gnutls/gnutls.h>

#include "util/net/tls.h"

/* A session with all that the context prescribes; `host` (a client's, may be
 * NULL) must outlive it, and so must the context. Returns a GnuTLS code. */
int tls_session_new(struct tls_context *context, const char *host,
		    gnutls_session_t *session);

/* After the handshake: a server hands out a ticket, if it has not yet. That
 * it could not is nobody's problem. */
void tls_session_send_ticket(const struct tls_context *context,
			     gnutls_session_t session);

bool tls_context_is_client(const struct tls_context *context);

/* The host name a client asked for, "" if none. */
void tls_session_host(gnutls_session_t session, char *to, size_t size);

#endif
