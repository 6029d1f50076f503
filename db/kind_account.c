/* SPDX-License-Identifier: Apache-2.0
 *
 * Accounts: SCRAM keys as XEP-0227 1.1 section 3.3 has them, and in an element
 * of ours since when the account is there and whether it is disabled.
 */
#include "db/pie.h"

#include <string.h>

#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define KIND "accounts"

/* RFC 5802 has no limit; this is a minute of work. */
#define ROUNDS_MAX 100000000

static const struct {
	const char *mechanism;
	enum digest digest;
} hashes[] = {
	{ "SCRAM-SHA-1", DIGEST_SHA1 },
	{ "SCRAM-SHA-256", DIGEST_SHA256 },
};

#define HASH_COUNT_ALL (sizeof(hashes) / sizeof(hashes[0]))

static struct scram_keys *keys_of(struct account *account, size_t hash)
{
	return hash == 0 ? &account->sha1 : &account->sha256;
}

/* -- writing --------------------------------------------------------------- */

static void add_bytes(struct buf *to, const char *name, const void *bytes,
		      size_t len)
{
	buf_addf(to, "<%s>", name);
	base64_encode(to, bytes, len);
	buf_addf(to, "</%s>", name);
}

static void add_keys(struct buf *to, size_t hash,
		     const struct scram_keys *keys)
{
	size_t size = digest_size(hashes[hash].digest);

	if (keys->rounds == 0)
		return;
	buf_addf(to, "<scram-credentials xmlns='%s' mechanism='%s'>"
		 "<iter-count>%u</iter-count>", NS_PIE_SCRAM,
		 hashes[hash].mechanism, keys->rounds);
	add_bytes(to, "salt", keys->salt, keys->salt_len);
	add_bytes(to, "server-key", keys->server_key, size);
	add_bytes(to, "stored-key", keys->stored_key, size);
	buf_add_str(to, "</scram-credentials>");
}

static void got_account(const struct storage_result *result, void *ctx)
{
	struct pie_owner *owner = ctx;
	struct account account = result->account;
	char created[PIE_TIME_MAX];

	if (result->status == STORAGE_OK) {
		for (size_t i = 0; i < HASH_COUNT_ALL; i++)
			add_keys(&owner->xml, i, keys_of(&account, i));
		pie_time_write(created, account.created);
		buf_addf(&owner->xml, "<account xmlns='%s' created='%s'%s/>",
			 NS_PIE_OURS, created,
			 account.disabled ? " disabled='true'" : "");
		report_count(owner->db->report, KIND, "written", NULL);
	} else if (result->status != STORAGE_NOT_FOUND) {
		pie_unavailable(owner, result);
		return;
	}
	mem_wipe(&account, sizeof(account));
	pie_written(owner);
}

void kind_account_write(struct pie_owner *owner)
{
	storage_account_get(owner->storage, owner->jid, got_account, owner);
}

/* -- reading --------------------------------------------------------------- */

/* The bytes of a child; -1: it has none. `twice`: they are base64 themselves,
 * as ejabberd (23.01 at least) writes them. */
static int read_bytes(const struct element *parent, const char *name,
		      bool twice, struct buf *bytes)
{
	const char *text = element_child_text(parent, name, NULL);
	struct buf inner = { 0 };
	int result = -1;

	if (text == NULL || base64_decode(bytes, text, strlen(text)) != 0)
		return -1;
	if (!twice)
		return 0;
	if (base64_decode(&inner, buf_data(bytes), bytes->len) == 0) {
		buf_consume(bytes, bytes->len);
		buf_add(bytes, buf_data(&inner), inner.len);
		result = 0;
	}
	buf_free_secret(&inner);
	return result;
}

/* Of `min` to `max` bytes: how many, or -1. */
static int copy_bytes(const struct element *parent, const char *name,
		      bool twice, unsigned char *to, size_t min, size_t max)
{
	struct buf bytes = { 0 };
	int len = -1;

	if (read_bytes(parent, name, twice, &bytes) == 0 && bytes.len >= min &&
	    bytes.len <= max) {
		memcpy(to, buf_data(&bytes), bytes.len);
		len = (int)bytes.len;
	}
	buf_free_secret(&bytes);
	return len;
}

static bool read_keys(const struct element *element, size_t size, bool twice,
		      struct scram_keys *keys)
{
	const char *text = element_child_text(element, "iter-count", NULL);
	uint64_t rounds;
	int salt_len;

	if (text == NULL || str_to_u64(text, 1, ROUNDS_MAX, &rounds) != 0)
		return false;
	salt_len = copy_bytes(element, "salt", twice, keys->salt, 1,
			      sizeof(keys->salt));
	if (salt_len < 0 ||
	    copy_bytes(element, "server-key", twice, keys->server_key, size,
		       size) < 0 ||
	    copy_bytes(element, "stored-key", twice, keys->stored_key, size,
		       size) < 0)
		return false;
	keys->salt_len = (unsigned)salt_len;
	keys->rounds = (unsigned)rounds;
	return true;
}

void kind_scram_read(struct pie_user *user, const struct element *element)
{
	const char *mechanism = element_attr(element, "mechanism");
	struct scram_keys keys = { .rounds = 0 };
	size_t size;

	for (size_t i = 0; i < HASH_COUNT_ALL; i++) {
		if (!str_equal(hashes[i].mechanism, mechanism))
			continue;
		size = digest_size(hashes[i].digest);
		if (read_keys(element, size, false, &keys) ||
		    read_keys(element, size, true, &keys)) {
			*keys_of(&user->account, i) = keys;
			user->has_keys = true;
		} else {
			pie_skipped(user, "SCRAM keys",
				    "they cannot be read");
		}
		mem_wipe(&keys, sizeof(keys));
		return;
	}
	pie_skipped(user, "SCRAM keys", "their hash is not kept");
}

void kind_account_read(struct pie_user *user, const struct element *element)
{
	const char *created = element_attr(element, "created");

	if (created == NULL ||
	    pie_time_read(created, &user->account.created) < 0)
		user->account.created = 0;
	user->account.disabled =
		str_equal(element_attr(element, "disabled"), "true");
}
