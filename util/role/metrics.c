/* SPDX-License-Identifier: Apache-2.0
 *
 * The Prometheus exposition format 0.0.4, line by line. Which numbers there
 * are is up to the roles.
 */
#include "util/role/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>

/* Backslash and line end; in label values quotes as well. */
static void add_escaped(struct buf *to, const char *text, bool quotes)
{
	for (; *text; text++) {
		if (*text == '\\' || (quotes && *text == '"'))
			buf_addf(to, "\\%c", *text);
		else if (*text == '\n')
			buf_add_str(to, "\\n");
		else
			buf_add_char(to, *text);
	}
}

static void add_value(struct buf *to, double value)
{
	if (isnan(value))
		buf_add_str(to, "NaN");
	else if (isinf(value))
		buf_add_str(to, value > 0 ? "+Inf" : "-Inf");
	else if (fabs(value) < 9007199254740992.0 &&
		 value == (double)(int64_t)value)
		buf_addf(to, "%.0f", value);
	else
		buf_addf(to, "%.15g", value);
}

void metrics_family(struct buf *to, const char *name, const char *type,
		    const char *help)
{
	buf_addf(to, "# HELP %s ", name);
	add_escaped(to, help, false);
	buf_addf(to, "\n# TYPE %s %s\n", name, type);
}

static void add_name(struct buf *to, const char *name, const char *labels)
{
	buf_add_str(to, name);
	if (labels && *labels)
		buf_addf(to, "{%s}", labels);
	buf_add_char(to, ' ');
}

void metrics_sample(struct buf *to, const char *name, const char *labels,
		    double value)
{
	add_name(to, name, labels);
	add_value(to, value);
	buf_add_char(to, '\n');
}

void metrics_counter(struct buf *to, const char *name, const char *help,
		     uint64_t value)
{
	metrics_family(to, name, "counter", help);
	buf_addf(to, "%s %" PRIu64 "\n", name, value);
}

void metrics_gauge(struct buf *to, const char *name, const char *help,
		   int64_t value)
{
	metrics_family(to, name, "gauge", help);
	buf_addf(to, "%s %" PRId64 "\n", name, value);
}

void metrics_label(struct buf *labels, const char *name, const char *value)
{
	buf_addf(labels, "%s%s=\"", labels->len > 0 ? "," : "", name);
	add_escaped(labels, value, true);
	buf_add_char(labels, '"');
}

static void add_bucket(struct buf *to, const char *name, double bound,
		       uint64_t total)
{
	buf_addf(to, "%s_bucket{le=\"", name);
	add_value(to, bound);
	buf_addf(to, "\"} %" PRIu64 "\n", total);
}

void metrics_histogram(struct buf *to, const char *name, const char *help,
		       const double *bounds, const uint64_t *counts,
		       unsigned count, double sum)
{
	uint64_t total = 0;

	metrics_family(to, name, "histogram", help);
	for (unsigned i = 0; i < count; i++) {
		total += counts[i];
		if (!isinf(bounds[i]))
			add_bucket(to, name, bounds[i], total);
	}
	add_bucket(to, name, INFINITY, total);
	buf_addf(to, "%s_sum ", name);
	add_value(to, sum);
	buf_addf(to, "\n%s_count %" PRIu64 "\n", name, total);
}
