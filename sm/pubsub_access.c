/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may see a node and who may publish to it (XEP-0060 sections 4.1 and
 * 4.5). The account whose node it is always may.
 */
#include <string.h>

#include "sm/pubsub.h"
#include "sm/roster.h"
#include "util/base/str.h"

/* Whether a contact is in one of the groups, a line each. */
static bool in_groups(const struct contact *contact, const char *lines)
{
	if (contact == NULL || contact->item.groups == NULL)
		return false;
	while (*lines != '\0') {
		size_t len = strcspn(lines, "\n");

		for (char **group = contact->item.groups; *group != NULL;
		     group++) {
			if (strlen(*group) == len &&
			    memcmp(*group, lines, len) == 0)
				return true;
		}
		lines += lines[len] == '\n' ? len + 1 : len;
	}
	return false;
}

static bool is_subscribed(const struct pubsub_node *node,
			  const struct jid *jid)
{
	return pubsub_peer_state(node->subscriptions, jid_bare(jid)) ==
		       PUBSUB_SUBSCRIBED ||
	       pubsub_peer_state(node->subscriptions, jid_full(jid)) ==
		       PUBSUB_SUBSCRIBED;
}

enum pubsub_denial pubsub_may_read(const struct user *user,
				   const struct pubsub_node *node,
				   const struct jid *jid)
{
	const char *model = pubsub_option(node, PUBSUB_ACCESS_MODEL);
	int affiliation = pubsub_peer_state(node->affiliations, jid_bare(jid));

	if (jid_same_bare(jid, user->jid))
		return PUBSUB_ALLOWED;
	if (affiliation == PUBSUB_OUTCAST)
		return PUBSUB_DENIED_OUTCAST;
	if (affiliation != PUBSUB_NONE || str_equal(model, "open"))
		return PUBSUB_ALLOWED;
	if (str_equal(model, "presence"))
		return roster_may_see(user, jid) ? PUBSUB_ALLOWED :
						   PUBSUB_DENIED_PRESENCE;
	if (str_equal(model, "roster"))
		return in_groups(user_contact(user, jid_bare(jid)),
				 pubsub_option(node, PUBSUB_ROSTER_GROUPS)) ?
			       PUBSUB_ALLOWED :
			       PUBSUB_DENIED_GROUP;
	if (str_equal(model, "authorize"))
		return is_subscribed(node, jid) ? PUBSUB_ALLOWED :
						  PUBSUB_DENIED_UNSUBSCRIBED;
	return PUBSUB_DENIED_CLOSED;
}

/* Keys of somebody's devices are worth nothing if others can change them:
 * no configuration opens these nodes. */
static bool is_owners_only(const char *name)
{
	return str_starts(name, "eu.siacs.conversations.axolotl.") ||
	       str_starts(name, "urn:xmpp:omemo:");
}

bool pubsub_may_publish(const struct user *user,
			const struct pubsub_node *node, const struct jid *jid)
{
	const char *model = pubsub_option(node, PUBSUB_PUBLISH_MODEL);
	int affiliation = pubsub_peer_state(node->affiliations, jid_bare(jid));

	if (jid_same_bare(jid, user->jid))
		return true;
	if (is_owners_only(node->name) || affiliation == PUBSUB_OUTCAST)
		return false;
	if (affiliation == PUBSUB_PUBLISHER)
		return true;
	if (str_equal(model, "open"))
		return pubsub_may_read(user, node, jid) == PUBSUB_ALLOWED;
	return str_equal(model, "subscribers") && is_subscribed(node, jid);
}
