/* SPDX-License-Identifier: Apache-2.0
 *
 * The feed of servers without synchronisation: everything once, then what has
 * a later time of change, and now and then only who is there, since what is
 * gone has no time of change. Active Directory's times are those of one
 * server, so another server is asked for everything.
 */
#include <string.h>

#include "storage/ldap_feed_private.h"
#include "util/base/mem.h"
#include "util/base/str.h"

static const char *const ids[] = { "entryUUID", "objectGUID", "nsUniqueId" };

#define IDS (sizeof(ids) / sizeof(*ids))

static const char *const id_attributes[] = { "entryUUID", "objectGUID",
					     "nsUniqueId", NULL };

static const char *time_attribute(const struct ldap_options *options)
{
	return options->schema == LDAP_SCHEMA_ACTIVE_DIRECTORY ?
		       "whenChanged" : "modifyTimestamp";
}

const char **ldap_poll_attributes(const struct ldap_options *options,
				  enum ldap_kind kind)
{
	const char **list = ldap_tree_attributes(options, kind);
	size_t count = 0;

	while (list[count] != NULL)
		count++;
	list = mem_realloc(list, count + IDS + 2, sizeof(*list));
	for (size_t i = 0; i < IDS; i++)
		list[count++] = ids[i];
	list[count++] = time_attribute(options);
	list[count] = NULL;
	return list;
}

/* -- entries --------------------------------------------------------------- */

static int digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *found = c != '\0' ? strchr(digits, c | 0x20) : NULL;

	return found != NULL ? (int)(found - digits) : -1;
}

/* RFC 4530: the text of a UUID, as the bytes that synchronisation gives. */
static bool read_uuid(const char *text, unsigned char uuid[SYNC_UUID])
{
	size_t count = 0;

	for (; *text != '\0'; text++) {
		if (*text == '-')
			continue;
		if (count == 2 * SYNC_UUID || digit(*text) < 0)
			return false;
		uuid[count / 2] = (unsigned char)(
			(count % 2 == 0 ? 0 : uuid[count / 2] << 4) |
			digit(*text));
		count++;
	}
	return count == 2 * SYNC_UUID;
}

static uint64_t id_of(const struct ldap_feed *feed,
		      const struct directory_entry *entry)
{
	const struct ldap_tree *tree = feed->setup.tree;
	unsigned char uuid[SYNC_UUID] = { 0 };
	uint64_t id = 0;
	char *dn;

	for (size_t i = 0; i < IDS && id == 0; i++) {
		struct berval **values = entry_values(entry, ids[i]);

		if (values != NULL && values[0] != NULL &&
		    read_uuid(values[0]->bv_val, uuid))
			id = ldap_tree_id(tree, uuid, sizeof(uuid));
		else if (values != NULL && values[0] != NULL)
			id = ldap_tree_id(tree, values[0]->bv_val,
					  values[0]->bv_len);
		ldap_value_free_len(values);
	}
	if (id != 0)
		return id;
	dn = entry_dn(entry);
	id = ldap_tree_id(tree, dn, strlen(dn));
	mem_free(dn);
	return id;
}

/* RFC 4517 section 3.3.13; all of a server have the same length, so their
 * order is that of their bytes. */
static void take_time(struct ldap_feed *feed,
		      const struct directory_entry *entry)
{
	char *time = entry_text(entry, time_attribute(feed->setup.options));

	if (time != NULL && strlen(time) < sizeof(feed->mark) &&
	    strspn(time, "0123456789.Z") == strlen(time) &&
	    strcmp(time, feed->mark) > 0)
		str_copy(feed->mark, sizeof(feed->mark), time);
	mem_free(time);
}

static void poll_entry(struct directory_operation *operation,
		       const struct directory_entry *entry)
{
	struct ldap_feed *feed =
		container_of(operation, struct ldap_feed, operation);
	uint64_t id = id_of(feed, entry);

	if (feed->poll == POLL_IDS) {
		feed->strange |= !ldap_tree_seen(feed->setup.tree, id);
		return;
	}
	take_time(feed, entry);
	ldap_feed_put(feed, id, entry);
}

/* -- polls ----------------------------------------------------------------- */

static void ask(struct ldap_feed *feed, enum ldap_poll what);

static void poll_again(struct timer *timer)
{
	struct ldap_feed *feed = container_of(timer, struct ldap_feed, timer);
	uint64_t since = loop_now(feed->setup.loop) - feed->complete;

	if (*feed->mark == '\0' || feed->strange || feed->ranges.failed)
		ask(feed, POLL_ALL);
	else if (feed->poll != POLL_IDS &&
		 since >= (uint64_t)feed->setup.options->poll_complete)
		ask(feed, POLL_IDS);
	else
		ask(feed, POLL_CHANGES);
}

static void poll_done(struct directory_operation *operation,
		      const struct directory_answer *answer)
{
	struct ldap_feed *feed =
		container_of(operation, struct ldap_feed, operation);
	uint64_t pause = (uint64_t)feed->setup.options->poll_interval;

	if (answer->status != STORAGE_OK || answer->code != LDAP_SUCCESS) {
		ldap_feed_failed(feed, answer);
		return;
	}
	if (feed->poll != POLL_CHANGES) {
		ldap_tree_sweep(feed->setup.tree, feed->setup.kind);
		feed->complete = loop_now(feed->setup.loop);
	}
	/* Times of another server say nothing. */
	if (feed->poll != POLL_ALL && operation->server != feed->server)
		feed->mark[0] = '\0';
	feed->server = operation->server;
	ldap_tree_settle(feed->setup.tree, feed->setup.kind, true);
	ldap_feed_complete(feed, "poll");
	/* Who is there says nothing of what they are. */
	if (feed->poll == POLL_IDS)
		pause = 0;
	if (*feed->mark == '\0' && feed->poll != POLL_ALL)
		pause = 0;
	ldap_feed_pause(feed, pause, poll_again);
}

static void ask(struct ldap_feed *feed, enum ldap_poll what)
{
	const struct ldap_options *options = feed->setup.options;

	feed->poll = what;
	buf_clear(&feed->poll_filter, 4096);
	if (what == POLL_CHANGES)
		buf_addf(&feed->poll_filter, "(&%s(%s>=%s))", feed->filter,
			 time_attribute(options), feed->mark);
	else
		buf_add_str(&feed->poll_filter, feed->filter);
	if (what == POLL_ALL) {
		feed->strange = feed->ranges.failed = false;
		feed->mark[0] = '\0';
	}
	ldap_tree_hold(feed->setup.tree, feed->setup.kind);
	if (what != POLL_CHANGES)
		ldap_tree_begin(feed->setup.tree, feed->setup.kind);
	feed->operation = (struct directory_operation){
		.kind = DIRECTORY_FEED,
		.dn = feed->setup.base,
		.scope = feed->setup.scope,
		.filter = buf_data(&feed->poll_filter),
		.attributes = what == POLL_IDS ? id_attributes :
						 feed->attributes,
		.page_size = (int)options->page_size,
		.entry = poll_entry,
		.done = poll_done,
	};
	directory_submit(feed->setup.directory, &feed->operation);
}

void ldap_poll_start(struct ldap_feed *feed)
{
	ask(feed, POLL_ALL);
}
