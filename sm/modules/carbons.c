/* SPDX-License-Identifier: Apache-2.0
 *
 * XEP-0280: a user's other clients get copies of what one of them sends, and
 * of what is delivered to one of them. Which messages those are is said in
 * section 6.1; all of its rules hold ("urn:xmpp:carbons:rules:0").
 */
#include "sm/modules/carbons.h"

#include <string.h>

#include "sm/management.h"
#include "sm/message_rules.h"
#include "sm/modules.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define NS_CARBONS_RULES "urn:xmpp:carbons:rules:0"
#define SNAPSHOT_NS "urn:chappe:snapshot:carbons"

#define RECENT 32 /* messages of a client whose errors are copied */

struct carbons {
	bool on;
	uint64_t *recent; /* ring of hashes; NULL: none */
	unsigned at;
};

static struct carbons *carbons_of(const struct session *session)
{
	return module_session_data(session, &sm_module_carbons);
}

/* -- which messages -------------------------------------------------------- */

static bool is_private(const struct stanza *message)
{
	return element_child(message->root, "private", NS_CARBONS) != NULL ||
	       element_child(message->root, "no-copy", NS_HINTS) != NULL;
}

/* Payloads of instant messaging, beside <body/>. */
static bool has_im_payload(const struct stanza *message)
{
	const struct element *child = element_first(message->root);

	for (; child != NULL; child = element_next(child)) {
		if (str_equal(child->ns, NS_RECEIPTS) ||
		    str_equal(child->ns, NS_CHAT_STATES) ||
		    str_equal(child->ns, NS_CHAT_MARKERS) ||
		    element_is(child, "x", NS_CONFERENCE))
			return true;
	}
	return false;
}

static bool is_eligible(const struct stanza *message)
{
	enum message_type type = message_type_of(message);

	if (is_private(message) || type == MESSAGE_GROUPCHAT ||
	    type == MESSAGE_ERROR)
		return false;
	return type == MESSAGE_CHAT || has_im_payload(message) ||
	       (type == MESSAGE_NORMAL &&
		element_child(message->root, "body", NS_CLIENT) != NULL);
}

/* What a room sends to one of its occupants it sends to all; only a mediated
 * invitation (XEP-0045 section 7.8.2) comes from the room itself. */
static bool is_from_room(const struct stanza *message)
{
	const struct element *x =
		element_child(message->root, "x", NS_MUC_USER);

	return x != NULL && element_child(x, "invite", NULL) == NULL;
}

static bool is_invitation(const struct stanza *message)
{
	const struct element *x =
		element_child(message->root, "x", NS_MUC_USER);

	return x != NULL && element_child(x, "invite", NULL) != NULL &&
	       message_type_of(message) == MESSAGE_NORMAL &&
	       !is_private(message);
}

/* -- errors: those in answer to what was eligible -------------------------- */

static uint64_t hash_of(const char *to, const char *id)
{
	static const uint64_t key[2] = { UINT64_C(0x632d657070616863),
					 UINT64_C(0x736e6f6272612d63) };
	char *text = mem_printf("%s %s", to, id != NULL ? id : "");
	uint64_t hash = crypto_siphash(key, text, strlen(text));

	mem_free(text);
	return hash;
}

static void remember(struct session *session, const struct stanza *message)
{
	struct carbons *carbons = carbons_of(session);
	const char *to = element_attr(message->root, "to");

	if (to == NULL)
		return;
	if (carbons->recent == NULL)
		carbons->recent = mem_calloc(RECENT, sizeof(uint64_t));
	carbons->recent[carbons->at++ % RECENT] =
		hash_of(to, element_attr(message->root, "id"));
}

static bool was_eligible(const struct user *user, const struct stanza *error)
{
	const char *from = element_attr(error->root, "from");
	uint64_t hash = hash_of(from, element_attr(error->root, "id"));
	const struct session *session;

	DL_FOREACH(user->sessions, session) {
		const struct carbons *carbons = carbons_of(session);

		for (size_t i = 0; carbons->recent && i < RECENT; i++) {
			if (carbons->recent[i] == hash)
				return true;
		}
	}
	return false;
}

/* -- copies ---------------------------------------------------------------- */

static struct stanza *wrap(const struct user *user,
			   const struct stanza *message, const char *name)
{
	struct stanza *copy = stanza_new("message", NS_CLIENT);
	struct element *direction = element_add(copy->root, name, NS_CARBONS);

	element_set_attr(copy->root, "from", jid_bare(user->jid));
	element_set_attr(copy->root, "type",
			 element_attr(message->root, "type"));
	element_add_copy(element_add(direction, "forwarded", NS_FORWARD),
			 message->root);
	return copy;
}

static void send_copy(struct session *session, struct stanza *copy,
		      const char *origin, struct work *work)
{
	element_set_attr(copy->root, "to", jid_full(session->jid));
	if (session_is_awake(session))
		session_deliver(session, copy, origin, work);
	else
		management_keep(session, copy, origin);
}

/* Section 8: whether the client itself wants copies does not matter. */
static enum verdict outgoing(struct session *session, struct stanza *stanza,
			     struct work *work)
{
	const char *to = element_attr(stanza->root, "to");
	struct user *user = session->user;
	struct stanza *copy = NULL;
	struct session *other;
	struct jid *jid;
	bool own;

	if (stanza_kind(stanza) != 0 ||
	    (!is_eligible(stanza) && !is_invitation(stanza)))
		return PASS;
	jid = to != NULL ? jid_parse(to) : NULL;
	/* To oneself: it is what comes in that is copied. */
	own = to == NULL || (jid != NULL && jid_same_bare(jid, user->jid));
	jid_free(&jid);
	if (own)
		return PASS;
	remember(session, stanza);
	DL_FOREACH(user->sessions, other) {
		if (other == session || !carbons_of(other)->on)
			continue;
		if (copy == NULL)
			copy = wrap(user, stanza, "sent");
		send_copy(other, copy, NULL, work);
	}
	stanza_free(&copy);
	return PASS;
}

/* Section 7. */
static unsigned message_delivered(struct user *user,
				  const struct stanza *message,
				  const char *origin, struct work *work)
{
	bool is_error = message_type_of(message) == MESSAGE_ERROR;
	struct stanza *copy = NULL;
	struct session *session;
	unsigned count = 0;

	DL_FOREACH(user->sessions, session) {
		if (!carbons_of(session)->on ||
		    session->delivery == user->sm->delivery ||
		    str_equal(element_attr(message->root, "from"),
			      jid_full(session->jid)))
			continue;
		if (copy == NULL &&
		    (is_error ? !was_eligible(user, message) :
				((!is_eligible(message) ||
				  is_from_room(message)) &&
				 !is_invitation(message))))
			break;
		if (copy == NULL)
			copy = wrap(user, message, "received");
		send_copy(session, copy, origin, work);
		count++;
	}
	stanza_free(&copy);
	return count;
}

struct stanza *carbons_unwrap(struct stanza *stanza)
{
	const char *from = element_attr(stanza->root, "from");
	const char *to = element_attr(stanza->root, "to");
	const struct element *received =
		element_child(stanza->root, "received", NS_CARBONS);
	const struct element *inner = NULL;
	struct stanza *message = NULL;
	struct jid *jid = to != NULL ? jid_parse(to) : NULL;
	bool own = jid != NULL && str_equal(from, jid_bare(jid)) &&
		   stanza_kind(stanza) == 0;

	jid_free(&jid);
	if (!own || (received == NULL &&
		     element_child(stanza->root, "sent", NS_CARBONS) == NULL))
		return stanza;
	if (received != NULL)
		inner = element_child(received, "forwarded", NS_FORWARD);
	if (inner != NULL)
		inner = element_child(inner, "message", NS_CLIENT);
	if (inner != NULL)
		message = stanza_from_element(inner);
	stanza_free(&stanza);
	return message;
}

/* -- requests -------------------------------------------------------------- */

static void set(struct session *session, bool on)
{
	if (carbons_of(session)->on == on)
		return;
	carbons_of(session)->on = on;
	session_changed(session);
}

void carbons_enable(struct session *session)
{
	set(session, true);
}

static void carbons_set(struct iq_call *call)
{
	if (call->session != NULL)
		set(call->session, str_equal(call->query->name, "enable"));
	iq_result(call);
}

/* -- the module ------------------------------------------------------------ */

static void session_save(const struct session *session,
			 struct element *snapshot)
{
	if (carbons_of(session)->on)
		element_add(snapshot, "carbons", SNAPSHOT_NS);
}

static void session_restore(struct session *session,
			    const struct element *snapshot)
{
	carbons_of(session)->on =
		element_child(snapshot, "carbons", SNAPSHOT_NS) != NULL;
}

static void session_free(struct session *session)
{
	mem_free(carbons_of(session)->recent);
}

static const char *const carbons_features[] = { NS_CARBONS, NS_CARBONS_RULES,
						NULL };

static const struct iq_handler carbons_iq[] = {
	{ IQ_SET, TO_OWN_ACCOUNT, NS_CARBONS, "enable", carbons_set },
	{ IQ_SET, TO_OWN_ACCOUNT, NS_CARBONS, "disable", carbons_set },
	{ 0 },
};

const struct sm_module sm_module_carbons = {
	.name = "carbons",
	.features = carbons_features,
	.account_features = carbons_features,
	.iq = carbons_iq,
	.session_size = sizeof(struct carbons),
	.session_save = session_save,
	.session_restore = session_restore,
	.session_freed = session_free,
	.outgoing = outgoing,
	.message_delivered = message_delivered,
};
