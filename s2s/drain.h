/* SPDX-License-Identifier: Apache-2.0
 *
 * Draining an s2s: what is for other servers goes through the other s2s
 * (util/role/drain.h).
 */
#ifndef S2S_DRAIN_H
#define S2S_DRAIN_H

#include "util/role/drain.h"

extern const struct drain_ops s2s_drain_ops; /* of a struct s2s */

#endif
