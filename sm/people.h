/* SPDX-License-Identifier: Apache-2.0
 *
 * What a domain's directory says about people (storage/people.h), and what
 * follows at once: who was disabled, removed, or has another password loses
 * the sessions. What follows for rosters is in sm/roster_shared.h.
 */
#ifndef SM_PEOPLE_H
#define SM_PEOPLE_H

#include "sm/sm.h"
#include "storage/people.h"

/* What a domain's picture is opened with; ctx is the struct sm_domain. */
extern const struct people_listener sm_people_listener;

/* Questions of the domain that are under way end. After its drivers were
 * closed. */
void sm_people_stop(struct sm_domain *domain);

#endif
