/* SPDX-License-Identifier: Apache-2.0
 *
 * Envelopes and acknowledgements between roles: the start tag is read, the
 * bytes are passed on (docs/link.md sections 4 and 5).
 */
#ifndef ROUTER_FORWARD_H
#define ROUTER_FORWARD_H

#include "router/state.h"
#include "util/role/envelope.h"

/* Whether the element is a <link:route> or a <link:ack>, by its first bytes. */
bool forward_is_envelope(const char *bytes, size_t len);

/* One such element from a role that is up. */
void forward_envelope(struct peer *sender, const char *bytes, size_t len);

/* Writes to a role for `sender` (NULL: for ourselves), who has to wait when
 * the queue is above the mark. Counts. */
void forward_bytes(struct peer *sender, struct peer *target, const char *bytes,
		   size_t len);

#endif
