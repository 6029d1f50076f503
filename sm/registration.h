/* SPDX-License-Identifier: Apache-2.0
 *
 * The element `register` of a c2s (docs/link.md section 6).
 */
#ifndef SM_REGISTRATION_H
#define SM_REGISTRATION_H

#include "sm/sm.h"

void registration_control(struct sm *sm, const struct envelope *envelope,
			  const struct stanza *control, struct work *work);

#endif
