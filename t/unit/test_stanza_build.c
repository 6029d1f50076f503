/* SPDX-License-Identifier: Apache-2.0
 *
 * Building, changing, copying and reading stanzas without a parser (but for
 * one case).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/base/mem.h"
#include "util/xmpp/ns.h"
#include "util/xmpp/stanza.h"

static void assert_xml(const struct element *element, const char *expected)
{
	struct buf xml = { 0 };

	element_write(element, &xml);
	assert_string_equal(buf_data(&xml), expected);
	buf_free(&xml);
}

static void test_build(void **state)
{
	struct stanza *stanza = stanza_new("iq", NULL);
	struct element *query;
	struct element *item;

	(void)state;
	element_set_attr(stanza->root, "type", "result");
	element_set_attr(stanza->root, "id", "<1>");
	query = element_add(stanza->root, "query", NS_ROSTER);
	item = element_add(query, "item", NULL);
	element_set_attr(item, "jid", "a@b");
	element_add_text_child(item, "group", NULL, "Friends & Foes");
	element_addf(element_add(query, "n", ""), "%d", 42);
	assert_xml(stanza->root,
		   "<iq type='result' id='&lt;1&gt;'>"
		   "<query xmlns='jabber:iq:roster'><item jid='a@b'>"
		   "<group>Friends &amp; Foes</group></item>"
		   "<n xmlns=''>42</n></query></iq>");
	assert_xml(item, "<item xmlns='jabber:iq:roster' jid='a@b'>"
			 "<group>Friends &amp; Foes</group></item>");
	stanza_free(&stanza);
	assert_null(stanza);
	stanza_free(&stanza);
}

static void test_attrs(void **state)
{
	struct stanza *stanza = stanza_new("a", "urn:a");
	struct element *root = stanza->root;

	(void)state;
	element_set_attr(root, "x", NULL);
	element_set_attr(root, "x", "1");
	element_set_attr(root, "y", "2");
	element_set_attr(root, "z", "3");
	element_set_attr(root, "x", "a longer value than before");
	assert_string_equal(element_attr(root, "x"),
			    "a longer value than before");
	element_set_attr(root, "y", NULL);
	assert_null(element_attr(root, "y"));
	element_set_attr(root, "x", "");
	assert_xml(root, "<a xmlns='urn:a' x='' z='3'/>");
	stanza_free(&stanza);
}

static void test_lang(void **state)
{
	struct stanza *stanza = stanza_new("message", NULL);
	struct element *root = stanza->root;

	(void)state;
	element_set_attr(root, "lang", "another");
	element_add_lang(root, "de-CH");
	assert_string_equal(element_attr_ns(root, NS_XML, "lang"), "de-CH");
	assert_string_equal(element_attr(root, "lang"), "another");
	assert_xml(root, "<message lang='another' xml:lang='de-CH'/>");
	stanza_free(&stanza);
}

static void test_text(void **state)
{
	struct stanza *stanza = stanza_new("a", NULL);
	struct element *root = stanza->root;

	(void)state;
	assert_string_equal(element_text(root), "");
	element_add_text(root, "");
	assert_null(root->first);
	element_add_text(root, "1");
	element_add_text(root, "2");
	assert_ptr_equal(root->first, root->last);
	assert_string_equal(element_text(root), "12");
	element_add(root, "b", NULL);
	element_add_text(root, "3");
	assert_string_equal(element_text(root), "123");
	assert_xml(root, "<a>12<b/>3</a>");
	stanza_free(&stanza);
}

static void test_read(void **state)
{
	struct stanza *stanza = stanza_new("a", NULL);
	struct element *root = stanza->root;
	struct element *child;

	(void)state;
	assert_null(element_first(root));
	element_add_text(root, "text");
	element_add(root, "b", "urn:b");
	element_add_text_child(root, "b", NULL, "1");
	element_add_text(root, "text");
	element_add(root, "c", NULL);
	element_add_text_child(root, "b", NULL, "2");

	child = element_first(root);
	assert_true(element_is(child, "b", "urn:b"));
	assert_null(element_next_same(child));
	child = element_child(root, "b", NULL);
	assert_string_equal(element_text(child), "1");
	child = element_next_same(child);
	assert_string_equal(element_text(child), "2");
	assert_null(element_next_same(child));
	assert_null(element_next(child));
	assert_true(
		element_is(element_child(root, NULL, "urn:b"), "b", "urn:b"));
	assert_string_equal(element_text(element_child(root, NULL, NULL)), "1");
	assert_null(element_child(root, "c", "urn:b"));
	assert_string_equal(element_child_text(root, "b", NULL), "1");
	assert_string_equal(element_child_text(root, "c", NULL), "");
	assert_null(element_child_text(root, "d", NULL));
	assert_false(element_is(root->first, "text", ""));
	stanza_free(&stanza);
}

static void test_remove(void **state)
{
	static const struct {
		int remove;
		const char *left;
		const char *added;
	} rows[] = {
		{ 0, "<a><c1/><c2/></a>", "<a><c1/><c2/><d/></a>" },
		{ 1, "<a><c0/><c2/></a>", "<a><c0/><c2/><d/></a>" },
		{ 2, "<a><c0/><c1/></a>", "<a><c0/><c1/><d/></a>" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct stanza *stanza = stanza_new("a", NULL);
		struct element *children[3];

		for (int k = 0; k < 3; k++) {
			char name[] = { 'c', (char)('0' + k), '\0' };

			children[k] = element_add(stanza->root, name, NULL);
		}
		element_remove(children[rows[i].remove]);
		assert_xml(stanza->root, rows[i].left);
		element_add(stanza->root, "d", NULL);
		assert_xml(stanza->root, rows[i].added);
		stanza_free(&stanza);
	}
}

static void test_remove_only(void **state)
{
	struct stanza *stanza = stanza_new("a", NULL);

	(void)state;
	element_remove(element_add(stanza->root, "b", NULL));
	assert_null(stanza->root->first);
	assert_null(stanza->root->last);
	element_add_text(stanza->root, "x");
	assert_xml(stanza->root, "<a>x</a>");
	stanza_free(&stanza);
}

static void test_copy(void **state)
{
	struct stanza *stanza = stanza_new("message", NULL);
	struct stanza *copy;
	struct stanza *part;
	struct element *x;

	(void)state;
	element_set_attr(stanza->root, "to", "a");
	x = element_add(stanza->root, "x", "urn:x");
	element_add_text(x, "1");
	element_add_text_child(element_add(x, "y", NULL), "z", NS_CLIENT, "2");
	element_add_text(x, "3");
	element_add(stanza->root, "w", NULL);

	copy = stanza_copy(stanza);
	part = stanza_from_element(x);
	/* Into itself: a copy of the state before. */
	element_add_copy(x, stanza->root);
	assert_ptr_equal(x->last->parent, x);
	stanza_free(&stanza);

	assert_xml(copy->root, "<message to='a'><x xmlns='urn:x'>1<y><z xmlns="
			       "'jabber:client'>2</z></y>3</x><w/></message>");
	assert_xml(part->root, "<x xmlns='urn:x'>1<y><z xmlns="
			       "'jabber:client'>2</z></y>3</x>");
	element_add_copy(part->root, copy->root);
	stanza_free(&copy);
	assert_xml(part->root,
		   "<x xmlns='urn:x'>1<y><z xmlns='jabber:client'>2</z></y>3"
		   "<message xmlns='jabber:client' to='a'><x xmlns='urn:x'>1"
		   "<y><z xmlns='jabber:client'>2</z></y>3</x><w/></message>"
		   "</x>");
	stanza_free(&part);
}

/* Deeper than any parsed one: nothing recurses. */
static void test_deep(void **state)
{
	struct stanza *stanza = stanza_new("a", NULL);
	struct element *element = stanza->root;
	struct stanza *copy;
	struct buf xml = { 0 };

	(void)state;
	for (int i = 1; i < 200000; i++)
		element = element_add(element, "a", NULL);
	copy = stanza_copy(stanza);
	stanza_write(copy, &xml);
	assert_int_equal(xml.len, 199999 * 7 + 4);
	buf_free(&xml);
	stanza_free(&copy);
	stanza_free(&stanza);
}

static void test_size(void **state)
{
	struct stanza *stanza = stanza_new("a", NULL);
	size_t before = stanza_size(stanza);
	char *text = mem_alloc(10001);

	(void)state;
	assert_true(before > sizeof(struct element) && before < 1024);
	memset(text, 'x', 10000);
	element_add_text(stanza->root, text);
	assert_true(stanza_size(stanza) >= before + 10000);
	mem_free(text);
	stanza_free(&stanza);
}

static void test_add_parsed(void **state)
{
	static const char stored[] =
		"<x xmlns='urn:x'><message xmlns='jabber:client'/></x>";
	struct stanza_parser *parser = stanza_parser_new();
	struct stanza *stanza = stanza_new("iq", NULL);
	struct element *added;

	(void)state;
	added = element_add_parsed(stanza->root, parser, stored,
				   strlen(stored));
	assert_true(element_is(added, "x", "urn:x"));
	assert_true(element_is(added->first, "message", NS_CLIENT));
	assert_null(element_add_parsed(stanza->root, parser, "<x", 2));
	assert_xml(stanza->root, "<iq><x xmlns='urn:x'><message "
				 "xmlns='jabber:client'/></x></iq>");
	stanza_free(&stanza);
	stanza_parser_free(&parser);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_build),
		cmocka_unit_test(test_attrs),
		cmocka_unit_test(test_lang),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_remove_only),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_add_parsed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
