/* SPDX-License-Identifier: Apache-2.0
 *
 * A list of TLSA records.
 */
#include "s2s/dane.h"

#include "util/base/mem.h"
#include "util/base/table.h"
#include "util/net/certificate.h"
#include "util/net/resolver.h"

struct s2s_dane {
	struct s2s_dane *next;
	struct tlsa tlsa;
	unsigned char *data;
};

struct s2s_dane *s2s_dane_new(const struct resolver_answer *answer)
{
	struct s2s_dane *list = NULL, *entry;

	if (answer->status != RESOLVER_OK || !answer->secure)
		return NULL;
	for (size_t i = 0; i < answer->count; i++) {
		const struct resolver_record *record = &answer->records[i];
		struct tlsa tlsa = { .usage = record->tlsa.usage,
				     .selector = record->tlsa.selector,
				     .matching = record->tlsa.matching,
				     .data = record->tlsa.data,
				     .len = record->tlsa.len };

		if (!tlsa_is_usable(&tlsa))
			continue;
		entry = mem_new(struct s2s_dane);
		entry->tlsa = tlsa;
		entry->data = mem_dup(tlsa.data, tlsa.len);
		entry->tlsa.data = entry->data;
		LL_PREPEND(list, entry);
	}
	return list;
}

void s2s_dane_free(struct s2s_dane **dane)
{
	struct s2s_dane *list = *dane, *entry, *next;

	*dane = NULL;
	LL_FOREACH_SAFE(list, entry, next) {
		mem_free(entry->data);
		mem_free(entry);
	}
}

bool s2s_dane_matches(const struct s2s_dane *dane, const void *der, size_t len)
{
	const struct s2s_dane *entry;

	LL_FOREACH(dane, entry) {
		if (certificate_is_announced(der, len, &entry->tlsa))
			return true;
	}
	return false;
}
