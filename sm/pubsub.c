/* SPDX-License-Identifier: Apache-2.0
 *
 * The nodes of an account, and the text that they are stored as.
 */
#include "sm/pubsub.h"

#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"

#define NS_INDEX "urn:chappe:pep:0"

static const char *const affiliation_names[] = {
	[PUBSUB_NONE] = "none",		  [PUBSUB_OWNER] = "owner",
	[PUBSUB_PUBLISHER] = "publisher", [PUBSUB_MEMBER] = "member",
	[PUBSUB_OUTCAST] = "outcast",	  NULL
};

static const char *const subscription_names[] = {
	"none", [PUBSUB_PENDING] = "pending",
	[PUBSUB_SUBSCRIBED] = "subscribed", NULL
};

static int name_index(const char *const *names, const char *name)
{
	for (int i = 0; names[i] != NULL; i++) {
		if (str_equal(names[i], name))
			return i;
	}
	return -1;
}

const char *pubsub_affiliation_name(enum pubsub_affiliation affiliation)
{
	return affiliation_names[affiliation];
}

const char *pubsub_subscription_name(int subscription)
{
	return subscription_names[subscription];
}

int pubsub_affiliation_parse(const char *name)
{
	return name_index(affiliation_names, name);
}

int pubsub_subscription_parse(const char *name)
{
	return name_index(subscription_names, name);
}

/* -- items ----------------------------------------------------------------- */

/* A line feed divides the two in a key. */
bool pubsub_is_name(const char *name)
{
	return name != NULL && *name != '\0' && strchr(name, '\n') == NULL &&
	       strlen(name) <= PUBSUB_NAME_MAX;
}

char *pubsub_item_key(const char *node, const char *id)
{
	return mem_printf("%s\n%s", node, id);
}

struct pubsub_item *pubsub_item_find(const struct pubsub_node *node,
				     const char *id)
{
	struct pubsub_item *item;

	HASH_FIND_STR(node->by_id, id, item);
	return item;
}

void pubsub_item_remove(struct pubsub_node *node, struct pubsub_item *item)
{
	HASH_DEL(node->by_id, item);
	DL_DELETE(node->items, item);
	node->item_count--;
	mem_free(item);
}

void pubsub_item_put(struct pubsub_node *node, const char *id)
{
	struct pubsub_item *item = pubsub_item_find(node, id);
	size_t len = strlen(id);

	if (item != NULL) {
		DL_DELETE(node->items, item);
		DL_APPEND(node->items, item);
		return;
	}
	item = mem_alloc(sizeof(*item) + len + 1);
	memcpy(item->id, id, len);
	DL_APPEND(node->items, item);
	HASH_ADD_KEYPTR(hh, node->by_id, item->id, len, item);
	node->item_count++;
}

const struct pubsub_item *pubsub_item_last(const struct pubsub_node *node)
{
	return node->items != NULL ? node->items->prev : NULL;
}

size_t pubsub_item_limit(const struct pubsub_node *node)
{
	const char *text = pubsub_option(node, PUBSUB_MAX_ITEMS);
	uint64_t limit = PUBSUB_ITEMS_MAX;

	if (!pubsub_is_set(node, PUBSUB_PERSIST_ITEMS))
		return 0;
	if (!str_equal(text, "max"))
		str_to_u64(text, 0, UINT64_MAX, &limit);
	return limit < PUBSUB_ITEMS_MAX ? (size_t)limit : PUBSUB_ITEMS_MAX;
}

/* -- affiliations and subscriptions ---------------------------------------- */

int pubsub_peer_state(const struct pubsub_peer *peers, const char *jid)
{
	for (; peers != NULL; peers = peers->next) {
		if (str_equal(peers->jid, jid))
			return peers->state;
	}
	return 0;
}

int pubsub_peer_set(struct pubsub_peer **peers, const char *jid, int state)
{
	struct pubsub_peer *peer;
	size_t count = 0, len = strlen(jid);

	LL_FOREACH(*peers, peer) {
		count++;
		if (str_equal(peer->jid, jid))
			break;
	}
	if (peer != NULL && state != 0) {
		peer->state = state;
	} else if (peer != NULL) {
		LL_DELETE(*peers, peer);
		mem_free(peer);
	} else if (state != 0) {
		if (count >= PUBSUB_PEERS_MAX)
			return -1;
		peer = mem_alloc(sizeof(*peer) + len + 1);
		peer->state = state;
		memcpy(peer->jid, jid, len);
		LL_APPEND(*peers, peer);
	}
	return 0;
}

static void peers_free(struct pubsub_peer **peers)
{
	struct pubsub_peer *peer;

	while ((peer = *peers) != NULL) {
		*peers = peer->next;
		mem_free(peer);
	}
}

/* -- nodes ----------------------------------------------------------------- */

struct pubsub_node *pubsub_find(struct pubsub_node *nodes, const char *name)
{
	struct pubsub_node *node;

	HASH_FIND_STR(nodes, name, node);
	return node;
}

struct pubsub_node *pubsub_add(struct pubsub_node **nodes, const char *name)
{
	struct pubsub_node *node = mem_new(struct pubsub_node);

	node->name = mem_strdup(name);
	HASH_ADD_KEYPTR(hh, *nodes, node->name, strlen(node->name), node);
	return node;
}

void pubsub_take(struct pubsub_node **nodes, struct pubsub_node *node)
{
	HASH_DEL(*nodes, node);
}

void pubsub_node_free(struct pubsub_node **place)
{
	struct pubsub_node *node = *place;

	if (node == NULL)
		return;
	while (node->items != NULL)
		pubsub_item_remove(node, node->items);
	peers_free(&node->affiliations);
	peers_free(&node->subscriptions);
	pubsub_config_clear(&node->config);
	mem_free(node->name);
	mem_free(node);
	*place = NULL;
}

void pubsub_clear(struct pubsub_node **nodes)
{
	while (*nodes != NULL) {
		struct pubsub_node *node = *nodes;

		pubsub_take(nodes, node);
		pubsub_node_free(&node);
	}
}

/* -- the text -------------------------------------------------------------- */

static void read_child(struct pubsub_node *node, const struct element *child)
{
	const char *jid = element_attr(child, "jid");
	const char *id = element_attr(child, "id");
	const char *state = element_attr(child, "state");
	enum pubsub_option option;
	int number;

	if (str_equal(child->name, "option")) {
		option = pubsub_option_find(element_attr(child, "var"));
		if (option < PUBSUB_OPTION_COUNT) {
			mem_free(node->config.value[option]);
			node->config.value[option] =
				mem_strdup(element_text(child));
		}
	} else if (str_equal(child->name, "affiliation") && jid != NULL) {
		number = pubsub_affiliation_parse(state);
		if (number > 0)
			pubsub_peer_set(&node->affiliations, jid, number);
	} else if (str_equal(child->name, "subscription") && jid != NULL) {
		number = pubsub_subscription_parse(state);
		if (number > 0)
			pubsub_peer_set(&node->subscriptions, jid, number);
	} else if (str_equal(child->name, "item") && id != NULL) {
		pubsub_item_put(node, id);
	}
}

int pubsub_read(struct pubsub_node **nodes, struct stanza_parser *parser,
		const char *data, size_t len)
{
	struct error err;
	struct stanza *index =
		stanza_parse(parser, &stream_ns_client, data, len, &err);
	const struct element *row, *child;

	if (index == NULL)
		return -1;
	for (row = element_first(index->root); row != NULL;
	     row = element_next(row)) {
		const char *name = element_attr(row, "name");
		struct pubsub_node *node;

		if (name == NULL || pubsub_find(*nodes, name) != NULL)
			continue;
		node = pubsub_add(nodes, name);
		for (child = element_first(row); child != NULL;
		     child = element_next(child))
			read_child(node, child);
	}
	stanza_free(&index);
	return 0;
}

static void write_peers(const struct pubsub_peer *peers, const char *name,
			const char *const *states, struct buf *to)
{
	for (; peers != NULL; peers = peers->next) {
		buf_addf(to, "<%s", name);
		buf_add_attr(to, "jid", peers->jid);
		buf_add_attr(to, "state", states[peers->state]);
		buf_add_str(to, "/>");
	}
}

static void write_node(const struct pubsub_node *node, struct buf *to)
{
	const struct pubsub_item *item;

	buf_add_str(to, "<node");
	buf_add_attr(to, "name", node->name);
	buf_add_char(to, '>');
	for (int i = 0; i < PUBSUB_OPTION_COUNT; i++) {
		const char *value = node->config.value[i];

		if (value == NULL)
			continue;
		buf_add_str(to, "<option");
		buf_add_attr(to, "var",
			     pubsub_option_name((enum pubsub_option)i));
		buf_add_char(to, '>');
		buf_add_xml_text(to, value, strlen(value));
		buf_add_str(to, "</option>");
	}
	write_peers(node->affiliations, "affiliation", affiliation_names, to);
	write_peers(node->subscriptions, "subscription", subscription_names,
		    to);
	DL_FOREACH(node->items, item) {
		buf_add_str(to, "<item");
		buf_add_attr(to, "id", item->id);
		buf_add_str(to, "/>");
	}
	buf_add_str(to, "</node>");
}

void pubsub_write(const struct pubsub_node *nodes, struct buf *to)
{
	const struct pubsub_node *node, *next;

	buf_add_str(to, "<pep");
	buf_add_attr(to, "xmlns", NS_INDEX);
	buf_add_char(to, '>');
	HASH_ITER(hh, nodes, node, next)
		write_node(node, to);
	buf_add_str(to, "</pep>");
}
