/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory of stanzas: blocks, strings, nodes. What the nodes mean is the
 * job of the other stanza_*.c files.
 */
#include "util/xmpp/stanza_memory.h"

#include <stdalign.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/xmpp/ns.h"

/* The newest first. The oldest holds the struct stanza itself. */
struct stanza_block {
	struct stanza_block *next;
	size_t size; /* of data */
	size_t used;
	alignas(max_align_t) char data[];
};

#define BLOCK_MIN	 480
#define BLOCK_GROWTH_MAX 16384

static struct stanza_block *block_new(size_t size, struct stanza_block *next)
{
	struct stanza_block *block =
		mem_alloc(sizeof(struct stanza_block) + size);

	block->size = size;
	block->next = next;
	return block;
}

struct stanza *stanza_alloc(size_t room)
{
	struct stanza_block *block;
	struct stanza *stanza;

	if (room < BLOCK_MIN)
		room = BLOCK_MIN;
	block = block_new(room + sizeof(struct stanza), NULL);
	stanza = (struct stanza *)block->data;
	block->used = sizeof(struct stanza);
	stanza->blocks = block;
	return stanza;
}

void stanza_free(struct stanza **stanza)
{
	struct stanza_block *block;
	struct stanza_block *next;

	if (*stanza == NULL)
		return;
	for (block = (*stanza)->blocks; block != NULL; block = next) {
		next = block->next;
		mem_free(block);
	}
	*stanza = NULL;
}

size_t stanza_size(const struct stanza *stanza)
{
	const struct stanza_block *block;
	size_t size = 0;

	for (block = stanza->blocks; block != NULL; block = block->next)
		size += sizeof(struct stanza_block) + block->size;
	return size;
}

/* Makes room for `size` bytes in the newest block. */
static struct stanza_block *need(struct stanza *stanza, size_t size)
{
	struct stanza_block *block = stanza->blocks;
	size_t grown;

	if (block->size - block->used >= size)
		return block;
	grown = block->size + block->size / 2;
	if (grown > BLOCK_GROWTH_MAX)
		grown = BLOCK_GROWTH_MAX;
	stanza->blocks = block_new(size > grown ? size : grown, block);
	return stanza->blocks;
}

void *stanza_take(struct stanza *stanza, size_t size)
{
	const size_t align = alignof(void *);
	struct stanza_block *block = need(stanza, size + align - 1);
	char *place;

	block->used = (block->used + align - 1) / align * align;
	place = block->data + block->used;
	block->used += size;
	return place;
}

char *stanza_strndup(struct stanza *stanza, const char *text, size_t len)
{
	struct stanza_block *block = need(stanza, len + 1);
	char *place = block->data + block->used;

	/* The block is zeroed, so the NUL is there. */
	memcpy(place, text, len);
	block->used += len + 1;
	return place;
}

char *stanza_strdup(struct stanza *stanza, const char *text)
{
	return stanza_strndup(stanza, text, strlen(text));
}

char *stanza_extend(struct stanza *stanza, char *text, size_t len,
		    const char *more, size_t more_len)
{
	struct stanza_block *block = stanza->blocks;
	char *copy;

	if (text + len + 1 == block->data + block->used &&
	    block->size - block->used >= more_len) {
		memcpy(text + len, more, more_len);
		block->used += more_len;
		return text;
	}
	/* Twice what is needed: a text in many small parts stays linear. */
	block = need(stanza, 2 * (len + more_len) + 1);
	copy = block->data + block->used;
	memcpy(copy, text, len);
	memcpy(copy + len, more, more_len);
	block->used += len + more_len + 1;
	return copy;
}

/* Most elements are in the namespace of their parent or of the stream. */
static const char *ns_intern(struct stanza *stanza,
			     const struct element *parent, const char *ns)
{
	if (parent != NULL && strcmp(parent->ns, ns) == 0)
		return parent->ns;
	if (strcmp(ns, NS_CLIENT) == 0)
		return NS_CLIENT;
	return *ns != '\0' ? stanza_strdup(stanza, ns) : "";
}

static void link_child(struct stanza *stanza, struct element *parent,
		       struct element *child)
{
	child->stanza = stanza;
	child->parent = parent;
	if (parent == NULL) {
		stanza->root = child;
		return;
	}
	if (parent->last != NULL)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
}

struct element *element_append(struct stanza *stanza, struct element *parent,
			       const char *name, const char *ns)
{
	struct element *element = stanza_take(stanza, sizeof(*element));

	element->name = stanza_strdup(stanza, name);
	element->ns = ns_intern(stanza, parent, ns);
	link_child(stanza, parent, element);
	return element;
}

void element_append_text(struct element *parent, const char *text, size_t len)
{
	struct stanza *stanza = parent->stanza;
	struct element *node = parent->last;

	if (len == 0)
		return;
	if (node != NULL && node->name == NULL) {
		node->text = stanza_extend(stanza, (char *)node->text,
					   node->text_len, text, len);
		node->text_len += len;
		return;
	}
	node = stanza_take(stanza, sizeof(*node));
	node->text = stanza_strndup(stanza, text, len);
	node->text_len = len;
	link_child(stanza, parent, node);
}

struct attr *attr_append(struct stanza *stanza, struct attr **place,
			 const char *name, const char *value, size_t value_len)
{
	struct attr *attr = stanza_take(stanza, sizeof(*attr));

	attr->name = stanza_strdup(stanza, name);
	attr->value = stanza_strndup(stanza, value, value_len);
	attr->next = *place;
	*place = attr;
	return attr;
}

struct element *
element_walk(const struct element *root, const struct element *node,
	     void (*leave)(const struct element *element, void *ctx), void *ctx)
{
	if (node->first != NULL)
		return node->first;
	for (;;) {
		if (leave != NULL && node->name != NULL)
			leave(node, ctx);
		if (node == root)
			return NULL;
		if (node->next != NULL)
			return node->next;
		node = node->parent;
	}
}
