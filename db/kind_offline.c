/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages for later (XEP-0227 section 3.5). In the storage the time of a
 * message stands beside it, in a file in its <delay/> (XEP-0203); other
 * servers also wrote XEP-0091.
 */
#include "db/pie.h"

#include <string.h>

#include "util/base/str.h"

#define KIND "offline messages"
#define PAGE 50

/* What an sm notes in a stored message (sm/modules/offline.c). */
#define NS_HELD	     "urn:chappe:held:0"
#define NS_DELAY_OLD "jabber:x:delay" /* XEP-0091 */

/* -- writing --------------------------------------------------------------- */

static const char *domain_of(const char *jid)
{
	const char *at = strchr(jid, '@');

	return at != NULL ? at + 1 : jid;
}

static void remove_child(struct element *parent, const char *name,
			 const char *ns)
{
	struct element *child = element_child(parent, name, ns);

	if (child != NULL)
		element_remove(child);
}

/* The one that a server of this domain has added. */
static struct element *own_delay(const struct element *message,
				 const char *domain)
{
	struct element *delay = element_child(message, "delay", NS_DELAY);

	while (delay != NULL &&
	       !str_equal(element_attr(delay, "from"), domain))
		delay = element_next_same(delay);
	return delay;
}

static void add_message(struct pie_owner *owner,
			const struct offline_message *message)
{
	const char *domain = domain_of(owner->jid);
	struct stanza *stanza = stanza_parse(owner->parser, &stream_ns_client,
					     message->stanza, message->len,
					     NULL);
	struct element *delay;
	char stamp[PIE_TIME_MAX];

	if (stanza == NULL) {
		report_count(owner->db->report, KIND, "skipped",
			     "the storage gives no XML");
		report_note(owner->db, KIND, owner->jid,
			    "a message that the storage has is no XML");
		return;
	}
	if (!owner->opened)
		buf_add_str(&owner->xml, "<offline-messages>");
	owner->opened = true;
	remove_child(stanza->root, "held", NS_HELD);
	delay = own_delay(stanza->root, domain);
	if (delay == NULL)
		delay = element_add(stanza->root, "delay", NS_DELAY);
	pie_time_write(stamp, message->stamp);
	element_set_attr(delay, "from", domain);
	element_set_attr(delay, "stamp", stamp);
	pie_add_element(&owner->xml, stanza->root);
	stanza_free(&stanza);
	report_count(owner->db->report, KIND, "written", NULL);
}

static void got_page(const struct storage_result *result, void *ctx)
{
	struct pie_owner *owner = ctx;

	if (result->status != STORAGE_OK) {
		pie_unavailable(owner, result);
		return;
	}
	for (size_t i = 0; i < result->count; i++) {
		add_message(owner, &result->messages[i]);
		owner->after = result->messages[i].id;
	}
	if (result->count == PAGE) {
		kind_offline_write(owner);
		return;
	}
	if (owner->opened)
		buf_add_str(&owner->xml, "</offline-messages>");
	pie_written(owner);
}

void kind_offline_write(struct pie_owner *owner)
{
	storage_offline_list(owner->storage, owner->jid, owner->after, PAGE,
			     got_page, owner);
}

/* -- reading --------------------------------------------------------------- */

static bool stamp_of(const struct element *delay, int64_t *us)
{
	const char *stamp =
		delay != NULL ? element_attr(delay, "stamp") : NULL;

	return stamp != NULL && pie_time_read(stamp, us) == 0;
}

/* When it came: what a server of this domain says, else what anybody says,
 * else now. What only said so goes, as it is added at delivery. */
static int64_t take_stamp(struct element *message, const char *domain,
			  int64_t now)
{
	struct element *own = own_delay(message, domain);
	struct element *any = element_child(message, "delay", NS_DELAY);
	struct element *old = element_child(message, "x", NS_DELAY_OLD);
	int64_t us = now;

	if (stamp_of(own, &us)) {
		element_remove(own);
		if (old != NULL)
			element_remove(old);
	} else if (stamp_of(old, &us)) {
		element_remove(old);
	} else {
		stamp_of(any, &us);
	}
	return us > 0 ? us : now;
}

void kind_offline_read(struct pie_user *user, const struct element *element)
{
	struct stanza *message;
	struct buf xml = { 0 };
	int64_t stamp;

	if (!element_is(element, "message", NS_CLIENT)) {
		pie_skipped(user, KIND, "it is no message");
		return;
	}
	message = stanza_from_element(element);
	remove_child(message->root, "held", NS_HELD);
	stamp = take_stamp(message->root, domain_of(user->jid),
			   loop_time_us(user->db->loop));
	stanza_write(message, &xml);
	pie_put_message(user, stamp, buf_data(&xml), xml.len);
	pie_kept(user, KIND);
	buf_free(&xml);
	stanza_free(&message);
}
