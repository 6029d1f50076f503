/* SPDX-License-Identifier: Apache-2.0
 *
 * Who serves which name: the lists behind <link:bind/> and <link:members/>
 * (docs/link.md section 3).
 */
#ifndef ROUTER_NAMES_H
#define ROUTER_NAMES_H

#include "router/state.h"

/* Makes the link a member of the name; harmless when it is one. Routing knows
 * at once, the watchers at the end of this turn. */
void names_add(struct peer *peer, const char *name);
void names_remove(struct peer *peer, const char *name);
void names_remove_all(struct peer *peer);

/* Keeps the name as one that the link wants and may not have, until a reload
 * allows it or the link gives it up. False: it is kept already. */
bool names_refuse(struct peer *peer, const char *name);
void names_forget_refused(struct peer *peer, const char *name);

/* Whether anybody serves the name now. */
bool names_served(const struct router *router, const char *name);
size_t names_count(const struct router *router);

/* Sends all members there are, then <link:watching/>, and each change from
 * now on. */
void names_watch(struct peer *peer);

/* The i-th name of the link, its own first; NULL behind the last. */
const char *names_get(const struct peer *peer, size_t i);

/* Appends the names that the link serves, with blanks between. */
void names_list(const struct peer *peer, struct buf *to);

void names_free(struct router *router);

#endif
