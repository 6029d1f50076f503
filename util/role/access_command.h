/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules as answers to an operator.
 */
#ifndef UTIL_ROLE_ACCESS_COMMAND_H
#define UTIL_ROLE_ACCESS_COMMAND_H

#include "util/role/access.h"
#include "util/role/command.h"

/* A row for each rule and one for what none matched; finishes the call. */
void access_command_list(struct command_call *call,
			 const struct access *access);

/* The arguments from, to, stanza and namespace of the command `explain`. -1
 * when they make no sense: the call has then been finished. */
struct access_asked {
	struct jid *from, *to;
	enum access_what what;
	const char *ns; /* of the call; NULL: none */
};

int access_command_read(struct command_call *call, struct access_asked *asked);
void access_command_clear(struct access_asked *asked);

/* A row about the rule that decides. */
void access_command_verdict(struct command_call *call,
			    const struct access *access,
			    const struct access_query *query);

#endif
