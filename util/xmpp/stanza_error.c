/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers to stanzas: errors and empty results. Whether there is to be an
 * answer at all is the caller's decision.
 */
#include "util/xmpp/stanza_error.h"

#include <assert.h>
#include <string.h>

#include "util/base/str.h"
#include "util/xmpp/ns.h"

/* Of the original's payload, in bytes of XML; a big stanza is not sent around
 * twice for an error. */
#define PAYLOAD_MAX 4096

static const struct {
	const char *name;
	const char *type;
} conditions[] = {
	[STANZA_BAD_REQUEST] = { "bad-request", "modify" },
	[STANZA_CONFLICT] = { "conflict", "cancel" },
	[STANZA_FEATURE_NOT_IMPLEMENTED] = { "feature-not-implemented",
					     "cancel" },
	[STANZA_FORBIDDEN] = { "forbidden", "auth" },
	[STANZA_GONE] = { "gone", "cancel" },
	[STANZA_INTERNAL_SERVER_ERROR] = { "internal-server-error", "wait" },
	[STANZA_ITEM_NOT_FOUND] = { "item-not-found", "cancel" },
	[STANZA_JID_MALFORMED] = { "jid-malformed", "modify" },
	[STANZA_NOT_ACCEPTABLE] = { "not-acceptable", "modify" },
	[STANZA_NOT_ALLOWED] = { "not-allowed", "cancel" },
	[STANZA_NOT_AUTHORIZED] = { "not-authorized", "auth" },
	[STANZA_POLICY_VIOLATION] = { "policy-violation", "modify" },
	[STANZA_RECIPIENT_UNAVAILABLE] = { "recipient-unavailable", "wait" },
	[STANZA_REDIRECT] = { "redirect", "modify" },
	[STANZA_REGISTRATION_REQUIRED] = { "registration-required", "auth" },
	[STANZA_REMOTE_SERVER_NOT_FOUND] = { "remote-server-not-found",
					     "cancel" },
	[STANZA_REMOTE_SERVER_TIMEOUT] = { "remote-server-timeout", "wait" },
	[STANZA_RESOURCE_CONSTRAINT] = { "resource-constraint", "wait" },
	[STANZA_SERVICE_UNAVAILABLE] = { "service-unavailable", "cancel" },
	[STANZA_SUBSCRIPTION_REQUIRED] = { "subscription-required", "auth" },
	[STANZA_UNDEFINED_CONDITION] = { "undefined-condition", "cancel" },
	[STANZA_UNEXPECTED_REQUEST] = { "unexpected-request", "wait" },
};

#define CONDITIONS (sizeof(conditions) / sizeof(conditions[0]))

const char *stanza_error_condition(enum stanza_error error)
{
	assert((size_t)error < CONDITIONS);
	return conditions[error].name;
}

const char *stanza_error_type(enum stanza_error error)
{
	assert((size_t)error < CONDITIONS);
	return conditions[error].type;
}

/* Same name, same id, back to where it came from. */
static struct stanza *answer_new(const struct stanza *original,
				 const char *type)
{
	const struct element *from = original->root;
	struct stanza *answer = stanza_new(from->name, from->ns);
	struct element *to = answer->root;

	element_set_attr(to, "from", element_attr(from, "to"));
	element_set_attr(to, "to", element_attr(from, "from"));
	element_set_attr(to, "type", type);
	element_set_attr(to, "id", element_attr(from, "id"));
	return answer;
}

/* As many whole elements as fit. */
static void copy_payload(struct element *to, const struct element *from)
{
	const struct element *child;
	struct buf xml = { 0 };

	for (child = element_first(from); child != NULL;
	     child = element_next(child)) {
		element_write(child, &xml);
		if (xml.len > PAYLOAD_MAX)
			break;
		element_add_copy(to, child);
	}
	buf_free(&xml);
}

struct stanza *stanza_error_new(const struct stanza *original,
				enum stanza_error error, const char *text)
{
	struct stanza *answer = answer_new(original, "error");
	struct element *child;

	copy_payload(answer->root, original->root);
	child = element_add(answer->root, "error", NULL);
	element_set_attr(child, "type", stanza_error_type(error));
	element_add(child, stanza_error_condition(error), NS_STANZA_ERRORS);
	if (text != NULL)
		element_add_text_child(child, "text", NS_STANZA_ERRORS, text);
	return answer;
}

bool stanza_may_answer(const struct stanza *stanza)
{
	const char *type = element_attr(stanza->root, "type");

	if (str_equal(type, "error"))
		return false;
	return !str_equal(stanza->root->name, "iq") ||
	       !str_equal(type, "result");
}

struct stanza *stanza_result_new(const struct stanza *request)
{
	return answer_new(request, "result");
}
