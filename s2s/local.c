/* SPDX-License-Identifier: Apache-2.0
 *
 * Our domains and their TLS contexts: one for all as a server, where the peer
 * says which name it wants, and one for each as a client, which shows the
 * certificate of that domain.
 */
#include "s2s/local.h"

#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/net/certificate.h"
#include "util/xmpp/jid.h"

#define ALPN "xmpp-server" /* XEP-0368 */

struct s2s_local {
	char *name;
	struct tls_context *client, *direct_client;
	struct certificate_prints prints;
	UT_hash_handle hh;
};

struct loading {
	const char *ca;
	const char *no_anchors; /* why there are none of the system */
	struct error why;
	struct s2s_local *locals;
	struct tls_context *server, *direct;
};

static void local_free(struct s2s_local *local)
{
	tls_context_unref(&local->client);
	tls_context_unref(&local->direct_client);
	mem_free(local->name);
	mem_free(local);
}

static void free_all(struct s2s_local **locals)
{
	struct s2s_local *local, *next;

	HASH_ITER(hh, *locals, local, next) {
		HASH_DEL(*locals, local);
		local_free(local);
	}
}

/* Peers are judged after the handshake, by trust.c: no certificate ends it. */
static struct tls_context *context_new(enum tls_side side,
				       struct loading *loading, bool direct,
				       struct error *err)
{
	struct tls_context *context = tls_context_new(side, err);

	if (!context)
		return NULL;
	if (loading->ca && tls_context_add_ca(context, loading->ca, err) < 0) {
		tls_context_unref(&context);
		return NULL;
	}
	/* Without those of the system, pinned keys and dialback still work. */
	if (!loading->ca && !loading->no_anchors &&
	    tls_context_add_ca(context, NULL, &loading->why) < 0)
		loading->no_anchors = loading->why.text;
	if (side == TLS_SERVER)
		tls_context_request_certificate(context);
	else
		tls_context_verify(context, false);
	if (direct)
		tls_context_set_alpn(context, ALPN);
	return context;
}

static int load_client(struct s2s_local *local, struct loading *loading,
		       const struct domain_options *options, struct error *err)
{
	local->client = context_new(TLS_CLIENT, loading, false, err);
	if (local->client)
		local->direct_client =
			context_new(TLS_CLIENT, loading, true, err);
	if (!local->direct_client)
		return -1;
	if (tls_context_add_certificate(local->client, NULL,
					options->certificate, options->key,
					err) < 0)
		return -1;
	return tls_context_add_certificate(local->direct_client, NULL,
					   options->certificate, options->key,
					   err);
}

static int load_domain(struct loading *loading, const char *title,
		       const struct domain_options *options,
		       struct error *err)
{
	struct s2s_local *local, *old;
	char *name = jid_prepare_domain(title);

	if (!name)
		return error_set(err, "this is no domain");
	local = mem_new(struct s2s_local);
	local->name = name;
	HASH_FIND_STR(loading->locals, name, old);
	if (old) {
		local_free(local);
		return error_set(err, "it stands twice");
	}
	HASH_ADD_KEYPTR(hh, loading->locals, local->name, strlen(local->name),
			local);
	if (!options->certificate || !options->key)
		return error_set(err, "certificate and key are needed");
	/* Once for the domain, once for what else is in the certificate. */
	if (tls_context_add_certificate(loading->server, name,
					options->certificate, options->key,
					err) < 0 ||
	    tls_context_add_certificate(loading->server, NULL,
					options->certificate, options->key,
					err) < 0 ||
	    tls_context_add_certificate(loading->direct, name,
					options->certificate, options->key,
					err) < 0)
		return -1;
	if (certificate_file_prints(options->certificate, &local->prints,
				    err) < 0)
		return -1;
	return load_client(local, loading, options, err);
}

static int load_all(struct s2s *s2s, struct loading *loading,
		    struct error *err)
{
	const struct config *config = s2s->env->config;
	const char *title;

	loading->server = context_new(TLS_SERVER, loading, false, err);
	if (loading->server)
		loading->direct = context_new(TLS_SERVER, loading, true, err);
	if (!loading->direct)
		return -1;
	for (size_t i = 0; i < config_count(config, "domain"); i++) {
		const struct domain_options *options =
			config_get(config, "domain", i, &title);

		if (load_domain(loading, title, options, err) < 0)
			return error_prefix(err, "domain \"%s\"", title);
	}
	if (!loading->locals)
		return error_set(err, "there is no section domain");
	return 0;
}

int s2s_locals_load(struct s2s *s2s, const struct s2s_config *config,
		    struct error *err)
{
	struct loading loading = { .ca = config->ca };

	if (load_all(s2s, &loading, err) < 0) {
		free_all(&loading.locals);
		tls_context_unref(&loading.server);
		tls_context_unref(&loading.direct);
		return -1;
	}
	if (loading.no_anchors)
		log_warning(s2s->log, "tls.no-anchors",
			    LOG_S("reason", loading.no_anchors));
	s2s_locals_free(s2s);
	s2s->locals = loading.locals;
	s2s->server = loading.server;
	s2s->direct = loading.direct;
	return 0;
}

void s2s_locals_free(struct s2s *s2s)
{
	free_all(&s2s->locals);
	tls_context_unref(&s2s->server);
	tls_context_unref(&s2s->direct);
}

void s2s_locals_each(const struct s2s *s2s,
		     void (*each)(const char *domain, const char *pin,
				  const char *fingerprint, void *ctx),
		     void *ctx)
{
	struct s2s_local *local, *next;

	HASH_ITER(hh, s2s->locals, local, next)
		each(local->name, local->prints.pin, local->prints.fingerprint,
		     ctx);
}

bool s2s_local_is(const struct s2s *s2s, const char *domain)
{
	struct s2s_local *local;
	const struct member *members;
	size_t count;

	HASH_FIND_STR(s2s->locals, domain, local);
	if (local)
		return true;
	members = members_get(link_members(s2s->link), domain, &count);
	return members && count > 0 && str_equal(members[0].kind, "component");
}

/* The domain itself, or the one that a component is below; else the first. */
static const struct s2s_local *owner(const struct s2s *s2s, const char *domain)
{
	struct s2s_local *local;

	for (const char *at = domain; at; at = strchr(at, '.')) {
		if (*at == '.')
			at++;
		HASH_FIND_STR(s2s->locals, at, local);
		if (local)
			return local;
	}
	return s2s->locals;
}

struct tls_context *s2s_local_client(const struct s2s *s2s,
				     const char *domain, bool direct)
{
	const struct s2s_local *local = owner(s2s, domain);

	return direct ? local->direct_client : local->client;
}
