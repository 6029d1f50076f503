/* SPDX-License-Identifier: Apache-2.0
 *
 * The records of a user who is being read: put into the storage, or, when the
 * user is there already, added up to be compared with what is there. The sum
 * does not depend on their order, as files have it in any.
 */
#include "db/pie.h"

#include <string.h>

#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"

struct pie_user *pie_user_new(struct db *db, struct storage *storage,
			      const char *jid)
{
	struct pie_user *user = mem_new(struct pie_user);

	user->db = db;
	user->storage = storage;
	user->jid = mem_strdup(jid);
	user->report = report_new();
	return user;
}

void pie_user_free(struct pie_user **user)
{
	struct pie_user *old = *user;

	if (old == NULL)
		return;
	for (size_t i = 0; i < old->item_count; i++)
		roster_item_clear(&old->items[i]);
	mem_free(old->items);
	mem_free_secret(old->password);
	mem_wipe(&old->account, sizeof(old->account));
	report_free(&old->report);
	mem_free(old->jid);
	mem_free(old);
	*user = NULL;
}

void pie_kept(struct pie_user *user, const char *kind)
{
	report_count(user->report, kind, "kept", NULL);
}

void pie_skipped(struct pie_user *user, const char *kind, const char *why)
{
	report_count(user->report, kind, "skipped", why);
}

/* -- on their way ---------------------------------------------------------- */

void pie_begun(struct pie_user *user)
{
	user->pending++;
}

void pie_ended(struct pie_user *user, const struct storage_result *result)
{
	/* Removing what is not there is fine. */
	if (result->status != STORAGE_OK &&
	    result->status != STORAGE_NOT_FOUND &&
	    user->status == STORAGE_OK) {
		user->status = result->status;
		str_copy(user->reason, sizeof(user->reason), result->reason);
	}
	user->pending--;
	loop_stop(user->db->loop);
	if (user->pending == 0 && user->settled != NULL)
		user->settled(user);
}

static void put(const struct storage_result *result, void *ctx)
{
	pie_ended(ctx, result);
}

/* -- comparing ------------------------------------------------------------- */

static void add_part(struct buf *record, const char *text)
{
	buf_add_str(record, text != NULL ? text : "");
	buf_add_char(record, '\0');
}

static void add_sum(struct pie_user *user, const struct buf *record)
{
	unsigned char digest[DIGEST_MAX];
	uint64_t number;

	crypto_digest(DIGEST_SHA256, buf_data(record), record->len, digest);
	memcpy(&number, digest, sizeof(number));
	user->sum += number;
}

static void sum_item(struct pie_user *user, const struct roster_item *item)
{
	char *const *groups = item->groups;
	struct buf record = { 0 };

	add_part(&record, item->jid);
	add_part(&record, item->name);
	add_part(&record, item->request);
	buf_addf(&record, "%d%d%d%d", item->subscription, item->ask,
		 item->approved, item->listed);
	for (; groups != NULL && *groups != NULL; groups++)
		add_part(&record, *groups);
	add_sum(user, &record);
	buf_free(&record);
}

/* -- records --------------------------------------------------------------- */

struct roster_item *pie_item(struct pie_user *user, const char *jid)
{
	struct roster_item *item;

	for (size_t i = 0; i < user->item_count; i++) {
		if (str_equal(user->items[i].jid, jid))
			return &user->items[i];
	}
	user->items = mem_realloc(user->items, user->item_count + 1,
				  sizeof(*user->items));
	item = &user->items[user->item_count++];
	*item = (struct roster_item){ .jid = mem_strdup(jid) };
	return item;
}

void pie_put_items(struct pie_user *user)
{
	uint64_t version = (uint64_t)loop_time_us(user->db->loop);

	for (size_t i = 0; i < user->item_count; i++) {
		const struct roster_item *item = &user->items[i];

		if (user->compare) {
			sum_item(user, item);
		} else if (!user->db->dry_run) {
			pie_begun(user);
			storage_roster_put(user->storage, user->jid, item,
					   version, put, user);
		}
	}
}

void pie_put_document(struct pie_user *user, const char *kind,
		      const char *key, const char *data, size_t len)
{
	struct buf record = { 0 };

	if (!user->compare) {
		if (user->db->dry_run)
			return;
		pie_begun(user);
		storage_document_put(user->storage, user->jid, kind, key,
				     data, len, put, user);
		return;
	}
	/* Time passes without anybody changing something. */
	if (str_equal(kind, "last"))
		return;
	add_part(&record, kind);
	add_part(&record, key);
	buf_add(&record, data, len);
	add_sum(user, &record);
	buf_free(&record);
}

void pie_put_message(struct pie_user *user, int64_t stamp,
		     const char *stanza, size_t len)
{
	struct buf record = { 0 };

	if (!user->compare) {
		if (user->db->dry_run)
			return;
		pie_begun(user);
		storage_offline_add(user->storage, user->jid, stamp, 0, stanza,
				    len, put, user);
		return;
	}
	/* Without the time: where a file has none it is that of its
	 * reading. */
	add_part(&record, "offline");
	buf_add(&record, stanza, len);
	add_sum(user, &record);
	buf_free(&record);
}
