/* SPDX-License-Identifier: Apache-2.0
 *
 * libunbound in a thread of its own, whose pipe the loop watches. Answers are
 * decoded here, so that nobody else reads DNS.
 */
#include "util/net/resolver.h"

#include <gnutls/gnutls.h>
#include <string.h>
#include <unbound.h>

#include "util/base/mem.h"
#include "util/base/table.h"
#include "util/net/timer.h"
#include "util/net/watch.h"

#define RECORDS_MAX  64
#define CLASS_IN     1
#define RCODE_NXDOMAIN 3

struct resolver {
	struct loop *loop;
	struct ub_ctx *unbound;
	struct watch *watch;
	struct resolver_query *queries;
};

struct resolver_query {
	struct resolver *resolver;
	enum resolver_type type;
	resolver_cb *cb;
	void *ctx;
	int id;
	const char *failed;	  /* it could not even be asked */
	struct deferred deferred; /* which is told so */
	struct resolver_query *prev, *next;
};

static const int types[] = { [RESOLVER_A] = 1, [RESOLVER_AAAA] = 28,
			     [RESOLVER_SRV] = 33, [RESOLVER_TLSA] = 52 };

/* -- answers -------------------------------------------------------------- */

static size_t read_records(struct resolver_record *records,
			   enum resolver_type type,
			   const struct ub_result *result)
{
	size_t count = 0;

	for (size_t i = 0; result->data[i] && count < RECORDS_MAX; i++) {
		if (resolver_read(&records[count], type, result->data[i],
				  (size_t)result->len[i]) == 0)
			count++;
	}
	return count;
}

static void query_free(struct resolver_query *query)
{
	DL_DELETE(query->resolver->queries, query);
	loop_defer_cancel(query->resolver->loop, &query->deferred);
	mem_free(query);
}

static void tell(struct resolver_query *query,
		 const struct resolver_answer *answer)
{
	resolver_cb *cb = query->cb;
	void *ctx = query->ctx;

	query_free(query);
	cb(answer, ctx);
}

static void judge(struct resolver_answer *answer, enum resolver_type type,
		  struct resolver_record *records,
		  const struct ub_result *result)
{
	answer->secure = result->secure;
	answer->name = result->canonname;
	answer->ttl = result->ttl > 0 ? (uint32_t)result->ttl : 0;
	if (result->bogus) {
		answer->status = RESOLVER_BOGUS;
		answer->why = result->why_bogus ? result->why_bogus
						: "validation failed";
	} else if (result->havedata) {
		answer->count = read_records(records, type, result);
		answer->status = answer->count > 0 ? RESOLVER_OK
						   : RESOLVER_FAILED;
		answer->why = "the records are malformed";
	} else if (result->rcode == 0 || result->rcode == RCODE_NXDOMAIN) {
		answer->status = RESOLVER_NOT_FOUND;
		answer->why = result->nxdomain ? "no such name"
					       : "no such record";
	} else {
		answer->status = RESOLVER_FAILED;
		answer->why = "the name servers do not answer";
	}
}

static void on_answer(void *ctx, int error, struct ub_result *result)
{
	struct resolver_query *query = ctx;
	struct resolver_record records[RECORDS_MAX];
	struct resolver_answer answer = { .status = RESOLVER_FAILED,
					  .records = records };

	if (error || !result)
		answer.why = ub_strerror(error);
	else
		judge(&answer, query->type, records, result);
	tell(query, &answer);
	ub_resolve_free(result);
}

static void on_readable(struct watch *watch, unsigned events, void *ctx)
{
	struct resolver *resolver = ctx;

	(void)watch;
	(void)events;
	ub_process(resolver->unbound);
}

/* -- asking --------------------------------------------------------------- */

static void tell_failed(struct deferred *deferred)
{
	struct resolver_query *query =
		container_of(deferred, struct resolver_query, deferred);
	struct resolver_answer answer = { .status = RESOLVER_FAILED,
					  .why = query->failed };

	tell(query, &answer);
}

struct resolver_query *resolver_ask(struct resolver *resolver,
				    const char *name, enum resolver_type type,
				    resolver_cb *cb, void *ctx)
{
	struct resolver_query *query = mem_new(struct resolver_query);
	int error;

	query->resolver = resolver;
	query->type = type;
	query->cb = cb;
	query->ctx = ctx;
	DL_APPEND(resolver->queries, query);
	error = ub_resolve_async(resolver->unbound, name, types[type], CLASS_IN,
				 query, on_answer, &query->id);
	if (error) {
		query->failed = ub_strerror(error);
		loop_defer(resolver->loop, &query->deferred, tell_failed);
	}
	return query;
}

void resolver_cancel(struct resolver_query **query_ptr)
{
	struct resolver_query *query = *query_ptr;

	*query_ptr = NULL;
	if (!query)
		return;
	if (!query->failed)
		ub_cancel(query->resolver->unbound, query->id);
	query_free(query);
}

char *resolver_ascii(const char *domain)
{
	gnutls_datum_t ascii = { 0 };
	char *name = NULL;

	if (gnutls_idna_map(domain, (unsigned)strlen(domain), &ascii, 0) == 0 &&
	    ascii.size > 0 && ascii.size < RESOLVER_NAME_MAX)
		name = mem_strdup((const char *)ascii.data);
	gnutls_free(ascii.data);
	return name;
}

/* -- life ----------------------------------------------------------------- */

static int configure(struct resolver *resolver,
		     const struct resolver_options *options, struct error *err)
{
	struct ub_ctx *unbound = resolver->unbound;
	int error = 0;

	/* A thread, not a process. */
	ub_ctx_async(unbound, 1);
	if (options->server)
		error = ub_ctx_set_fwd(unbound, options->server);
	else /* without such a file it asks the root servers itself */
		ub_ctx_resolvconf(unbound, NULL);
	if (error)
		return error_set(err, "%s: %s", options->server,
				 ub_strerror(error));
	if (options->anchor) {
		error = ub_ctx_add_ta_file(unbound, options->anchor);
		if (error)
			return error_set(err, "%s: %s", options->anchor,
					 ub_strerror(error));
	}
	if (options->hosts) {
		error = ub_ctx_hosts(unbound, options->hosts);
		if (error)
			return error_set(err, "%s: %s", options->hosts,
					 ub_strerror(error));
	}
	/* By default a forwarder on this machine is never asked. */
	ub_ctx_set_option(unbound, "do-not-query-localhost:", "no");
	return 0;
}

struct resolver *resolver_new(struct loop *loop,
			      const struct resolver_options *options,
			      struct error *err)
{
	struct resolver *resolver = mem_new(struct resolver);

	resolver->loop = loop;
	resolver->unbound = ub_ctx_create();
	if (!resolver->unbound) {
		error_set(err, "the resolver cannot be made");
		mem_free(resolver);
		return NULL;
	}
	if (configure(resolver, options, err) == 0)
		resolver->watch = watch_start(loop, ub_fd(resolver->unbound),
					      WATCH_READ, on_readable, resolver,
					      err);
	if (!resolver->watch)
		resolver_free(&resolver);
	return resolver;
}

void resolver_free(struct resolver **resolver_ptr)
{
	struct resolver *resolver = *resolver_ptr;
	struct resolver_query *query, *next;

	*resolver_ptr = NULL;
	if (!resolver)
		return;
	watch_stop(&resolver->watch);
	DL_FOREACH_SAFE(resolver->queries, query, next)
		query_free(query);
	ub_ctx_delete(resolver->unbound);
	mem_free(resolver);
}
