/* SPDX-License-Identifier: Apache-2.0
 *
 * What an entry of the directory says about a user: who it is, whether the
 * account may be used, its SCRAM keys.
 */
#ifndef STORAGE_LDAP_PERSON_H
#define STORAGE_LDAP_PERSON_H

#include "storage/ldap_connection.h"

struct ldap_person {
	size_t count; /* entries seen; the rest is of the first */
	char *dn;
	bool named; /* it has the name that was asked for */
	const char *disabled; /* why it may not log in, a constant; or NULL */
	bool locked;  /* for a while: only the directory can decide */
	char *stamp;  /* of the password; NULL: there is none */
	struct account account; /* the keys that it has */
};

/* The attributes that ldap_person_read() looks at, as a NULL-terminated heap
 * array of constants and texts of the options. */
const char **ldap_person_attributes(const struct ldap_options *options);

/* Takes one more entry in. `user` is the bare JID, `now` microseconds since
 * 1970. */
void ldap_person_read(struct ldap_person *person,
		      const struct directory_entry *entry,
		      const struct ldap_options *options, const char *user,
		      int64_t now);
void ldap_person_clear(struct ldap_person *person);

/* What is wanted of everybody, all the time: the attributes, as above, and what
 * an entry says. A lock for a while, and what is computed of the present time,
 * are left to the log-in. */
const char **ldap_person_feed_attributes(const struct ldap_options *options);

struct ldap_person_state {
	bool disabled;
	int64_t expires; /* microseconds since 1970; 0: never */
	uint64_t stamp;	 /* of the password, a hash under `key`; 0: none */
};

struct ldap_person_state
ldap_person_feed_read(const struct directory_entry *entry,
		      const struct ldap_options *options,
		      const uint64_t key[2]);

/* The bare JID at `domain` of a value of user-attribute, a heap string; NULL:
 * there can be none. */
char *ldap_person_jid(const struct berval *value, const char *domain);

/* Why an account with these values may not be used at `now`, a constant; NULL:
 * it may. `attribute` is any of those that say so. */
const char *ldap_person_disabled(const char *attribute, const char *value,
				 int64_t now);

#endif
