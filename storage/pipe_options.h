/* SPDX-License-Identifier: Apache-2.0
 *
 * The section `pipe` of the configuration: an operator's program, as the
 * authentication driver of that name asks it.
 */
#ifndef STORAGE_PIPE_OPTIONS_H
#define STORAGE_PIPE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "util/role/config.h"

enum pipe_protocol_name {
	PIPE_PROTOCOL_CHAPPE,
	PIPE_PROTOCOL_JABBERD2,
	PIPE_PROTOCOL_EXTAUTH
};

struct pipe_options {
	char **program; /* with its arguments */
	int protocol;	/* enum pipe_protocol_name */
	int64_t processes;
	int64_t timeout; /* ms */
	bool writable;	 /* it can create, change and remove accounts */
	bool scram;	 /* it gives SCRAM keys */
};

extern const struct section pipe_section; /* titled; default "main" */

/* The section of domains that name none. */
#define PIPE_DEFAULT "main"

/* What the table cannot say: -1 with what makes no sense. */
int pipe_options_check(const struct pipe_options *options, struct error *err);

#endif
