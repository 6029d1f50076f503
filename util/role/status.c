/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of `status` that all roles have.
 */
#include "util/role/status.h"

#include <inttypes.h>
#include <stdio.h>

const char *status_number(char to[STATUS_NUMBER], uint64_t value)
{
	snprintf(to, STATUS_NUMBER, "%" PRIu64, value);
	return to;
}

void status_fill(struct status *status, const struct link *link,
		 const struct drain *drain, uint64_t started)
{
	struct link_stats stats;
	const char *router;

	*status = (struct status){ .left = "" };
	link_get_stats(link, &stats);
	status_number(status->uptime,
		      (loop_now(drain->loop) - started) / 1000);
	status_number(status->outstanding, stats.outstanding);
	status_number(status->bytes, stats.outstanding_bytes);
	if (drain_is_on(drain))
		status_number(status->left, drain->ops->left(drain->role));
	for (size_t i = 0; (router = link_router(link, i)); i++)
		buf_addf(&status->routers, "%s%s", i ? " " : "", router);
}

void status_free(struct status *status)
{
	buf_free(&status->routers);
}

const char *status_protocol(int64_t version)
{
	static const char *const texts[] = { "1", "2" };

	return texts[version >= LINK_VERSION ? LINK_VERSION - 1 : 0];
}
