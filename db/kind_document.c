/* SPDX-License-Identifier: Apache-2.0
 *
 * What is kept as documents: vCards, private XML and the time of the last
 * activity. Their kinds and keys in the storage are those of sm/modules.
 */
#include "db/pie.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"

#define VCARD	"vCards"
#define PRIVATE "private elements"
#define LAST	"times of last activity"

/* -- writing --------------------------------------------------------------- */

/* Adds a document that is XML. */
static void add_document(struct pie_owner *owner, const char *kind,
			 const struct storage_result *result)
{
	struct stanza *document = stanza_parse(owner->parser,
					       &stream_ns_client, result->data,
					       result->data_len, NULL);

	if (document == NULL) {
		report_count(owner->db->report, kind, "skipped",
			     "the storage gives no XML");
		report_note(owner->db, kind, owner->jid,
			    "what the storage has is no XML");
		return;
	}
	pie_add_element(&owner->xml, document->root);
	stanza_free(&document);
	report_count(owner->db->report, kind, "written", NULL);
}

static bool is_answer(struct pie_owner *owner,
		      const struct storage_result *result)
{
	if (result->status == STORAGE_OK ||
	    result->status == STORAGE_NOT_FOUND)
		return true;
	pie_unavailable(owner, result);
	return false;
}

static void got_vcard(const struct storage_result *result, void *ctx)
{
	if (!is_answer(ctx, result))
		return;
	if (result->status == STORAGE_OK)
		add_document(ctx, VCARD, result);
	pie_written(ctx);
}

void kind_vcard_write(struct pie_owner *owner)
{
	storage_document_get(owner->storage, owner->jid, "vcard", "",
			     got_vcard, owner);
}

static void private_next(struct pie_owner *owner);

static void got_private(const struct storage_result *result, void *ctx)
{
	struct pie_owner *owner = ctx;

	if (!is_answer(owner, result))
		return;
	if (result->status == STORAGE_OK)
		add_document(owner, PRIVATE, result);
	owner->name_next++;
	private_next(owner);
}

static void private_next(struct pie_owner *owner)
{
	if (owner->name_next < owner->name_count) {
		storage_document_get(owner->storage, owner->jid, "private",
				     owner->names[owner->name_next],
				     got_private, owner);
		return;
	}
	if (owner->name_count > 0)
		buf_add_str(&owner->xml, "</query>");
	pie_written(owner);
}

static void got_names(const struct storage_result *result, void *ctx)
{
	struct pie_owner *owner = ctx;

	if (!is_answer(owner, result))
		return;
	owner->names = mem_calloc(result->count, sizeof(*owner->names));
	for (size_t i = 0; i < result->count; i++)
		owner->names[owner->name_count++] =
			mem_strdup(result->names[i]);
	if (owner->name_count > 0)
		buf_addf(&owner->xml, "<query xmlns='%s'>", NS_PRIVATE);
	private_next(owner);
}

void kind_private_write(struct pie_owner *owner)
{
	storage_document_list(owner->storage, owner->jid, "private",
			      got_names, owner);
}

/* As XEP-0012 gives it, with the time itself in an attribute of ours, as
 * seconds before an unknown moment say little. */
static void got_last(const struct storage_result *result, void *ctx)
{
	struct pie_owner *owner = ctx;
	char stamp[PIE_TIME_MAX];
	char *status = NULL;
	int64_t then, now;

	if (!is_answer(owner, result))
		return;
	if (result->status == STORAGE_OK) {
		now = loop_time_us(owner->db->loop);
		then = strtoll(result->data, &status, 10);
		pie_time_write(stamp, then);
		buf_addf(&owner->xml, "<query xmlns='%s' seconds='%" PRId64
			 "' stamp='%s'>", NS_LAST,
			 now > then ? (now - then) / 1000000 : 0, stamp);
		if (*status == ' ')
			buf_add_xml_text(&owner->xml, status + 1,
					 strlen(status + 1));
		buf_add_str(&owner->xml, "</query>");
		report_count(owner->db->report, LAST, "written", NULL);
	}
	pie_written(owner);
}

void kind_last_write(struct pie_owner *owner)
{
	storage_document_get(owner->storage, owner->jid, "last", "", got_last,
			     owner);
}

/* -- reading --------------------------------------------------------------- */

static void put_element(struct pie_user *user, const char *kind,
			const char *key, const struct element *element)
{
	struct buf xml = { 0 };

	element_write(element, &xml);
	pie_put_document(user, kind, key, buf_data(&xml), xml.len);
	buf_free(&xml);
}

void kind_vcard_read(struct pie_user *user, const struct element *element)
{
	if (element_first(element) == NULL) {
		pie_skipped(user, VCARD, "it is empty");
		return;
	}
	put_element(user, "vcard", "", element);
	pie_kept(user, VCARD);
}

void kind_private_read(struct pie_user *user, const struct element *element)
{
	const struct element *child = element_first(element);

	for (; child != NULL; child = element_next(child)) {
		char *key;

		if (*child->ns == '\0' || str_equal(child->ns, NS_PRIVATE)) {
			pie_skipped(user, PRIVATE,
				    "it has no namespace of its own");
			continue;
		}
		key = mem_printf("%s %s", child->ns, child->name);
		put_element(user, "private", key, child);
		mem_free(key);
		pie_kept(user, PRIVATE);
	}
}

void kind_last_read(struct pie_user *user, const struct element *element)
{
	const char *stamp = element_attr(element, "stamp");
	const char *seconds = element_attr(element, "seconds");
	int64_t then, ago;
	char *text;

	if (stamp == NULL || pie_time_read(stamp, &then) < 0) {
		if (seconds == NULL ||
		    str_to_i64(seconds, 0, INT32_MAX, &ago) != 0) {
			pie_skipped(user, LAST, "it has no time");
			return;
		}
		then = loop_time_us(user->db->loop) - ago * 1000000;
	}
	text = mem_printf("%" PRId64 " %s", then, element_text(element));
	pie_put_document(user, "last", "", text, strlen(text));
	mem_free(text);
	pie_kept(user, LAST);
}
