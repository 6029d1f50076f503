/* SPDX-License-Identifier: Apache-2.0
 *
 * The section `ldap` of the configuration: a directory, as the authentication
 * driver of that name asks it. Always built: whoever checks a configuration
 * needs no libldap.
 */
#ifndef STORAGE_LDAP_OPTIONS_H
#define STORAGE_LDAP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "util/role/config.h"

enum ldap_schema { LDAP_SCHEMA_STANDARD, LDAP_SCHEMA_ACTIVE_DIRECTORY };

enum ldap_scram {
	LDAP_SCRAM_OFF,	      /* passwords are checked by the directory only */
	LDAP_SCRAM_DIRECTORY, /* keys that stand in the directory */
	LDAP_SCRAM_CACHE      /* these, or keys made at a log-in by PLAIN */
};

enum ldap_feed_kind {
	LDAP_FEED_OFF,
	LDAP_FEED_AUTO, /* RFC 4533, polling where the server lacks it */
	LDAP_FEED_POLL
};

struct ldap_options {
	char **uri; /* servers in order */
	bool start_tls;
	char *ca, *certificate, *key; /* PEM files */
	char *bind_dn, *bind_password_file;
	int schema; /* enum ldap_schema */
	char *base;
	int scope; /* 0: base, 1: one, 2: subtree, as LDAP_SCOPE_... */
	char *filter;	      /* template; NULL: by schema */
	char *dn_template;    /* NULL: users are searched */
	char *user_attribute; /* NULL: by schema */
	char *allow_filter;
	char **allow_groups; /* DNs */
	bool nested_groups;
	char *group_base; /* where nested groups are; NULL: base */
	int scram;	  /* enum ldap_scram */
	char **password_stamps; /* attributes */
	int64_t connections;	/* for checking passwords */
	int64_t connect_timeout, timeout, return_after; /* ms */
	int64_t page_size;
	int feed; /* enum ldap_feed_kind */
	int64_t poll_interval, poll_complete; /* ms */
	char **name_attributes; /* of a person's name to be shown, in order */
	char *group_filter;	/* NULL: by schema */
	char *group_name;	/* attribute */
	char **roster_groups;	/* patterns of names of groups */
	bool vcard;
	char **vcard_fields; /* "FIELD=attribute" */
	bool search;
	char **search_fields; /* "field=attribute" */
};

extern const struct section ldap_section; /* titled; default "main" */

/* The section of domains that name none. */
#define LDAP_DEFAULT "main"

/* What the table cannot say: -1 with what makes no sense. */
int ldap_options_check(const struct ldap_options *options, struct error *err);

/* The effective values of what depends on the schema. */
const char *ldap_options_filter(const struct ldap_options *options);
const char *ldap_options_group_filter(const struct ldap_options *options);
const char *ldap_options_user_attribute(const struct ldap_options *options);

#endif
