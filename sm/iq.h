/* SPDX-License-Identifier: Apache-2.0
 *
 * What handlers that answer later need beside sm/module.h.
 */
#ifndef SM_IQ_H
#define SM_IQ_H

#include "sm/module.h"

/* The work of the request's envelope, to be held by what comes of it; may be
 * NULL. */
struct work *iq_work(const struct iq_call *call);

#endif
