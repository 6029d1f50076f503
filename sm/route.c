/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a stanza goes: to a task here, or over the link (RFC 6120 section 10).
 * What happens to it at a local user is in message.c, presence.c and iq.c.
 */
#include "sm/route.h"

#include "sm/access.h"
#include "sm/module.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* -- from a client --------------------------------------------------------- */

/* RFC 6120 section 8.2.3. */
static bool iq_is_valid(const struct stanza *iq)
{
	const struct element *root = iq->root, *child = element_first(root);
	const char *type = element_attr(root, "type");

	if (element_attr(root, "id") == NULL)
		return false;
	if (str_equal(type, "get") || str_equal(type, "set"))
		return child != NULL && element_next(child) == NULL;
	if (str_equal(type, "result"))
		return child == NULL || element_next(child) == NULL;
	return str_equal(type, "error");
}

static bool is_to_malformed(const struct stanza *stanza)
{
	const char *to = element_attr(stanza->root, "to");
	struct jid *jid;

	if (to == NULL)
		return false;
	jid = jid_parse(to);
	if (jid == NULL)
		return true;
	/* What goes on from here has its address prepared. */
	if (!str_equal(to, jid_full(jid)))
		element_set_attr(stanza->root, "to", jid_full(jid));
	jid_free(&jid);
	return false;
}

/* True: a module took care of it. */
static bool is_taken(struct session *session, struct stanza *stanza,
		     struct work *work)
{
	struct sm *sm = session->sm;

	for (size_t i = 0; i < sm->module_count; i++) {
		const struct sm_module *module = sm->modules[i];

		if (module->outgoing != NULL &&
		    module->outgoing(session, stanza, work) == DONE)
			return true;
	}
	return false;
}

void route_from_session(struct session *session, struct stanza *stanza,
			const char *origin, struct work *work)
{
	struct sm *sm = session->sm;
	int kind = stanza_kind(stanza);

	if (is_to_malformed(stanza)) {
		/* The answer would have the malformed address in it. */
		element_set_attr(stanza->root, "to", NULL);
		route_error(sm, stanza, STANZA_JID_MALFORMED, NULL);
	} else if (kind == 2 && !iq_is_valid(stanza)) {
		route_error(sm, stanza, STANZA_BAD_REQUEST, NULL);
	} else if ((kind != 1 || sm_access_subscribe(sm, stanza)) &&
		   !is_taken(session, stanza, work)) {
		if (kind == 1) {
			presence_from_session(session, stanza, origin, work);
			return;
		}
		/* RFC 6120 sections 10.3.1 and 10.3.3: without an address it
		 * is for the account itself. */
		if (element_attr(stanza->root, "to") == NULL)
			element_set_attr(stanza->root, "to",
					 jid_full(session->user->jid));
		route_stanza(sm, stanza, origin, work);
		return;
	}
	stanza_free(&stanza);
}

/* -- anywhere -------------------------------------------------------------- */

/* What is known about a stanza that is on its way. */
struct way {
	const char *origin; /* may be NULL */
	struct work *work;  /* may be NULL */
	enum trust trust;   /* of the stream that it came in on */
	bool asked;	    /* the access rules have been */
	int need;	    /* trust of the stream that it leaves on; -1: any */
};

static enum link_sent route_away(struct sm *sm, const struct stanza *stanza,
				 const struct jid *to, const struct way *way)
{
	struct work *work = way->work;
	enum link_sent sent;
	struct envelope envelope = {
		.to = jid_full(to),
		.origin = way->origin,
		.trust = way->need >= 0 ? trust_names[way->need] : NULL,
	};

	if (sm->link == NULL)
		return LINK_NO_ROUTE;
	if (!work_may_wait(work, stanza))
		work = NULL;
	envelope.token = work_token(work);
	buf_clear(&sm->out, 65536);
	stanza_write(stanza, &sm->out);
	envelope.payload = buf_data(&sm->out);
	envelope.payload_len = sm->out.len;
	sent = link_send(sm->link, &envelope);
	if (sent == LINK_SENT)
		work_hold(work);
	return sent;
}

static void no_route(struct sm *sm, const struct stanza *stanza,
		     const struct sm_domain *domain)
{
	log_debug(sm->log, "route.none",
		  LOG_S("from", element_attr(stanza->root, "from")),
		  LOG_S("to", element_attr(stanza->root, "to")));
	route_error(sm, stanza,
		    domain != NULL ? STANZA_INTERNAL_SERVER_ERROR :
				     STANZA_REMOTE_SERVER_NOT_FOUND,
		    NULL);
}

/* Takes the stanza. */
static void route_on(struct sm *sm, struct stanza *stanza,
		     const struct jid *from, const struct jid *to,
		     struct way *way)
{
	struct sm_domain *domain = sm_domain(sm, jid_domain(to));

	if (!way->asked &&
	    !sm_access_pass(sm, stanza, from, to, way->trust, &way->need)) {
		stanza_free(&stanza);
	} else if (domain != NULL &&
		   (jid_local(to) == NULL || user_is_ours(sm, to))) {
		task_add(sm, domain, stanza, from, to, way->origin, way->work);
	} else {
		if (route_away(sm, stanza, to, way) != LINK_SENT)
			no_route(sm, stanza, domain);
		stanza_free(&stanza);
	}
}

static void route_way(struct sm *sm, struct stanza *stanza, struct way way)
{
	const char *from_text = element_attr(stanza->root, "from");
	const char *to_text = element_attr(stanza->root, "to");
	struct jid *from = from_text != NULL ? jid_parse(from_text) : NULL;
	struct jid *to = to_text != NULL ? jid_parse(to_text) : NULL;

	if (from == NULL) {
		log_warning(sm->log, "route.nobody",
			    LOG_S("from", from_text), LOG_S("to", to_text));
		stanza_free(&stanza);
	} else if (to == NULL) {
		element_set_attr(stanza->root, "to", NULL);
		route_error(sm, stanza, STANZA_JID_MALFORMED, NULL);
		stanza_free(&stanza);
	} else {
		route_on(sm, stanza, from, to, &way);
	}
	jid_free(&from);
	jid_free(&to);
}

void route_stanza(struct sm *sm, struct stanza *stanza, const char *origin,
		  struct work *work)
{
	route_way(sm, stanza,
		  (struct way){ .origin = origin, .work = work,
				.trust = TRUST_TRUSTED, .need = -1 });
}

void route_unasked(struct sm *sm, struct stanza *stanza)
{
	route_way(sm, stanza, (struct way){ .asked = true, .need = -1 });
}

static const struct session *local_session(struct sm *sm, const char *text)
{
	struct jid *jid = text != NULL ? jid_parse(text) : NULL;
	struct user *user = jid != NULL ? user_find(sm, jid_bare(jid)) : NULL;
	const struct session *session = NULL;

	if (user != NULL && jid_resource(jid) != NULL)
		session = session_by_resource(user, jid_resource(jid));
	jid_free(&jid);
	return session;
}

void route_log_error(struct sm *sm, const struct stanza *answer,
		     enum stanza_error error, const char *text)
{
	const char *to = element_attr(answer->root, "to");
	const struct session *session = local_session(sm, to);

	log_info(sm->log, "stanza.error",
		 LOG_S("session", session != NULL ? session->id : NULL),
		 LOG_S("jid", to),
		 LOG_S("from", element_attr(answer->root, "from")),
		 LOG_S("stanza", answer->root->name),
		 LOG_S("condition", stanza_error_condition(error)),
		 LOG_S("text", text));
}

/* NULL when there is to be none. */
static struct stanza *error_new(struct sm *sm, const struct stanza *stanza,
				enum stanza_error error, const char *text)
{
	struct stanza *answer;

	if (!stanza_may_answer(stanza))
		return NULL;
	answer = stanza_error_new(stanza, error, text);
	/* Without an address it was for the account, which answers. */
	if (element_attr(answer->root, "from") == NULL) {
		struct jid *jid =
			jid_parse(element_attr(answer->root, "to"));

		if (jid != NULL)
			element_set_attr(answer->root, "from", jid_bare(jid));
		jid_free(&jid);
	}
	sm->stats.errors_sent++;
	route_log_error(sm, answer, error, text);
	return answer;
}

void route_error(struct sm *sm, const struct stanza *stanza,
		 enum stanza_error error, const char *text)
{
	struct stanza *answer = error_new(sm, stanza, error, text);

	if (answer != NULL)
		route_stanza(sm, answer, NULL, NULL);
}

void route_refuse(struct sm *sm, const struct stanza *stanza,
		  enum stanza_error error, const char *text)
{
	struct stanza *answer = error_new(sm, stanza, error, text);

	if (answer != NULL)
		route_unasked(sm, answer);
}

/* -- from the link --------------------------------------------------------- */

static const char *sender_kind(const struct sm *sm,
			       const struct envelope *envelope)
{
	size_t count = 0;
	const struct member *sender = members_get(
		link_members(sm->link), envelope->from, &count);

	return count > 0 ? sender->kind : NULL;
}

/* Only sms speak for the domains that are served here. */
static bool may_send_from(const struct sm *sm, const struct envelope *envelope,
			  const struct stanza *stanza)
{
	const char *text = element_attr(stanza->root, "from");
	struct jid *from = text != NULL ? jid_parse(text) : NULL;
	const char *kind = sender_kind(sm, envelope);
	bool may = from != NULL;

	if (may && kind != NULL && !str_equal(kind, "sm") &&
	    !str_equal(kind, "component"))
		may = sm_domain(sm, jid_domain(from)) == NULL;
	jid_free(&from);
	return may;
}

/* What another sm sent on has been judged there. Without a level it is not
 * from another server, or it is the word of our s2s. */
static struct way way_of(const struct sm *sm, const struct envelope *envelope,
			 struct work *work)
{
	return (struct way){
		.origin = envelope->origin,
		.work = work,
		.trust = envelope->trust != NULL ?
				 trust_parse(envelope->trust,
					     TRUST_PERMISSIVE) :
				 TRUST_TRUSTED,
		.asked = str_equal(sender_kind(sm, envelope), "sm"),
		.need = -1,
	};
}

void route_received(struct sm *sm, const struct envelope *envelope,
		    struct work *work)
{
	struct error err;
	struct stanza *stanza = envelope_parse(envelope, sm->parser, &err);

	if (stanza == NULL || stanza_kind(stanza) < 0) {
		log_warning(sm->log, "route.malformed",
			    LOG_S("link", envelope->from),
			    LOG_S("reason", stanza == NULL ? err.text :
							     "not a stanza"));
	} else if (!may_send_from(sm, envelope, stanza)) {
		log_warning(sm->log, "route.forged",
			    LOG_S("link", envelope->from),
			    LOG_S("from", element_attr(stanza->root, "from")));
	} else if (stanza_kind(stanza) == 2 && !iq_is_valid(stanza)) {
		route_error(sm, stanza, STANZA_BAD_REQUEST, NULL);
	} else {
		sm->stats.stanzas_in[stanza_kind(stanza)]++;
		route_way(sm, stanza, way_of(sm, envelope, work));
		return;
	}
	stanza_free(&stanza);
}
