/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of the driver "ldap" of people, for its own files.
 */
#ifndef STORAGE_LDAP_PEOPLE_H
#define STORAGE_LDAP_PEOPLE_H

#include "storage/ldap_directory.h"
#include "storage/people_driver.h"

struct ldap_field {
	char *name;	 /* of a vCard, of a search */
	char *attribute; /* of an entry */
};

struct ldap_fields {
	struct ldap_field *list;
	const char **attributes; /* NULL-terminated, user-attribute first */
	size_t count;
};

struct ldap_people {
	struct loop *loop;
	struct log *log;
	char *domain;
	const struct ldap_options *options;
	struct directory *directory;
	struct ldap_tree *tree;
	struct ldap_feed *feeds[2];
	struct ldap_fields card, search;
	const char **search_names; /* without repeats; NULL-terminated */
};

/* storage/ldap_cards.c: vCards and searching. */
void ldap_cards_open(struct ldap_people *people);
void ldap_cards_close(struct ldap_people *people);
void ldap_cards_ask(void *state, struct people_request *request);

#endif
