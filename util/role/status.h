/* SPDX-License-Identifier: Apache-2.0
 *
 * What every role tells of itself when an operator asks for its status.
 */
#ifndef UTIL_ROLE_STATUS_H
#define UTIL_ROLE_STATUS_H

#include "util/base/buf.h"
#include "util/role/drain.h"
#include "util/role/link.h"

#define STATUS_NUMBER 24 /* bytes of a number as text */

struct status {
	char uptime[STATUS_NUMBER];	 /* seconds */
	char outstanding[STATUS_NUMBER]; /* envelopes not acknowledged */
	char bytes[STATUS_NUMBER];	 /* of these */
	char left[STATUS_NUMBER];	 /* of a drain; "" when there is none */
	struct buf routers;		 /* names, with spaces between */
};

/* `started`: loop_now() of the start. To be released by status_free(). */
void status_fill(struct status *status, const struct link *link,
		 const struct drain *drain, uint64_t started);
void status_free(struct status *status);

const char *status_number(char to[STATUS_NUMBER], uint64_t value);

/* NULL when no drain is under way, so that command_row() leaves it out. */
static inline const char *status_left(const struct status *status)
{
	return status->left[0] ? status->left : NULL;
}

/* A version of docs/link.md, as text. */
const char *status_protocol(int64_t version);

#endif
