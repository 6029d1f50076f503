/* SPDX-License-Identifier: Apache-2.0
 *
 * What an sm counts, as Prometheus text.
 */
#include "util/role/metrics.h"

#include "sm/access.h"
#include "sm/domain.h"
#include "sm/sasl.h"
#include "sm/sm.h"
#include "storage/people.h"

#define BUCKETS 12

static void write_kinds(struct buf *to, const char *name, const char *help,
			const uint64_t counts[3])
{
	static const char *const labels[] = { "kind=\"message\"",
					      "kind=\"presence\"",
					      "kind=\"iq\"" };

	metrics_family(to, name, "counter", help);
	for (size_t i = 0; i < 3; i++)
		metrics_sample(to, name, labels[i], (double)counts[i]);
}

static void write_auth(struct buf *to, const struct sm_stats *stats)
{
	static const char name[] = "chappe_sm_auth_total";

	metrics_family(to, name, "counter", "Log-ins by outcome.");
	metrics_sample(to, name, "outcome=\"success\"",
		       (double)stats->auth_success);
	metrics_sample(to, name, "outcome=\"failure\"",
		       (double)stats->auth_failure);
	metrics_sample(to, name, "outcome=\"unavailable\"",
		       (double)(stats->auth_unavailable -
				stats->auth_throttled));
	metrics_sample(to, name, "outcome=\"throttled\"",
		       (double)stats->auth_throttled);
}

static void write_sessions(struct buf *to, const struct sm_stats *stats)
{
	metrics_counter(to, "chappe_sm_sessions_opened_total",
			"Sessions opened.", stats->sessions_opened);
	metrics_counter(to, "chappe_sm_sessions_reopened_total",
			"Sessions restored from a snapshot.",
			stats->sessions_reopened);
	metrics_counter(to, "chappe_sm_sessions_lost_total",
			"Stanzas for sessions that were not known here.",
			stats->sessions_lost);
}

static void write_offline(struct buf *to, const struct sm_stats *stats)
{
	metrics_counter(to, "chappe_sm_offline_stored_total",
			"Messages kept for users who were offline.",
			stats->offline_stored);
	metrics_counter(to, "chappe_sm_offline_delivered_total",
			"Messages of these that were delivered.",
			stats->offline_delivered);
	metrics_counter(to, "chappe_sm_offline_refused_total",
			"Messages returned because too many were kept.",
			stats->offline_refused);
}

static void write_reports(struct buf *to, const struct sm_stats *stats)
{
	static const char name[] = "chappe_sm_reports_total";

	metrics_family(to, name, "counter",
		       "Addresses that users reported, by reason.");
	metrics_sample(to, name, "reason=\"spam\"",
		       (double)stats->reports_spam);
	metrics_sample(to, name, "reason=\"abuse\"",
		       (double)stats->reports_abuse);
}

/* All stores together. */
static void write_storage(struct buf *to, const struct sm *sm)
{
	struct sm_storage *section, *next;
	uint64_t counts[BUCKETS] = { 0 };
	double bounds[BUCKETS], sum = 0;
	struct storage_stats stats, total = { 0 };

	HASH_ITER(hh, sm->storages, section, next) {
		storage_get_stats(section->storage, &stats);
		total.requests += stats.requests;
		total.unavailable += stats.unavailable;
		total.pending += stats.pending;
		sum += (double)stats.latency_sum_us / 1e6;
		for (size_t i = 0; i < BUCKETS; i++)
			counts[i] += stats.latency_buckets[i];
	}
	for (size_t i = 0; i < BUCKETS; i++)
		bounds[i] = (double)(1 << i) / 1000;
	metrics_counter(to, "chappe_sm_storage_requests_total",
			"Requests to the storage.", total.requests);
	metrics_counter(to, "chappe_sm_storage_unavailable_total",
			"Requests that the storage could not answer.",
			total.unavailable);
	metrics_gauge(to, "chappe_sm_storage_pending",
		      "Requests that wait for the storage.",
		      (int64_t)total.pending);
	metrics_histogram(to, "chappe_sm_storage_seconds",
			  "Time that requests to the storage took.", bounds,
			  counts, BUCKETS, sum);
}

static void write_people(struct buf *to, const struct sm *sm)
{
	struct sm_domain *domain, *next;
	size_t known = 0, untold = 0, changes = 0;

	HASH_ITER(hh, sm->domains, domain, next) {
		changes += domain->sharing_count;
		if (domain->people == NULL)
			continue;
		known += people_count(domain->people);
		untold += people_tells(domain->people) &&
			  !people_ready(domain->people);
	}
	metrics_gauge(to, "chappe_sm_people",
		      "People whom directories have told of.",
		      (int64_t)known);
	metrics_gauge(to, "chappe_sm_people_untold",
		      "Domains whose directory has not told all yet.",
		      (int64_t)untold);
	metrics_gauge(to, "chappe_sm_group_changes",
		      "Changes of groups that clients are still to hear of.",
		      (int64_t)changes);
	metrics_counter(to, "chappe_sm_logged_out_total",
			"Users logged out because of the directory.",
			sm->stats.logged_out);
}

void sm_metrics(void *state, struct buf *to)
{
	const struct sm *sm = state;
	const struct sm_stats *stats = &sm->stats;

	metrics_gauge(to, "chappe_sm_sessions", "Sessions that are open.",
		      (int64_t)sm->session_count);
	metrics_gauge(to, "chappe_sm_users", "Users in memory.",
		      (int64_t)sm->user_count);
	metrics_gauge(to, "chappe_sm_tasks", "Stanzas that wait here.",
		      (int64_t)sm->task_count);
	metrics_gauge(to, "chappe_sm_exchanges", "Log-ins under way.",
		      (int64_t)sasl_exchange_count(sm));
	write_kinds(to, "chappe_sm_stanzas_in_total",
		    "Stanzas from clients and other roles.",
		    stats->stanzas_in);
	write_kinds(to, "chappe_sm_stanzas_out_total", "Stanzas to clients.",
		    stats->stanzas_out);
	metrics_counter(to, "chappe_sm_stanza_errors_total",
			"Error stanzas sent.", stats->errors_sent);
	metrics_counter(to, "chappe_sm_repeats_total",
			"Stanzas that came once more, and were dropped.",
			stats->repeats);
	write_reports(to, stats);
	write_people(to, sm);
	metrics_counter(to, "chappe_sm_pep_published_total",
			"Requests that published to a node of an account",
			stats->pep_published);
	metrics_counter(to, "chappe_sm_pep_notified_total",
			"Notifications of nodes sent", stats->pep_notified);
	metrics_counter(to, "chappe_sm_csi_delayed_total",
			"Stanzas that waited for an inactive client.",
			stats->csi_delayed);
	metrics_counter(to, "chappe_sm_csi_spared_total",
			"Stanzas of these that newer ones replaced.",
			stats->csi_spared);
	write_auth(to, stats);
	write_sessions(to, stats);
	write_offline(to, stats);
	write_storage(to, sm);
	access_metrics(sm->access, to);
	if (sm->link == NULL)
		return;
	role_link_metrics(sm->link, to);
	drain_metrics(&sm->drain, to);
}
