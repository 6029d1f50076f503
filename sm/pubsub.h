/* SPDX-License-Identifier: Apache-2.0
 *
 * The nodes of one account's pubsub service (XEP-0060, XEP-0163) in memory:
 * configuration, affiliations, subscriptions, and the ids of the items in the
 * order in which they were published. The items themselves are documents in
 * the storage, under the keys of pubsub_item_key().
 *
 * sm/pubsub.c: nodes, and how they are stored; sm/pubsub_config.c: their
 * options as forms; sm/pubsub_access.c: who may do what.
 */
#ifndef SM_PUBSUB_H
#define SM_PUBSUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sm/user.h"
#include "util/base/buf.h"
#include "util/base/table.h"
#include "util/xmpp/stanza.h"

/* Limits: of the names of nodes and items in bytes, of nodes in an account, of
 * items in a node, of affiliations and subscriptions in a node, and of what
 * all of it takes when stored. */
#define PUBSUB_NAME_MAX	 512
#define PUBSUB_NODES_MAX 1000
#define PUBSUB_ITEMS_MAX 1000
#define PUBSUB_PEERS_MAX 1000
#define PUBSUB_INDEX_MAX (1024 * 1024)

/* Options of a node; their rows are in sm/pubsub_config.c. */
enum pubsub_option {
	PUBSUB_ACCESS_MODEL,
	PUBSUB_PUBLISH_MODEL,
	PUBSUB_MAX_ITEMS,
	PUBSUB_PERSIST_ITEMS,
	PUBSUB_SEND_LAST,
	PUBSUB_DELIVER_NOTIFICATIONS,
	PUBSUB_DELIVER_PAYLOADS,
	PUBSUB_NOTIFY_CONFIG,
	PUBSUB_NOTIFY_DELETE,
	PUBSUB_NOTIFY_RETRACT,
	PUBSUB_NOTIFICATION_TYPE,
	PUBSUB_ROSTER_GROUPS,
	PUBSUB_TITLE,
	PUBSUB_DESCRIPTION,
	PUBSUB_TYPE,
	PUBSUB_OPTION_COUNT
};

/* Values as they stand in a form; NULL: the default. Those of roster groups
 * have a line each. */
struct pubsub_config {
	char *value[PUBSUB_OPTION_COUNT];
};

struct pubsub_item {
	struct pubsub_item *prev, *next;
	UT_hash_handle hh; /* by id */
	char id[];
};

enum pubsub_affiliation {
	PUBSUB_NONE,
	PUBSUB_OWNER,
	PUBSUB_PUBLISHER,
	PUBSUB_MEMBER,
	PUBSUB_OUTCAST
};

enum pubsub_subscription { PUBSUB_PENDING = 1, PUBSUB_SUBSCRIBED };

/* An affiliation (of a bare JID) or a subscription (of a bare or full one). */
struct pubsub_peer {
	struct pubsub_peer *next;
	int state; /* one of the enums above */
	char jid[];
};

struct pubsub_node {
	char *name;
	struct pubsub_config config;
	struct pubsub_item *items;  /* oldest first */
	struct pubsub_item *by_id;
	size_t item_count;
	struct pubsub_peer *affiliations, *subscriptions;
	UT_hash_handle hh; /* by name */
};

/* -- sm/pubsub.c ----------------------------------------------------------- */

/* Adds all that the text (made by pubsub_write()) says; -1: it makes no
 * sense. */
int pubsub_read(struct pubsub_node **nodes, struct stanza_parser *parser,
		const char *data, size_t len);
void pubsub_write(const struct pubsub_node *nodes, struct buf *to);
void pubsub_clear(struct pubsub_node **nodes);

struct pubsub_node *pubsub_find(struct pubsub_node *nodes, const char *name);
/* One that is not there yet. */
struct pubsub_node *pubsub_add(struct pubsub_node **nodes, const char *name);
/* Takes it out of the table; it is the caller's. */
void pubsub_take(struct pubsub_node **nodes, struct pubsub_node *node);
void pubsub_node_free(struct pubsub_node **node);

/* Whether it can be the name of a node or of an item. */
bool pubsub_is_name(const char *name);

struct pubsub_item *pubsub_item_find(const struct pubsub_node *node,
				     const char *id);
/* Puts the id at the end, wherever it was. */
void pubsub_item_put(struct pubsub_node *node, const char *id);
void pubsub_item_remove(struct pubsub_node *node, struct pubsub_item *item);
/* NULL: there is none. */
const struct pubsub_item *pubsub_item_last(const struct pubsub_node *node);
/* How many it may hold. */
size_t pubsub_item_limit(const struct pubsub_node *node);
/* Of the document that has the item; on the heap. */
char *pubsub_item_key(const char *node, const char *id);

/* The state of a JID in such a list; 0: none. */
int pubsub_peer_state(const struct pubsub_peer *peers, const char *jid);
/* State 0 removes. -1: there are too many. */
int pubsub_peer_set(struct pubsub_peer **peers, const char *jid, int state);

const char *pubsub_affiliation_name(enum pubsub_affiliation affiliation);
const char *pubsub_subscription_name(int subscription);
/* -1: there is none of that name. */
int pubsub_affiliation_parse(const char *name);
int pubsub_subscription_parse(const char *name);

/* -- sm/pubsub_config.c ---------------------------------------------------- */

/* Never NULL. */
const char *pubsub_option(const struct pubsub_node *node,
			  enum pubsub_option option);
/* Of a boolean one. */
bool pubsub_is_set(const struct pubsub_node *node, enum pubsub_option option);

const char *pubsub_option_name(enum pubsub_option option);
/* PUBSUB_OPTION_COUNT: there is none. */
enum pubsub_option pubsub_option_find(const char *name);

/* Puts what a submitted form says in the place of what is there. The first
 * thing that cannot be is named by *bad, and nothing is changed then. Options
 * that we do not know are left out, as XEP-0004 has it. */
int pubsub_config_read(struct pubsub_config *config,
		       const struct element *form, const char **bad);
/* XEP-0060 section 7.1.5: whether the node is what the form asks for. */
bool pubsub_config_matches(const struct pubsub_node *node,
			   const struct element *form);
/* Adds the form with what is set; node NULL: with the defaults. `form_type`:
 * to be filled in (#node_config), or a result (#meta-data). */
void pubsub_config_form(const struct pubsub_node *node, const char *form_type,
			struct element *parent);
void pubsub_config_clear(struct pubsub_config *config);

/* -- sm/pubsub_access.c ---------------------------------------------------- */

/* Why somebody may not see a node. */
enum pubsub_denial {
	PUBSUB_ALLOWED,
	PUBSUB_DENIED_OUTCAST,
	PUBSUB_DENIED_PRESENCE,
	PUBSUB_DENIED_GROUP,
	PUBSUB_DENIED_CLOSED,
	PUBSUB_DENIED_UNSUBSCRIBED /* the owner has to approve */
};

/* XEP-0060 section 4.5. `user` is the account whose node it is. */
enum pubsub_denial pubsub_may_read(const struct user *user,
				   const struct pubsub_node *node,
				   const struct jid *jid);
bool pubsub_may_publish(const struct user *user,
			const struct pubsub_node *node,
			const struct jid *jid);

#endif
