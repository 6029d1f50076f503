/* SPDX-License-Identifier: Apache-2.0
 *
 * The modules of this program. Their order is the order in which hooks run.
 */
#include "sm/modules.h"

const struct sm_module *const sm_modules[] = {
	&sm_module_iq,	     &sm_module_blocking, &sm_module_roster,
	&sm_module_disco,
	&sm_module_ping,     &sm_module_version,  &sm_module_time,
	&sm_module_last,     &sm_module_private,  &sm_module_vcard,
	&sm_module_register, &sm_module_offline,  &sm_module_contact,
	&sm_module_session,  &sm_module_carbons,  &sm_module_csi,
	&sm_module_search,   &sm_module_caps,	  &sm_module_pep,
	NULL,
};
