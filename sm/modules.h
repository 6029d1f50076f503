/* SPDX-License-Identifier: Apache-2.0
 *
 * The modules by name, for those whose own files need their data.
 */
#ifndef SM_MODULES_H
#define SM_MODULES_H

#include "sm/module.h"

extern const struct sm_module sm_module_iq;
extern const struct sm_module sm_module_roster;
extern const struct sm_module sm_module_disco;
extern const struct sm_module sm_module_ping;
extern const struct sm_module sm_module_version;
extern const struct sm_module sm_module_time;
extern const struct sm_module sm_module_last;
extern const struct sm_module sm_module_private;
extern const struct sm_module sm_module_vcard;
extern const struct sm_module sm_module_search;
extern const struct sm_module sm_module_offline;
extern const struct sm_module sm_module_register;
extern const struct sm_module sm_module_contact;
extern const struct sm_module sm_module_session;
extern const struct sm_module sm_module_blocking;
extern const struct sm_module sm_module_carbons;
extern const struct sm_module sm_module_csi;
extern const struct sm_module sm_module_caps;
extern const struct sm_module sm_module_pep;

#endif
