/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks of a configuration that tables cannot express and more than one role
 * needs: addresses, the options of every role, domains. Nothing is opened.
 */
#ifndef UTIL_ROLE_CONFIG_CHECK_H
#define UTIL_ROLE_CONFIG_CHECK_H

#include "util/role/domain_options.h"
#include "util/role/role.h"

/* Addresses of the option `name`, each as listener_open() takes them: numeric,
 * with a port, or unix:/PATH. -1 with err, which names the option. */
int config_check_listen(const char *name, char *const *addresses,
			struct error *err);

/* Log level and target, metrics address, routers. */
int config_check_common(const struct common_options *common,
			struct error *err);

/* All sections of a role, whose struct starts with struct common_options:
 * these, then `check` unless NULL. The error names file and section. */
int config_check_sections(const struct config *config, const char *section,
			  int (*check)(const void *options, struct error *err),
			  struct error *err);

/* That there are domains, that their names are valid, and different also when
 * prepared (RFC 7622 section 3.2); and each with `check` unless NULL. The
 * error names file and domain. */
int config_check_domains(const struct config *config,
			 int (*check)(const struct config *config,
				      const struct domain_options *options,
				      struct error *err),
			 struct error *err);

/* That a file is there, if its directory is: without that, and without the
 * right to look, this is another machine or user than that of the role. */
int config_check_file(const char *name, const char *path, struct error *err);

#endif
