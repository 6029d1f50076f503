/* SPDX-License-Identifier: Apache-2.0
 *
 * The router as a role: it knows which link serves which name, and forwards.
 * Soft state only; nothing of it outlives the process (design.md 2 and 3).
 */
#ifndef ROUTER_ROUTER_H
#define ROUTER_ROUTER_H

#include "util/role/role.h"

extern const struct role router_role;

struct router;

/* The port of the i-th listener (`listen` first, then `listen-tls`), 0 when
 * there is none or it is a Unix socket: for tests with port 0. */
unsigned router_port(const struct router *router, size_t i);

#endif
