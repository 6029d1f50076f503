/* SPDX-License-Identifier: Apache-2.0
 *
 * What happens to a message, by its type and address: the table of RFC 6121
 * section 8.5.4, without any effects.
 */
#ifndef SM_MESSAGE_RULES_H
#define SM_MESSAGE_RULES_H

#include <stdbool.h>

#include "util/xmpp/stanza.h"

enum message_type {
	MESSAGE_NORMAL,
	MESSAGE_CHAT,
	MESSAGE_GROUPCHAT,
	MESSAGE_HEADLINE,
	MESSAGE_ERROR,
	MESSAGE_TYPE_COUNT
};

enum message_place {
	PLACE_NO_ACCOUNT,
	PLACE_BARE,
	PLACE_RESOURCE, /* a full JID, and there is such a session */
	PLACE_NO_RESOURCE,
	PLACE_COUNT
};

enum message_fate {
	FATE_RESOURCE, /* to that session */
	FATE_BEST,     /* to the resources of the highest priority */
	FATE_ALL,      /* to all that take messages */
	FATE_STORE,    /* kept for later, or refused when that cannot be */
	FATE_REFUSE,   /* service-unavailable */
	FATE_DROP
};

/* The type of a message; what is unknown is normal (section 5.2.2). */
enum message_type message_type_of(const struct stanza *stanza);

/* `ready`: a resource is available with a priority that is not negative. */
enum message_fate message_fate(enum message_type type,
			       enum message_place place, bool ready);

/* Whether a message that nobody can take now is worth keeping: not when it
 * says no more than that somebody is typing (XEP-0160), nor against the will
 * of its sender (XEP-0334). */
bool message_is_lasting(const struct element *message);
bool message_forbids_store(const struct stanza *stanza);

#endif
