/* SPDX-License-Identifier: Apache-2.0
 *
 * What others than the module itself need of message carbons (XEP-0280).
 */
#ifndef SM_MODULES_CARBONS_H
#define SM_MODULES_CARBONS_H

#include "sm/module.h"

/* As if the client had asked for it. */
void carbons_enable(struct session *session);

/* What a client did not get: a copy of what its user sent is worth nothing, and
 * the stanza is freed and NULL returned; of what came for him, the message
 * itself is returned; what is no carbon is returned as it is. Takes it. */
struct stanza *carbons_unwrap(struct stanza *stanza);

#endif
