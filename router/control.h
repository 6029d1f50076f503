/* SPDX-License-Identifier: Apache-2.0
 *
 * What roles say to the router itself: role, bind, unbind, watch, ping
 * (docs/link.md sections 2 and 3). Envelopes are passed on to forward.c.
 */
#ifndef ROUTER_CONTROL_H
#define ROUTER_CONTROL_H

#include "router/state.h"

/* One whole top-level element from a role. */
void control_element(struct peer *peer, const char *bytes, size_t len);

#endif
