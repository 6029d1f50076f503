/* SPDX-License-Identifier: Apache-2.0
 *
 * The link of a role, made from the options that all roles share, and its
 * metrics. The link itself knows nothing of configuration.
 */
#include "util/role/role.h"

#include "util/base/mem.h"
#include "util/role/metrics.h"

/* TLS towards routers on TCP; NULL with err. */
static struct tls_context *make_tls(const struct common_options *options,
				    struct error *err)
{
	struct tls_context *tls = tls_context_new(TLS_CLIENT, err);

	if (!tls)
		return NULL;
	if (tls_context_add_ca(tls, options->link_ca, err) < 0)
		goto fail;
	if (options->link_certificate &&
	    tls_context_add_certificate(tls, NULL, options->link_certificate,
					options->link_key
						? options->link_key
						: options->link_certificate,
					err) < 0)
		goto fail;
	return tls;
fail:
	tls_context_unref(&tls);
	return NULL;
}

static int check(const struct common_options *options, struct error *err)
{
	if (!options->routers[0])
		return error_set(err, "routers: the list is empty");
	if (options->secret_file ||
	    (options->link_tls && options->link_certificate))
		return 0;
	return error_set(err, "secret-file: needed to link with the router "
			      "(or link-tls with link-certificate)");
}

struct link *role_link_new(struct role_env *env,
			   const struct common_options *options,
			   const char *const *binds,
			   const struct link_handlers *handlers, void *ctx,
			   struct error *err)
{
	struct link_options link_options = {
		.name = env->instance,
		.routers = (const char *const *)options->routers,
		.binds = binds,
		.plain_role = env->plain_link,
		.version = (unsigned)options->link_version,
	};
	struct tls_context *tls = NULL;
	struct link *link = NULL;
	char *secret = NULL;

	if (check(options, err) < 0)
		return NULL;
	if (options->secret_file) {
		secret = config_read_secret(options->secret_file, err);
		if (!secret)
			return NULL;
	}
	if (options->link_tls) {
		tls = make_tls(options, err);
		if (!tls)
			goto done;
	}
	link_options.secret = secret;
	link_options.tls = tls;
	link = link_new(env->loop, env->log, &link_options, handlers, ctx);
done:
	if (tls)
		tls_context_unref(&tls);
	mem_free_secret(secret);
	return link;
}

void role_link_metrics(const struct link *link, struct buf *to)
{
	struct link_stats stats;

	link_get_stats(link, &stats);
	metrics_counter(to, "chappe_link_sent_total",
			"Envelopes sent to other roles.", stats.sent);
	metrics_counter(to, "chappe_link_received_total",
			"Envelopes received from other roles.",
			stats.received);
	metrics_counter(to, "chappe_link_resent_total",
			"Envelopes sent again.", stats.resent);
	metrics_counter(to, "chappe_link_repeats_total",
			"Envelopes received again, and dropped.",
			stats.repeats);
	metrics_counter(to, "chappe_link_undelivered_total",
			"Envelopes that could not be delivered.",
			stats.undelivered);
	metrics_gauge(to, "chappe_link_outstanding",
		      "Envelopes that wait for an acknowledgement.",
		      (int64_t)stats.outstanding);
	metrics_gauge(to, "chappe_link_outstanding_bytes",
		      "Bytes of these.", (int64_t)stats.outstanding_bytes);
	metrics_gauge(to, "chappe_link_routers_connected",
		      "Routers that this role has a link to.",
		      stats.routers_connected);
}
