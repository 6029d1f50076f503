/* SPDX-License-Identifier: Apache-2.0
 *
 * The router's numbers for Prometheus.
 */
#ifndef ROUTER_METRICS_H
#define ROUTER_METRICS_H

#include "router/state.h"

void router_metrics(const struct router *router, struct buf *to);

#endif
