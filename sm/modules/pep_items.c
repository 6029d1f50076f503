/* SPDX-License-Identifier: Apache-2.0
 *
 * Items are read (XEP-0060 section 6.5): all, the last ones, those that are
 * named, or a page of them (XEP-0059).
 */
#include "sm/modules/pep.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define KIND_ITEM "pep"

/* Bytes of one answer; of what is more, the client asks for a further page. */
#define ANSWER_MAX (256 * 1024)

/* An answer whose items come from the storage. */
struct reading {
	struct iq_call *call;
	struct stanza *reply;
	struct element *items;
	unsigned pending;
	size_t bytes;
	size_t count;	  /* in the node */
	bool failed, cut;
};

struct one {
	struct reading *reading;
	struct element *item;
};

static void add_page(struct reading *reading)
{
	const struct element *item =
		element_child(reading->items, "item", NULL);
	struct element *set;

	if (!reading->cut || item == NULL)
		return;
	set = element_add(reading->items->parent, "set", NS_RSM);
	element_add_text_child(set, "first", NULL, element_attr(item, "id"));
	while (element_next_same(item) != NULL)
		item = element_next_same(item);
	element_add_text_child(set, "last", NULL, element_attr(item, "id"));
	element_addf(element_add(set, "count", NULL), "%zu", reading->count);
}

static void finish(struct reading *reading)
{
	if (reading->failed) {
		stanza_free(&reading->reply);
		iq_error(reading->call, STANZA_INTERNAL_SERVER_ERROR, NULL);
	} else {
		add_page(reading);
		iq_reply(reading->call, reading->reply);
	}
	mem_free(reading);
}

static void got(const struct storage_result *result, void *ctx)
{
	struct one *one = ctx;
	struct reading *reading = one->reading;
	struct stanza *stored = NULL;
	struct error err;

	if (result->status != STORAGE_OK && result->status != STORAGE_NOT_FOUND)
		reading->failed = true;
	reading->bytes += result->data_len;
	if (result->status == STORAGE_OK &&
	    reading->bytes > ANSWER_MAX &&
	    one->item != element_child(reading->items, "item", NULL))
		reading->cut = true;
	else if (result->status == STORAGE_OK)
		stored = stanza_parse(reading->call->sm->parser,
				      &stream_ns_client, result->data,
				      result->data_len, &err);
	if (stored != NULL && element_first(stored->root) != NULL) {
		element_set_attr(one->item, "publisher",
				 element_attr(stored->root, "publisher"));
		element_add_copy(one->item, element_first(stored->root));
	} else {
		element_remove(one->item);
	}
	stanza_free(&stored);
	mem_free(one);
	if (--reading->pending == 0)
		finish(reading);
}

static void read_one(struct reading *reading, const struct pubsub_node *node,
		     const struct pubsub_item *item)
{
	struct one *one = mem_new(struct one);
	char *key = pubsub_item_key(node->name, item->id);

	one->reading = reading;
	one->item = element_add(reading->items, "item", NULL);
	element_set_attr(one->item, "id", item->id);
	reading->pending++;
	storage_document_get(reading->call->domain->storage,
			     jid_bare(reading->call->user->jid), KIND_ITEM,
			     key, got, one);
	mem_free(key);
}

/* -- which ones ------------------------------------------------------------ */

struct range {
	const struct pubsub_item *from; /* NULL: none */
	size_t count;
};

static uint64_t number_or(const char *text, uint64_t other)
{
	uint64_t number = other;

	if (text != NULL)
		str_to_u64(text, 0, UINT32_MAX, &number);
	return number;
}

static size_t position(const struct pubsub_node *node, const char *id)
{
	const struct pubsub_item *item;
	size_t i = 0;

	DL_FOREACH(node->items, item) {
		if (str_equal(item->id, id))
			break;
		i++;
	}
	return i;
}

/* False: <after/> or <before/> names what is not there. */
static bool find_range(const struct pubsub_node *node,
		       const struct element *items, struct range *range)
{
	const struct element *set =
		element_child(items->parent, "set", NS_RSM);
	const char *after = set ? element_child_text(set, "after", NULL) : NULL;
	const char *before = set ? element_child_text(set, "before", NULL)
				 : NULL;
	size_t first = 0, end = node->item_count, most;

	most = number_or(element_attr(items, "max_items"), SIZE_MAX);
	if (set != NULL)
		most = number_or(element_child_text(set, "max", NULL), most);
	if (after != NULL)
		first = position(node, after) + 1;
	if (before != NULL && *before != '\0')
		end = position(node, before);
	if (first > node->item_count ||
	    (end == node->item_count && before != NULL && *before != '\0'))
		return false;
	/* The last ones, unless the client goes forward through pages. */
	if (end - first > most && (set == NULL || before != NULL))
		first = end - most;
	else if (end - first > most)
		end = first + most;
	range->count = end > first ? end - first : 0;
	range->from = node->items;
	while (first-- > 0 && range->from != NULL)
		range->from = range->from->next;
	return true;
}

static void read_range(struct reading *reading, const struct pubsub_node *node,
		       struct range *range)
{
	reading->cut = range->count < node->item_count;
	for (; range->count > 0 && range->from != NULL; range->count--) {
		read_one(reading, node, range->from);
		range->from = range->from->next;
	}
}

static void read_named(struct reading *reading, const struct pubsub_node *node,
		       const struct element *items)
{
	const struct element *named = element_child(items, "item", NULL);
	size_t count = 0;

	for (; named != NULL && count < PUBSUB_ITEMS_MAX;
	     named = element_next_same(named)) {
		const char *id = element_attr(named, "id");
		const struct pubsub_item *item =
			id != NULL ? pubsub_item_find(node, id) : NULL;

		count++;
		if (item != NULL)
			read_one(reading, node, item);
	}
}

void pep_items(struct iq_call *call, const struct element *items)
{
	bool named = element_child(items, "item", NULL) != NULL;
	struct pubsub_node *node = pep_node(call, items);
	struct range range = { NULL, 0 };
	struct reading *reading;

	if (node == NULL)
		return;
	if (!named && !find_range(node, items, &range)) {
		iq_error(call, STANZA_ITEM_NOT_FOUND, NULL);
		return;
	}
	reading = mem_new(struct reading);
	reading->call = call;
	reading->reply = iq_result_new(call);
	reading->count = node->item_count;
	reading->items = element_add(
		element_add(reading->reply->root, "pubsub", NS_PUBSUB),
		"items", NULL);
	element_set_attr(reading->items, "node", node->name);
	if (named)
		read_named(reading, node, items);
	else
		read_range(reading, node, &range);
	if (reading->pending > 0)
		return;
	/* Who names an item wants to know that it is not there. */
	if (named) {
		stanza_free(&reading->reply);
		mem_free(reading);
		iq_error(call, STANZA_ITEM_NOT_FOUND, NULL);
	} else {
		finish(reading);
	}
}
