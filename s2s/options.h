/* SPDX-License-Identifier: Apache-2.0
 *
 * What the configuration file says to s2s: the section `s2s`, titled by
 * instance name or pattern, and the sections `remote`, titled by the domain
 * of another server or a pattern of such. A library of its own, so that
 * chappectl checks the file without linking the role.
 */
#ifndef S2S_OPTIONS_H
#define S2S_OPTIONS_H

#include "util/role/acceptor.h"
#include "util/role/domain_options.h"
#include "util/role/role.h"
#include "util/role/trust_level.h"

struct s2s_config {
	struct common_options common;
	struct acceptor_options acceptor;
	char *secret_file; /* dialback; NULL: drawn at the start */
	char *secret_file_old;
	char *ca; /* NULL: those of the system */
	int trust;
	int trial; /* a stricter level that is tried out; 0: none */
	bool allow_permissive;
	bool bidi, management, posh;
	int64_t posh_port;
	char *dns_server, *dns_anchor, *dns_hosts;
	bool dns_srv_jabber;
	int64_t stanza_before, stanza_after; /* bytes of one element */
	int64_t depth, attributes, name;
	int64_t rate, burst;
	int64_t dialbacks; /* that one stream may ask for at a time */
	int64_t auth_timeout, connect_timeout, idle_timeout, write_timeout;
	int64_t write_queue;
	int64_t queue_stanzas, queue_bytes, queue_age;
	int64_t retry_first, retry_max;
	int64_t ack_timeout, resume_timeout;
	int64_t remotes;
};

struct remote_section {
	int trust;    /* enum trust + 1; 0: that of the section s2s */
	char **local; /* domains of ours that it applies to; empty: all */
	char *route;  /* "HOST:PORT"; NULL: as DNS says */
	bool route_tls;
	char *route_name; /* that its certificate shall have; NULL: its own */
	char **pins;
	bool refuse;
};

extern const struct section s2s_section;
extern const struct section remote_section;

/* All that s2s reads, for struct role. */
extern const struct section *const s2s_sections[];

/* What the tables cannot say. */
int s2s_config_check(const struct config *config, struct error *err);

#endif
