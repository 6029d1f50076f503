/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages that went to several resources of a user at once. A copy that did
 * not arrive is nothing to worry about while another one may: nobody shall
 * read a message twice.
 */
#ifndef SM_COPIES_H
#define SM_COPIES_H

#include "sm/user.h"

/* The message went to so many sessions; one is no matter of this file. */
void copies_note(struct user *user, const struct stanza *message,
		 unsigned count);

/* One of the sessions did not get it (as stanza_write() makes it): true when
 * another one has it, or may get it. */
bool copies_spare(struct user *user, const char *xml, size_t len);

/* Whether there is another one, without taking one off. */
bool copies_other(const struct user *user, const char *xml, size_t len);

#endif
