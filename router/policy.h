/* SPDX-License-Identifier: Apache-2.0
 *
 * Which link may be what: the link sections with their secrets.
 */
#ifndef ROUTER_POLICY_H
#define ROUTER_POLICY_H

#include "router/state.h"

struct policy {
	const char *title;		  /* name or pattern, in the config */
	const struct link_section *section; /* in the config */
	char *secret;			  /* NULL: by certificate only */
};

/* Reads the link sections and their secret files. -1 with err: nothing was
 * made. Lives no longer than the configuration. */
int policies_load(const struct config *config, struct policy **policies,
		  size_t *count, struct error *err);
void policies_free(struct policy **policies, size_t *count);

/* The section of that title, else the first whose pattern matches; NULL. */
const struct policy *policy_find(const struct router *router,
				 const char *name);

/* Whether a link under this policy may bind `name` beside its own. */
bool policy_may_bind(const struct policy *policy, const char *name);

/* Whether a link of one kind may send envelopes to one of another
 * (docs/link.md section 4). */
bool policy_may_send(enum link_kind from, enum link_kind to);

/* Whether it may state a trust there: an s2s what it has found, an sm to an
 * s2s what it wants. */
bool policy_may_vouch(enum link_kind from, enum link_kind to);

/* Whether the answer to the handshake (XEP-0114 section 3) is right, in a
 * time that does not depend on where it is wrong. */
bool policy_check_digest(const struct policy *policy, const char *stream_id,
			 const char *digest);

#endif
