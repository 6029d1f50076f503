/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding things in a stanza. Changes nothing that a reader can see.
 */
#include <string.h>

#include "util/base/str.h"
#include "util/xmpp/stanza.h"
#include "util/xmpp/stanza_memory.h"

const char *element_attr(const struct element *element, const char *name)
{
	return element_attr_ns(element, NULL, name);
}

const char *element_attr_ns(const struct element *element, const char *ns,
			    const char *name)
{
	const struct attr *attr;

	for (attr = element->attrs; attr != NULL; attr = attr->next) {
		if (strcmp(attr->name, name) == 0 && str_equal(attr->ns, ns))
			return attr->value;
	}
	return NULL;
}

bool element_is(const struct element *element, const char *name, const char *ns)
{
	return element->name != NULL && strcmp(element->name, name) == 0 &&
	       strcmp(element->ns, ns) == 0;
}

static struct element *skip_text(struct element *node)
{
	while (node != NULL && node->name == NULL)
		node = node->next;
	return node;
}

struct element *element_first(const struct element *parent)
{
	return skip_text(parent->first);
}

struct element *element_next(const struct element *element)
{
	return skip_text(element->next);
}

struct element *element_child(const struct element *parent, const char *name,
			      const char *ns)
{
	struct element *child;

	if (ns == NULL)
		ns = parent->ns;
	for (child = element_first(parent); child != NULL;
	     child = element_next(child)) {
		if (element_is(child, name != NULL ? name : child->name, ns))
			return child;
	}
	return NULL;
}

struct element *element_next_same(const struct element *element)
{
	struct element *next = element_next(element);

	while (next != NULL && !element_is(next, element->name, element->ns))
		next = element_next(next);
	return next;
}

const char *element_text(const struct element *element)
{
	const struct element *node;
	const char *only = NULL;
	size_t count = 0;
	char *joined = NULL;
	size_t len = 0;

	for (node = element->first; node != NULL; node = node->next) {
		if (node->name == NULL) {
			only = node->text;
			count++;
		}
	}
	if (count < 2)
		return count == 1 ? only : "";
	joined = stanza_strndup(element->stanza, "", 0);
	for (node = element->first; node != NULL; node = node->next) {
		if (node->name == NULL) {
			joined = stanza_extend(element->stanza, joined, len,
					       node->text, node->text_len);
			len += node->text_len;
		}
	}
	return joined;
}

const char *element_child_text(const struct element *parent, const char *name,
			       const char *ns)
{
	const struct element *child = element_child(parent, name, ns);

	return child != NULL ? element_text(child) : NULL;
}
