/* SPDX-License-Identifier: Apache-2.0
 *
 * What becomes of stanzas that were sent and did not arrive: another resource,
 * the offline storage, or an error for the sender. Nothing is dropped in
 * silence.
 */
#include "sm/route.h"

#include "sm/modules/carbons.h"
#include "sm/peer.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* To whoever serves the user, marked: that the stanza was there before is no
 * reason not to take it. */
static void redeliver(struct sm *sm, struct stanza *stanza, const char *origin,
		      struct work *work)
{
	char *again = mem_printf("~%s", origin != NULL ? origin : "");

	route_stanza(sm, stanza, again, work);
	mem_free(again);
}

void route_leftover(struct sm *sm, struct stanza *stanza, const char *origin,
		    struct work *work)
{
	const char *text;
	struct jid *to;

	stanza = carbons_unwrap(stanza);
	if (stanza == NULL)
		return;
	text = element_attr(stanza->root, "to");
	to = text != NULL ? jid_parse(text) : NULL;
	if (stanza_kind(stanza) == 0 && to != NULL) {
		if (jid_local(to) != NULL &&
		    sm_domain(sm, jid_domain(to)) != NULL)
			redeliver(sm, stanza, origin, work);
		else
			route_stanza(sm, stanza, NULL, work);
	} else {
		if (stanza_kind(stanza) == 2)
			route_error(sm, stanza, STANZA_SERVICE_UNAVAILABLE,
				    NULL);
		stanza_free(&stanza);
	}
	jid_free(&to);
}

/* Meant for a client whose c2s did not take it. */
static void undelivered_to_session(struct sm *sm,
				   const struct envelope *envelope,
				   struct stanza *stanza, struct work *work)
{
	struct session *session = session_find(sm, envelope->session);

	/* First the end, or it would be sent there once more. With stream
	 * management it was sent before that was enabled, and the session
	 * outlives its c2s. */
	if (session != NULL && session->management == NULL &&
	    str_equal(session->c2s, envelope->at))
		session_kick(session, STREAM_RESOURCE_CONSTRAINT,
			     "the stream did not take what was sent");
	route_leftover(sm, stanza, envelope->origin, work);
}

/* What becomes of an envelope with a stanza. */
static void undelivered(struct sm *sm, const struct envelope *envelope,
			const char *reason, struct work *work)
{
	struct stanza *stanza = envelope_parse(envelope, sm->parser, NULL);
	const char *text;
	struct jid *to;
	bool ours;

	log_info(sm->log, "route.undelivered", LOG_S("to", envelope->to),
		 LOG_S("at", envelope->at), LOG_S("session", envelope->session),
		 LOG_S("reason", reason));
	if (stanza == NULL)
		return;
	if (envelope->session != NULL) {
		undelivered_to_session(sm, envelope, stanza, work);
		return;
	}
	text = element_attr(stanza->root, "to");
	to = text != NULL ? jid_parse(text) : NULL;
	ours = to != NULL && sm_domain(sm, jid_domain(to)) != NULL;
	if (ours && user_is_ours(sm, to)) {
		/* Meanwhile it is we who serve it. */
		route_stanza(sm, stanza, envelope->origin, work);
	} else {
		route_error(sm, stanza, ours ? STANZA_INTERNAL_SERVER_ERROR :
					       STANZA_REMOTE_SERVER_TIMEOUT,
			    NULL);
		stanza_free(&stanza);
	}
	jid_free(&to);
}

void route_undelivered(struct sm *sm, const struct envelope *envelope,
		       const char *reason)
{
	bool managed = envelope->token != 0 && !(envelope->token & 1);
	struct work *work = token_returned(envelope->token);

	/* A managed session has it still. Controls are about sessions that end
	 * with their c2s. */
	if (!envelope->control && !managed)
		undelivered(sm, envelope, reason, work);
	work_release(&work);
}
