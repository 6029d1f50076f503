/* SPDX-License-Identifier: Apache-2.0
 *
 * vCards that come from a directory (sm/modules/vcard_people.c).
 */
#ifndef SM_MODULES_VCARD_H
#define SM_MODULES_VCARD_H

#include "sm/module.h"

bool vcard_is_of_people(const struct sm_domain *domain);

/* Answers the request for the vCard of call->user, later. */
void vcard_of_people(struct iq_call *call);

#endif
