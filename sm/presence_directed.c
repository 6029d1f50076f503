/* SPDX-License-Identifier: Apache-2.0
 *
 * Directed presence (RFC 6121 section 4.6): who was sent some is remembered by
 * the session, so that they hear when it goes.
 */
#include <string.h>

#include "sm/presence.h"
#include "sm/roster_shared.h"
#include "util/base/mem.h"
#include "util/base/str.h"

static struct directed *directed_new(const char *jid)
{
	size_t len = strlen(jid);
	struct directed *directed = mem_alloc(sizeof(*directed) + len + 1);

	memcpy(directed->jid, jid, len);
	return directed;
}

/* -1 when there are too many. */
static int remember(struct session *session, const char *jid)
{
	struct directed *directed;
	size_t count = 0;

	LL_FOREACH(session->directed, directed) {
		if (str_equal(directed->jid, jid))
			return 0;
		count++;
	}
	if (count >= DIRECTED_MAX)
		return -1;
	directed = directed_new(jid);
	LL_PREPEND(session->directed, directed);
	session_changed(session);
	return 0;
}

void presence_directed_forget(struct session *session, const char *jid)
{
	struct directed *directed, *next;

	LL_FOREACH_SAFE(session->directed, directed, next) {
		if (!str_equal(directed->jid, jid))
			continue;
		LL_DELETE(session->directed, directed);
		mem_free(directed);
		session_changed(session);
		return;
	}
}

void presence_directed(struct session *session, struct stanza *stanza,
		       const char *origin, struct work *work)
{
	const char *type = element_attr(stanza->root, "type");
	const char *text = element_attr(stanza->root, "to");
	struct jid *to = jid_parse(text);
	enum stanza_error error = STANZA_JID_MALFORMED;

	if (to != NULL && type != NULL) {
		presence_directed_forget(session, jid_full(to));
	} else if (to != NULL && remember(session, jid_full(to)) != 0) {
		log_notice(session->sm->log, "presence.directed-full",
			   LOG_S("session", session->id));
		error = STANZA_RESOURCE_CONSTRAINT;
		jid_free(&to);
	}
	if (to != NULL) {
		route_stanza(session->sm, stanza, origin, work);
	} else {
		route_error(session->sm, stanza, error, NULL);
		stanza_free(&stanza);
	}
	jid_free(&to);
}

void presence_directed_end(struct session *session,
			   const struct stanza *unavailable, struct work *work)
{
	while (session->directed != NULL) {
		struct directed *directed = session->directed;
		struct contact *contact =
			user_contact(session->user, directed->jid);

		LL_DELETE(session->directed, directed);
		/* A contact with a subscription was told as such. */
		if (!session->available ||
		    ((contact == NULL ||
		      !(contact->item.subscription & SUBSCRIPTION_FROM)) &&
		     !roster_is_mate(session->user, directed->jid))) {
			struct stanza *copy = stanza_copy(unavailable);

			element_set_attr(copy->root, "to", directed->jid);
			route_stanza(session->sm, copy, NULL, work);
		}
		mem_free(directed);
	}
}
