/* SPDX-License-Identifier: Apache-2.0
 *
 * The section `access` as a value: one rule about who may talk to whom. What
 * it means is in util/role/access.h.
 */
#ifndef UTIL_ROLE_ACCESS_OPTIONS_H
#define UTIL_ROLE_ACCESS_OPTIONS_H

#include <stdbool.h>

#include "util/role/config.h"
#include "util/xmpp/stanza_error.h"

enum access_direction { ACCESS_BOTH, ACCESS_OUT, ACCESS_IN };

struct access_options {
	char **who;  /* of ours */
	char **whom; /* the others */
	char **what; /* "message", "presence", "subscription", "iq" */
	char **ns;   /* of the payload, or patterns; empty: any */
	int direction; /* enum access_direction, as seen from `who` */
	int action;    /* 0 allow, 1 deny */
	int trust;     /* enum trust + 1; 0: any */
	int error;     /* for access_options_error() */
	char *text;    /* of the error; NULL: a general one */
	bool presence_error; /* not in silence */
};

/* Titled by a name for the rule. */
extern const struct section access_section;

/* Words of the choices, for those who show rules. */
extern const char *const access_directions[];
extern const char *const access_actions[];

enum stanza_error access_options_error(const struct access_options *options);

#endif
