/* SPDX-License-Identifier: Apache-2.0
 *
 * Text from and for directories: keys that were read are written and read
 * again as the same; names come back from JIDs; what was escaped has nothing in
 * it that means something.
 */
#include "t/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "storage/ldap_keys.h"
#include "storage/ldap_text.h"
#include "util/base/mem.h"
#include "util/base/str.h"

static void require(int condition)
{
	if (!condition)
		abort();
}

static void fuzz_keys(const char *text, size_t len)
{
	struct account account, kept;
	struct buf out = { .len = 0 };

	memset(&account, 0, sizeof(account));
	memset(&kept, 0, sizeof(kept));
	if (ldap_keys_read(&account, text, len)) {
		require((account.sha1.rounds > 0) !=
			(account.sha256.rounds > 0));
		require(account.sha1.salt_len <= sizeof(account.sha1.salt));
		require(account.sha256.salt_len <=
			sizeof(account.sha256.salt));
		/* Both kinds are kept together. */
		if (account.sha1.rounds == 0) {
			account.sha1.rounds = account.sha1.salt_len = 1;
		} else {
			account.sha256.rounds = 1;
			account.sha256.salt_len = 1;
		}
		ldap_keys_write(&out, &account, "stamp");
		require(ldap_keys_parse(&kept, "stamp", buf_data(&out),
					out.len));
		require(memcmp(&kept.sha1, &account.sha1,
			       sizeof(kept.sha1)) == 0);
		require(memcmp(&kept.sha256, &account.sha256,
			       sizeof(kept.sha256)) == 0);
	}
	ldap_keys_parse(&kept, "stamp", text, len);
	buf_free(&out);
}

static void fuzz_escapes(const char *text, size_t len)
{
	struct buf out = { .len = 0 };
	char *local, *name;

	ldap_text_add_filter(&out, text, len);
	require(strlen(buf_data(&out)) == out.len);
	require(strpbrk(buf_data(&out), "*()&|!=") == NULL);
	buf_clear(&out, 4096);
	ldap_text_add_dn(&out, text, len);
	require(strlen(buf_data(&out)) == out.len);
	require(strpbrk(buf_data(&out), ",+;<>=\"# ") == NULL);
	buf_free(&out);
	local = ldap_text_escape_local(text, strlen(text));
	require(strpbrk(local, " \"&'/:<>@") == NULL);
	name = ldap_text_unescape_local(local, strlen(local));
	require(str_equal(name, text));
	mem_free(local);
	mem_free(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* With a NUL behind it, and those that are in it. */
	char *text = mem_alloc(size + 1);

	if (size > 0)
		memcpy(text, data, size);
	fuzz_keys(text, size);
	fuzz_escapes(text, size);
	mem_free(text);
	return 0;
}
