/* SPDX-License-Identifier: Apache-2.0
 *
 * Sets of addresses: those that are written out are found by their hash, so
 * that a rule with thousands of them costs what one with a single one does.
 */
#include "util/role/access_party.h"

#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"

#define GROUP "group:"

static void add_text(char ***list, size_t *count, char *text)
{
	*list = mem_realloc(*list, *count + 1, sizeof(**list));
	(*list)[(*count)++] = text;
}

static void add_key(struct access_party *party, const char *text,
		    const char *key)
{
	struct access_address *address;

	HASH_FIND_STR(party->addresses, text, address);
	if (address)
		return;
	address = mem_new(struct access_address);
	address->text = mem_strdup(text);
	address->key = mem_strdup(key);
	HASH_ADD_KEYPTR(hh, party->addresses, address->text,
			strlen(address->text), address);
}

static int add_address(struct access_party *party, const char *word,
		       struct error *err)
{
	struct jid *jid = jid_parse(word);

	if (!jid)
		return error_set(err, "\"%s\" is no address, domain, pattern, "
				 "inside, outside or group:NAME", word);
	add_key(party, jid_full(jid), jid_bare(jid));
	jid_free(&jid);
	return 0;
}

size_t access_suffixes(const char *domain,
		       const char *suffixes[ACCESS_SUFFIXES])
{
	size_t count = 0;

	for (const char *at = domain + strlen(domain);
	     at > domain && count < ACCESS_SUFFIXES; at--) {
		if (at[-1] == '.')
			suffixes[count++] = at - 1;
	}
	return count;
}

/* "*." and the rest of a name. */
static bool is_suffix(const char *pattern)
{
	const char *suffixes[ACCESS_SUFFIXES];
	size_t count;

	if (!str_starts(pattern, "*.") || strpbrk(pattern + 1, "*?@"))
		return false;
	count = access_suffixes(pattern, suffixes);
	return count > 0 && suffixes[count - 1] == pattern + 1;
}

static void take_pattern(struct access_party *party, char *pattern)
{
	if (!is_suffix(pattern)) {
		add_text(&party->patterns, &party->pattern_count, pattern);
		return;
	}
	add_key(party, pattern + 1, pattern + 1);
	mem_free(pattern);
}

/* Prepared names are in lower case, and these are compared with such. */
static char *lower(const char *text)
{
	char *copy = mem_strdup(text);

	for (char *at = copy; *at; at++) {
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at - 'A' + 'a');
	}
	return copy;
}

static int add_word(struct access_party *party, const char *word,
		    struct error *err)
{
	if (str_equal(word, "*")) {
		party->any = true;
	} else if (str_equal(word, "inside")) {
		party->inside = true;
	} else if (str_equal(word, "outside")) {
		party->outside = true;
	} else if (str_starts(word, GROUP)) {
		if (!word[strlen(GROUP)])
			return error_set(err, "\"%s\" names no group", word);
		add_text(&party->groups, &party->group_count,
			 mem_strdup(word + strlen(GROUP)));
	} else if (strpbrk(word, "*?")) {
		if (strchr(word, '/'))
			return error_set(err, "\"%s\": a pattern has no "
					 "resource", word);
		take_pattern(party, lower(word));
	} else {
		return add_address(party, word, err);
	}
	return 0;
}

int access_party_read(struct access_party *party, char *const *words,
		      struct error *err)
{
	if (!words || !words[0])
		return error_set(err, "an empty list means nobody; \"*\" "
				 "means everybody");
	for (; *words; words++) {
		if (add_word(party, *words, err) < 0)
			return -1;
	}
	return 0;
}

static void clear_list(char **list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		mem_free(list[i]);
	mem_free(list);
}

void access_party_clear(struct access_party *party)
{
	struct access_address *address, *next;

	HASH_ITER(hh, party->addresses, address, next) {
		HASH_DEL(party->addresses, address);
		mem_free(address->text);
		mem_free(address->key);
		mem_free(address);
	}
	clear_list(party->patterns, party->pattern_count);
	clear_list(party->groups, party->group_count);
	*party = (struct access_party){ .any = false };
}

static bool has_text(const struct access_party *party, const char *text)
{
	struct access_address *address;

	HASH_FIND_STR(party->addresses, text, address);
	return address != NULL;
}

static bool has_address(const struct access_party *party,
			const struct jid *jid)
{
	const char *suffixes[ACCESS_SUFFIXES];
	size_t count;

	if (!party->addresses)
		return false;
	if (has_text(party, jid_domain(jid)) ||
	    (jid_local(jid) && has_text(party, jid_bare(jid))) ||
	    (jid_resource(jid) && has_text(party, jid_full(jid))))
		return true;
	count = access_suffixes(jid_domain(jid), suffixes);
	while (count > 0) {
		if (has_text(party, suffixes[--count]))
			return true;
	}
	return false;
}

static bool has_pattern(const struct access_party *party,
			const struct jid *jid)
{
	for (size_t i = 0; i < party->pattern_count; i++) {
		const char *pattern = party->patterns[i];

		if (str_matches(strchr(pattern, '@') ? jid_bare(jid)
						     : jid_domain(jid),
				pattern))
			return true;
	}
	return false;
}

enum access_member access_party_has(const struct access_party *party,
				    const struct jid *jid, bool here,
				    access_group_cb *in_group, void *ctx)
{
	enum access_member member = ACCESS_NO;

	if (party->any || (here ? party->inside : party->outside) ||
	    has_address(party, jid) || has_pattern(party, jid))
		return ACCESS_YES;
	for (size_t i = 0; here && in_group && member != ACCESS_YES &&
			   i < party->group_count;
	     i++) {
		enum access_member one = in_group(jid, party->groups[i], ctx);

		member = one != ACCESS_NO ? one : member;
	}
	return member;
}

bool access_party_is_exact(const struct access_party *party)
{
	return !party->any && !party->inside && !party->outside &&
	       party->pattern_count == 0 && party->group_count == 0;
}
