/* SPDX-License-Identifier: Apache-2.0
 *
 * What a TLS end needs beside its connection: certificates by host name,
 * ALPN, whom to believe. A context is counted: connections keep the one they
 * were started with, so a reload swaps contexts without touching streams.
 */
#ifndef UTIL_NET_TLS_H
#define UTIL_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/error.h"

struct tls_context;

enum tls_side { TLS_SERVER, TLS_CLIENT };

/* TLS 1.2 and 1.3 only, no renegotiation, no compression; session tickets
 * on the server side. NULL on failure. */
struct tls_context *tls_context_new(enum tls_side side, struct error *err);

/* Adds a certificate chain and key in PEM files, served for the names in its
 * subjectAltName, or for `name` if that is not NULL ("*." in front of either
 * stands for one label); the first one added also when the client names no
 * host or an unknown one. Refuses a key that does not match. */
int tls_context_add_certificate(struct tls_context *context, const char *name,
				const char *certificate_file,
				const char *key_file, struct error *err);

/* Trust anchors in a PEM file; NULL: those of the system. */
int tls_context_add_ca(struct tls_context *context, const char *ca_file,
		       struct error *err);

/* Server: ask for a client certificate; what came is in conn_peer_names(). */
void tls_context_request_certificate(struct tls_context *context);

/* Server: the same, but only of those who ask for the host `name`, or, with
 * NULL, for none. May be called several times. */
void tls_context_request_certificate_for(struct tls_context *context,
					 const char *name);

/* Client: check that the server's certificate is valid for `host`. On by
 * default; false must be asked for by an operator. */
void tls_context_verify(struct tls_context *context, bool verify);

/* The one ALPN protocol offered (client) or understood (server). A client
 * that offers ALPN without it is refused by a server (RFC 7301 section 3.2). */
void tls_context_set_alpn(struct tls_context *context, const char *protocol);

struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context **context);

/* Seconds since 1970 at which the first of its certificates expires; 0: no
 * certificates. */
long long tls_context_expires(const struct tls_context *context);

#endif
