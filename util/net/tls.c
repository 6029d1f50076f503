/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS contexts: certificates by host name, trust, ALPN, tickets, and the
 * GnuTLS sessions made of them. How a session moves bytes is in conn_tls.c.
 */
#include "util/net/tls.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <string.h>
#include <unistd.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"
#include "util/net/tls_session.h"

/* Every cipher suite has forward secrecy. Compression is not in GnuTLS. */
#define TLS_PRIORITIES                                                         \
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:%SERVER_PRECEDENCE"
#define TLS_CHAIN_MAX 16

struct tls_name {
	struct tls_name *next;
	char text[];
};

struct tls_certificate {
	gnutls_pcert_st chain[TLS_CHAIN_MAX];
	unsigned chain_len;
	gnutls_privkey_t key;
	struct tls_name *names;
	struct tls_certificate *next;
};

struct tls_context {
	unsigned refs;
	enum tls_side side;
	bool verify;
	bool request;
	bool request_nameless;	   /* of who asks for no host */
	struct tls_name *requests; /* of who asks for one of these */
	char *alpn;
	gnutls_priority_t priorities;
	gnutls_certificate_credentials_t credentials;
	gnutls_datum_t ticket_key; /* GnuTLS derives keys that rotate */
	struct tls_certificate *certificates; /* in the order of adding */
	long long expires;
};

/* ---- certificates ---- */

static void tls_certificate_free(struct tls_certificate *certificate)
{
	struct tls_name *name, *next;
	unsigned i;

	for (i = 0; i < certificate->chain_len; i++)
		gnutls_pcert_deinit(&certificate->chain[i]);
	if (certificate->key)
		gnutls_privkey_deinit(certificate->key);
	LL_FOREACH_SAFE (certificate->names, name, next)
		mem_free(name);
	mem_free(certificate);
}

static void tls_add_name(struct tls_certificate *certificate, const char *text,
			 size_t len)
{
	struct tls_name *name = mem_alloc(sizeof(*name) + len + 1);

	memcpy(name->text, text, len);
	LL_APPEND(certificate->names, name);
}

static void tls_add_names(struct tls_certificate *certificate,
			  gnutls_x509_crt_t leaf)
{
	char text[256];
	size_t len;
	unsigned i;
	int type;

	for (i = 0;; i++) {
		len = sizeof(text);
		type = gnutls_x509_crt_get_subject_alt_name(leaf, i, text, &len,
							    NULL);
		if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			return;
		if (type == GNUTLS_SAN_DNSNAME)
			tls_add_name(certificate, text, len);
	}
}

/* Names it serves, and when it expires. */
static int tls_read_leaf(struct tls_context *context,
			 struct tls_certificate *certificate, const char *name)
{
	gnutls_x509_crt_t leaf;
	long long expires;
	int code = gnutls_x509_crt_init(&leaf);

	if (code < 0)
		return code;
	code = gnutls_x509_crt_import(leaf, &certificate->chain[0].cert,
				      GNUTLS_X509_FMT_DER);
	if (code == 0) {
		if (name)
			tls_add_name(certificate, name, strlen(name));
		else
			tls_add_names(certificate, leaf);
		expires = gnutls_x509_crt_get_expiration_time(leaf);
		if (context->expires == 0 || expires < context->expires)
			context->expires = expires;
	}
	gnutls_x509_crt_deinit(leaf);
	return code;
}

static bool tls_key_matches(struct tls_certificate *certificate)
{
	unsigned char ids[2][32];
	size_t lens[2] = { sizeof(ids[0]), sizeof(ids[1]) };
	gnutls_pubkey_t public;
	bool same;

	if (gnutls_pubkey_init(&public) < 0)
		return false;
	same = gnutls_pubkey_import_privkey(public, certificate->key, 0, 0) ==
		       0 &&
	       gnutls_pubkey_get_key_id(public, GNUTLS_KEYID_USE_SHA256, ids[0],
					&lens[0]) == 0 &&
	       gnutls_pubkey_get_key_id(certificate->chain[0].pubkey,
					GNUTLS_KEYID_USE_SHA256, ids[1],
					&lens[1]) == 0 &&
	       lens[0] == lens[1] && memcmp(ids[0], ids[1], lens[0]) == 0;
	gnutls_pubkey_deinit(public);
	return same;
}

/* GnuTLS has one sentence for all files that it cannot read, and the same for
 * all that hold something else than they shall. */
static int tls_file_error(const char *file, int code, const char *wanted,
			  struct error *err)
{
	int fd;

	if (code == GNUTLS_E_FILE_ERROR) {
		fd = open(file, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return error_set(err, "%s: %s", file, strerror(errno));
		close(fd);
	}
	if (code == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE ||
	    code == GNUTLS_E_NO_CERTIFICATE_FOUND ||
	    code == GNUTLS_E_BASE64_UNEXPECTED_HEADER_ERROR)
		return error_set(err, "%s: there is no %s in it", file, wanted);
	return error_set(err, "%s: %s", file, gnutls_strerror(code));
}

static int tls_load_key(struct tls_certificate *certificate, const char *file,
			struct error *err)
{
	gnutls_datum_t pem = { 0 };
	int code = gnutls_load_file(file, &pem);

	if (code < 0)
		return tls_file_error(file, code, "private key in PEM", err);
	code = gnutls_privkey_init(&certificate->key);
	if (code == 0)
		code = gnutls_privkey_import_x509_raw(
			certificate->key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0);
	mem_wipe(pem.data, pem.size);
	gnutls_free(pem.data);
	if (code < 0)
		return tls_file_error(file, code, "private key in PEM", err);
	return 0;
}

int tls_context_add_certificate(struct tls_context *context, const char *name,
				const char *certificate_file,
				const char *key_file, struct error *err)
{
	struct tls_certificate *certificate = mem_new(struct tls_certificate);
	unsigned count = TLS_CHAIN_MAX;
	int code;

	code = gnutls_pcert_list_import_x509_file(
		certificate->chain, &count, certificate_file,
		GNUTLS_X509_FMT_PEM, NULL, NULL, 0);
	if (code == 0)
		certificate->chain_len = count;
	if (code == 0 && count == 0)
		code = GNUTLS_E_NO_CERTIFICATE_FOUND;
	if (code < 0) {
		tls_file_error(certificate_file, code, "certificate in PEM",
			       err);
		goto fail;
	}
	if (tls_load_key(certificate, key_file, err) < 0)
		goto fail;
	if (!tls_key_matches(certificate)) {
		error_set(err, "%s is not the key of %s", key_file,
			  certificate_file);
		goto fail;
	}
	code = tls_read_leaf(context, certificate, name);
	if (code < 0) {
		error_set(err, "%s: %s", certificate_file,
			  gnutls_strerror(code));
		goto fail;
	}
	LL_APPEND(context->certificates, certificate);
	return 0;
fail:
	tls_certificate_free(certificate);
	return -1;
}

/* "*.example.org" stands for one label in front (RFC 6125 section 6.4.3). */
static bool tls_name_matches(const char *name, const char *host, bool wildcard)
{
	if (!wildcard)
		return str_equal_nocase(name, host);
	host = strchr(host, '.');
	return host && str_starts(name, "*.") &&
	       str_equal_nocase(name + 1, host);
}

static struct tls_certificate *tls_find(struct tls_context *context,
					const char *host)
{
	struct tls_certificate *certificate;
	struct tls_name *name;
	int wildcard;

	for (wildcard = 0; wildcard <= 1; wildcard++) {
		LL_FOREACH (context->certificates, certificate) {
			LL_FOREACH (certificate->names, name) {
				if (tls_name_matches(name->text, host,
						     wildcard))
					return certificate;
			}
		}
	}
	return context->certificates;
}

/* GnuTLS asks which certificate to show. All stays the context's. */
static int tls_on_retrieve(gnutls_session_t session,
			   const struct gnutls_cert_retr_st *info,
			   gnutls_pcert_st **chain, unsigned *chain_len,
			   gnutls_ocsp_data_st **ocsp, unsigned *ocsp_len,
			   gnutls_privkey_t *key, unsigned *flags)
{
	struct tls_context *context = gnutls_session_get_ptr(session);
	struct tls_certificate *certificate = context->certificates;
	char host[256];

	(void)info;
	if (context->side == TLS_SERVER) {
		tls_session_host(session, host, sizeof(host));
		certificate = tls_find(context, host);
	}
	*ocsp = NULL;
	*ocsp_len = 0;
	*flags = 0;
	*chain_len = 0;
	if (certificate) {
		*chain = certificate->chain;
		*chain_len = certificate->chain_len;
		*key = certificate->key;
	}
	return 0;
}

/* ---- contexts ---- */

static int tls_context_prepare(struct tls_context *context)
{
	int code = gnutls_priority_init(&context->priorities, TLS_PRIORITIES,
					NULL);

	if (code < 0)
		return code;
	code = gnutls_certificate_allocate_credentials(&context->credentials);
	if (code < 0)
		return code;
	gnutls_certificate_set_retrieve_function3(context->credentials,
						  tls_on_retrieve);
	if (context->side == TLS_SERVER)
		return gnutls_session_ticket_key_generate(&context->ticket_key);
	return 0;
}

struct tls_context *tls_context_new(enum tls_side side, struct error *err)
{
	struct tls_context *context = mem_new(struct tls_context);
	int code;

	context->refs = 1;
	context->side = side;
	context->verify = side == TLS_CLIENT;
	code = tls_context_prepare(context);
	if (code < 0) {
		error_set(err, "TLS: %s", gnutls_strerror(code));
		tls_context_unref(&context);
	}
	return context;
}

int tls_context_add_ca(struct tls_context *context, const char *ca_file,
		       struct error *err)
{
	const char *what = ca_file ? ca_file : "system trust store";
	int count;

	if (ca_file)
		count = gnutls_certificate_set_x509_trust_file(
			context->credentials, ca_file, GNUTLS_X509_FMT_PEM);
	else
		count = gnutls_certificate_set_x509_system_trust(
			context->credentials);
	if (count < 0)
		return error_set(err, "%s: %s", what, gnutls_strerror(count));
	if (count == 0)
		return error_set(err, "%s: no certificate", what);
	return 0;
}

void tls_context_request_certificate(struct tls_context *context)
{
	context->request = true;
}

void tls_context_request_certificate_for(struct tls_context *context,
					 const char *name)
{
	struct tls_name *added;
	size_t len;

	if (!name) {
		context->request_nameless = true;
		return;
	}
	len = strlen(name);
	added = mem_alloc(sizeof(*added) + len + 1);
	memcpy(added->text, name, len);
	LL_APPEND(context->requests, added);
}

void tls_context_verify(struct tls_context *context, bool verify)
{
	context->verify = verify;
}

void tls_context_set_alpn(struct tls_context *context, const char *protocol)
{
	mem_free(context->alpn);
	context->alpn = mem_strdup(protocol);
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
	assert(context->refs > 0);
	context->refs++;
	return context;
}

void tls_context_unref(struct tls_context **context_ptr)
{
	struct tls_context *context = *context_ptr;
	struct tls_certificate *certificate, *next;
	struct tls_name *name, *next_name;

	*context_ptr = NULL;
	if (!context)
		return;
	assert(context->refs > 0);
	if (--context->refs > 0)
		return;
	LL_FOREACH_SAFE (context->certificates, certificate, next)
		tls_certificate_free(certificate);
	if (context->ticket_key.data) {
		mem_wipe(context->ticket_key.data, context->ticket_key.size);
		gnutls_free(context->ticket_key.data);
	}
	if (context->credentials)
		gnutls_certificate_free_credentials(context->credentials);
	if (context->priorities)
		gnutls_priority_deinit(context->priorities);
	LL_FOREACH_SAFE (context->requests, name, next_name)
		mem_free(name);
	mem_free(context->alpn);
	mem_free(context);
}

long long tls_context_expires(const struct tls_context *context)
{
	return context->expires;
}

/* ---- sessions ---- */

static bool tls_is_numeric(const char *host)
{
	struct in6_addr bytes;

	return inet_pton(AF_INET, host, &bytes) == 1 ||
	       inet_pton(AF_INET6, host, &bytes) == 1;
}

static void tls_set_request(gnutls_session_t session)
{
	gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
	/* The names of all trusted CAs would be tens of KiB. */
	gnutls_certificate_send_x509_rdn_sequence(session, 1);
}

/* The host that the client wants is known, and nothing was answered yet. */
static int tls_on_client_hello(gnutls_session_t session)
{
	const struct tls_context *context = gnutls_session_get_ptr(session);
	const struct tls_name *name;
	char host[256];

	tls_session_host(session, host, sizeof(host));
	if (host[0] == '\0') {
		if (context->request_nameless)
			tls_set_request(session);
		return 0;
	}
	LL_FOREACH (context->requests, name) {
		if (str_equal_nocase(name->text, host)) {
			tls_set_request(session);
			break;
		}
	}
	return 0;
}

static int tls_set_server(struct tls_context *context, gnutls_session_t session)
{
	if (context->request)
		tls_set_request(session);
	else if (context->requests || context->request_nameless)
		gnutls_handshake_set_post_client_hello_function(
			session, tls_on_client_hello);
	return gnutls_session_ticket_enable_server(session,
						   &context->ticket_key);
}

static int tls_set_client(struct tls_context *context, const char *host,
			  gnutls_session_t session)
{
	if (context->verify)
		gnutls_session_set_verify_cert(session, host, 0);
	/* RFC 6066 section 3: literal addresses are not permitted there. */
	if (!host || tls_is_numeric(host))
		return 0;
	return gnutls_server_name_set(session, GNUTLS_NAME_DNS, host,
				      strlen(host));
}

static int tls_set_alpn(struct tls_context *context, gnutls_session_t session)
{
	gnutls_datum_t protocol;

	if (!context->alpn)
		return 0;
	protocol.data = (unsigned char *)context->alpn;
	protocol.size = (unsigned)strlen(context->alpn);
	return gnutls_alpn_set_protocols(
		session, &protocol, 1,
		context->side == TLS_SERVER ? GNUTLS_ALPN_MANDATORY : 0);
}

int tls_session_new(struct tls_context *context, const char *host,
		    gnutls_session_t *session)
{
	unsigned flags = GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL;
	int code;

	/* One ticket is sent by tls_session_send_ticket() instead of two; a
	 * client of ours never resumes. */
	flags |= context->side == TLS_SERVER
			 ? GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET
			 : GNUTLS_CLIENT | GNUTLS_NO_TICKETS;
	code = gnutls_init(session, flags);
	if (code < 0)
		return code;
	gnutls_session_set_ptr(*session, context);
	gnutls_handshake_set_timeout(*session, 0); /* conn's timer does it */
	code = gnutls_priority_set(*session, context->priorities);
	if (code == 0)
		code = gnutls_credentials_set(*session, GNUTLS_CRD_CERTIFICATE,
					      context->credentials);
	if (code == 0)
		code = tls_set_alpn(context, *session);
	if (code == 0)
		code = context->side == TLS_SERVER
			       ? tls_set_server(context, *session)
			       : tls_set_client(context, host, *session);
	if (code < 0) {
		gnutls_deinit(*session);
		*session = NULL;
	}
	return code < 0 ? code : 0;
}

void tls_session_send_ticket(const struct tls_context *context,
			     gnutls_session_t session)
{
	if (context->side == TLS_SERVER &&
	    gnutls_protocol_get_version(session) == GNUTLS_TLS1_3)
		gnutls_session_ticket_send(session, 1, 0);
}

bool tls_context_is_client(const struct tls_context *context)
{
	return context->side == TLS_CLIENT;
}

void tls_session_host(gnutls_session_t session, char *to, size_t size)
{
	unsigned type;
	size_t len = size;

	if (gnutls_server_name_get(session, to, &len, &type, 0) < 0 ||
	    type != GNUTLS_NAME_DNS)
		to[0] = '\0';
}
