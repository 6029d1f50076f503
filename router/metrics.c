/* SPDX-License-Identifier: Apache-2.0
 *
 * Written when asked for, from what the router counts anyway.
 */
#include "router/metrics.h"

#include "router/names.h"
#include "router/peer.h"
#include "util/role/metrics.h"

struct totals {
	double links[LINK_KINDS];
	double queued[LINK_KINDS];
	uint64_t longest; /* queue of one link */
	uint64_t waiting; /* links that are blocked */
};

static void sum_up(const struct router *router, struct totals *totals)
{
	struct peer *peer, *next;

	*totals = (struct totals){ .longest = 0 };
	HASH_ITER(hh, router->links, peer, next) {
		size_t queued = conn_queued(peer->conn);

		totals->links[peer->kind]++;
		totals->queued[peer->kind] += (double)queued;
		if (queued > totals->longest)
			totals->longest = queued;
		if (peer->blocked_on)
			totals->waiting++;
	}
}

static void by_kind(struct buf *to, const char *name, const char *type,
		    const char *help, const double values[LINK_KINDS])
{
	metrics_family(to, name, type, help);
	for (int kind = 0; kind < LINK_KINDS; kind++) {
		struct buf labels = { 0 };

		metrics_label(&labels, "kind",
			      link_kind_name((enum link_kind)kind));
		metrics_sample(to, name, buf_data(&labels), values[kind]);
		buf_free(&labels);
	}
}

static void counters_by_kind(struct buf *to, const char *name,
			     const char *help,
			     const uint64_t counts[LINK_KINDS])
{
	double values[LINK_KINDS];

	for (int kind = 0; kind < LINK_KINDS; kind++)
		values[kind] = (double)counts[kind];
	by_kind(to, name, "counter", help, values);
}

void router_metrics(const struct router *router, struct buf *to)
{
	const struct router_stats *stats = &router->stats;
	struct totals totals;

	sum_up(router, &totals);
	by_kind(to, "chappe_router_links", "gauge", "Links that are up",
		totals.links);
	by_kind(to, "chappe_router_queue_bytes", "gauge",
		"Bytes that wait for links to read them", totals.queued);
	metrics_gauge(to, "chappe_router_queue_longest_bytes",
		      "The longest queue of one link",
		      (int64_t)totals.longest);
	metrics_gauge(to, "chappe_router_links_blocked",
		      "Links that are not read because of slower ones",
		      (int64_t)totals.waiting);
	metrics_gauge(to, "chappe_router_names", "Names that are served",
		      (int64_t)names_count(router));
	metrics_gauge(to, "chappe_router_handshakes",
		      "Connections that have not proved themselves",
		      (int64_t)router->handshakes);
	counters_by_kind(to, "chappe_router_envelopes_total",
			 "Envelopes and stanzas forwarded, by sender",
			 stats->envelopes);
	counters_by_kind(to, "chappe_router_bytes_total",
			 "Bytes forwarded, by sender", stats->bytes);
	metrics_counter(to, "chappe_router_connections_total",
			"Connections accepted", stats->accepted);
	metrics_counter(to, "chappe_router_evicted_total",
			"Connections closed for newer ones before their "
			"handshake", stats->evicted);
	metrics_counter(to, "chappe_router_refused_total",
			"Handshakes, names and envelopes without right",
			stats->refused);
	metrics_counter(to, "chappe_router_failed_total",
			"Links ended with a stream error", stats->failed);
	metrics_counter(to, "chappe_router_gone_total",
			"Envelopes whose receiver was gone", stats->gone);
	metrics_counter(to, "chappe_router_returned_total",
			"Stanzas sent back as errors", stats->returned);
	metrics_counter(to, "chappe_router_dropped_total",
			"Errors and results without a receiver",
			stats->dropped);
	metrics_counter(to, "chappe_router_malformed_total",
			"Payloads that were no stanza for a component",
			stats->malformed);
	metrics_counter(to, "chappe_router_blocked_total",
			"Times that a link had to wait for a slower one",
			stats->blocked);
	metrics_counter(to, "chappe_router_slow_total",
			"Links closed because they did not read",
			stats->slow);
	drain_metrics(&router->drain, to);
}
