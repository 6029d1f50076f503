/* SPDX-License-Identifier: Apache-2.0
 *
 * What s2s can say about a stanza that was never sent: the command `explain`
 * (docs/link.md section 7).
 */
#ifndef S2S_EXPLAIN_H
#define S2S_EXPLAIN_H

#include "util/role/command.h"

/* For the table of commands; ctx is the s2s. Arguments: from, to, stanza,
 * namespace; local and remote, the two domains; with `judges` the rule that
 * decides; `owner`, the instance that would send there. */
void s2s_explain(struct command_call *call, void *ctx);

#endif
