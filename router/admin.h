/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands to the router itself (docs/link.md section 7).
 */
#ifndef ROUTER_ADMIN_H
#define ROUTER_ADMIN_H

#include "router/state.h"
#include "util/role/envelope.h"

/* An envelope of an admin link under the router's own name. */
void admin_envelope(struct peer *peer, const struct envelope *envelope);

#endif
