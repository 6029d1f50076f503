/* SPDX-License-Identifier: Apache-2.0
 *
 * Kerberos by the GSSAPI library of MIT: keytabs, and the contexts that
 * clients establish with tickets. What goes over the wire around it is up to
 * the mechanisms (sm/sasl_gssapi.c).
 *
 * Accepting a token may block (files, locks of the replay cache): it is done
 * in threads of a pool.
 */
#ifndef SM_KERBEROS_H
#define SM_KERBEROS_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/buf.h"
#include "util/base/error.h"
#include "util/net/loop.h"

struct kerberos_pool;
struct kerberos_acceptor; /* the keys of a domain; counted */
struct kerberos_context;  /* of one log-in */

enum kerberos_state {
	KERBEROS_MORE, /* another token of the client is needed */
	KERBEROS_DONE,
	KERBEROS_FAILED
};

struct kerberos_result {
	enum kerberos_state state;
	const char *condition; /* FAILED: of RFC 6120 section 6.5 */
	char reason[200];      /* FAILED: for the log */
	struct buf output;     /* token for the client; len 0: none */
	char *client;	       /* DONE: principal, "alice@EXAMPLE.ORG" */
	char *service;	       /* DONE: "xmpp/example.org@EXAMPLE.ORG" */
	bool bound;	       /* DONE: the client gave the same bindings */
	bool mutual;	       /* DONE: the client knows us, too */
};

/* Threads for all domains. NULL with err, also when this was built without
 * Kerberos. */
struct kerberos_pool *kerberos_pool_new(struct loop *loop, struct error *err);

/* Waits for what is under way. All contexts are released. */
void kerberos_pool_free(struct kerberos_pool **pool);

/* NULL with err: the file cannot be read, or holds no key. Keys that are
 * changed in it later are seen. */
struct kerberos_acceptor *kerberos_acceptor_new(struct kerberos_pool *pool,
						const char *keytab,
						struct error *err);
void kerberos_acceptor_unref(struct kerberos_acceptor **acceptor);

typedef void kerberos_done_cb(const struct kerberos_result *result, void *ctx);

/* Takes a reference to the acceptor. */
struct kerberos_context *
kerberos_context_new(struct kerberos_acceptor *acceptor,
		     kerberos_done_cb *done, void *ctx);

/* Takes the client's next token; `done` is called once, from the loop. The
 * result is valid until the next call. `binding`: what the client must bind
 * to (RFC 2743 section 1.1.6, only application data); NULL: nothing. */
void kerberos_accept(struct kerberos_context *context, const void *token,
		     size_t len, const struct buf *binding);

/* Messages in an established context: protected for the client, and read from
 * it; -1 when that cannot be. */
int kerberos_wrap(struct kerberos_context *context, const void *bytes,
		  size_t len, struct buf *to);
int kerberos_unwrap(struct kerberos_context *context, const void *bytes,
		    size_t len, struct buf *to);

/* Whenever it likes; `done` is not called any more. NULL inside is allowed. */
void kerberos_context_free(struct kerberos_context **context);

#endif
