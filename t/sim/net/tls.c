/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS contexts without cryptography: files are not opened, everybody is
 * believed. What TLS does to a connection is in conn.c.
 */
#include "util/net/tls.h"

#include "t/sim/net/conn_sim.h"
#include "util/base/mem.h"

struct tls_context {
	enum tls_side side;
	unsigned refs;
	char *alpn;
};

struct tls_context *tls_context_new(enum tls_side side, struct error *err)
{
	struct tls_context *context = mem_new(struct tls_context);

	(void)err;
	context->side = side;
	context->refs = 1;
	return context;
}

int tls_context_add_certificate(struct tls_context *context, const char *name,
				const char *certificate_file,
				const char *key_file, struct error *err)
{
	(void)context;
	(void)name;
	(void)certificate_file;
	(void)key_file;
	(void)err;
	return 0;
}

int tls_context_add_ca(struct tls_context *context, const char *ca_file,
		       struct error *err)
{
	(void)context;
	(void)ca_file;
	(void)err;
	return 0;
}

void tls_context_request_certificate(struct tls_context *context)
{
	(void)context;
}

void tls_context_request_certificate_for(struct tls_context *context,
					 const char *name)
{
	(void)context;
	(void)name;
}

void tls_context_verify(struct tls_context *context, bool verify)
{
	(void)context;
	(void)verify;
}

void tls_context_set_alpn(struct tls_context *context, const char *protocol)
{
	mem_free(context->alpn);
	context->alpn = mem_strdup(protocol);
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
	context->refs++;
	return context;
}

void tls_context_unref(struct tls_context **context)
{
	struct tls_context *c = *context;

	*context = NULL;
	if (!c || --c->refs > 0)
		return;
	mem_free(c->alpn);
	mem_free(c);
}

long long tls_context_expires(const struct tls_context *context)
{
	(void)context;
	return 0;
}

bool tls_is_client(const struct tls_context *context)
{
	return context->side == TLS_CLIENT;
}

const char *tls_alpn(const struct tls_context *context)
{
	return context->alpn;
}
