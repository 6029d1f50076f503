/* SPDX-License-Identifier: Apache-2.0
 *
 * What the configuration file says to c2s: the section `c2s`, titled by
 * instance name or pattern. A library of its own, so that chappectl checks
 * the file without linking the role.
 */
#ifndef C2S_OPTIONS_H
#define C2S_OPTIONS_H

#include "util/role/acceptor.h"
#include "util/role/domain_options.h"
#include "util/role/role.h"

struct c2s_config {
	struct common_options common;
	struct acceptor_options acceptor;
	int64_t stanza_before, stanza_after; /* bytes of one element */
	int64_t depth, attributes, name;
	int64_t rate, burst; /* bytes per second, bytes */
	int64_t auth_timeout, idle_timeout, write_timeout; /* ms; 0: never */
	int64_t recover_timeout;
	int64_t ack_timeout;
	char *resume_location, *see_other_host;
	int64_t drain_grace;
	int64_t write_queue; /* bytes */
};

extern const struct section c2s_section;

/* What the tables cannot say, of all c2s and domain sections: 0, or -1 with
 * what is wrong. A file without c2s sections is right. */
int c2s_config_check(const struct config *config, struct error *err);

/* All that c2s reads, for struct role. */
extern const struct section *const c2s_sections[];

#endif
