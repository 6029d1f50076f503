/* SPDX-License-Identifier: Apache-2.0
 *
 * A user moves from one sm to another, because an sm came, went or died
 * (docs/link.md section 6): the old one lets go when what it has written is
 * durable; the new one holds back what comes for users that are new to it until
 * their sessions have got there, so that nobody is taken to be away.
 */
#ifndef SM_HANDOVER_H
#define SM_HANDOVER_H

#include "sm/session.h"

/* -- the new owner --------------------------------------------------------- */

/* Users of the domain that are new here wait for their sessions. */
bool handover_is_open(const struct sm *sm, const struct sm_domain *domain);

/* The same of some domain: an operator should not move more users now. */
bool handover_is_any_open(const struct sm *sm);

/* The members of a domain have changed; those of another name. */
void handover_members(struct sm *sm, const char *domain);
void handover_check(struct sm *sm);

/* A c2s says that all its sessions have got there. */
void handover_settled(struct sm *sm, const struct envelope *envelope,
		      const struct stanza *control);

/* Whether the link of that name is an sm. */
bool handover_is_sm(const struct sm *sm, const char *name);

/* At the end of the process, after the users. */
void handover_free(struct sm *sm);

/* -- the old owner --------------------------------------------------------- */

/* A c2s wants a session back. */
void handover_release(struct sm *sm, const struct envelope *envelope,
		      const struct stanza *control);

/* The number of a move, as controls have it; 0: it has not moved. */
uint32_t generation_read(const struct element *element);
void generation_write(struct element *element, uint32_t generation);

/* Its works are done: it can go. */
void handover_released(struct session *session);

/* The user has no session with a connection here: those that are asleep go to
 * the new owner. */
void handover_leave(struct user *user);

#endif
