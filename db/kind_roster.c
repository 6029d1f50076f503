/* SPDX-License-Identifier: Apache-2.0
 *
 * Rosters as RFC 6121 section 2.1 shows them, and requests that wait for an
 * answer (XEP-0227 section 3.9): two elements of a file, one row of the
 * storage.
 */
#include "db/pie.h"

#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"

#define KIND	 "roster items"
#define REQUESTS "subscription requests"

static const char *const subscriptions[] = { "none", "to", "from", "both" };

/* -- writing --------------------------------------------------------------- */

static void add_item(struct buf *to, const struct roster_item *item)
{
	char *const *groups = item->groups;

	buf_add_str(to, "<item");
	buf_add_attr(to, "jid", item->jid);
	buf_add_attr(to, "name", item->name);
	buf_add_attr(to, "subscription", subscriptions[item->subscription]);
	if (item->ask)
		buf_add_attr(to, "ask", "subscribe");
	if (item->approved)
		buf_add_attr(to, "approved", "true");
	buf_add_str(to, ">");
	for (; groups != NULL && *groups != NULL; groups++) {
		buf_add_str(to, "<group>");
		buf_add_xml_text(to, *groups, strlen(*groups));
		buf_add_str(to, "</group>");
	}
	buf_add_str(to, "</item>");
}

static void add_request(struct pie_owner *owner,
			const struct roster_item *item)
{
	struct stanza *request = stanza_parse(owner->parser,
					      &stream_ns_client, item->request,
					      strlen(item->request), NULL);

	/* What cannot be read any more still is a request. */
	if (request == NULL) {
		request = stanza_new("presence", NULL);
		element_set_attr(request->root, "type", "subscribe");
		element_set_attr(request->root, "from", item->jid);
	}
	pie_add_element(&owner->xml, request->root);
	stanza_free(&request);
	report_count(owner->db->report, REQUESTS, "written", NULL);
}

static void got_roster(const struct storage_result *result, void *ctx)
{
	struct pie_owner *owner = ctx;

	if (result->status != STORAGE_OK) {
		pie_unavailable(owner, result);
		return;
	}
	buf_addf(&owner->xml, "<query xmlns='%s'>", NS_ROSTER);
	for (size_t i = 0; i < result->count; i++) {
		if (!result->roster[i].listed)
			continue;
		add_item(&owner->xml, &result->roster[i]);
		report_count(owner->db->report, KIND, "written", NULL);
	}
	buf_add_str(&owner->xml, "</query>");
	for (size_t i = 0; i < result->count; i++) {
		if (result->roster[i].request != NULL)
			add_request(owner, &result->roster[i]);
	}
	pie_written(owner);
}

void kind_roster_write(struct pie_owner *owner)
{
	storage_load(owner->storage, owner->jid, got_roster, owner);
}

/* -- reading --------------------------------------------------------------- */

static char **read_groups(const struct element *element)
{
	const struct element *group = element_child(element, "group", NULL);
	char **groups = NULL;
	size_t count = 0;

	for (; group != NULL; group = element_next_same(group)) {
		if (*element_text(group) == '\0')
			continue;
		groups = mem_realloc(groups, count + 2, sizeof(*groups));
		groups[count++] = mem_strdup(element_text(group));
		groups[count] = NULL;
	}
	return groups;
}

static int read_subscription(const char *text)
{
	for (int i = 0; text != NULL && i < 4; i++) {
		if (str_equal(subscriptions[i], text))
			return i;
	}
	return text == NULL ? 0 : -1;
}

static bool is_true(const char *text)
{
	return str_equal(text, "true") || str_equal(text, "1");
}

static void read_item(struct pie_user *user, const struct element *element)
{
	const char *text = element_attr(element, "jid");
	struct jid *jid = text != NULL ? jid_parse(text) : NULL;
	const char *name = element_attr(element, "name");
	int subscription =
		read_subscription(element_attr(element, "subscription"));
	struct roster_item *item;

	if (jid == NULL || jid_resource(jid) != NULL) {
		pie_skipped(user, KIND, "the address is none");
	} else if (subscription < 0) {
		pie_skipped(user, KIND, "the subscription is none");
	} else {
		item = pie_item(user, jid_full(jid));
		item->listed = true;
		item->subscription = (enum subscription)subscription;
		item->ask = str_equal(element_attr(element, "ask"),
				      "subscribe");
		item->approved = is_true(element_attr(element, "approved"));
		mem_free(item->name);
		item->name = name != NULL && *name != '\0' ? mem_strdup(name)
							   : NULL;
		if (item->groups == NULL)
			item->groups = read_groups(element);
		pie_kept(user, KIND);
	}
	jid_free(&jid);
}

void kind_roster_read(struct pie_user *user, const struct element *element)
{
	const struct element *child = element_first(element);

	for (; child != NULL; child = element_next(child)) {
		if (element_is(child, "item", NS_ROSTER))
			read_item(user, child);
		else
			pie_skipped(user, KIND, "the element is unknown");
	}
}

void kind_request_read(struct pie_user *user, const struct element *element)
{
	const char *from = element_attr(element, "from");
	struct jid *jid = from != NULL ? jid_parse(from) : NULL;
	struct stanza *request;
	struct roster_item *item;
	struct buf xml = { 0 };

	if (jid == NULL ||
	    !str_equal(element_attr(element, "type"), "subscribe")) {
		pie_skipped(user, REQUESTS, "it is no request of somebody");
		jid_free(&jid);
		return;
	}
	request = stanza_from_element(element);
	element_set_attr(request->root, "from", jid_bare(jid));
	element_set_attr(request->root, "to", user->jid);
	stanza_write(request, &xml);
	item = pie_item(user, jid_bare(jid));
	mem_free(item->request);
	item->request = buf_take(&xml);
	pie_kept(user, REQUESTS);
	stanza_free(&request);
	jid_free(&jid);
}
