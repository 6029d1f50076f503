/* SPDX-License-Identifier: Apache-2.0
 *
 * The feed by synchronisation, and which of the two ways it is. Polling is in
 * storage/ldap_poll.c.
 */
#include "storage/ldap_feed.h"

#include <string.h>

#include "storage/ldap_feed_private.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* ms: pauses after failures; between questions whether somebody is there. */
#define PAUSE_FIRST 1000
#define PAUSE_MAX 60000
#define ALIVE 20000

static void start(struct timer *timer);

/* -- beginnings and ends --------------------------------------------------- */

static unsigned jittered(struct ldap_feed *feed, uint64_t pause)
{
	unsigned random;

	loop_random(feed->setup.loop, &random, sizeof(random));
	return (unsigned)(pause + pause * (random % 300) / 1000);
}

void ldap_feed_pause(struct ldap_feed *feed, uint64_t pause, void (*next)(struct timer *timer))
{
	timer_start(&feed->timer, feed->setup.loop, jittered(feed, pause),
		    next);
}

static const char *kind_name(const struct ldap_feed *feed)
{
	return feed->setup.kind == LDAP_PEOPLE ? "people" : "groups";
}

void ldap_feed_complete(struct ldap_feed *feed, const char *how)
{
	feed->failures = 0;
	if (!feed->lost && feed->reported)
		return;
	feed->lost = false;
	feed->reported = true;
	log_info(feed->setup.log, "ldap.feed",
		 LOG_S("domain", feed->setup.domain),
		 LOG_S("of", kind_name(feed)), LOG_S("by", how),
		 LOG_N("entries", ldap_tree_count(feed->setup.tree,
						  feed->setup.kind)));
}

void ldap_feed_failed(struct ldap_feed *feed,
		      const struct directory_answer *answer)
{
	uint64_t pause = PAUSE_FIRST;
	bool answered = answer->status == STORAGE_OK;

	if (answer->status == STORAGE_CANCELLED)
		return;
	/* What was told up to now is true. What the server does not want to
	 * tell at all keeps nobody from using the rest. */
	ldap_tree_settle(feed->setup.tree, feed->setup.kind, answered);
	if (!feed->lost)
		log_warning(feed->setup.log, "ldap.feed-lost",
			    LOG_S("domain", feed->setup.domain),
			    LOG_S("of", kind_name(feed)),
			    LOG_S("reason", answered ?
					ldap_err2string(answer->code) :
					answer->text));
	feed->lost = true;
	for (unsigned i = 0; i < feed->failures && pause < PAUSE_MAX; i++)
		pause *= 2;
	feed->failures++;
	ldap_feed_pause(feed, pause < PAUSE_MAX ? pause : PAUSE_MAX, start);
}

/* -- entries --------------------------------------------------------------- */

void ldap_feed_put(struct ldap_feed *feed, uint64_t id,
		   const struct directory_entry *entry)
{
	bool groups = feed->setup.kind == LDAP_GROUPS;

	ldap_tree_put(feed->setup.tree, feed->setup.kind, id, entry,
		      groups && ldap_range_is_part(entry));
	if (groups)
		ldap_range_take(&feed->ranges, id, entry);
}

static void sync_entry(struct directory_operation *operation,
		       const struct directory_entry *entry)
{
	struct ldap_feed *feed =
		container_of(operation, struct ldap_feed, operation);
	unsigned char uuid[SYNC_UUID];
	enum sync_state state;
	uint64_t id;

	if (ldap_sync_entry(entry, &state, uuid, &feed->cookie) != 0)
		return;
	id = ldap_tree_id(feed->setup.tree, uuid, sizeof(uuid));
	switch (state) {
	case SYNC_PRESENT:
		ldap_tree_seen(feed->setup.tree, id);
		break;
	case SYNC_ADD:
	case SYNC_MODIFY:
		ldap_feed_put(feed, id, entry);
		break;
	case SYNC_DELETE:
		ldap_tree_gone(feed->setup.tree, id);
		break;
	}
}

/* -- synchronisation ------------------------------------------------------- */

static void ask_alive(struct timer *timer);

static void ping_done(struct directory_operation *operation,
		      const struct directory_answer *answer)
{
	struct ldap_feed *feed =
		container_of(operation, struct ldap_feed, ping);

	feed->pinging = false;
	/* Else the connection was given up, and the feed with it. */
	if (answer->status == STORAGE_OK && feed->persisting)
		timer_start(&feed->timer, feed->setup.loop, ALIVE, ask_alive);
}

static void no_entry(struct directory_operation *operation,
		     const struct directory_entry *entry)
{
	(void)operation;
	(void)entry;
}

/* A server that hangs says nothing, as one where nothing changes. */
static void ask_alive(struct timer *timer)
{
	static const char *const nothing[] = { LDAP_NO_ATTRS, NULL };
	struct ldap_feed *feed = container_of(timer, struct ldap_feed, timer);

	if (feed->pinging)
		return;
	feed->pinging = true;
	feed->ping = (struct directory_operation){
		.kind = DIRECTORY_FEED,
		.dn = "",
		.scope = LDAP_SCOPE_BASE,
		.filter = "(objectClass=*)",
		.attributes = nothing,
		.entry = no_entry,
		.done = ping_done,
	};
	directory_submit(feed->setup.directory, &feed->ping);
}

static void refreshed(struct ldap_feed *feed)
{
	if (feed->persisting)
		return;
	/* After what began without a cookie, what did not come is gone. */
	if (feed->anew)
		ldap_tree_sweep(feed->setup.tree, feed->setup.kind);
	feed->anew = false;
	feed->persisting = true;
	directory_rest(&feed->operation);
	ldap_tree_settle(feed->setup.tree, feed->setup.kind, true);
	ldap_feed_complete(feed, "sync");
	timer_start(&feed->timer, feed->setup.loop, ALIVE, ask_alive);
}

static void take_ids(struct ldap_feed *feed, const struct ldap_sync_info *info)
{
	for (size_t i = 0; info->uuids != NULL &&
			   info->uuids[i].bv_val != NULL; i++) {
		uint64_t id = ldap_tree_id(feed->setup.tree,
					   info->uuids[i].bv_val,
					   info->uuids[i].bv_len);

		if (info->deletes)
			ldap_tree_gone(feed->setup.tree, id);
		else
			ldap_tree_seen(feed->setup.tree, id);
	}
	ber_bvarray_free(info->uuids);
}

static void sync_info(struct directory_operation *operation,
		      const struct directory_entry *response)
{
	struct ldap_feed *feed =
		container_of(operation, struct ldap_feed, operation);
	struct ldap_sync_info info;

	if (ldap_sync_info(response, &info, &feed->cookie) != 0)
		return;
	switch (info.kind) {
	case SYNC_COOKIE:
		break;
	case SYNC_ID_SET:
		take_ids(feed, &info);
		break;
	case SYNC_REFRESH_PRESENT:
		/* The end of a phase in which all that is there was named. */
		if (!feed->persisting)
			ldap_tree_sweep(feed->setup.tree, feed->setup.kind);
		if (info.done)
			refreshed(feed);
		break;
	case SYNC_REFRESH_DELETE:
		if (info.done)
			refreshed(feed);
		break;
	}
}

/* Answers of servers that say they can, but not for this. */
static bool is_lacking(int code)
{
	return code == LDAP_UNAVAILABLE_CRITICAL_EXTENSION ||
	       code == LDAP_PROTOCOL_ERROR ||
	       code == LDAP_UNWILLING_TO_PERFORM;
}

static void sync_done(struct directory_operation *operation,
		      const struct directory_answer *answer)
{
	struct ldap_feed *feed =
		container_of(operation, struct ldap_feed, operation);
	bool answered = answer->status == STORAGE_OK;

	feed->persisting = false;
	timer_stop(&feed->timer);
	if (answered && answer->code == LDAP_SYNC_REFRESH_REQUIRED)
		buf_clear(&feed->cookie, 0);
	if (answered && is_lacking(answer->code))
		ldap_poll_start(feed);
	else
		ldap_feed_failed(feed, answer);
}

static void sync_start(struct ldap_feed *feed)
{
	buf_clear(&feed->sent_cookie, 1024);
	buf_add(&feed->sent_cookie, buf_data(&feed->cookie),
		feed->cookie.len);
	feed->anew = feed->cookie.len == 0;
	feed->persisting = false;
	ldap_tree_hold(feed->setup.tree, feed->setup.kind);
	ldap_tree_begin(feed->setup.tree, feed->setup.kind);
	feed->operation = (struct directory_operation){
		.kind = DIRECTORY_FEED,
		.dn = feed->setup.base,
		.scope = feed->setup.scope,
		.filter = feed->filter,
		.attributes = feed->attributes,
		.sync = true,
		.sync_cookie = buf_data(&feed->sent_cookie),
		.sync_len = feed->sent_cookie.len,
		.entry = sync_entry,
		.info = sync_info,
		.done = sync_done,
	};
	directory_submit(feed->setup.directory, &feed->operation);
}

/* -- what the server can --------------------------------------------------- */

static void root_entry(struct directory_operation *operation,
		       const struct directory_entry *entry)
{
	struct ldap_feed *feed =
		container_of(operation, struct ldap_feed, operation);
	struct berval **values = entry_values(entry, "supportedControl");

	for (size_t i = 0; values != NULL && values[i] != NULL; i++) {
		if (str_equal(values[i]->bv_val, LDAP_CONTROL_SYNC))
			feed->offered = true;
	}
	ldap_value_free_len(values);
}

static void root_done(struct directory_operation *operation,
		      const struct directory_answer *answer)
{
	struct ldap_feed *feed =
		container_of(operation, struct ldap_feed, operation);

	if (answer->status != STORAGE_OK)
		ldap_feed_failed(feed, answer);
	else if (feed->offered && feed->setup.options->feed == LDAP_FEED_AUTO)
		sync_start(feed);
	else
		ldap_poll_start(feed);
}

static void start(struct timer *timer)
{
	static const char *const attributes[] = { "supportedControl", NULL };
	struct ldap_feed *feed = container_of(timer, struct ldap_feed, timer);

	feed->offered = false;
	feed->operation = (struct directory_operation){
		.kind = DIRECTORY_FEED,
		.dn = "",
		.scope = LDAP_SCOPE_BASE,
		.filter = "(objectClass=*)",
		.attributes = attributes,
		.entry = root_entry,
		.done = root_done,
	};
	directory_submit(feed->setup.directory, &feed->operation);
}

/* -- opening and closing --------------------------------------------------- */

struct ldap_feed *ldap_feed_new(const struct ldap_feed_setup *setup)
{
	struct ldap_feed *feed = mem_new(struct ldap_feed);

	feed->setup = *setup;
	feed->filter = mem_strdup(setup->filter);
	feed->attributes = ldap_poll_attributes(setup->options, setup->kind);
	feed->ranges.directory = setup->directory;
	feed->ranges.tree = setup->tree;
	timer_start(&feed->timer, setup->loop, 0, start);
	return feed;
}

void ldap_feed_free(struct ldap_feed **feed)
{
	struct ldap_feed *f = *feed;

	if (f == NULL)
		return;
	timer_stop(&f->timer);
	ldap_ranges_free(&f->ranges);
	buf_free(&f->cookie);
	buf_free(&f->sent_cookie);
	buf_free(&f->poll_filter);
	mem_free(f->attributes);
	mem_free(f->filter);
	mem_free(f);
	*feed = NULL;
}
