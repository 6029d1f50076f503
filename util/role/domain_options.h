/* SPDX-License-Identifier: Apache-2.0
 *
 * The section `domain` of the configuration file: one for each domain that is
 * served, titled by its name. All roles read it, so its table is here.
 */
#ifndef UTIL_ROLE_DOMAIN_OPTIONS_H
#define UTIL_ROLE_DOMAIN_OPTIONS_H

#include <stdbool.h>

#include "util/role/config.h"

struct domain_options {
	/* c2s: PEM files; a chain, and the key of its first certificate. */
	char *certificate, *key;
	/* c2s: whose certificates clients may log in with, and who they are.
	 * NULL: nobody's. */
	char *client_ca, *client_crl;
	int client_name; /* enum certificate_name */
	/* sm: drivers that are asked in order, and what they are told. */
	char **auth;
	char *auth_options;
	char *ldap;    /* title of a section; NULL: "main" */
	char *pipe;    /* likewise */
	char *storage; /* NULL: the one of the sm */
	bool registration;
	char **mechanisms; /* NULL or empty: all that there are */
	char *keytab;	   /* NULL: no Kerberos */
	char **kerberos_realm; /* NULL: the domain in capitals */
	char **kerberos_map;   /* sm/kerberos_map.h */
	/* sm: XEP-0157, URIs; NULL when there are none. */
	char **contact_abuse, **contact_admin, **contact_feedback;
	char **contact_sales, **contact_security, **contact_support;
	char **contact_status;
};

extern const struct section domain_section;

#endif
