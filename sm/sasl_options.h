/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks of the options of a domain that are about log-ins.
 */
#ifndef SM_SASL_OPTIONS_H
#define SM_SASL_OPTIONS_H

#include "util/role/domain_options.h"

/* The mechanisms that there are, for `mechanisms`; ends with NULL. */
extern const char *const sasl_mechanism_names[];

/* -1 with what makes no sense. */
int sasl_options_check(const struct domain_options *options,
		       struct error *err);

#endif
