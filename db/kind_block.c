/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocked addresses: the list of XEP-0191, and what of privacy lists
 * (XEP-0016, XEP-0227 section 3.8) means the same.
 */
#include "db/pie.h"

#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"

#define KIND	    "blocked addresses"
#define DOCUMENT    "blocklist" /* of sm/modules/blocking.c: a line each */

/* -- writing --------------------------------------------------------------- */

static void add_items(struct pie_owner *owner, const char *list, size_t len)
{
	char *text = mem_strndup(list, len);
	char *rest = text, *line;

	buf_addf(&owner->xml, "<blocklist xmlns='%s'>", NS_BLOCKING);
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (*line == '\0')
			continue;
		buf_add_str(&owner->xml, "<item");
		buf_add_attr(&owner->xml, "jid", line);
		buf_add_str(&owner->xml, "/>");
		report_count(owner->db->report, KIND, "written", NULL);
	}
	buf_add_str(&owner->xml, "</blocklist>");
	mem_free(text);
}

static void got_list(const struct storage_result *result, void *ctx)
{
	struct pie_owner *owner = ctx;

	if (result->status != STORAGE_OK &&
	    result->status != STORAGE_NOT_FOUND) {
		pie_unavailable(owner, result);
		return;
	}
	if (result->status == STORAGE_OK && result->data_len > 0)
		add_items(owner, result->data, result->data_len);
	pie_written(owner);
}

void kind_blocks_write(struct pie_owner *owner)
{
	storage_document_get(owner->storage, owner->jid, STORAGE_KIND_ACTIVE,
			     DOCUMENT, got_list, owner);
}

/* -- reading --------------------------------------------------------------- */

static void add_jid(struct pie_user *user, struct buf *list, const char *text)
{
	struct jid *jid = text != NULL ? jid_parse(text) : NULL;

	if (jid == NULL) {
		pie_skipped(user, KIND, "the address is none");
		return;
	}
	buf_addf(list, "%s\n", jid_full(jid));
	pie_kept(user, KIND);
	jid_free(&jid);
}

static void put_list(struct pie_user *user, struct buf *list)
{
	if (list->len > 0)
		pie_put_document(user, STORAGE_KIND_ACTIVE, DOCUMENT,
				 buf_data(list), list->len);
	buf_free(list);
}

void kind_blocks_read(struct pie_user *user, const struct element *element)
{
	const struct element *item = element_child(element, "item", NULL);
	struct buf list = { 0 };

	for (; item != NULL; item = element_next_same(item))
		add_jid(user, &list, element_attr(item, "jid"));
	put_list(user, &list);
}

/* The list that counts when no client chooses another. */
static const struct element *default_list(const struct element *query)
{
	const struct element *active = element_child(query, "default", NULL);
	const struct element *list = element_child(query, "list", NULL);

	for (; active != NULL && list != NULL; list = element_next_same(list)) {
		if (str_equal(element_attr(list, "name"),
			      element_attr(active, "name")))
			return list;
	}
	return NULL;
}

/* Everything from and to an address is denied (XEP-0191 section 5). */
static bool is_block(const struct element *item)
{
	return str_equal(element_attr(item, "type"), "jid") &&
	       str_equal(element_attr(item, "action"), "deny") &&
	       element_first(item) == NULL;
}

/* What lets everybody else through says nothing. */
static bool is_open_end(const struct element *item)
{
	return element_attr(item, "type") == NULL &&
	       str_equal(element_attr(item, "action"), "allow");
}

void kind_privacy_read(struct pie_user *user, const struct element *element)
{
	const struct element *counts = default_list(element);
	const struct element *list = element_child(element, "list", NULL);
	struct buf blocked = { 0 };

	for (; list != NULL; list = element_next_same(list)) {
		const struct element *item =
			element_child(list, "item", NULL);

		for (; item != NULL; item = element_next_same(item)) {
			if (list == counts && is_block(item))
				add_jid(user, &blocked,
					element_attr(item, "value"));
			else if (list != counts || !is_open_end(item))
				pie_skipped(user, "rules of privacy lists",
					    "only blocks of the default list "
					    "are kept");
		}
	}
	put_list(user, &blocked);
}
