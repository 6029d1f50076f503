/* SPDX-License-Identifier: Apache-2.0
 *
 * Options of the router section and of the link sections, which say who may
 * connect, as what, and with which names. Apart from the role, so that
 * whoever checks a configuration does not need a router.
 */
#ifndef ROUTER_OPTIONS_H
#define ROUTER_OPTIONS_H

#include "util/role/config.h"
#include "util/role/role.h"

struct router_options {
	struct common_options common;
	char **listen;
	char **listen_tls;
	char *certificate, *key;
	char *ca; /* of the links' client certificates; NULL: ask for none */
	char *socket_mode;
	bool insecure_tcp;
	int64_t max_envelope;	   /* bytes of one element from a role */
	int64_t max_names;	   /* that one link may bind */
	int64_t max_handshakes;	   /* connections before their handshake */
	int64_t queue_mark;	   /* bytes to one link: senders are paused */
	int64_t queue_limit;	   /* bytes to a component: stanzas bounce */
	int64_t handshake_timeout; /* ms */
	int64_t slow_timeout;	   /* ms above the mark */
	int64_t ping_interval;	   /* ms of silence of a role */
	int64_t ping_timeout;	   /* ms for the holder of a name to answer */
};

enum link_kind {
	LINK_COMPONENT,
	LINK_C2S,
	LINK_SM,
	LINK_S2S,
	LINK_ADMIN,
	LINK_KINDS /* how many there are */
};

struct link_section {
	int kind;	   /* enum link_kind */
	char **names;	   /* patterns of what it may bind beside its own */
	char *secret_file; /* NULL: by certificate */
	bool certificate;  /* must show a client certificate */
	int64_t max_stanza; /* bytes; of a component */
	int64_t rate;	    /* bytes a second; 0: no limit */
};

extern const struct section router_section; /* titled by instance */
extern const struct section link_section;   /* titled by link name */

/* "component", "c2s", ...: the words of the option and of the protocol. */
const char *link_kind_name(enum link_kind kind);

/* What tables cannot say: that nothing is open to a network without TLS, and
 * that each link has a way to prove who it is. Files are not opened. */
int router_config_check(const struct config *config, struct error *err);

/* Octal digits of a file mode, as in "0660"; -1 when it is not one. */
int router_parse_mode(const char *text, unsigned *mode);

#endif
