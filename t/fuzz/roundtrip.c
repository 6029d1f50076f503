/* SPDX-License-Identifier: Apache-2.0
 *
 * Parsing, writing and parsing again.
 */
#include "t/fuzz/roundtrip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/base/str.h"

static bool attrs_equal(const struct attr *a, const struct attr *b)
{
	for (; a != NULL && b != NULL; a = a->next, b = b->next) {
		if (!str_equal(a->name, b->name) || !str_equal(a->ns, b->ns) ||
		    !str_equal(a->value, b->value) ||
		    !str_equal(a->prefix, b->prefix))
			return false;
	}
	return a == b;
}

bool tree_equal(const struct element *a, const struct element *b)
{
	const struct element *x;
	const struct element *y;

	if ((a->name == NULL) != (b->name == NULL))
		return false;
	if (a->name == NULL)
		return a->text_len == b->text_len &&
		       memcmp(a->text, b->text, a->text_len) == 0;
	if (!str_equal(a->name, b->name) || !str_equal(a->ns, b->ns) ||
	    !attrs_equal(a->attrs, b->attrs))
		return false;
	for (x = a->first, y = b->first; x != NULL && y != NULL;
	     x = x->next, y = y->next) {
		if (!tree_equal(x, y))
			return false;
	}
	return x == y;
}

static void require(bool condition, const char *property, const char *bytes,
		    size_t len)
{
	if (condition)
		return;
	fprintf(stderr, "%s: %.*s\n", property, (int)len, bytes);
	abort();
}

static void check_writing(struct stanza_parser *parser,
			  const struct stream_ns *ns,
			  const struct stanza *stanza,
			  const struct element *expected)
{
	struct buf xml = { 0 };
	struct error err = { "" };
	struct stanza *again;

	stanza_write(stanza, &xml);
	again = stanza_parse(parser, ns, buf_data(&xml), xml.len, &err);
	require(again != NULL, err.text, buf_data(&xml), xml.len);
	require(tree_equal(expected, again->root), "another tree",
		buf_data(&xml), xml.len);
	stanza_free(&again);
	buf_free(&xml);
}

bool roundtrip(struct stanza_parser *parser, const struct stream_ns *ns,
	       const char *bytes, size_t len)
{
	struct stanza *stanza = stanza_parse(parser, ns, bytes, len, NULL);
	bool accepted = stanza != NULL;
	const char *name = NULL;
	const char *uri = NULL;
	struct stanza *copy;

	require((stanza_check(parser, ns, bytes, len, &name, &uri, NULL) ==
		 0) == accepted,
		"parse and check disagree", bytes, len);
	if (!accepted)
		return false;
	require(element_is(stanza->root, name, uri), "another root", bytes,
		len);
	check_writing(parser, ns, stanza, stanza->root);
	copy = stanza_copy(stanza);
	check_writing(parser, ns, copy, stanza->root);
	stanza_free(&copy);
	stanza_free(&stanza);
	return true;
}
