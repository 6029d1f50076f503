/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether stored messages are on their way to a client, so that newer ones
 * must queue up behind them (sm/modules/offline.c).
 */
#ifndef SM_OFFLINE_H
#define SM_OFFLINE_H

#include "sm/session.h"

/* `session` NULL: to any of the user's. */
bool offline_is_flooding(const struct user *user,
			 const struct session *session);

#endif
