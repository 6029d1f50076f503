/* SPDX-License-Identifier: Apache-2.0
 *
 * Asks the access rules, and tells senders what these deny (RFC 6120 section
 * 8.3). Which rule matches is decided in util/role/access.c.
 */
#include "sm/access.h"

#include "sm/groups.h"
#include "sm/presence.h"
#include "util/base/str.h"

#define TEXT_MAX 400

/* Served by an sm, or a component: known to the routers by name. */
static bool is_here(const struct sm *sm, const struct jid *jid)
{
	size_t count = 0;

	if (sm_domain(sm, jid_domain(jid)) != NULL)
		return true;
	return sm->link != NULL &&
	       members_get(link_members(sm->link), jid_domain(jid), &count) !=
		       NULL &&
	       count > 0;
}

bool sm_access_is_own(const struct sm *sm, const struct jid *from,
		      const struct jid *to)
{
	if (jid_same_bare(from, to))
		return true;
	return (jid_local(from) == NULL || jid_local(to) == NULL) &&
	       sm_domain(sm, jid_domain(from)) != NULL &&
	       sm_domain(sm, jid_domain(to)) != NULL;
}

static enum access_member in_group(const struct jid *jid, const char *group,
				   void *ctx)
{
	const struct sm *sm = ctx;
	const char *domain = jid_domain(jid);
	const struct sm_domain *found = sm_domain(sm, domain);

	if (found == NULL || found->people == NULL)
		return ACCESS_NO;
	if (!sm_groups_known(sm, domain))
		return ACCESS_UNKNOWN;
	return sm_groups_contains(sm, domain, group, jid_bare(jid)) ?
		       ACCESS_YES :
		       ACCESS_NO;
}

void sm_access_query(struct sm *sm, struct access_query *query,
		     const struct jid *from, const struct jid *to,
		     enum trust trust)
{
	*query = (struct access_query){
		.from = from,
		.to = to,
		.from_here = is_here(sm, from),
		.to_here = is_here(sm, to),
		.trust = trust,
		.in_group = in_group,
		.group_ctx = sm,
	};
}

void sm_access_loaded(const struct sm *sm)
{
	const struct access_rule *rule = access_with_group(sm->access);
	const struct sm_domain *domain, *next;

	if (rule == NULL)
		return;
	HASH_ITER(hh, sm->domains, domain, next) {
		if (domain->people != NULL)
			return;
	}
	log_warning(sm->log, "access.no-groups", LOG_S("rule", rule->name));
}

/* -- answers ------------------------------------------------------------- */

/* RFC 6121 section 3.2: no. A client of ours gets an error instead, for its
 * request has not been noted. */
static void refuse_request(struct sm *sm, const struct access_query *query)
{
	route_unasked(sm, presence_new(jid_bare(query->to),
				       jid_bare(query->from),
				       "unsubscribed"));
}

static void tell(struct sm *sm, const struct stanza *stanza,
		 const struct access_query *query,
		 const struct access_verdict *verdict)
{
	const struct access_options *options = verdict->rule->options;
	const char *type = element_attr(stanza->root, "type");
	bool is_client = sm_domain(sm, jid_domain(query->from)) != NULL;
	char text[TEXT_MAX];

	if (query->what == ACCESS_PRESENCE && !options->presence_error)
		return;
	if (query->what == ACCESS_SUBSCRIPTION) {
		/* An end that is not heard of does nobody harm. */
		if (!str_starts(type, "subscribe"))
			return;
		if (!is_client) {
			if (str_equal(type, "subscribe"))
				refuse_request(sm, query);
			return;
		}
	}
	access_text(verdict, text, sizeof(text));
	route_refuse(sm, stanza, access_error(verdict), text);
}

/* -- asking --------------------------------------------------------------- */

bool sm_access_pass(struct sm *sm, const struct stanza *stanza,
		    const struct jid *from, const struct jid *to,
		    enum trust trust, int *need)
{
	struct access_verdict verdict;
	struct access_query query;

	*need = -1;
	if (access_is_empty(sm->access) || sm_access_is_own(sm, from, to))
		return true;
	sm_access_query(sm, &query, from, to, trust);
	access_query_read(&query, stanza->root);
	verdict = access_judge(sm->access, &query);
	*need = verdict.need;
	if (verdict.allowed)
		return true;
	access_log_denied(sm->access, sm->log, loop_now(sm->loop), &query,
			  &verdict);
	tell(sm, stanza, &query, &verdict);
	return false;
}

static bool may_subscribe(struct sm *sm, const struct stanza *stanza,
			  const struct jid *from, const struct jid *to)
{
	struct access_query query;
	int need;

	sm_access_query(sm, &query, from, to, TRUST_TRUSTED);
	access_query_read(&query, stanza->root);
	/* What is allowed is counted on its way out. */
	return sm_access_is_own(sm, from, to) ||
	       access_find(sm->access, &query).allowed ||
	       sm_access_pass(sm, stanza, from, to, TRUST_TRUSTED, &need);
}

bool sm_access_subscribe(struct sm *sm, const struct stanza *stanza)
{
	const char *type = element_attr(stanza->root, "type");
	const char *from_text = element_attr(stanza->root, "from");
	const char *to_text = element_attr(stanza->root, "to");
	struct jid *from, *to;
	bool may = true;

	if (access_is_empty(sm->access) || from_text == NULL ||
	    to_text == NULL ||
	    (!str_equal(type, "subscribe") && !str_equal(type, "subscribed")))
		return true;
	from = jid_parse(from_text);
	to = jid_parse(to_text);
	if (from != NULL && to != NULL)
		may = may_subscribe(sm, stanza, from, to);
	jid_free(&from);
	jid_free(&to);
	return may;
}
