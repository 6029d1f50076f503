/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of the section `ldap`, and what must hold between its values. What
 * they do is up to the driver.
 */
#include "storage/ldap_options.h"

#include <stddef.h>
#include <string.h>

#include "util/base/str.h"

#define ROW(opt, kind, member, def, low, high, text)                          \
	{ .name = opt, .type = kind,                                         \
	  .offset = offsetof(struct ldap_options, member), .fallback = def,  \
	  .min = low, .max = high, .help = text }
#define CHOICE(opt, member, def, words, text)                                 \
	{ .name = opt, .type = OPTION_CHOICE,                                \
	  .offset = offsetof(struct ldap_options, member), .fallback = def,  \
	  .choices = words, .help = text }

/* In the order of the enums. */
static const char *const schemas[] = { "standard", "active-directory", NULL };
static const char *const scopes[] = { "base", "one", "subtree", NULL };
static const char *const scrams[] = { "off", "directory", "cache", NULL };

static const char *const feeds[] = { "off", "auto", "poll", NULL };

static const struct option ldap_rows[] = {
	ROW("uri", OPTION_LIST, uri, NULL, 0, 0,
	    "servers in order of preference: ldap://, ldaps://, ldapi://"),
	ROW("start-tls", OPTION_BOOL, start_tls, "yes", 0, 0,
	    "whether ldap:// connections must be encrypted by StartTLS"),
	ROW("ca", OPTION_STRING, ca, NULL, 0, 0,
	    "PEM file of the authorities that servers are checked against"),
	ROW("certificate", OPTION_STRING, certificate, NULL, 0, 0,
	    "client certificate, a PEM file"),
	ROW("key", OPTION_STRING, key, NULL, 0, 0,
	    "private key of the client certificate, a PEM file"),
	ROW("bind-dn", OPTION_STRING, bind_dn, NULL, 0, 0,
	    "who searches; default: anonymous"),
	ROW("bind-password-file", OPTION_STRING, bind_password_file, NULL, 0,
	    0, "file whose first line is the password of bind-dn"),
	CHOICE("schema", schema, "standard", schemas,
	       "standard or active-directory: which attributes there are"),
	ROW("base", OPTION_STRING, base, NULL, 0, 0,
	    "DN below which people are"),
	CHOICE("scope", scope, "subtree", scopes,
	       "base, one or subtree: how deep below base"),
	ROW("filter", OPTION_STRING, filter, NULL, 0, 0,
	    "filter of a user; %u, %d and %j are name, domain and JID"),
	ROW("dn-template", OPTION_STRING, dn_template, NULL, 0, 0,
	    "DN of a user, instead of a search; %u, %d and %j as in filter"),
	ROW("user-attribute", OPTION_STRING, user_attribute, NULL, 0, 0,
	    "attribute that holds the name; default: by schema"),
	ROW("allow-filter", OPTION_STRING, allow_filter, NULL, 0, 0,
	    "filter that entries must match to log in"),
	ROW("allow-groups", OPTION_LIST, allow_groups, NULL, 0, 0,
	    "DNs of groups; members of any of them may log in"),
	ROW("nested-groups", OPTION_BOOL, nested_groups, "no", 0, 0,
	    "whether members of groups in allow-groups count"),
	ROW("group-base", OPTION_STRING, group_base, NULL, 0, 0,
	    "DN below which nested groups are; default: base"),
	CHOICE("scram", scram, "off", scrams,
	       "off, directory or cache: where SCRAM keys come from"),
	ROW("password-stamps", OPTION_LIST, password_stamps,
	    "pwdChangedTime, pwdLastSet, krbLastPwdChange", 0, 0,
	    "attributes that change with the password, for scram = cache"),
	ROW("connections", OPTION_NUMBER, connections, "8", 1, 1000,
	    "connections for checking passwords"),
	ROW("connect-timeout", OPTION_DURATION, connect_timeout, "5s", 100,
	    60000, "time for a connection, with TLS and bind"),
	ROW("timeout", OPTION_DURATION, timeout, "10s", 100, 50000,
	    "time for an answer"),
	ROW("return-after", OPTION_DURATION, return_after, "1m", 0, 86400000,
	    "how long a preferred server must be well to be used again"),
	ROW("page-size", OPTION_NUMBER, page_size, "500", 1, 100000,
	    "entries of one page when all people are listed"),
	CHOICE("feed", feed, "auto", feeds,
	       "off, auto or poll: how changes in the directory are heard of"),
	ROW("poll-interval", OPTION_DURATION, poll_interval, "10s", 1000,
	    86400000, "time between questions for changes, when polling"),
	ROW("poll-complete", OPTION_DURATION, poll_complete, "1m", 1000,
	    86400000, "time between looks for what is gone, when polling"),
	ROW("name-attributes", OPTION_LIST, name_attributes,
	    "displayName, cn", 0, 0,
	    "attributes with a person's name for others, the first there is"),
	ROW("group-filter", OPTION_STRING, group_filter, NULL, 0, 0,
	    "filter of groups; default: by schema"),
	ROW("group-name", OPTION_STRING, group_name, "cn", 0, 0,
	    "attribute with the name of a group"),
	ROW("roster-groups", OPTION_LIST, roster_groups, NULL, 0, 0,
	    "groups whose members see each other: names, with * and ?"),
	ROW("vcard", OPTION_BOOL, vcard, "no", 0, 0,
	    "whether vCards come from the directory"),
	ROW("vcard-fields", OPTION_LIST, vcard_fields,
	    "FN=displayName, FN=cn, N/FAMILY=sn, N/GIVEN=givenName, "
	    "EMAIL/USERID=mail, TEL/NUMBER=telephoneNumber, TITLE=title, "
	    "ORG/ORGNAME=o, ORG/ORGUNIT=ou, PHOTO=jpegPhoto, "
	    "PHOTO=thumbnailPhoto", 0, 0,
	    "what is in a vCard: FIELD=attribute"),
	ROW("search", OPTION_BOOL, search, "no", 0, 0,
	    "whether users may search for people (XEP-0055)"),
	ROW("search-fields", OPTION_LIST, search_fields,
	    "first=givenName, last=sn, nick=displayName, email=mail", 0, 0,
	    "what can be searched, and is shown: field=attribute"),
	{ .name = NULL }
};

const struct section ldap_section = {
	.name = "ldap",
	.titled = true,
	.size = sizeof(struct ldap_options),
	.options = ldap_rows,
};

const char *ldap_options_user_attribute(const struct ldap_options *options)
{
	if (options->user_attribute != NULL)
		return options->user_attribute;
	return options->schema == LDAP_SCHEMA_ACTIVE_DIRECTORY ?
		       "sAMAccountName" : "uid";
}

const char *ldap_options_filter(const struct ldap_options *options)
{
	if (options->filter != NULL)
		return options->filter;
	return options->schema == LDAP_SCHEMA_ACTIVE_DIRECTORY ?
		       "(&(objectCategory=person)(objectClass=user)"
		       "(sAMAccountName=%u))" :
		       "(uid=%u)";
}

const char *ldap_options_group_filter(const struct ldap_options *options)
{
	if (options->group_filter != NULL)
		return options->group_filter;
	return options->schema == LDAP_SCHEMA_ACTIVE_DIRECTORY ?
		       "(objectClass=group)" :
		       "(|(objectClass=groupOfNames)"
		       "(objectClass=groupOfUniqueNames)"
		       "(objectClass=posixGroup))";
}

static int check_template(const char *name, const char *text,
			  struct error *err)
{
	const char *sign = text;

	while (sign != NULL && (sign = strchr(sign, '%')) != NULL) {
		if (sign[1] == '\0' || strchr("udj%", sign[1]) == NULL)
			return error_set(err,
					 "%s: after %% comes u, d, j or %%",
					 name);
		sign += 2;
	}
	return 0;
}

static int check_uris(char *const *uris, struct error *err)
{
	if (uris == NULL || uris[0] == NULL)
		return error_set(err, "uri is missing");
	for (; *uris != NULL; uris++) {
		if (!str_starts(*uris, "ldap://") &&
		    !str_starts(*uris, "ldaps://") &&
		    !str_starts(*uris, "ldapi://"))
			return error_set(err, "\"%s\" is no URI of LDAP",
					 *uris);
	}
	return 0;
}

/* "FIELD=attribute": both words that can stand in XML and in LDAP. */
static int check_fields(const char *name, char *const *fields,
			struct error *err)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789-./";

	for (; fields != NULL && *fields != NULL; fields++) {
		size_t field = strspn(*fields, allowed);
		const char *attribute = *fields + field + 1;

		if (field == 0 || (*fields)[field] != '=' ||
		    *attribute == '\0' ||
		    strspn(attribute, allowed) != strlen(attribute))
			return error_set(err, "%s: \"%s\" is not of the form "
					 "FIELD=attribute", name, *fields);
	}
	return 0;
}

int ldap_options_check(const struct ldap_options *options, struct error *err)
{
	if (check_uris(options->uri, err) != 0 ||
	    check_fields("vcard-fields", options->vcard_fields, err) != 0 ||
	    check_fields("search-fields", options->search_fields, err) != 0 ||
	    check_template("filter", options->filter, err) != 0 ||
	    check_template("dn-template", options->dn_template, err) != 0)
		return -1;
	if (options->base == NULL && options->dn_template == NULL)
		return error_set(err, "base is missing");
	if (options->filter != NULL && options->filter[0] != '(')
		return error_set(err, "filter must be in parentheses");
	if (options->allow_filter != NULL && options->allow_filter[0] != '(')
		return error_set(err, "allow-filter must be in parentheses");
	if (options->group_filter != NULL && options->group_filter[0] != '(')
		return error_set(err, "group-filter must be in parentheses");
	if ((options->bind_dn == NULL) !=
	    (options->bind_password_file == NULL))
		return error_set(err, "bind-dn and bind-password-file need "
				      "each other");
	if ((options->certificate == NULL) != (options->key == NULL))
		return error_set(err, "certificate and key need each other");
	if (options->nested_groups && options->base == NULL &&
	    options->group_base == NULL)
		return error_set(err, "nested-groups needs group-base");
	return 0;
}
