/* SPDX-License-Identifier: Apache-2.0
 *
 * Hearing of what changes in a directory: by content synchronisation
 * (RFC 4533, refreshAndPersist) where the server offers it, else by asking
 * again and again. One feed is for one kind of entries. What is lost comes
 * back by itself, after a pause that grows; nothing is taken for gone because
 * nobody answered.
 *
 *   WAITING --> ASKING what the server can
 *      ^          |--> REFRESHING --> PERSISTING
 *      |          '--> POLLING
 *      '-- what fails
 */
#ifndef STORAGE_LDAP_FEED_H
#define STORAGE_LDAP_FEED_H

#include "storage/ldap_tree.h"

struct ldap_feed;

/* All must outlive it, but for `filter`. */
struct ldap_feed_setup {
	struct loop *loop;
	struct log *log;
	const char *domain;
	const struct ldap_options *options;
	struct directory *directory;
	struct ldap_tree *tree;
	enum ldap_kind kind;
	const char *base;
	int scope;
	const char *filter;
};

struct ldap_feed *ldap_feed_new(const struct ldap_feed_setup *setup);

/* After the directory was closed. */
void ldap_feed_free(struct ldap_feed **feed);

#endif
