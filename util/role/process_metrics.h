/* SPDX-License-Identifier: Apache-2.0
 *
 * The metrics that every process has: its build, age, CPU, memory, and how
 * late its loop is.
 */
#ifndef UTIL_ROLE_PROCESS_METRICS_H
#define UTIL_ROLE_PROCESS_METRICS_H

#include <stdint.h>

#include "util/base/buf.h"
#include "util/net/loop.h"
#include "util/net/timer.h"

struct process_metrics {
	struct loop *loop;
	struct timer timer;
	int64_t started_us;  /* wall clock */
	uint64_t expected_us; /* when the timer should run */
	uint64_t lag_us;      /* the largest since it was asked for */
};

/* Starts measuring; embedded in its owner. */
void process_metrics_init(struct process_metrics *metrics, struct loop *loop);
void process_metrics_stop(struct process_metrics *metrics);

/* Seconds since the start. */
int64_t process_metrics_uptime(const struct process_metrics *metrics);

void process_metrics_write(struct process_metrics *metrics, const char *role,
			   const char *instance, struct buf *to);

#endif
