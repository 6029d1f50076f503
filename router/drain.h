/* SPDX-License-Identifier: Apache-2.0
 *
 * Draining a router: roles go on over the others (util/role/drain.h).
 */
#ifndef ROUTER_DRAIN_H
#define ROUTER_DRAIN_H

#include "util/role/drain.h"

extern const struct drain_ops router_drain_ops; /* of a struct router */

#endif
