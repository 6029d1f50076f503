/* SPDX-License-Identifier: Apache-2.0
 *
 * Stanzas as XML. Not recursive, so a tree may be of any depth.
 */
#include <string.h>

#include "util/xmpp/ns.h"
#include "util/xmpp/stanza.h"
#include "util/xmpp/stanza_memory.h"

struct writer {
	struct buf *to;
	const struct element *root;
	const char *root_prefix; /* "stream:", "link:", or "" */
};

/* A prefix that an attribute of the element gives another meaning cannot be
 * used for the element too. */
static bool binds_prefix(const struct element *element, const char *prefix)
{
	const struct attr *attr;

	for (attr = element->attrs; attr != NULL; attr = attr->next) {
		if (attr->ns != NULL && strcmp(attr->prefix, prefix) == 0)
			return true;
	}
	return false;
}

static const char *root_prefix(const struct element *root)
{
	if (strcmp(root->ns, NS_STREAM) == 0 && !binds_prefix(root, "stream"))
		return "stream:";
	if (strcmp(root->ns, NS_LINK) == 0 && !binds_prefix(root, "link"))
		return "link:";
	return "";
}

/* The default namespace that is in force around the element. */
static const char *outer_ns(const struct writer *writer,
			    const struct element *element)
{
	if (element == writer->root)
		return NS_CLIENT;
	/* A prefixed root leaves the default of the stream. */
	if (element->parent == writer->root && *writer->root_prefix != '\0')
		return NS_CLIENT;
	return element->parent->ns;
}

static void add_tag_name(const struct writer *writer,
			 const struct element *element)
{
	if (element == writer->root)
		buf_add_str(writer->to, writer->root_prefix);
	buf_add_str(writer->to, element->name);
}

/* Whether an attribute before this one has declared its prefix. */
static bool is_declared(const struct element *element, const struct attr *attr)
{
	const struct attr *before;

	for (before = element->attrs; before != attr; before = before->next) {
		if (before->ns != NULL &&
		    strcmp(before->prefix, attr->prefix) == 0)
			return true;
	}
	return false;
}

static void add_value(struct buf *to, const char *value)
{
	buf_add(to, "='", 2);
	buf_add_xml_attr(to, value);
	buf_add_char(to, '\'');
}

static void add_attr(struct buf *to, const struct element *element,
		     const struct attr *attr)
{
	if (attr->ns == NULL) {
		buf_add_attr(to, attr->name, attr->value);
		return;
	}
	if (strcmp(attr->ns, NS_XML) != 0 && !is_declared(element, attr)) {
		buf_add_str(to, " xmlns:");
		buf_add_str(to, attr->prefix);
		add_value(to, attr->ns);
	}
	buf_add_char(to, ' ');
	buf_add_str(to, attr->prefix);
	buf_add_char(to, ':');
	buf_add_str(to, attr->name);
	add_value(to, attr->value);
}

static void add_start(const struct writer *writer,
		      const struct element *element)
{
	const struct attr *attr;

	buf_add_char(writer->to, '<');
	add_tag_name(writer, element);
	if ((element != writer->root || *writer->root_prefix == '\0') &&
	    strcmp(element->ns, outer_ns(writer, element)) != 0)
		buf_add_attr(writer->to, "xmlns", element->ns);
	for (attr = element->attrs; attr != NULL; attr = attr->next)
		add_attr(writer->to, element, attr);
	if (element->first == NULL)
		buf_add_char(writer->to, '/');
	buf_add_char(writer->to, '>');
}

/* On the way up: an element without children has ended itself. */
static void add_end(const struct element *element, void *ctx)
{
	const struct writer *writer = ctx;

	if (element->first == NULL)
		return;
	buf_add(writer->to, "</", 2);
	add_tag_name(writer, element);
	buf_add_char(writer->to, '>');
}

void element_write(const struct element *element, struct buf *to)
{
	struct writer writer = { to, element, root_prefix(element) };
	const struct element *node = element;

	while (node != NULL) {
		if (node->name == NULL)
			buf_add_xml_text(to, node->text, node->text_len);
		else
			add_start(&writer, node);
		node = element_walk(element, node, add_end, &writer);
	}
}

void stanza_write(const struct stanza *stanza, struct buf *to)
{
	element_write(stanza->root, to);
}
