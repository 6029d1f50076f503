/* SPDX-License-Identifier: Apache-2.0
 *
 * Accounts made before anybody has logged in (XEP-0077). A c2s asks with
 * <link:register domain='' address=''>IQ</link:register> and is answered with
 * <link:registered>IQ</link:registered> under the same session.
 */
#ifndef SM_REGISTER_H
#define SM_REGISTER_H

#include "sm/sm.h"

/* The control element `register` from a c2s. Takes over nothing; holds the
 * work until it is answered. */
void register_control(struct sm *sm, const struct envelope *envelope,
		      const struct stanza *control, struct work *work);

#endif
