/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of XEP-0163 share. Requests about one account run one after
 * the other: a request that changes something holds those behind it until its
 * change is durable, so that a change that failed is undone with nobody having
 * seen it.
 *
 *   pep.c            the module, the queue, which function answers what
 *   pep_change.c     a change on its way to the storage
 *   pep_publish.c    items come and go
 *   pep_items.c      items are read
 *   pep_owner.c      nodes: create, configure, delete, affiliations
 *   pep_subscribe.c  explicit subscriptions
 *   pep_notify.c     who is told
 */
#ifndef SM_MODULES_PEP_H
#define SM_MODULES_PEP_H

#include "sm/caps.h"
#include "sm/modules.h"
#include "sm/pubsub.h"

/* A user's. */
struct pep {
	struct pubsub_node *nodes;
	struct caps_holder *holders;  /* clients that are present, by JID */
	struct pep_change *change;    /* on its way; NULL: none */
	struct pep_waiting *waiting;
	size_t waiting_count;
};

struct pep *pep_of(const struct user *user);

/* An error with a condition of NS_PUBSUB_ERRORS; `feature` with
 * "unsupported", else NULL. */
void pep_error(struct iq_call *call, enum stanza_error error,
	       const char *condition, const char *feature);
void pep_deny(struct iq_call *call, enum pubsub_denial denial);

/* The node that the action is about, if the sender may see it; else the
 * request was answered. */
struct pubsub_node *pep_node(struct iq_call *call,
			     const struct element *action);
bool pep_is_owner(const struct iq_call *call);

/* The next requests that wait. */
void pep_go_on(struct user *user);

/* -- sm/modules/pep_change.c ----------------------------------------------- */

struct pep_change;

/* Before anything is changed; call NULL: nobody asked for it. */
struct pep_change *pep_change_new(struct user *user, struct iq_call *call);

struct user *pep_change_user(const struct pep_change *change);

/* Documents; xml is copied. The node's list of ids is the caller's affair. */
void pep_change_put(struct pep_change *change, const char *node,
		    const char *id, const struct element *item);
void pep_change_drop(struct pep_change *change, const char *node,
		     const char *id);

/* What subscribers of the node hear when it is durable: <message/> with an
 * event, without `to`. Takes the stanza. */
void pep_change_tell(struct pep_change *change, const char *node,
		     struct stanza *event);

/* The node is gone, and kept by the change for those who are told. */
void pep_change_bury(struct pep_change *change, struct pubsub_node *node);

/* A JID is told about itself when it is durable. Takes the stanza, which has
 * `to`. */
void pep_change_send(struct pep_change *change, struct stanza *stanza);

/* It is made: `reply` is what the call gets. Takes it. */
void pep_change_commit(struct pep_change *change, struct stanza *reply);

/* Everything as it was before pep_change_new(); the call is still to be
 * answered. */
void pep_change_cancel(struct pep_change **change);

/* -- requests: each answers the call, which is kept ------------------------ */

typedef void pep_action_fn(struct iq_call *call, const struct element *action);

pep_action_fn pep_publish, pep_retract, pep_purge;
pep_action_fn pep_items;
pep_action_fn pep_create, pep_configure_get, pep_configure_set, pep_default;
pep_action_fn pep_delete, pep_affiliations_get, pep_affiliations_set;
pep_action_fn pep_affiliations_own;
pep_action_fn pep_subscribe, pep_unsubscribe, pep_subscriptions_own;
pep_action_fn pep_subscriptions_get, pep_subscriptions_set;

/* Puts one item, drops what is too old, tells. The node may be new. */
void pep_change_publish(struct pep_change *change, struct pubsub_node *node,
			const char *id, const struct element *item,
			const struct jid *publisher);

/* A new node for a change; NULL: no room. Form NULL: defaults. -1 in *bad
 * form. */
struct pubsub_node *pep_node_new(struct user *user, const char *name,
				 const struct element *form,
				 const char **bad);

/* -- sm/modules/pep_notify.c ----------------------------------------------- */

/* <message from='ACCOUNT'><event/></message>. */
struct stanza *pep_event_new(const struct user *user,
			     const struct pubsub_node *node,
			     struct element **event);
void pep_notify(struct user *user, const struct pubsub_node *node,
		const struct stanza *event);

/* Presence came for the user. */
void pep_presence(struct task *task);
/* A session of the user's is there (again). */
void pep_session_ready(struct session *session);
void pep_holder_gone(struct user *user, const char *jid);

/* The last items of all nodes that the holder wants and may see. */
void pep_send_last(struct caps_holder *holder);
/* The last item of one. */
void pep_send_last_of(struct user *user, const struct pubsub_node *node,
		      const char *to);

#endif
