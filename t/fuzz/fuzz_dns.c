/* SPDX-License-Identifier: Apache-2.0
 *
 * The data of a DNS record: its first byte says of which type. What is
 * accepted names hosts that can go into addresses and logs, and stays within
 * what came; TLSA records are compared with what is no certificate.
 */
#include "t/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/net/resolver.h"
#include "util/net/tlsa.h"

static void require(int condition)
{
	if (!condition)
		abort();
}

static void check_text(const char *text, size_t size)
{
	require(memchr(text, '\0', size) != NULL);
	for (; *text; text++)
		require(*text > 0x20 && *text < 0x7f && *text != '/');
}

static void check_tlsa(const struct resolver_record *record,
		       const unsigned char *bytes, size_t len)
{
	struct tlsa tlsa = { record->tlsa.usage, record->tlsa.selector,
			     record->tlsa.matching, record->tlsa.data,
			     record->tlsa.len };
	struct certificate_chain chain = { .count = 2 };

	require(tlsa.data >= bytes && tlsa.data + tlsa.len <= bytes + len);
	for (size_t i = 0; i < chain.count; i++) {
		chain.at[i].der = bytes;
		chain.at[i].len = len;
	}
	/* A whole certificate may be announced as it stands: these bytes are
	 * longer than what they announce. */
	require(!tlsa_matches(&tlsa, &chain, true));
	chain.count = 0;
	require(!tlsa_matches(&tlsa, &chain, true));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct resolver_record record;
	enum resolver_type type;
	unsigned char *bytes;

	if (size < 1 || size > 65536)
		return 0;
	type = (enum resolver_type)(data[0] % 4);
	/* A block of its own, so that a byte too far is noticed. */
	bytes = mem_dup(data + 1, size - 1);
	memset(&record, 0xa5, sizeof(record));
	if (resolver_read(&record, type, bytes, size - 1) == 0) {
		if (type == RESOLVER_SRV)
			check_text(record.srv.target,
				   sizeof(record.srv.target));
		else if (type == RESOLVER_TLSA)
			check_tlsa(&record, bytes, size - 1);
		else
			check_text(record.address, sizeof(record.address));
	}
	mem_free(bytes);
	return 0;
}
