/* SPDX-License-Identifier: Apache-2.0
 *
 * Pieces of presence that sm/presence*.c and sm/subscribe.c share; the ways
 * in are declared in sm/route.h.
 */
#ifndef SM_PRESENCE_H
#define SM_PRESENCE_H

#include "sm/route.h"

/* Addresses a session may send directed presence to and be remembered. */
#define DIRECTED_MAX 1000

/* <presence/>; `type` NULL: available. */
struct stanza *presence_new(const char *from, const char *to,
			    const char *type);

/* The presence of each available resource, or its end, to one address. */
void presence_send_current(struct user *user, const char *to,
			   struct work *work);
void presence_send_unavailable(struct user *user, const char *to,
			       struct work *work);

/* -- sm/presence_directed.c: RFC 6121 section 4.6 ------------------------ */

/* Available or unavailable presence to an address. Takes the stanza. */
void presence_directed(struct session *session, struct stanza *stanza,
		       const char *origin, struct work *work);
/* An address that answered with an error hears no more of us. */
void presence_directed_forget(struct session *session, const char *jid);
/* Unavailable to all of them that do not hear it as contacts; forgets them. */
void presence_directed_end(struct session *session,
			   const struct stanza *unavailable,
			   struct work *work);

#endif
