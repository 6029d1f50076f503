/* SPDX-License-Identifier: Apache-2.0
 *
 * A JID: what is accepted is prepared, that is, it is accepted again and stays
 * the same, as a whole and by its parts; and it fits into XML.
 */
#include "t/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/jid.h"
#include "util/xmpp/utf8.h"

static void require(int condition)
{
	if (!condition)
		abort();
}

static void check_same(struct jid *other, const struct jid *jid)
{
	require(other != NULL);
	require(jid_equal(jid, other));
	require(jid_same_bare(jid, other));
	require(str_equal(jid_local(jid), jid_local(other)));
	require(str_equal(jid_domain(jid), jid_domain(other)));
	require(str_equal(jid_resource(jid), jid_resource(other)));
	jid_free(&other);
}

static void check_jid(const struct jid *jid)
{
	const char *full = jid_full(jid);
	struct jid *bare = jid_with_resource(jid, NULL);

	require(strlen(full) <= JID_MAX);
	require(utf8_is_xml(full, strlen(full)));
	require(jid_is_bare(jid) + jid_is_full(jid) + jid_is_domain(jid) == 1);
	check_same(jid_copy(jid), jid);
	check_same(jid_parse(full), jid);
	check_same(jid_new(jid_local(jid), jid_domain(jid), jid_resource(jid)),
		   jid);
	check_same(jid_with_resource(bare, jid_resource(jid)), jid);
	require(strcmp(jid_full(bare), jid_bare(jid)) == 0);
	jid_free(&bare);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = mem_strndup((const char *)data, size);
	struct jid *jid = jid_parse(text);
	char *password = jid_prepare_password(text);

	if (jid != NULL)
		check_jid(jid);
	jid_free(&jid);
	mem_free_secret(password);
	mem_free(text);
	return 0;
}
