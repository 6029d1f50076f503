/* SPDX-License-Identifier: Apache-2.0
 *
 * What a process may do: less than it was started with.
 */
#ifndef UTIL_ROLE_PRIVILEGES_H
#define UTIL_ROLE_PRIVILEGES_H

#include "util/base/error.h"

/* At the start: files are created for the owner only, no new privileges by
 * exec, as many descriptors as the hard limit allows (at most 2^20). */
void privileges_limit(void);

/* When run by root, becomes `user` for good, with the groups of that user; -1
 * when there is no such user, it cannot be done, or could be undone. Without
 * a user, or when not root, nothing. */
int privileges_drop(const char *user, struct error *err);

/* Last: other processes of the same user can neither trace this one nor read
 * its memory, and it leaves no core file: it holds keys and passwords. */
void privileges_hide(void);

#endif
