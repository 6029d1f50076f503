/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages that went to several resources of a user at once. A copy that did
 * not arrive is nothing to worry about while another one may: nobody shall
 * read a message twice.
 */
#ifndef SM_COPIES_H
#define SM_COPIES_H

#include "sm/user.h"

/* The message with this origin (NULL: none, and it is not looked after) went to
 * so many sessions; one is no matter of this file. */
void copies_note(struct user *user, const char *origin, unsigned count);

/* One of the sessions did not get it: true when another one has it, or may get
 * it. */
bool copies_spare(struct user *user, const char *origin);

/* Whether there is another one, without taking one off. */
bool copies_other(const struct user *user, const char *origin);

#endif
