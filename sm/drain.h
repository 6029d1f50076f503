/* SPDX-License-Identifier: Apache-2.0
 *
 * Draining an sm: its domains and users go to the other sms
 * (util/role/drain.h).
 */
#ifndef SM_DRAIN_H
#define SM_DRAIN_H

#include "util/role/drain.h"

extern const struct drain_ops sm_drain_ops; /* of a struct sm */

#endif
