/* SPDX-License-Identifier: Apache-2.0
 *
 * What becomes of stanzas that were sent and did not arrive: another resource,
 * the offline storage, or an error for the sender. Nothing is dropped in
 * silence.
 */
#include "sm/route.h"

#include "sm/copies.h"
#include "sm/modules/carbons.h"
#include "sm/peer.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* A message that waits for its user to be loaded. */
struct leftover {
	struct sm *sm;
	struct stanza *stanza;
	char *origin;	   /* may be NULL */
	struct work *work; /* may be NULL */
};

static bool is_spare(struct user *user, const struct stanza *stanza)
{
	struct buf xml = { 0 };
	bool spare;

	stanza_write(stanza, &xml);
	spare = copies_spare(user, buf_data(&xml), xml.len);
	buf_free(&xml);
	return spare;
}

static void leftover_ready(struct user *user, void *ctx)
{
	struct leftover *leftover = ctx;

	if (!user_is_ours(leftover->sm, user->jid)) {
		/* Meanwhile he has moved. */
		route_stanza(leftover->sm, leftover->stanza, NULL,
			     leftover->work);
	} else if (is_spare(user, leftover->stanza)) {
		stanza_free(&leftover->stanza);
	} else if (user->state == USER_READY) {
		message_redeliver(user, leftover->stanza, leftover->origin,
				  leftover->work);
	} else {
		route_error(leftover->sm, leftover->stanza,
			    STANZA_INTERNAL_SERVER_ERROR, NULL);
		stanza_free(&leftover->stanza);
	}
	work_release(&leftover->work);
	mem_free(leftover->origin);
	mem_free(leftover);
}

static void redeliver(struct sm *sm, struct stanza *stanza,
		      const struct jid *to, const char *origin,
		      struct work *work)
{
	struct sm_domain *domain = sm_domain(sm, jid_domain(to));
	struct leftover *leftover;

	if (domain == NULL || jid_local(to) == NULL ||
	    !user_is_ours(sm, to)) {
		/* There is no other copy that it could be a repeat of, and
		 * where it goes it may have been before. */
		route_stanza(sm, stanza, NULL, work);
		return;
	}
	leftover = mem_new(struct leftover);
	leftover->sm = sm;
	leftover->stanza = stanza;
	leftover->origin = mem_strdup(origin);
	leftover->work = work_hold(work);
	user_need(user_get(sm, domain, to), leftover_ready, leftover);
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
		redeliver(sm, stanza, to, origin, work);
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
	route_leftover(sm, stanza, NULL, work);
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
