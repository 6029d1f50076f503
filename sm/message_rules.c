/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules for messages as a table. Two choices that the RFC leaves open:
 * a normal message to a resource that has gone is treated like a chat message,
 * since clients do not care about the difference; and of several resources
 * those of the highest priority get a message.
 */
#include "sm/message_rules.h"

#include "util/base/str.h"
#include "util/xmpp/ns.h"

static const enum message_fate fates[PLACE_COUNT][2][MESSAGE_TYPE_COUNT] = {
	/* In order: normal, chat, groupchat, headline, error. */
	[PLACE_NO_ACCOUNT] = {
		{ FATE_REFUSE, FATE_REFUSE, FATE_REFUSE, FATE_DROP,
		  FATE_DROP },
		{ FATE_REFUSE, FATE_REFUSE, FATE_REFUSE, FATE_DROP,
		  FATE_DROP },
	},
	[PLACE_BARE] = {
		{ FATE_STORE, FATE_STORE, FATE_REFUSE, FATE_DROP, FATE_DROP },
		{ FATE_BEST, FATE_BEST, FATE_REFUSE, FATE_ALL, FATE_DROP },
	},
	[PLACE_RESOURCE] = {
		{ FATE_RESOURCE, FATE_RESOURCE, FATE_RESOURCE, FATE_RESOURCE,
		  FATE_RESOURCE },
		{ FATE_RESOURCE, FATE_RESOURCE, FATE_RESOURCE, FATE_RESOURCE,
		  FATE_RESOURCE },
	},
	[PLACE_NO_RESOURCE] = {
		{ FATE_STORE, FATE_STORE, FATE_REFUSE, FATE_DROP, FATE_DROP },
		{ FATE_BEST, FATE_BEST, FATE_REFUSE, FATE_DROP, FATE_DROP },
	},
};

enum message_type message_type_of(const struct stanza *stanza)
{
	static const char *const types[MESSAGE_TYPE_COUNT] = {
		[MESSAGE_NORMAL] = "normal",
		[MESSAGE_CHAT] = "chat",
		[MESSAGE_GROUPCHAT] = "groupchat",
		[MESSAGE_HEADLINE] = "headline",
		[MESSAGE_ERROR] = "error",
	};
	const char *type = element_attr(stanza->root, "type");

	for (unsigned i = 0; type != NULL && i < MESSAGE_TYPE_COUNT; i++) {
		if (str_equal(type, types[i]))
			return (enum message_type)i;
	}
	return MESSAGE_NORMAL;
}

enum message_fate message_fate(enum message_type type, enum message_place place,
			       bool ready)
{
	return fates[place][ready][type];
}

bool message_is_lasting(const struct element *message)
{
	const struct element *child = element_first(message);

	if (element_child(message, "store", NS_HINTS) != NULL)
		return true;
	for (; child != NULL; child = element_next(child)) {
		if (!str_equal(child->ns, NS_CHAT_STATES) &&
		    !str_equal(child->ns, NS_HINTS) &&
		    !str_equal(child->ns, NS_DELAY) &&
		    !element_is(child, "thread", NS_CLIENT))
			return true;
	}
	return false;
}

bool message_forbids_store(const struct stanza *stanza)
{
	return element_child(stanza->root, "no-store", NS_HINTS) != NULL;
}
