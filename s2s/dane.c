/* SPDX-License-Identifier: Apache-2.0
 *
 * A list of TLSA records.
 */
#include "s2s/dane.h"

#include "util/base/mem.h"
#include "util/base/table.h"
#include "util/net/resolver.h"
#include "util/net/tlsa.h"

struct s2s_dane {
	struct s2s_dane *next;
	struct tlsa tlsa;
	unsigned char *data;
	char *host;
};

struct s2s_dane *s2s_dane_new(const struct resolver_answer *answer,
			      const char *host)
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
		entry->host = mem_strdup(host);
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
		mem_free(entry->host);
		mem_free(entry);
	}
}

static bool is_named(const struct certificate_chain *chain, const char *domain,
		     const char *host)
{
	return certificate_is_for(chain->at[0].der, chain->at[0].len,
				  domain) ||
	       certificate_is_for(chain->at[0].der, chain->at[0].len, host);
}

bool s2s_dane_matches(const struct s2s_dane *dane, const struct conn *conn,
		      const char *domain)
{
	char why[sizeof(struct error)];
	bool genuine = conn_peer_genuine(conn, why, sizeof(why));
	struct certificate_chain chain;
	const struct s2s_dane *entry;

	conn_peer_chain(conn, &chain);
	LL_FOREACH(dane, entry) {
		if (tlsa_matches(&entry->tlsa, &chain, genuine) &&
		    (entry->tlsa.usage == TLSA_DANE_EE ||
		     is_named(&chain, domain, entry->host)))
			return true;
	}
	return false;
}
