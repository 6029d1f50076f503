/* SPDX-License-Identifier: Apache-2.0
 *
 * The metrics of c2s, written from the counters that it keeps anyway.
 */
#include "util/role/metrics.h"

#include "c2s/c2s.h"
#include "c2s/domain.h"
#include "c2s/stream.h"

static const char *const kinds[] = { "message", "presence", "iq" };

static const char *const outcomes[] = { "success", "failure", "aborted",
					"unavailable" };

static void sample(struct buf *to, const char *name, const char *label,
		   const char *value, uint64_t count)
{
	struct buf labels = { 0 };

	metrics_label(&labels, label, value);
	metrics_sample(to, name, buf_data(&labels), (double)count);
	buf_free(&labels);
}

static void stanzas(const struct c2s *c2s, struct buf *to)
{
	static const char name[] = "chappe_c2s_stanzas_total";
	struct buf labels = { 0 };

	metrics_family(to, name, "counter",
		       "Stanzas from (in) and to (out) clients");
	for (unsigned out = 0; out < 2; out++) {
		for (unsigned i = 0; i < KIND_COUNT; i++) {
			metrics_label(&labels, "direction", out ? "out" : "in");
			metrics_label(&labels, "kind", kinds[i]);
			metrics_sample(
				to, name, buf_data(&labels),
				(double)(out ? c2s->stats.stanzas_out[i]
					     : c2s->stats.stanzas_in[i]));
			buf_clear(&labels, 256);
		}
	}
	buf_free(&labels);
}

static void streams(const struct c2s *c2s, struct buf *to)
{
	static const char states[] = "chappe_c2s_streams";
	static const char errors[] = "chappe_c2s_stream_errors_total";

	metrics_family(to, states, "gauge", "Streams by their state");
	for (int i = 0; i < STATE_COUNT; i++)
		sample(to, states, "state",
		       stream_state_name((enum stream_state)i),
		       c2s->stats.states[i]);
	metrics_family(to, errors, "counter", "Stream errors sent to clients");
	for (int i = 0; i < C2S_CONDITIONS; i++) {
		if (c2s->stats.errors[i] > 0)
			sample(to, errors, "condition",
			       stream_error_condition((enum stream_error)i),
			       c2s->stats.errors[i]);
	}
}

static void traffic(const struct c2s *c2s, struct buf *to)
{
	static const char bytes[] = "chappe_c2s_bytes_total";
	static const char auth[] = "chappe_c2s_auth_total";

	metrics_family(to, bytes, "counter",
		       "Bytes from (in) and to (out) clients, without TLS");
	sample(to, bytes, "direction", "in", c2s->stats.bytes_in);
	sample(to, bytes, "direction", "out", c2s->stats.bytes_out);
	metrics_family(to, auth, "counter", "Log-ins by their outcome");
	for (unsigned i = 0; i < AUTH_OUTCOMES; i++)
		sample(to, auth, "outcome", outcomes[i], c2s->stats.auth[i]);
}

void c2s_metrics(void *state, struct buf *to)
{
	const struct c2s *c2s = state;
	struct acceptor_counts at_door = acceptor_count(c2s->acceptor);

	metrics_gauge(to, "chappe_c2s_connections", "Connections of clients",
		      (int64_t)at_door.connections);
	metrics_gauge(to, "chappe_c2s_connections_unauthenticated",
		      "Connections without a session",
		      (int64_t)at_door.unauthenticated);
	metrics_gauge(to, "chappe_c2s_sessions", "Sessions",
		      (int64_t)c2s->sessions);
	metrics_counter(to, "chappe_c2s_accepted_total",
			"Connections that were accepted", at_door.accepted);
	metrics_counter(to, "chappe_c2s_refused_total",
			"Connections that a limit kept out",
			at_door.refused);
	metrics_counter(to, "chappe_c2s_recovered_total",
			"Sessions opened again at another sm",
			c2s->stats.recovered);
	metrics_gauge(to, "chappe_c2s_certificate_expires_seconds",
		      "When the first certificate expires, seconds since 1970",
		      (int64_t)tls_context_expires(c2s->direct));
	streams(c2s, to);
	stanzas(c2s, to);
	traffic(c2s, to);
	role_link_metrics(c2s->link, to);
	drain_metrics(&c2s->drain, to);
}
