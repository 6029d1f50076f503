/* SPDX-License-Identifier: Apache-2.0
 *
 * What domains say about their certificates, by HTTPS: asked once, for all
 * streams that wait for it, and remembered for as long as the domain says. A
 * domain that says nothing is remembered, too.
 */
#include "s2s/posh.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "s2s/incoming.h"
#include "s2s/outgoing.h"
#include "s2s/stream.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/net/fetch.h"

#define HOPS_MAX     3 /* redirections and references together */
#define NEGATIVE_MS  300000
#define EXPIRES_MIN  60 /* seconds, whatever a document says */
#define EXPIRES_MAX  604800
#define PRINTS_MAX   16
#define DOMAINS_MAX  10000
#define PARALLEL     100
#define DOCUMENT_MAX 65536
#define FETCH_MS     10000
#define ADDRESSES_MAX 512

struct print {
	enum digest digest;
	unsigned char sum[DIGEST_MAX];
};

struct waiting {
	uint64_t serial;
	struct waiting *next;
};

struct s2s_posh {
	struct s2s *s2s;
	char *domain;
	struct print prints[PRINTS_MAX];
	size_t count;
	bool asking;
	uint64_t expires; /* loop_now() */
	char *url;
	unsigned hops;
	char addresses[ADDRESSES_MAX];
	struct resolver_query *a, *aaaa;
	struct fetch *fetch;
	struct waiting *waiting;
	UT_hash_handle hh;
};

/* -- the table ------------------------------------------------------------ */

static void posh_free(struct s2s_posh *posh)
{
	struct waiting *waiting, *next;

	HASH_DEL(posh->s2s->poshes, posh);
	resolver_cancel(&posh->a);
	resolver_cancel(&posh->aaaa);
	fetch_cancel(&posh->fetch);
	LL_FOREACH_SAFE(posh->waiting, waiting, next)
		mem_free(waiting);
	mem_free(posh->domain);
	mem_free(posh->url);
	mem_free(posh);
}

void s2s_posh_free(struct s2s *s2s)
{
	struct s2s_posh *posh, *next;

	HASH_ITER(hh, s2s->poshes, posh, next)
		posh_free(posh);
}

static struct s2s_posh *find(const struct s2s *s2s, const char *domain)
{
	struct s2s_posh *posh;

	HASH_FIND_STR(s2s->poshes, domain, posh);
	return posh && (posh->asking || loop_now(s2s->loop) < posh->expires)
		       ? posh
		       : NULL;
}

/* -- documents ------------------------------------------------------------ */

static void add_print(struct s2s_posh *posh, enum digest digest,
		      const char *text)
{
	struct print *print = &posh->prints[posh->count];
	struct buf sum = { 0 };

	if (text && posh->count < PRINTS_MAX &&
	    base64_decode(&sum, text, strlen(text)) == 0 &&
	    sum.len == digest_size(digest)) {
		print->digest = digest;
		memcpy(print->sum, buf_data(&sum), sum.len);
		posh->count++;
	}
	buf_free(&sum);
}

/* Section 3: of each certificate one or more digests. Weaker ones than these
 * are not for us. */
static void read_prints(struct s2s_posh *posh, const json_t *list)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry) {
		add_print(posh, DIGEST_SHA256,
			  json_string_value(json_object_get(entry,
							    "sha-256")));
		add_print(posh, DIGEST_SHA512,
			  json_string_value(json_object_get(entry,
							    "sha-512")));
	}
}

static void done(struct s2s_posh *posh, const char *why, json_int_t seconds)
{
	struct s2s *s2s = posh->s2s;
	struct waiting *waiting, *next = posh->waiting;
	struct s2s_stream *s;
	uint64_t ms = NEGATIVE_MS;

	if (posh->count > 0) {
		seconds = seconds < EXPIRES_MIN ? EXPIRES_MIN : seconds;
		seconds = seconds > EXPIRES_MAX ? EXPIRES_MAX : seconds;
		ms = (uint64_t)seconds * 1000;
	}
	log_info(s2s->log, "posh.asked", LOG_S("domain", posh->domain),
		 LOG_N("certificates", posh->count), LOG_S("reason", why),
		 LOG_N("ms", ms));
	posh->asking = false;
	posh->expires = loop_now(s2s->loop) + ms;
	posh->waiting = NULL;
	while ((waiting = next)) {
		next = waiting->next;
		s = s2s_stream_find(s2s, waiting->serial);
		mem_free(waiting);
		if (!s || s->state != S2S_JUDGE)
			continue;
		if (s->incoming)
			s2s_incoming_judged(s);
		else
			s2s_outgoing_known(s);
	}
}

static void go_to(struct s2s_posh *posh, const char *url);

static void read_document(struct s2s_posh *posh, const char *bytes, size_t len)
{
	json_error_t error;
	json_t *root = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &error);
	const char *url = json_string_value(json_object_get(root, "url"));
	json_int_t seconds =
		json_integer_value(json_object_get(root, "expires"));

	if (!root)
		done(posh, "the document is not JSON", 0);
	else if (url)
		go_to(posh, url);
	else if (seconds <= 0)
		done(posh, "the document has no time", 0);
	else {
		read_prints(posh, json_object_get(root, "fingerprints"));
		done(posh, posh->count ? NULL : "it announces nothing",
		     seconds);
	}
	json_decref(root);
}

/* -- fetching ------------------------------------------------------------- */

static void on_fetched(const struct fetched *fetched, void *ctx)
{
	struct s2s_posh *posh = ctx;
	char why[64];

	posh->fetch = NULL;
	if (fetched->why) {
		done(posh, fetched->why, 0);
	} else if (fetched->redirect) {
		go_to(posh, fetched->redirect);
	} else if (fetched->status == 200) {
		read_document(posh, fetched->body, fetched->len);
	} else {
		snprintf(why, sizeof(why), "HTTP status %ld",
			 fetched->status);
		done(posh, why, 0);
	}
}

static void located(struct s2s_posh *posh)
{
	if (posh->a || posh->aaaa)
		return;
	if (posh->addresses[0])
		posh->fetch = fetch_start(posh->s2s->fetcher, posh->url,
					  posh->addresses, on_fetched, posh);
	else
		done(posh, "its web server has no address", 0);
}

static void add_addresses(struct s2s_posh *posh,
			  const struct resolver_answer *answer, bool v6)
{
	for (size_t i = 0; answer->status == RESOLVER_OK && i < answer->count;
	     i++) {
		size_t used = strlen(posh->addresses);

		if (used + RESOLVER_ADDRESS_MAX + 4 > ADDRESSES_MAX)
			break;
		snprintf(posh->addresses + used, ADDRESSES_MAX - used,
			 v6 ? "%s[%s]" : "%s%s", used ? "," : "",
			 answer->records[i].address);
	}
	located(posh);
}

static void on_a(const struct resolver_answer *answer, void *ctx)
{
	struct s2s_posh *posh = ctx;

	posh->a = NULL;
	add_addresses(posh, answer, false);
}

static void on_aaaa(const struct resolver_answer *answer, void *ctx)
{
	struct s2s_posh *posh = ctx;

	posh->aaaa = NULL;
	add_addresses(posh, answer, true);
}

static void go_to(struct s2s_posh *posh, const char *url)
{
	struct resolver *resolver = posh->s2s->resolver;
	char host[FETCH_HOST_MAX];
	unsigned port;

	if (posh->hops++ > HOPS_MAX) {
		done(posh, "it sends us from one place to another", 0);
		return;
	}
	if (fetch_parse(url, host, &port) < 0) {
		done(posh, "it sends us to where HTTPS is not", 0);
		return;
	}
	url = mem_strdup(url);
	mem_free(posh->url);
	posh->url = (char *)url;
	posh->addresses[0] = '\0';
	posh->a = resolver_ask(resolver, host, RESOLVER_A, on_a, posh);
	posh->aaaa = resolver_ask(resolver, host, RESOLVER_AAAA, on_aaaa,
				  posh);
}

static int start_fetcher(struct s2s *s2s)
{
	struct fetcher_options options = { .ca = s2s->config->ca,
					   .bytes = DOCUMENT_MAX,
					   .ms = FETCH_MS,
					   .parallel = PARALLEL };
	struct error err;

	if (s2s->fetcher)
		return 0;
	s2s->fetcher = fetcher_new(s2s->loop, &options, &err);
	return s2s->fetcher ? 0 : -1;
}

/* -- the rest ------------------------------------------------------------- */

bool s2s_posh_is_wanted(const struct s2s *s2s, const struct conn *conn,
			const char *domain)
{
	const struct s2s_posh *posh = find(s2s, domain);
	size_t len;

	return s2s->config->posh && conn_peer_certificate(conn, &len) &&
	       (!posh || posh->asking) && !strchr(domain, ':') &&
	       strchr(domain, '.');
}

void s2s_posh_ask(struct s2s *s2s, const char *domain, uint64_t serial)
{
	struct s2s_posh *posh = find(s2s, domain), *old;
	struct waiting *waiting = mem_new(struct waiting);
	char *ascii, *url;

	waiting->serial = serial;
	if (posh) {
		LL_PREPEND(posh->waiting, waiting);
		return;
	}
	HASH_FIND_STR(s2s->poshes, domain, old);
	/* Nobody is to fill the memory with domains: any other goes. */
	if (!old && HASH_COUNT(s2s->poshes) >= DOMAINS_MAX &&
	    !s2s->poshes->asking)
		old = s2s->poshes;
	if (old)
		posh_free(old);
	posh = mem_new(struct s2s_posh);
	posh->s2s = s2s;
	posh->domain = mem_strdup(domain);
	posh->asking = true;
	LL_PREPEND(posh->waiting, waiting);
	HASH_ADD_KEYPTR(hh, s2s->poshes, posh->domain, strlen(domain), posh);
	ascii = resolver_ascii(domain);
	url = mem_printf("https://%s:%u/.well-known/posh/xmpp-server.json",
			 ascii ? ascii : domain,
			 (unsigned)s2s->config->posh_port);
	if (start_fetcher(s2s) < 0)
		posh->hops = HOPS_MAX + 1;
	go_to(posh, url);
	mem_free(url);
	mem_free(ascii);
}

bool s2s_posh_vouches(const struct s2s *s2s, const char *domain,
		      const void *der, size_t len)
{
	const struct s2s_posh *posh = find(s2s, domain);
	unsigned char sum[DIGEST_MAX];

	for (size_t i = 0; posh && !posh->asking && i < posh->count; i++) {
		const struct print *print = &posh->prints[i];

		crypto_digest(print->digest, der, len, sum);
		if (memcmp(sum, print->sum, digest_size(print->digest)) == 0)
			return true;
	}
	return false;
}
