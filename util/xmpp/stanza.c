/* SPDX-License-Identifier: Apache-2.0
 *
 * Building, changing and copying stanzas. Reading is in stanza_read.c, XML in
 * stanza_parse.c and stanza_write.c, memory in stanza_memory.c.
 */
#include "util/xmpp/stanza.h"

#include <stdarg.h>
#include <string.h>

#include "util/xmpp/ns.h"
#include "util/xmpp/stanza_memory.h"

struct stanza *stanza_new(const char *name, const char *ns)
{
	struct stanza *stanza = stanza_alloc(0);

	element_append(stanza, NULL, name, ns != NULL ? ns : NS_CLIENT);
	return stanza;
}

static void copy_attrs(struct element *to, const struct element *from)
{
	struct attr **place = &to->attrs;
	const struct attr *attr;
	struct attr *copy;

	for (attr = from->attrs; attr != NULL; attr = attr->next) {
		copy = attr_append(to->stanza, place, attr->name, attr->value,
				   strlen(attr->value));
		if (attr->ns != NULL) {
			copy->ns = stanza_strdup(to->stanza, attr->ns);
			copy->prefix = stanza_strdup(to->stanza, attr->prefix);
		}
		place = &copy->next;
	}
}

/* Goes up with the copy as the walk goes up in the original. */
static void copy_leave(const struct element *element, void *ctx)
{
	struct element **parent = ctx;

	(void)element;
	*parent = (*parent)->parent;
}

/* The root of a stanza that has none yet. Not recursive: how deep a tree may
 * be is decided elsewhere. */
static void copy_tree(struct stanza *stanza, const struct element *root)
{
	const struct element *node = root;
	struct element *parent = NULL;
	struct element *copy;

	while (node != NULL) {
		if (node->name == NULL) {
			element_append_text(parent, node->text, node->text_len);
		} else {
			copy = element_append(stanza, parent, node->name,
					      node->ns);
			copy_attrs(copy, node);
			parent = copy;
		}
		node = element_walk(root, node, copy_leave, &parent);
	}
}

struct stanza *stanza_copy(const struct stanza *stanza)
{
	struct stanza *copy = stanza_alloc(stanza_size(stanza));

	copy_tree(copy, stanza->root);
	return copy;
}

struct stanza *stanza_from_element(const struct element *element)
{
	struct stanza *copy = stanza_alloc(0);

	copy_tree(copy, element);
	return copy;
}

static struct attr **attr_place(struct element *element, const char *name)
{
	struct attr **place = &element->attrs;

	while (*place != NULL &&
	       ((*place)->ns != NULL || strcmp((*place)->name, name) != 0))
		place = &(*place)->next;
	return place;
}

void element_set_attr(struct element *element, const char *name,
		      const char *value)
{
	struct attr **place = attr_place(element, name);

	if (value == NULL) {
		if (*place != NULL)
			*place = (*place)->next;
	} else if (*place != NULL) {
		(*place)->value = stanza_strdup(element->stanza, value);
	} else {
		attr_append(element->stanza, place, name, value, strlen(value));
	}
}

void element_add_lang(struct element *element, const char *lang)
{
	struct attr **place = &element->attrs;
	struct attr *attr;

	while (*place != NULL)
		place = &(*place)->next;
	attr = attr_append(element->stanza, place, "lang", lang, strlen(lang));
	attr->ns = NS_XML;
	attr->prefix = "xml";
}

struct element *element_add(struct element *parent, const char *name,
			    const char *ns)
{
	return element_append(parent->stanza, parent, name,
			      ns != NULL ? ns : parent->ns);
}

struct element *element_add_text_child(struct element *parent, const char *name,
				       const char *ns, const char *text)
{
	struct element *child = element_add(parent, name, ns);

	element_add_text(child, text);
	return child;
}

void element_add_text(struct element *element, const char *text)
{
	element_append_text(element, text, strlen(text));
}

void element_addf(struct element *element, const char *format, ...)
{
	struct buf text = { 0 };
	va_list args;

	va_start(args, format);
	buf_vaddf(&text, format, args);
	va_end(args);
	element_append_text(element, buf_data(&text), text.len);
	buf_free(&text);
}

struct element *element_add_copy(struct element *parent,
				 const struct element *element)
{
	struct stanza *stanza = parent->stanza;
	struct element *root = stanza->root;
	struct element *copy;

	/* Built as a root of its own first: the parent may be within what is
	 * copied. */
	stanza->root = NULL;
	copy_tree(stanza, element);
	copy = stanza->root;
	stanza->root = root;
	copy->parent = parent;
	if (parent->last != NULL)
		parent->last->next = copy;
	else
		parent->first = copy;
	parent->last = copy;
	return copy;
}

void element_remove(struct element *child)
{
	struct element *parent = child->parent;
	struct element *before = NULL;
	struct element **place = &parent->first;

	while (*place != child) {
		before = *place;
		place = &before->next;
	}
	*place = child->next;
	if (parent->last == child)
		parent->last = before;
	child->parent = NULL;
	child->next = NULL;
}

struct element *element_add_parsed(struct element *parent,
				   struct stanza_parser *parser,
				   const char *bytes, size_t len)
{
	struct stanza *parsed =
		stanza_parse(parser, &stream_ns_client, bytes, len, NULL);
	struct element *child;

	if (parsed == NULL)
		return NULL;
	child = element_add_copy(parent, parsed->root);
	stanza_free(&parsed);
	return child;
}
