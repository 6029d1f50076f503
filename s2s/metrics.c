/* SPDX-License-Identifier: Apache-2.0
 *
 * The metrics of s2s, written from the counters that it keeps anyway.
 */
#include "util/role/metrics.h"

#include "s2s/access.h"
#include "s2s/remote.h"
#include "s2s/s2s.h"
#include "s2s/stream.h"

static const char *const directions[] = { [S2S_IN] = "in", [S2S_OUT] = "out" };

static void sample(struct buf *to, const char *name, const char *label,
		   const char *value, uint64_t count)
{
	struct buf labels = { 0 };

	metrics_label(&labels, label, value);
	metrics_sample(to, name, buf_data(&labels), (double)count);
	buf_free(&labels);
}

static void traffic(const struct s2s *s2s, struct buf *to)
{
	static const char bytes[] = "chappe_s2s_bytes_total";
	static const char stanzas[] = "chappe_s2s_stanzas_total";

	metrics_family(to, bytes, "counter",
		       "Bytes from (in) and to (out) servers, without TLS");
	for (int i = 0; i < S2S_DIRECTIONS; i++)
		sample(to, bytes, "direction", directions[i],
		       s2s->stats.bytes[i]);
	metrics_family(to, stanzas, "counter",
		       "Stanzas from (in) and to (out) servers");
	for (int i = 0; i < S2S_DIRECTIONS; i++)
		sample(to, stanzas, "direction", directions[i],
		       s2s->stats.stanzas[i]);
}

static void reached(const struct s2s *s2s, struct buf *to)
{
	static const char name[] = "chappe_s2s_authenticated_total";
	struct buf labels = { 0 };

	metrics_family(to, name, "counter",
		       "Pairs of domains by direction and trust reached");
	for (int i = 0; i < S2S_DIRECTIONS; i++) {
		for (int level = 0; level < TRUST_COUNT; level++) {
			metrics_label(&labels, "direction", directions[i]);
			metrics_label(&labels, "trust", trust_names[level]);
			metrics_sample(to, name, buf_data(&labels),
				       (double)s2s->stats.reached[i][level]);
			buf_clear(&labels, 256);
		}
	}
	buf_free(&labels);
}

static void trial(const struct s2s *s2s, struct buf *to)
{
	static const char name[] = "chappe_s2s_trust_trial_failed_total";

	metrics_family(to, name, "counter",
		       "Pairs of domains that trust-trial would have refused");
	for (int i = 0; i < S2S_DIRECTIONS; i++)
		sample(to, name, "direction", directions[i],
		       s2s->stats.trial_failed[i]);
}

static void dialbacks(const struct s2s *s2s, struct buf *to)
{
	static const char name[] = "chappe_s2s_dialbacks_total";

	metrics_family(to, name, "counter", "Dialback keys by their outcome");
	sample(to, name, "outcome", "valid", s2s->stats.dialbacks_valid);
	sample(to, name, "outcome", "invalid", s2s->stats.dialbacks_invalid);
	sample(to, name, "outcome", "failed", s2s->stats.dialbacks_failed);
}

static void errors(const struct s2s *s2s, struct buf *to)
{
	static const char name[] = "chappe_s2s_stream_errors_total";

	metrics_family(to, name, "counter", "Stream errors sent to servers");
	for (int i = 0; i < S2S_CONDITIONS; i++) {
		if (s2s->stats.errors[i] > 0)
			sample(to, name, "condition",
			       stream_error_condition((enum stream_error)i),
			       s2s->stats.errors[i]);
	}
}

static void at_the_door(const struct s2s *s2s, struct buf *to)
{
	struct acceptor_counts at_door = acceptor_count(s2s->acceptor);

	metrics_gauge(to, "chappe_s2s_connections",
		      "Incoming connections of servers",
		      (int64_t)at_door.connections);
	metrics_gauge(to, "chappe_s2s_connections_unauthenticated",
		      "Those that are not authenticated",
		      (int64_t)at_door.unauthenticated);
	metrics_counter(to, "chappe_s2s_accepted_total",
			"Connections that were accepted", at_door.accepted);
	metrics_counter(to, "chappe_s2s_refused_total",
			"Connections that a limit kept out", at_door.refused);
}

static void counts(const struct s2s *s2s, struct buf *to)
{
	metrics_counter(to, "chappe_s2s_attempts_total",
			"Attempts to reach a remote domain",
			s2s->stats.attempts);
	metrics_counter(to, "chappe_s2s_failures_total",
			"Attempts that failed", s2s->stats.failures);
	metrics_counter(to, "chappe_s2s_bounced_total",
			"Stanzas that could not be delivered to servers",
			s2s->stats.bounced);
	metrics_counter(to, "chappe_s2s_forged_total",
			"Stanzas from domains that were not authenticated",
			s2s->stats.forged);
	metrics_counter(to, "chappe_s2s_resumed_total",
			"Streams that were resumed after a broken connection",
			s2s->stats.resumed);
	metrics_counter(to, "chappe_s2s_resent_total",
			"Stanzas sent again, not having been acknowledged",
			s2s->stats.resent);
	metrics_counter(to, "chappe_s2s_untrusted_total",
			"Times that a server did not reach the trust required",
			s2s->stats.untrusted);
}

void s2s_metrics(void *state, struct buf *to)
{
	const struct s2s *s2s = state;

	metrics_gauge(to, "chappe_s2s_remotes",
		      "Pairs of a local and a remote domain",
		      (int64_t)HASH_COUNT(s2s->remotes));
	metrics_gauge(to, "chappe_s2s_queued", "Stanzas that wait",
		      (int64_t)s2s->stats.queued);
	metrics_gauge(to, "chappe_s2s_queued_bytes", "Bytes of these",
		      (int64_t)s2s->stats.queued_bytes);
	at_the_door(s2s, to);
	counts(s2s, to);
	traffic(s2s, to);
	reached(s2s, to);
	trial(s2s, to);
	dialbacks(s2s, to);
	errors(s2s, to);
	access_metrics(s2s->access, to);
	role_link_metrics(s2s->link, to);
	drain_metrics(&s2s->drain, to);
}
