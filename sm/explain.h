/* SPDX-License-Identifier: Apache-2.0
 *
 * What an sm can say about a stanza that was never sent: the command
 * `explain` (docs/link.md section 7).
 */
#ifndef SM_EXPLAIN_H
#define SM_EXPLAIN_H

#include "util/role/command.h"

/* For the table of commands; ctx is the sm. Arguments: from, to, stanza,
 * namespace; with `judges` the rule that decides; with `about`, an address of
 * ours, its account and clients. */
void sm_explain(struct command_call *call, void *ctx);

#endif
