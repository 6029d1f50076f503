/* SPDX-License-Identifier: Apache-2.0
 *
 * External components (XEP-0114): their stanzas are parsed, judged and put
 * into envelopes; envelopes for them are opened.
 */
#ifndef ROUTER_COMPONENT_H
#define ROUTER_COMPONENT_H

#include "router/state.h"
#include "util/role/envelope.h"

/* One whole top-level element from a component. */
void component_element(struct peer *peer, const char *bytes, size_t len);

/* A stanza of a role for a component. When that does not read, the stanza
 * comes back to the role as an error: nobody will send it again. */
void component_deliver(struct peer *target, struct peer *sender,
		       const struct envelope *envelope);

#endif
