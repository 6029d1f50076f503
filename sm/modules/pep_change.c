/* SPDX-License-Identifier: Apache-2.0
 *
 * A change of an account's nodes: in memory at once, in the storage behind,
 * the answer and the notifications when it is durable. Items are written
 * before the list that names them, and removed after it, so that whatever
 * happens in between leaves no name without an item.
 */
#include "sm/modules/pep.h"

#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"

#define DOCUMENT "pep"
#define KIND_ITEM "pep"

/* A document that is written, or removed when data is NULL. */
struct write {
	char *key, *data;
	size_t len;
	struct write *next;
};

struct notice {
	char *node; /* NULL: the stanza says whom it is for */
	struct stanza *stanza;
	struct notice *next;
};

struct pep_change {
	struct user *user; /* pinned */
	struct iq_call *call;
	struct buf before;
	struct write *writes;
	struct notice *notices;
	struct pubsub_node *buried;
	struct stanza *reply;
	unsigned pending;
	bool failed;
};

struct pep_change *pep_change_new(struct user *user, struct iq_call *call)
{
	struct pep_change *change = mem_new(struct pep_change);

	change->user = user;
	change->call = call;
	user_pin(user);
	pubsub_write(pep_of(user)->nodes, &change->before);
	return change;
}

static void add_write(struct pep_change *change, const char *node,
		      const char *id, struct buf *data)
{
	struct write *write = mem_new(struct write);

	write->key = pubsub_item_key(node, id);
	if (data != NULL) {
		write->len = data->len;
		write->data = buf_take(data);
	}
	LL_APPEND(change->writes, write);
}

struct user *pep_change_user(const struct pep_change *change)
{
	return change->user;
}

/* What is written again stays. */
static void forget_drop(struct pep_change *change, const char *node,
			const char *id)
{
	char *key = pubsub_item_key(node, id);
	struct write *write, *next;

	LL_FOREACH_SAFE(change->writes, write, next) {
		if (write->data != NULL || !str_equal(write->key, key))
			continue;
		LL_DELETE(change->writes, write);
		mem_free(write->key);
		mem_free(write);
	}
	mem_free(key);
}

void pep_change_put(struct pep_change *change, const char *node,
		    const char *id, const struct element *item)
{
	struct buf xml = { 0 };

	forget_drop(change, node, id);
	element_write(item, &xml);
	add_write(change, node, id, &xml);
}

void pep_change_drop(struct pep_change *change, const char *node,
		     const char *id)
{
	add_write(change, node, id, NULL);
}

static void add_notice(struct pep_change *change, const char *node,
		       struct stanza *stanza)
{
	struct notice *notice = mem_new(struct notice);

	notice->node = mem_strdup(node);
	notice->stanza = stanza;
	LL_APPEND(change->notices, notice);
}

void pep_change_tell(struct pep_change *change, const char *node,
		     struct stanza *event)
{
	add_notice(change, node, event);
}

void pep_change_send(struct pep_change *change, struct stanza *stanza)
{
	add_notice(change, NULL, stanza);
}

void pep_change_bury(struct pep_change *change, struct pubsub_node *node)
{
	pubsub_take(&pep_of(change->user)->nodes, node);
	change->buried = node;
}

static void change_free(struct pep_change *change)
{
	struct user *user = change->user;
	struct notice *notice;
	struct write *write;

	while ((write = change->writes) != NULL) {
		change->writes = write->next;
		mem_free(write->key);
		mem_free(write->data);
		mem_free(write);
	}
	while ((notice = change->notices) != NULL) {
		change->notices = notice->next;
		mem_free(notice->node);
		stanza_free(&notice->stanza);
		mem_free(notice);
	}
	pubsub_node_free(&change->buried);
	stanza_free(&change->reply);
	buf_free(&change->before);
	mem_free(change);
	user_unpin(user);
}

static void undo(struct pep_change *change)
{
	struct pep *pep = pep_of(change->user);

	pubsub_clear(&pep->nodes);
	/* An account that was removed meanwhile has none. */
	if (change->user->has_account)
		pubsub_read(&pep->nodes, change->user->sm->parser,
			    buf_data(&change->before), change->before.len);
}

void pep_change_cancel(struct pep_change **change)
{
	undo(*change);
	change_free(*change);
	*change = NULL;
}

/* -- writing --------------------------------------------------------------- */

static void tell(struct pep_change *change)
{
	struct user *user = change->user;
	struct notice *notice;

	LL_FOREACH(change->notices, notice) {
		const struct pubsub_node *node;

		if (notice->node == NULL) {
			route_stanza(user->sm, notice->stanza, NULL, NULL);
			notice->stanza = NULL;
			continue;
		}
		node = pubsub_find(pep_of(user)->nodes, notice->node);
		if (node == NULL)
			node = change->buried;
		if (node != NULL)
			pep_notify(user, node, notice->stanza);
	}
}

static void finished(struct pep_change *change)
{
	struct user *user = change->user;

	pep_of(user)->change = NULL;
	user_pin(user);
	if (change->failed) {
		undo(change);
		if (change->call != NULL)
			iq_error(change->call, STANZA_INTERNAL_SERVER_ERROR,
				 NULL);
	} else {
		if (change->call != NULL) {
			iq_reply(change->call, change->reply);
			change->reply = NULL;
		}
		tell(change);
	}
	change_free(change);
	pep_go_on(user);
	user_unpin(user);
}

static void written(const struct storage_result *result, void *ctx)
{
	struct pep_change *change = ctx;

	if (result->status != STORAGE_OK)
		change->failed = true;
	if (--change->pending == 0)
		finished(change);
}

static void write_one(struct pep_change *change, const char *kind,
		      const char *key, const char *data, size_t len)
{
	change->pending++;
	storage_document_put(change->user->domain->storage,
			     jid_bare(change->user->jid), kind, key, data, len,
			     written, change);
}

static void write_items(struct pep_change *change, bool removals)
{
	const struct write *write;

	LL_FOREACH(change->writes, write) {
		if ((write->data == NULL) == removals)
			write_one(change, KIND_ITEM, write->key, write->data,
				  write->len);
	}
}

void pep_change_commit(struct pep_change *change, struct stanza *reply)
{
	struct pep *pep = pep_of(change->user);
	struct buf index = { 0 };

	change->reply = reply;
	if (pep->nodes != NULL)
		pubsub_write(pep->nodes, &index);
	if (index.len > PUBSUB_INDEX_MAX && index.len > change->before.len) {
		struct iq_call *call = change->call;

		buf_free(&index);
		pep_change_cancel(&change);
		if (call != NULL)
			iq_error(call, STANZA_RESOURCE_CONSTRAINT,
				 "There is no room for more");
		return;
	}
	pep->change = change;
	write_items(change, false);
	write_one(change, STORAGE_KIND_ACTIVE, DOCUMENT,
		  index.len > 0 ? buf_data(&index) : NULL, index.len);
	write_items(change, true);
	buf_free(&index);
}
