/* SPDX-License-Identifier: Apache-2.0
 *
 * Draining a c2s: its clients go to other ones (util/role/drain.h).
 */
#ifndef C2S_DRAIN_H
#define C2S_DRAIN_H

#include "util/role/drain.h"

extern const struct drain_ops c2s_drain_ops; /* of a struct c2s */

#endif
