/* SPDX-License-Identifier: Apache-2.0
 *
 * Text in the Prometheus exposition format 0.0.4, written when it is asked
 * for from the counters that the role keeps anyway.
 */
#ifndef UTIL_ROLE_METRICS_H
#define UTIL_ROLE_METRICS_H

#include <stdint.h>

#include "util/base/buf.h"

/* Starts a family: its HELP and TYPE lines; type "counter", "gauge", "histogram". */
void metrics_family(struct buf *to, const char *name, const char *type,
		    const char *help);

/* One sample. `labels` is NULL or pairs as in `kind="message"` that the
 * caller has escaped with metrics_label(). */
void metrics_sample(struct buf *to, const char *name, const char *labels,
		    double value);

/* A family with one sample without labels. */
void metrics_counter(struct buf *to, const char *name, const char *help,
		     uint64_t value);
void metrics_gauge(struct buf *to, const char *name, const char *help,
		   int64_t value);

/* ` name="value"` with the value escaped, with a comma in front if needed. */
void metrics_label(struct buf *labels, const char *name, const char *value);

/* A histogram: `count` upper bounds in seconds with counts (not cumulative).
 * To have larger values counted too, let the last bound be INFINITY. */
void metrics_histogram(struct buf *to, const char *name, const char *help,
		       const double *bounds, const uint64_t *counts,
		       unsigned count, double sum);

#endif
