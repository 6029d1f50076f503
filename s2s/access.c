/* SPDX-License-Identifier: Apache-2.0
 *
 * Between a component and another server no sm sees a stanza: its rules are
 * asked here. What users send and get their sm has judged, which knows their
 * groups; of outgoing stanzas it leaves to us what only we know, the trust
 * that the stream has reached.
 */
#include "s2s/access.h"

#include "s2s/local.h"
#include "s2s/stream.h"
#include "util/base/str.h"
#include "util/xmpp/jid.h"

bool s2s_access_is_sm(const struct s2s *s2s, const char *domain)
{
	const struct member *list;
	size_t count = 0;

	list = members_get(link_members(s2s->link), domain, &count);
	return !list || count == 0 || !str_equal(list[0].kind, "component");
}

static enum s2s_access consequence(const struct access_query *query,
				   const struct access_verdict *verdict)
{
	const char *type = element_attr(query->root, "type");

	if (query->what == ACCESS_SUBSCRIPTION)
		return str_equal(type, "subscribe") ? S2S_ACCESS_REFUSE
						    : S2S_ACCESS_DROP;
	if (query->what == ACCESS_PRESENCE &&
	    !verdict->rule->options->presence_error)
		return S2S_ACCESS_DROP;
	return S2S_ACCESS_ANSWER;
}

static struct s2s_decision decide(struct s2s *s2s,
				  const struct stanza *stanza,
				  struct access_query *query)
{
	struct s2s_decision decision = { S2S_ACCESS_PASS, .need = -1 };
	struct access_verdict verdict;

	access_query_read(query, stanza->root);
	verdict = access_judge(s2s->access, query);
	decision.need = verdict.need;
	if (verdict.allowed)
		return decision;
	access_log_denied(s2s->access, s2s->log, loop_now(s2s->loop), query,
			  &verdict);
	decision.access = consequence(query, &verdict);
	decision.error = access_error(&verdict);
	access_text(&verdict, decision.text, sizeof(decision.text));
	return decision;
}

struct s2s_decision s2s_access_out(struct s2s *s2s,
				   const struct envelope *envelope,
				   const struct stanza *stanza,
				   const struct jid *from,
				   const struct jid *to)
{
	struct s2s_decision decision = { S2S_ACCESS_PASS, .need = -1 };
	struct access_query query = { .from = from, .to = to,
				      .from_here = true,
				      .trust = TRUST_TRUSTED };

	if (!s2s_access_is_sm(s2s, jid_domain(from)) &&
	    !access_is_empty(s2s->access))
		return decide(s2s, stanza, &query);
	if (envelope->trust)
		decision.need = (int)trust_parse(envelope->trust,
						 TRUST_TRUSTED);
	return decision;
}

struct s2s_decision s2s_access_in(struct s2s *s2s, const struct stanza *stanza,
				  const struct jid *from, const struct jid *to,
				  enum trust trust)
{
	struct access_query query = { .from = from, .to = to, .to_here = true,
				      .trust = trust };

	if (access_is_empty(s2s->access) ||
	    s2s_access_is_sm(s2s, jid_domain(to)))
		return (struct s2s_decision){ S2S_ACCESS_PASS, .need = -1 };
	return decide(s2s, stanza, &query);
}

struct stanza *s2s_access_refusal(const struct stanza *stanza)
{
	struct stanza *answer = stanza_new("presence", NS_CLIENT);

	element_set_attr(answer->root, "from",
			 element_attr(stanza->root, "to"));
	element_set_attr(answer->root, "to",
			 element_attr(stanza->root, "from"));
	element_set_attr(answer->root, "type", "unsubscribed");
	return answer;
}

enum trust s2s_access_level(const struct s2s_remote *remote)
{
	const struct s2s_stream *stream = remote->stream;
	const struct s2s_grant *grant;

	if (!stream->incoming)
		return stream->level;
	grant = s2s_stream_granted(stream, remote->local, remote->remote);
	return grant ? grant->level : TRUST_PERMISSIVE;
}
