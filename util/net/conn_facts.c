/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known of the TLS session of a connection: version, names, channel
 * bindings, the peer's certificate.
 */
#include <gnutls/x509.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/net/conn_tls.h"

static gnutls_session_t conn_session(const struct conn *conn)
{
	return conn_tls_ready(conn) ? conn->tls->session : NULL;
}

void conn_tls_note_facts(struct conn *conn)
{
	struct conn_tls *tls = conn->tls;
	char host[256];
	unsigned status, count = 0;

	tls_session_host(tls->session, host, sizeof(host));
	if (!tls->host && host[0])
		tls->host = mem_strdup(host);
	if (!gnutls_certificate_get_peers(tls->session, &count) || count == 0 ||
	    gnutls_certificate_verify_peers2(tls->session, &tls->chain) < 0) {
		tls->chain = GNUTLS_CERT_INVALID;
		return;
	}
	tls->verified = tls->chain == 0;
	if (tls->verified && tls_context_is_client(tls->context))
		tls->verified = gnutls_certificate_verify_peers3(
					tls->session, tls->host, &status) ==
					0 &&
				status == 0;
}

bool conn_is_secure(const struct conn *conn)
{
	return conn_tls_ready(conn);
}

const char *conn_tls_version(const struct conn *conn)
{
	gnutls_session_t session = conn_session(conn);

	if (!session)
		return NULL;
	switch (gnutls_protocol_get_version(session)) {
	case GNUTLS_TLS1_2:
		return "TLSv1.2";
	case GNUTLS_TLS1_3:
		return "TLSv1.3";
	default:
		return NULL; /* the priorities allow no other */
	}
}

void conn_tls_cipher(const struct conn *conn, char *to, size_t size)
{
	gnutls_session_t session = conn_session(conn);
	const char *text = session ? gnutls_ciphersuite_get(session) : NULL;

	str_copy(to, size, text ? text : "");
}

const char *conn_tls_host(const struct conn *conn)
{
	return conn_tls_ready(conn) ? conn->tls->host : NULL;
}

bool conn_tls_alpn_matched(const struct conn *conn)
{
	gnutls_session_t session = conn_session(conn);
	gnutls_datum_t protocol;

	return session &&
	       gnutls_alpn_get_selected_protocol(session, &protocol) == 0;
}

int conn_channel_binding(const struct conn *conn, enum binding binding,
			 unsigned char *to, size_t size)
{
	gnutls_session_t session = conn_session(conn);
	gnutls_channel_binding_t kind = GNUTLS_CB_TLS_EXPORTER;
	gnutls_datum_t data = { 0 };
	int len = -1;

	if (!session)
		return -1;
	if (gnutls_protocol_get_version(session) != GNUTLS_TLS1_3) {
		/* Without the extended master secret both bindings can be
		 * made equal on two sessions (RFC 7627 section 1). */
		if (!gnutls_session_ext_master_secret_status(session))
			return -1;
	} else if (binding == BINDING_TLS_UNIQUE) {
		return -1;
	}
	if (binding == BINDING_TLS_UNIQUE)
		kind = GNUTLS_CB_TLS_UNIQUE;
	if (gnutls_session_channel_binding(session, kind, &data) < 0)
		return -1;
	if (data.size <= size) {
		memcpy(to, data.data, data.size);
		len = (int)data.size;
	}
	gnutls_free(data.data);
	return len;
}

bool conn_peer_verified(const struct conn *conn)
{
	return conn_tls_ready(conn) && conn->tls->verified;
}

const void *conn_peer_certificate(const struct conn *conn, size_t *len)
{
	gnutls_session_t session = conn_session(conn);
	const gnutls_datum_t *chain;
	unsigned count = 0;

	chain = session ? gnutls_certificate_get_peers(session, &count) : NULL;
	*len = chain && count > 0 ? chain[0].size : 0;
	return *len > 0 ? chain[0].data : NULL;
}

void conn_peer_chain(const struct conn *conn, struct certificate_chain *chain)
{
	gnutls_session_t session = conn_session(conn);
	const gnutls_datum_t *list;
	unsigned count = 0;

	chain->count = 0;
	list = session ? gnutls_certificate_get_peers(session, &count) : NULL;
	for (unsigned i = 0;
	     list && i < count && chain->count < CERTIFICATE_CHAIN_MAX; i++) {
		chain->at[chain->count].der = list[i].data;
		chain->at[chain->count++].len = list[i].size;
	}
}

bool conn_peer_genuine(const struct conn *conn, char *why, size_t size)
{
	size_t len;
	unsigned status;

	if (!conn_peer_certificate(conn, &len)) {
		str_copy(why, size, "it showed no certificate");
		return false;
	}
	status = conn->tls->chain;
	if (status == 0)
		return true;
	if (status & GNUTLS_CERT_EXPIRED)
		str_copy(why, size, "its certificate has expired");
	else if (status & GNUTLS_CERT_NOT_ACTIVATED)
		str_copy(why, size, "its certificate is not valid yet");
	else if (status & GNUTLS_CERT_REVOKED)
		str_copy(why, size, "its certificate was revoked");
	else if (status & GNUTLS_CERT_SIGNER_NOT_FOUND)
		str_copy(why, size,
			 "its certificate is from an unknown issuer");
	else
		str_copy(why, size, "its certificate is not valid");
	return false;
}

/* Names with a NUL inside are a known trick, and never a host's. */
static void hand_name(const char *text, size_t len,
		      void (*name)(const char *name, void *ctx), void *ctx)
{
	if (len > 0 && strnlen(text, len + 1) == len)
		name(text, ctx);
}

static void hand_names(gnutls_x509_crt_t certificate,
		       void (*name)(const char *name, void *ctx), void *ctx)
{
	char text[256];
	size_t len;
	unsigned i;
	int type;

	for (i = 0;; i++) {
		len = sizeof(text) - 1;
		type = gnutls_x509_crt_get_subject_alt_name(certificate, i,
							    text, &len, NULL);
		if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			break;
		if (type != GNUTLS_SAN_DNSNAME || len >= sizeof(text))
			continue;
		text[len] = '\0';
		hand_name(text, len, name, ctx);
	}
	len = sizeof(text);
	if (gnutls_x509_crt_get_dn_by_oid(certificate,
					  GNUTLS_OID_X520_COMMON_NAME, 0, 0,
					  text, &len) == 0)
		hand_name(text, len, name, ctx);
}

void conn_peer_names(const struct conn *conn,
		     void (*name)(const char *name, void *ctx), void *ctx)
{
	gnutls_session_t session = conn_session(conn);
	const gnutls_datum_t *chain;
	gnutls_x509_crt_t certificate;
	unsigned count = 0;

	if (!session)
		return;
	chain = gnutls_certificate_get_peers(session, &count);
	if (!chain || count == 0 || gnutls_x509_crt_init(&certificate) < 0)
		return;
	if (gnutls_x509_crt_import(certificate, &chain[0],
				   GNUTLS_X509_FMT_DER) == 0)
		hand_names(certificate, name, ctx);
	gnutls_x509_crt_deinit(certificate);
}
