/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of a feed, for storage/ldap_feed.c and storage/ldap_poll.c.
 */
#ifndef STORAGE_LDAP_FEED_PRIVATE_H
#define STORAGE_LDAP_FEED_PRIVATE_H

#include "storage/ldap_feed.h"
#include "storage/ldap_range.h"
#include "storage/ldap_sync.h"
#include "util/base/buf.h"

/* What a poll asks for. */
enum ldap_poll { POLL_ALL, POLL_CHANGES, POLL_IDS };

struct ldap_feed {
	struct ldap_feed_setup setup;
	char *filter;
	const char **attributes;
	struct ldap_ranges ranges;
	struct directory_operation operation; /* one at a time */
	/* WAITING: a pause; PERSISTING: looks whether somebody is there;
	 * POLLING: the next time. */
	struct timer timer;
	unsigned failures;
	bool lost, reported; /* as the log says */
	/* synchronisation */
	bool offered;
	bool anew; /* the refresh began without a cookie */
	bool persisting;
	struct buf cookie, sent_cookie;
	struct directory_operation ping;
	bool pinging;
	/* polling */
	enum ldap_poll poll;
	struct buf poll_filter;
	char mark[32]; /* the latest time of a change; "": none is known */
	size_t server; /* whose times they are */
	uint64_t complete; /* loop_now() of the latest look at all */
	bool strange; /* there is an entry that is not known */
};

/* After everything was told, once or again. */
void ldap_feed_complete(struct ldap_feed *feed, const char *how);

/* Tries again after a pause. */
void ldap_feed_failed(struct ldap_feed *feed,
		      const struct directory_answer *answer);
void ldap_feed_pause(struct ldap_feed *feed, uint64_t pause, void (*next)(struct timer *timer));

void ldap_feed_put(struct ldap_feed *feed, uint64_t id,
		   const struct directory_entry *entry);

/* -- storage/ldap_poll.c --------------------------------------------------- */

/* As ldap_tree_attributes(), with what polling needs. */
const char **ldap_poll_attributes(const struct ldap_options *options,
				  enum ldap_kind kind);
void ldap_poll_start(struct ldap_feed *feed);

#endif
