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

/* The rights of links have changed: takes the names that the link may no longer
 * have, and gives it those that it was refused and may have now. */
void control_rights_changed(struct peer *peer);

#endif
