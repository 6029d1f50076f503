/* SPDX-License-Identifier: Apache-2.0
 *
 * What the core tells client state indication (XEP-0352).
 */
#ifndef SM_MODULES_CSI_H
#define SM_MODULES_CSI_H

#include "sm/module.h"

/* <active/> or <inactive/> of the client. */
void csi_control(struct sm *sm, const struct envelope *envelope,
		 const struct stanza *control);

/* The session has lost its stream, or is about to change it: section 5.2, it
 * is active again, and what waited waits with the rest. */
void csi_asleep(struct session *session);

#endif
