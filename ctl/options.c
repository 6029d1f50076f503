/* SPDX-License-Identifier: Apache-2.0
 *
 * The section `chappectl` of the configuration: how it reaches the routers.
 */
#include "ctl/ctl.h"

static const struct option options[] = {
	COMMON_OPTIONS(struct ctl_options),
	{ .name = "timeout", .type = OPTION_DURATION,
	  .offset = offsetof(struct ctl_options, timeout), .fallback = "60s",
	  .min = 100, .max = 3600000, .help = "how long to wait for an answer" },
	{ .name = NULL }
};

const struct section ctl_section = {
	.name = "chappectl",
	.size = sizeof(struct ctl_options),
	.options = options,
};
