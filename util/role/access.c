/* SPDX-License-Identifier: Apache-2.0
 *
 * Compiles rules, and finds the first that matches. A rule whose `whom` (or
 * else whose `who`) is made of addresses alone stands in an index under these:
 * of a thousand rules about a thousand domains, one is looked at.
 */
#include "util/role/access.h"

#include <stdio.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/role/metrics.h"
#include "util/xmpp/ns.h"

#define LOG_PAUSE 1000 /* ms */
/* Of rules to look at, for each view: by bare JID, domain and its suffixes,
 * of both sides; and the rest. */
#define ROWS	  (2 * (2 + ACCESS_SUFFIXES) + 1)
#define NO_RULE	  SIZE_MAX

/* Rules by number, ascending. */
struct row {
	size_t *rules;
	size_t count;
};

struct indexed {
	char *key; /* bare JID, domain or ".domain" */
	struct row row;
	UT_hash_handle hh;
};

struct access {
	char *path;
	struct access_rule *rules;
	size_t count;
	struct indexed *by_whom, *by_who;
	struct row rest;
	uint64_t unmatched;
	uint64_t logged, unlogged; /* time of the last line; since then */
};

/* -- compiling ------------------------------------------------------------ */

static void row_add(struct row *row, size_t rule)
{
	/* An address may stand twice in a rule, with and without resource. */
	if (row->count && row->rules[row->count - 1] == rule)
		return;
	row->rules = mem_realloc(row->rules, row->count + 1,
				 sizeof(*row->rules));
	row->rules[row->count++] = rule;
}

static void index_party(struct indexed **table,
			const struct access_party *party, size_t rule)
{
	const struct access_address *address, *next;
	struct indexed *entry;

	HASH_ITER(hh, party->addresses, address, next) {
		HASH_FIND_STR(*table, address->key, entry);
		if (!entry) {
			entry = mem_new(struct indexed);
			entry->key = mem_strdup(address->key);
			HASH_ADD_KEYPTR(hh, *table, entry->key,
					strlen(entry->key), entry);
		}
		row_add(&entry->row, rule);
	}
}

static void index_rule(struct access *access, size_t i)
{
	const struct access_rule *rule = &access->rules[i];

	if (access_party_is_exact(&rule->whom))
		index_party(&access->by_whom, &rule->whom, i);
	else if (access_party_is_exact(&rule->who))
		index_party(&access->by_who, &rule->who, i);
	else
		row_add(&access->rest, i);
}

static int read_what(struct access_rule *rule, struct error *err)
{
	static const struct {
		const char *word;
		unsigned what;
	} words[] = {
		{ "message", ACCESS_MESSAGE },
		{ "presence", ACCESS_PRESENCE | ACCESS_SUBSCRIPTION },
		{ "subscription", ACCESS_SUBSCRIPTION },
		{ "iq", ACCESS_IQ },
	};

	if (!rule->options->what[0])
		return error_set(err, "what: an empty list means nothing");
	for (char **at = rule->options->what; *at; at++) {
		unsigned what = 0;

		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			if (str_equal(*at, words[i].word))
				what = words[i].what;
		}
		if (!what)
			return error_set(err, "what: \"%s\" is none of message, "
					 "presence, subscription, iq", *at);
		rule->what |= what;
	}
	return 0;
}

static int check_options(const struct access_options *options,
			 struct error *err)
{
	if (options->trust && options->action != 0)
		return error_set(err, "trust: a rule that denies asks for "
				 "none; say action = allow, and what has less "
				 "trust is denied");
	for (char **at = options->ns; *at; at++) {
		if (!**at)
			return error_set(err, "namespace: \"\" is none");
	}
	return 0;
}

static int compile_rule(struct access_rule *rule, struct error *err)
{
	struct access_options *options = rule->options;

	if (access_party_read(&rule->who, options->who, err) < 0)
		return error_prefix(err, "who");
	if (rule->who.outside)
		return error_set(err, "who: it is the side that is ours; say "
				 "outside in whom");
	if (access_party_read(&rule->whom, options->whom, err) < 0)
		return error_prefix(err, "whom");
	if (read_what(rule, err) < 0)
		return -1;
	return check_options(options, err);
}

static void keep_counters(struct access_rule *rule, const struct access *old)
{
	for (size_t i = 0; old && i < old->count; i++) {
		if (!str_equal(old->rules[i].name, rule->name))
			continue;
		rule->matched = old->rules[i].matched;
		rule->denied = old->rules[i].denied;
		return;
	}
}

struct access *access_new(const struct config *config,
			  const struct access *old, struct error *err)
{
	struct access *access = mem_new(struct access);
	const char *title = NULL;

	access->path = mem_strdup(config_path(config));
	access->count = config_count(config, "access");
	access->rules = mem_calloc(access->count + 1, sizeof(*access->rules));
	for (size_t i = 0; i < access->count; i++) {
		struct access_rule *rule = &access->rules[i];

		rule->options = section_copy(
			&access_section,
			config_get(config, "access", i, &title));
		rule->name = mem_strdup(title);
		rule->line = config_line(config, "access", i);
		if (compile_rule(rule, err) < 0) {
			error_prefix(err, "%s:%u: access \"%s\"", access->path,
				     rule->line, rule->name);
			access_free(&access);
			return NULL;
		}
		keep_counters(rule, old);
		index_rule(access, i);
	}
	if (old) {
		access->unmatched = old->unmatched;
		access->logged = old->logged;
		access->unlogged = old->unlogged;
	}
	return access;
}

static void index_free(struct indexed **table)
{
	struct indexed *entry, *next;

	HASH_ITER(hh, *table, entry, next) {
		HASH_DEL(*table, entry);
		mem_free(entry->row.rules);
		mem_free(entry->key);
		mem_free(entry);
	}
}

void access_free(struct access **access)
{
	struct access *old = *access;

	if (!old)
		return;
	for (size_t i = 0; i < old->count; i++) {
		struct access_rule *rule = &old->rules[i];

		access_party_clear(&rule->who);
		access_party_clear(&rule->whom);
		section_free(&access_section, rule->options);
		mem_free(rule->name);
	}
	index_free(&old->by_whom);
	index_free(&old->by_who);
	mem_free(old->rest.rules);
	mem_free(old->rules);
	mem_free(old->path);
	mem_free(old);
	*access = NULL;
}

int access_check(const struct config *config, struct error *err)
{
	struct access *access = access_new(config, NULL, err);

	if (!access)
		return -1;
	access_free(&access);
	return 0;
}

bool access_is_empty(const struct access *access)
{
	return !access || access->count == 0;
}

/* -- what a stanza is ----------------------------------------------------- */

static void read_presence(struct access_query *query, const char *type)
{
	query->what = ACCESS_PRESENCE;
	if (str_equal(type, "probe")) {
		query->reverse = true;
	} else if (str_equal(type, "subscribe") ||
		   str_equal(type, "unsubscribe")) {
		query->what = ACCESS_SUBSCRIPTION;
	} else if (str_equal(type, "subscribed") ||
		   str_equal(type, "unsubscribed")) {
		query->what = ACCESS_SUBSCRIPTION;
		query->reverse = true;
	}
}

static bool is_payload(const struct element *child)
{
	return !str_equal(child->ns, NS_CLIENT);
}

void access_query_read(struct access_query *query,
		       const struct element *stanza)
{
	const char *type = element_attr(stanza, "type");
	const struct element *child = element_first(stanza);

	query->root = stanza;
	query->reverse = str_equal(type, "error");
	if (str_equal(stanza->name, "message")) {
		query->what = ACCESS_MESSAGE;
	} else if (str_equal(stanza->name, "presence")) {
		read_presence(query, type);
	} else {
		query->what = ACCESS_IQ;
		query->reverse = query->reverse || str_equal(type, "result");
	}
	while (child && !is_payload(child))
		child = element_next(child);
	query->empty = query->reverse && !child;
}

/* -- matching ------------------------------------------------------------- */

static bool ns_matches(const struct access_options *options, const char *ns)
{
	for (char **at = options->ns; *at; at++) {
		if (str_matches(ns, *at))
			return true;
	}
	return false;
}

static bool has_namespace(const struct access_options *options,
			  const struct access_query *query)
{
	const struct element *child;

	if (!options->ns[0])
		return true;
	/* It tells nothing that somebody could want to keep back. */
	if (query->empty)
		return options->action == 0;
	if (!query->root)
		return query->ns && ns_matches(options, query->ns);
	for (child = element_first(query->root); child;
	     child = element_next(child)) {
		if (is_payload(child) && ns_matches(options, child->ns))
			return true;
	}
	return false;
}

struct side {
	const struct jid *jid;
	bool here;
};

/* A stanza as one of ours sees it: what goes out, or what comes in. */
struct view {
	const struct access_query *query;
	struct side own, other;
	enum access_direction direction;
	struct row rows[ROWS]; /* those that are not empty */
	size_t at[ROWS];
	size_t row_count;
};

static enum access_member rule_matches(const struct access_rule *rule,
				       const struct view *view)
{
	const struct access_query *query = view->query;
	const struct access_options *options = rule->options;
	enum access_member whom, who;

	if (!(rule->what & query->what) ||
	    (options->direction != ACCESS_BOTH &&
	     options->direction != (int)view->direction) ||
	    !has_namespace(options, query))
		return ACCESS_NO;
	whom = access_party_has(&rule->whom, view->other.jid, view->other.here,
				query->in_group, query->group_ctx);
	if (whom == ACCESS_NO)
		return ACCESS_NO;
	who = access_party_has(&rule->who, view->own.jid, true,
			       query->in_group, query->group_ctx);
	return whom == ACCESS_UNKNOWN && who == ACCESS_YES ? whom : who;
}

static void view_add(struct view *view, const struct indexed *table,
		     const char *key)
{
	const struct indexed *entry;

	HASH_FIND_STR(table, key, entry);
	if (entry)
		view->rows[view->row_count++] = entry->row;
}

static void view_add_all(struct view *view, const struct indexed *table,
			 const struct jid *jid)
{
	const char *suffixes[ACCESS_SUFFIXES];
	size_t count;

	if (!table)
		return;
	view_add(view, table, jid_domain(jid));
	if (jid_local(jid))
		view_add(view, table, jid_bare(jid));
	count = access_suffixes(jid_domain(jid), suffixes);
	while (count > 0)
		view_add(view, table, suffixes[--count]);
}

static void view_init(struct view *view, const struct access *access,
		      const struct access_query *query,
		      enum access_direction direction)
{
	struct side from = { query->from, query->from_here };
	struct side to = { query->to, query->to_here };
	bool out = direction == ACCESS_OUT;

	*view = (struct view){ .query = query, .direction = direction };
	/* An answer goes to whoever sent what it answers. */
	view->own = out != query->reverse ? from : to;
	view->other = out != query->reverse ? to : from;
	if (!view->own.here)
		return;
	view_add_all(view, access->by_whom, view->other.jid);
	view_add_all(view, access->by_who, view->own.jid);
	if (access->rest.count)
		view->rows[view->row_count++] = access->rest;
}

/* The lowest rule that has not been looked at; in which row. */
static size_t view_next(const struct view *view, size_t *row)
{
	size_t lowest = NO_RULE;

	for (size_t i = 0; i < view->row_count; i++) {
		if (view->at[i] < view->rows[i].count &&
		    view->rows[i].rules[view->at[i]] < lowest) {
			lowest = view->rows[i].rules[view->at[i]];
			*row = i;
		}
	}
	return lowest;
}

/* The first rule that matches, or might. */
struct found {
	size_t rule; /* count of the rules: none */
	bool unknown;
};

/* Looks for one before the one that is there. */
static void view_find(const struct access *access, struct view *view,
		      struct found *found)
{
	enum access_member member;
	size_t row = 0, rule;

	while ((rule = view_next(view, &row)) < found->rule) {
		member = rule_matches(&access->rules[rule], view);
		if (member != ACCESS_NO) {
			*found = (struct found){ rule,
						 member == ACCESS_UNKNOWN };
			return;
		}
		view->at[row]++;
	}
}

/* What only takes rights away may come from anywhere: else both sides would
 * believe different things. */
static bool is_ending(const struct access_query *query)
{
	const char *type;

	if (query->what != ACCESS_SUBSCRIPTION || !query->root ||
	    !query->to_here)
		return false;
	type = element_attr(query->root, "type");
	return str_equal(type, "unsubscribe") ||
	       str_equal(type, "unsubscribed");
}

static struct found find_rule(const struct access *access,
			      const struct access_query *query)
{
	static const enum access_direction directions[] = { ACCESS_OUT,
							    ACCESS_IN };
	struct found found = { .rule = access->count };
	struct view view;

	if (is_ending(query))
		return found;
	for (size_t i = 0; i < 2; i++) {
		view_init(&view, access, query, directions[i]);
		view_find(access, &view, &found);
	}
	return found;
}

struct access_verdict access_find(const struct access *access,
				  const struct access_query *query)
{
	struct access_verdict verdict = { .allowed = true, .need = -1 };
	const struct access_options *options;
	struct found found = find_rule(access, query);

	if (found.rule == access->count)
		return verdict;
	verdict.rule = &access->rules[found.rule];
	verdict.unknown = found.unknown;
	options = verdict.rule->options;
	verdict.allowed = options->action == 0 && !verdict.unknown;
	if (!verdict.allowed || options->trust == 0 || (query->from_here && query->to_here))
		return verdict;
	if (query->from_here) {
		verdict.need = options->trust - 1;
	} else if ((int)query->trust < options->trust - 1) {
		verdict.allowed = false;
		verdict.untrusted = true;
	}
	return verdict;
}

struct access_verdict access_judge(struct access *access,
				   const struct access_query *query)
{
	struct access_verdict verdict = access_find(access, query);

	if (!verdict.rule) {
		access->unmatched++;
		return verdict;
	}
	verdict.rule->matched++;
	if (!verdict.allowed)
		verdict.rule->denied++;
	return verdict;
}

/* -- telling -------------------------------------------------------------- */

void access_log_denied(struct access *access, struct log *log, uint64_t now,
		       const struct access_query *query,
		       const struct access_verdict *verdict)
{
	const struct access_rule *rule = verdict->rule;

	if (access->logged && now - access->logged < LOG_PAUSE) {
		access->unlogged++;
		return;
	}
	log_notice(log, "access.denied", LOG_S("rule", rule->name),
		   LOG_S("from", jid_full(query->from)),
		   LOG_S("to", jid_full(query->to)),
		   LOG_S("stanza", query->root ? query->root->name : NULL),
		   LOG_S("trust", verdict->untrusted ?
					  trust_names[query->trust] :
					  NULL),
		   LOG_N("others", access->unlogged));
	access->logged = now;
	access->unlogged = 0;
}

enum stanza_error access_error(const struct access_verdict *verdict)
{
	return verdict->unknown
		       ? STANZA_INTERNAL_SERVER_ERROR
		       : access_options_error(verdict->rule->options);
}

void access_text(const struct access_verdict *verdict, char *to, size_t size)
{
	const struct access_options *options = verdict->rule->options;

	if (verdict->unknown)
		str_copy(to, size, "the directory has not said yet who is in "
				   "which group; try again in a moment");
	else if (options->text)
		str_copy(to, size, options->text);
	else if (verdict->untrusted)
		snprintf(to, size, "your server is not %s here, and must be",
			 trust_names[options->trust - 1]);
	else
		str_copy(to, size, "the rules of this server do not allow it");
}

const struct access_rule *access_get(const struct access *access, size_t i)
{
	return i < access->count ? &access->rules[i] : NULL;
}

const struct access_rule *access_with_group(const struct access *access)
{
	for (size_t i = 0; i < access->count; i++) {
		const struct access_rule *rule = &access->rules[i];

		if (rule->who.group_count || rule->whom.group_count)
			return rule;
	}
	return NULL;
}

uint64_t access_unmatched(const struct access *access)
{
	return access->unmatched;
}

void access_place(const struct access *access, const struct access_rule *rule,
		  char *to, size_t size)
{
	snprintf(to, size, "%s:%u", access->path, rule->line);
}

static void write_family(const struct access *access, bool denied,
			 struct buf *to)
{
	const char *name = denied ? "chappe_access_denied_total"
				  : "chappe_access_matched_total";

	metrics_family(to, name, "counter",
		       denied ? "Stanzas that an access rule denied."
			      : "Stanzas that an access rule decided about.");
	for (size_t i = 0; i < access->count; i++) {
		const struct access_rule *rule = &access->rules[i];
		struct buf labels = { .data = NULL };

		metrics_label(&labels, "rule", rule->name);
		metrics_sample(to, name, buf_data(&labels),
			       (double)(denied ? rule->denied
					       : rule->matched));
		buf_free(&labels);
	}
}

void access_metrics(const struct access *access, struct buf *to)
{
	if (access_is_empty(access))
		return;
	write_family(access, false, to);
	write_family(access, true, to);
}
