/* SPDX-License-Identifier: Apache-2.0
 *
 * XEP-0012: how long the server runs; how long ago a user was here, for those
 * who may see the user's presence. (The idle time of a resource is the
 * client's to tell; sm/iq.c keeps such requests from people who may not ask.)
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sm/modules.h"
#include "sm/roster.h"
#include "util/base/str.h"

/* The document: microseconds since 1970, a space, the last status. */
#define KIND	   "last"
#define STATUS_MAX 1024

static void answer(struct iq_call *call, int64_t seconds, const char *status)
{
	struct stanza *reply = iq_result_new(call);
	struct element *query = element_add(reply->root, "query", NS_LAST);
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, seconds > 0 ? seconds : 0);
	element_set_attr(query, "seconds", text);
	if (status != NULL && *status != '\0')
		element_add_text(query, status);
	iq_reply(call, reply);
}

static void server_get(struct iq_call *call)
{
	uint64_t now = loop_now(call->sm->loop);

	answer(call, (int64_t)((now - call->sm->started) / 1000), NULL);
}

static void got(const struct storage_result *result, void *ctx)
{
	struct iq_call *call = ctx;
	char *status = NULL;
	int64_t then;

	if (result->status == STORAGE_NOT_FOUND) {
		iq_error(call, STANZA_ITEM_NOT_FOUND, NULL);
	} else if (result->status != STORAGE_OK) {
		iq_error(call, STANZA_INTERNAL_SERVER_ERROR, NULL);
	} else {
		then = strtoll(result->data, &status, 10);
		answer(call, (loop_time_us(call->sm->loop) - then) / 1000000,
		       *status == ' ' ? status + 1 : NULL);
	}
}

static void account_get(struct iq_call *call)
{
	struct session *session;

	if (!roster_may_see(call->user, call->from)) {
		/* As for an account that does not exist. */
		iq_error(call, STANZA_SERVICE_UNAVAILABLE, NULL);
		return;
	}
	DL_FOREACH(call->user->sessions, session) {
		if (session->available) {
			answer(call, 0, NULL);
			return;
		}
	}
	storage_document_get(call->domain->storage, jid_bare(call->user->jid),
			     KIND, "", got, iq_keep(call));
}

/* -- when somebody goes -------------------------------------------------- */

static void stored(const struct storage_result *result, void *ctx)
{
	struct user *user = ctx;

	if (result->status != STORAGE_OK)
		log_warning(user->sm->log, "last.not-stored",
			    LOG_S("user", jid_bare(user->jid)),
			    LOG_S("reason", result->reason));
	user_unpin(user);
}

static void remember(struct user *user, const struct session *leaving,
		     const char *status)
{
	struct session *session;
	struct buf text = { 0 };

	DL_FOREACH(user->sessions, session) {
		if (session != leaving && session->available)
			return;
	}
	if (!user->has_account)
		return;
	buf_addf(&text, "%" PRId64 " ", loop_time_us(user->sm->loop));
	if (status != NULL && strlen(status) <= STATUS_MAX)
		buf_add_str(&text, status);
	user_pin(user);
	storage_document_put(user->domain->storage, jid_bare(user->jid), KIND,
			     "", buf_data(&text), text.len, stored, user);
	buf_free(&text);
}

static enum verdict outgoing(struct session *session, struct stanza *stanza,
			     struct work *work)
{
	(void)work;
	if (session->available &&
	    element_is(stanza->root, "presence", NS_CLIENT) &&
	    str_equal(element_attr(stanza->root, "type"), "unavailable") &&
	    element_attr(stanza->root, "to") == NULL)
		remember(session->user, session,
			 element_child_text(stanza->root, "status", NULL));
	return PASS;
}

static void session_closed(struct session *session)
{
	if (session->available)
		remember(session->user, session, NULL);
}

static const char *const last_features[] = { NS_LAST, NULL };

static const struct iq_handler last_iq[] = {
	{ IQ_GET, TO_SERVER, NS_LAST, "query", server_get },
	{ IQ_GET, TO_OWN_ACCOUNT | TO_ACCOUNT, NS_LAST, "query", account_get },
	{ 0 },
};

const struct sm_module sm_module_last = {
	.name = "last",
	.features = last_features,
	.account_features = last_features,
	.iq = last_iq,
	.outgoing = outgoing,
	.session_closed = session_closed,
};
