/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of the section `domain`. What the values mean is up to the role
 * that uses them.
 */
#include "util/role/domain_options.h"

#define ROW(opt, kind, member, def, text)                                    \
	{ .name = opt, .type = kind,                                         \
	  .offset = offsetof(struct domain_options, member),                 \
	  .fallback = def, .help = text }

/* As enum certificate_name. */
static const char *const client_names[] = { "xmpp-addr", "email", "uid",
					    "common-name", NULL };

static const struct option domain_rows[] = {
	ROW("certificate", OPTION_STRING, certificate, NULL,
	    "certificate chain, a PEM file"),
	ROW("key", OPTION_STRING, key, NULL,
	    "private key of the certificate, a PEM file"),
	ROW("client-ca", OPTION_STRING, client_ca, NULL,
	    "who certifies clients, a PEM file; they may log in with that"),
	ROW("client-crl", OPTION_STRING, client_crl, NULL,
	    "what these have revoked, a PEM file"),
	{ .name = "client-name", .type = OPTION_CHOICE,
	  .offset = offsetof(struct domain_options, client_name),
	  .fallback = "xmpp-addr", .choices = client_names,
	  .help = "what in the certificate says who it is" },
	ROW("auth", OPTION_LIST, auth, "storage",
	    "drivers that check log-ins, asked in order"),
	ROW("auth-options", OPTION_STRING, auth_options, NULL,
	    "what these drivers are told"),
	ROW("ldap", OPTION_STRING, ldap, NULL,
	    "section ldap of the driver ldap; default: main"),
	ROW("pipe", OPTION_STRING, pipe, NULL,
	    "section pipe of the driver pipe; default: main"),
	ROW("storage", OPTION_STRING, storage, NULL,
	    "storage of this domain; default: that of the sm"),
	ROW("registration", OPTION_BOOL, registration, "no",
	    "whether anybody may make an account (XEP-0077)"),
	ROW("mechanisms", OPTION_LIST, mechanisms, NULL,
	    "SASL mechanisms that may be used; default: all"),
	ROW("keytab", OPTION_STRING, keytab, NULL,
	    "keys of the service xmpp, for log-ins by Kerberos"),
	ROW("kerberos-realm", OPTION_LIST, kerberos_realm, NULL,
	    "realms whose principals are users; default: the domain"),
	ROW("kerberos-map", OPTION_LIST, kerberos_map, NULL,
	    "rules PRINCIPAL = USER, asked before the realms"),
	ROW("contact-abuse", OPTION_LIST, contact_abuse, NULL,
	    "addresses (URIs) to report abuse to (XEP-0157)"),
	ROW("contact-admin", OPTION_LIST, contact_admin, NULL,
	    "addresses of the administrators"),
	ROW("contact-feedback", OPTION_LIST, contact_feedback, NULL,
	    "addresses for feedback"),
	ROW("contact-sales", OPTION_LIST, contact_sales, NULL,
	    "addresses of sales"),
	ROW("contact-security", OPTION_LIST, contact_security, NULL,
	    "addresses to report security problems to"),
	ROW("contact-support", OPTION_LIST, contact_support, NULL,
	    "addresses of support"),
	ROW("contact-status", OPTION_LIST, contact_status, NULL,
	    "addresses where the state of the service is shown"),
	{ .name = NULL }
};

const struct section domain_section = {
	.name = "domain",
	.titled = true,
	.size = sizeof(struct domain_options),
	.options = domain_rows,
};
