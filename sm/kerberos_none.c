/* SPDX-License-Identifier: Apache-2.0
 *
 * In place of sm/kerberos.c where the library is not there. Without a pool
 * there is nothing to do.
 */
#include <stdlib.h>

#include "sm/kerberos.h"

struct kerberos_pool *kerberos_pool_new(struct loop *loop, struct error *err)
{
	(void)loop;
	error_set(err, "this chappe-sm was built without Kerberos");
	return NULL;
}

void kerberos_pool_free(struct kerberos_pool **pool)
{
	*pool = NULL;
}

struct kerberos_acceptor *kerberos_acceptor_new(struct kerberos_pool *pool,
						const char *keytab,
						struct error *err)
{
	(void)pool;
	(void)keytab;
	(void)err;
	abort();
}

void kerberos_acceptor_unref(struct kerberos_acceptor **acceptor)
{
	*acceptor = NULL;
}

struct kerberos_context *
kerberos_context_new(struct kerberos_acceptor *acceptor,
		     kerberos_done_cb *done, void *ctx)
{
	(void)acceptor;
	(void)done;
	(void)ctx;
	abort();
}

void kerberos_accept(struct kerberos_context *context, const void *token,
		     size_t len, const struct buf *binding)
{
	(void)context;
	(void)token;
	(void)len;
	(void)binding;
}

int kerberos_wrap(struct kerberos_context *context, const void *bytes,
		  size_t len, struct buf *to)
{
	(void)context;
	(void)bytes;
	(void)len;
	(void)to;
	return -1;
}

int kerberos_unwrap(struct kerberos_context *context, const void *bytes,
		    size_t len, struct buf *to)
{
	return kerberos_wrap(context, bytes, len, to);
}

void kerberos_context_free(struct kerberos_context **context)
{
	*context = NULL;
}
