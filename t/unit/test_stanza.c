/* SPDX-License-Identifier: Apache-2.0
 *
 * Parsing and writing: what each input is as a tree, written out again; what
 * is refused, and that the parser is as good as new afterwards.
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

static struct stanza_parser *parser_of(void **state)
{
	return *state;
}

static int set_up(void **state)
{
	*state = stanza_parser_new();
	return 0;
}

static int tear_down(void **state)
{
	struct stanza_parser *parser = *state;

	stanza_parser_free(&parser);
	return 0;
}

static struct stanza *parse(void **state, const struct stream_ns *ns,
			    const char *text)
{
	size_t len = strlen(text);
	/* Not followed by a NUL, as what comes from a frame. */
	char *bytes = mem_dup(text, len);
	struct error err = { "" };
	struct stanza *stanza =
		stanza_parse(parser_of(state), ns, bytes, len, &err);

	assert_int_equal(stanza == NULL, err.text[0] != '\0');
	mem_free(bytes);
	return stanza;
}

static char *write(const struct stanza *stanza)
{
	struct buf xml = { 0 };

	stanza_write(stanza, &xml);
	return buf_take(&xml);
}

#define STREAMS "http://etherx.jabber.org/streams"
#define ACCEPT	"jabber:component:accept"

/* Under a client's stream; `output` NULL: the same as the input. */
static const struct {
	const char *input;
	const char *output;
} cases[] = {
	{ "<message/>", NULL },
	{ "<message></message>", "<message/>" },
	{ "<message\n\ta='1'\r\n/>", "<message a='1'/>" },
	{ "<message a=\"x'y\"/>", "<message a='x&apos;y'/>" },

	/* RFC 6120 section 4.9.1 and others. */
	{ "<message from='juliet@im.example.com/balcony'"
	  " id='ju2ba41c' to='romeo@example.net' type='chat' xml:lang='en'>"
	  "<body>Art thou not Romeo, and a Montague?</body></message>",
	  NULL },
	{ "<iq id='a' type='set'>"
	  "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
	  "<resource>balcony</resource></bind></iq>",
	  NULL },
	{ "<presence><show>away</show><priority>-1</priority></presence>",
	  NULL },

	/* The content namespace, said or not. */
	{ "<message xmlns='jabber:client'><body xmlns='jabber:client'/>"
	  "</message>",
	  "<message><body/></message>" },
	{ "<c:message xmlns:c='jabber:client'><c:body/></c:message>",
	  "<message><body/></message>" },
	{ "<message xmlns='jabber:server'><body/></message>", NULL },
	{ "<message><x xmlns='" ACCEPT "'/></message>", NULL },

	/* Namespaces that change. */
	{ "<message><forwarded xmlns='urn:xmpp:forward:0'>"
	  "<message xmlns='jabber:client'><body>x</body></message>"
	  "</forwarded></message>",
	  NULL },
	{ "<message><a xmlns='urn:a'><b xmlns=''><c/></b></a></message>",
	  NULL },
	{ "<a xmlns=''><b/></a>", NULL },
	{ "<message xmlns:a='urn:a'><a:x><a:y/><z/></a:x></message>",
	  "<message><x xmlns='urn:a'><y/><z xmlns='jabber:client'/></x>"
	  "</message>" },
	{ "<message xmlns:a='urn:a'><a:x xmlns:a='urn:b'/><a:x/></message>",
	  "<message><x xmlns='urn:b'/><x xmlns='urn:a'/></message>" },
	{ "<query xmlns='vcard-temp'/>", NULL }, /* a relative URI */
	{ "<query xmlns='not a URI'/>", NULL },

	/* Prefixed attributes. */
	{ "<a xmlns:x='urn:x' x:b='1' c='2' x:d='3' e='4'/>", NULL },
	{ "<a xmlns:x='urn:x' xmlns:y='urn:x' x:b='1' y:c='2'/>",
	  "<a xmlns:x='urn:x' x:b='1' xmlns:y='urn:x' y:c='2'/>" },
	{ "<a xmlns:x='urn:x'><b x:c='&lt;'/></a>",
	  "<a><b xmlns:x='urn:x' x:c='&lt;'/></a>" },
	{ "<a xml:lang='de' xml:space='preserve'/>", NULL },
	{ "<a xmlns:xml='http://www.w3.org/XML/1998/namespace' xml:lang=''/>",
	  "<a xml:lang=''/>" },

	/* Elements of the stream itself. */
	{ "<stream:features><starttls xmlns='" NS_TLS "'><required/>"
	  "</starttls></stream:features>",
	  NULL },
	{ "<features xmlns='" STREAMS "'><a xmlns='jabber:client'/></features>",
	  "<stream:features><a/></stream:features>" },
	{ "<message><stream:x/></message>",
	  "<message><x xmlns='" STREAMS "'/></message>" },
	{ "<stream:a><stream:b/></stream:a>",
	  "<stream:a><b xmlns='" STREAMS "'/></stream:a>" },
	{ "<features xmlns='" STREAMS "' xmlns:stream='urn:x' stream:a='1'/>",
	  NULL },

	/* Text, byte for byte. */
	{ "<a> \n\t x <b> </b>\n</a>", NULL },
	{ "<a>&lt;&gt;&amp;&apos;&quot;</a>", NULL },
	{ "<a>'\"></a>", "<a>&apos;&quot;&gt;</a>" },
	{ "<a>&#65;&#x42;&#x20AC;</a>", "<a>AB\xe2\x82\xac</a>" },
	{ "<a>\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80</a>", NULL },
	{ "<a>x\r\ny\rz</a>", "<a>x\ny\nz</a>" },
	{ "<a>x&#13;y</a>", NULL },
	{ "<a>1<![CDATA[<&]]>2<![CDATA[]]>3</a>", "<a>1&lt;&amp;23</a>" },
	{ "<a>&#38;amp;</a>", "<a>&amp;amp;</a>" },

	/* Attributes: a literal line feed is a space (XML 1.0 section 3.3.3).
	 */
	{ "<a b='x\ny\tz'/>", "<a b='x y z'/>" },
	{ "<a b='x&#10;y&#9;z&#13;'/>", NULL },
	{ "<a b='&lt;&gt;&amp;&apos;&quot;'/>", NULL },
	{ "<a b='&#38;&#60;&#x26;'/>", "<a b='&amp;&lt;&amp;'/>" },
	{ "<a b='&#38;amp;'/>", "<a b='&amp;amp;'/>" },
	{ "<a b='\xf0\x9f\x98\x80'/>", NULL },
	{ "<a b='>'>></a>", "<a b='&gt;'>&gt;</a>" },
	{ "<a b=' x  y '/>", NULL },
	{ "<a z='1' y='2' x='3'/>", NULL },
};

static void test_cases(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stanza *stanza =
			parse(state, &stream_ns_client, cases[i].input);
		char *xml;

		assert_non_null(stanza);
		xml = write(stanza);
		assert_string_equal(xml, cases[i].output != NULL
						 ? cases[i].output
						 : cases[i].input);
		mem_free(xml);
		stanza_free(&stanza);
	}
}

static const char *const refused[] = {
	/* not one element */
	"",
	" ",
	"x",
	"<",
	"<a",
	"<a>",
	"<a><b></a>",
	"</a>",
	"<a/><b/>",
	"<a/>x",
	"<a/> ",
	" <a/>",
	"x<a/>",
	"<a/><b",
	"<a/>&amp;",
	"<a/>&",
	"<a/><",
	"<a></a></a>",
	"<a></b>",
	"<a",
	"<a b='",
	"<a b='>'",
	"<a>&amp",
	"<a><![CDATA[x",
	"<a/><![CDATA[x]]>",
	"<![CDATA[x]]>",
	/* around the document that all elements share */
	"</w>",
	"</w><w>",
	"<a/></w><w>",
	"</w><w><a/>",
	"<a></w></a>",
	"<a></a></w></r>",
	"</w></r><r><w>",
	"<a/></w><w><b/>",
	/* not well-formed */
	"<a b/>",
	"<a b=c/>",
	"<a b='1' b='2'/>",
	"<a b='<'/>",
	"<a>]]></a>",
	"<a b='1'c='2'/>",
	"<1/>",
	"<a>&#0;</a>",
	"<a>&#xFFFF;</a>",
	"<a>&#xD800;</a>",
	"<a>&#x110000;</a>",
	"<a b='&#0;'/>",
	"<a>&</a>",
	"<a>&;</a>",
	"<a>\x01</a>",
	"<a b='\x1f'/>",
	"<a\x0b/>",
	/* restricted */
	"<!-- x --><a/>",
	"<a><!-- x --></a>",
	"<a/><!-- x -->",
	"<?xml version='1.0'?><a/>",
	"<a><?x y?></a>",
	"<?x?>",
	"<!DOCTYPE a><a/>",
	"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
	"<a>&nbsp;</a>",
	"<a b='&nbsp;'/>",
	"<a>&b;</a>",
	/* not UTF-8 */
	"<a>\xc3</a>",
	"<a>\xc0\xaf</a>",
	"<a>\xc1\xa1</a>",
	"<a>\xe0\x80\xaf</a>",
	"<a>\xf0\x80\x80\xaf</a>",
	"<a>\xed\xa0\x80</a>",
	"<a>\xed\xa0\xbd\xed\xb8\x80</a>",
	"<a>\xf4\x90\x80\x80</a>",
	"<a>\xff</a>",
	"<a b='\xe9'/>",
	"<\xe9/>",
	"<a>\xef\xbf\xbf</a>",
	"\xef\xbb\xbf<a/>",
	/* namespaces */
	"<x:a/>",
	"<a x:b='1'/>",
	"<a><x:b/></a>",
	"<a><b xmlns:x='u'/><x:c/></a>",
	"<a xmlns:x=''/>",
	"<a xmlns:xml='urn:x'/>",
	"<a xmlns:xmlns='urn:x'/>",
	"<a xmlns:x='http://www.w3.org/XML/1998/namespace'/>",
	"<a xmlns='http://www.w3.org/2000/xmlns/'/>",
	"<a xmlns='http://www.w3.org/XML/1998/namespace'/>",
	"<a xmlns:x='http://www.w3.org/2000/xmlns/'/>",
	"<xmlns:a/>",
	"<a xmlns='u' xmlns='u'/>",
	"<a xmlns:x='u' xmlns:x='u'/>",
	"<a xmlns:x='u' xmlns:y='u' x:b='' y:b=''/>",
	"<a:b:c/>",
	"<:a/>",
	"<a:/>",
	"<stream:a xmlns:stream=''/>",
	"<link:a/>",
	"<a xmlns:='u'/>",
};

static void test_refused(void **state)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct stanza *stanza =
			parse(state, &stream_ns_client, refused[i]);
		struct error err = { "" };

		if (stanza != NULL)
			fail_msg("accepted: %s", refused[i]);
		assert_int_equal(stanza_check(parser_of(state),
					      &stream_ns_client, refused[i],
					      strlen(refused[i]), NULL, NULL,
					      &err),
				 -1);
		assert_true(strlen(err.text) > 0);
		assert_null(strchr(err.text, '\n'));

		/* Nothing of it is left. */
		stanza = parse(state, &stream_ns_client, "<a>b</a>");
		assert_non_null(stanza);
		assert_true(element_is(stanza->root, "a", NS_CLIENT));
		assert_string_equal(element_text(stanza->root), "b");
		stanza_free(&stanza);
	}
}

static void test_nul(void **state)
{
	static const char in_text[] = "<a>x\0y</a>";
	static const char behind[] = "<a/>\0";

	assert_null(stanza_parse(parser_of(state), &stream_ns_client, in_text,
				 sizeof(in_text) - 1, NULL));
	assert_null(stanza_parse(parser_of(state), &stream_ns_client, behind,
				 sizeof(behind) - 1, NULL));
}

static void test_depth(void **state)
{
	static const struct {
		unsigned depth;
		bool accepted;
	} depths[] = { { 512, true }, { 513, false }, { 20000, false } };

	for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
		struct buf xml = { 0 };
		struct stanza *stanza;

		for (unsigned k = 0; k < depths[i].depth; k++)
			buf_add_str(&xml, "<a>");
		for (unsigned k = 0; k < depths[i].depth; k++)
			buf_add_str(&xml, "</a>");
		stanza = parse(state, &stream_ns_client, buf_data(&xml));
		assert_int_equal(stanza != NULL, depths[i].accepted);
		stanza_free(&stanza);
		buf_free(&xml);
	}
}

/* The tree behind the text: mapping of namespaces, attributes, nodes. */
static void test_tree(void **state)
{
	struct stanza *stanza = parse(state, &stream_ns_client,
				      "<message xml:lang='en' to='a' "
				      "xmlns:x='urn:x' x:to='b'>1<body>2&lt;3"
				      "</body>4</message>");
	const struct element *root = stanza->root;
	const struct element *body;

	assert_string_equal(root->ns, NS_CLIENT);
	assert_string_equal(element_attr(root, "to"), "a");
	assert_string_equal(element_attr_ns(root, "urn:x", "to"), "b");
	assert_string_equal(element_attr_ns(root, NS_XML, "lang"), "en");
	assert_null(element_attr(root, "lang"));
	assert_string_equal(root->attrs->name, "lang");
	assert_string_equal(root->attrs->prefix, "xml");
	assert_null(root->attrs->next->ns);

	assert_null(root->first->name);
	assert_int_equal(root->first->text_len, 1);
	body = root->first->next;
	assert_ptr_equal(body->parent, root);
	assert_ptr_equal(body->stanza, stanza);
	assert_ptr_equal(body->first, body->last);
	assert_string_equal(body->first->text, "2<3");
	assert_int_equal(body->first->text_len, 3);
	assert_ptr_equal(root->last, body->next);
	assert_string_equal(element_text(root), "14");
	stanza_free(&stanza);
}

/* Both the stream's own name and jabber:client are NS_CLIENT. */
static void test_component(void **state)
{
	static const struct {
		const char *input;
		const char *output;
	} rows[] = {
		{ "<message><body/></message>", "<message><body/></message>" },
		{ "<message xmlns='" ACCEPT "'><body/></message>",
		  "<message><body/></message>" },
		{ "<message xmlns='jabber:client'><body xmlns='" ACCEPT "'/>"
		  "</message>",
		  "<message><body/></message>" },
		{ "<link:route to='a'><message><x xmlns='urn:x'/></message>"
		  "<link:y/></link:route>",
		  "<link:route to='a'><message><x xmlns='urn:x'/></message>"
		  "<y xmlns='urn:chappe:link:0'/></link:route>" },
		{ "<a xmlns='urn:a'><b xmlns='" ACCEPT "'/></a>",
		  "<a xmlns='urn:a'><b xmlns='jabber:client'/></a>" },
		{ "<message><route xmlns='urn:chappe:link:0'/></message>",
		  "<message><route xmlns='urn:chappe:link:0'/></message>" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct stanza *stanza =
			parse(state, &stream_ns_link, rows[i].input);
		char *xml = write(stanza);

		assert_string_equal(xml, rows[i].output);
		mem_free(xml);
		stanza_free(&stanza);
	}
	assert_null(parse(state, &stream_ns_component, "<link:route/>"));
}

/* Streams that declare different things take turns at one parser. */
static void test_turns(void **state)
{
	struct stream_prefix prefixes[] = {
		{ (char *)"stream", (char *)NS_STREAM },
		{ (char *)"q", (char *)"urn:q&'<" },
	};
	const struct stream_ns other = { "urn:content", 2, prefixes, NULL };

	for (int i = 0; i < 3; i++) {
		struct stanza *stanza = parse(state, &other, "<a><q:b/></a>");

		assert_true(element_is(stanza->root, "a", NS_CLIENT));
		assert_string_equal(stanza->root->first->ns, "urn:q&'<");
		stanza_free(&stanza);
		assert_null(parse(state, &stream_ns_client, "<q:b/>"));
		stanza = parse(state, &stream_ns_client, "<a/>");
		assert_non_null(stanza);
		stanza_free(&stanza);
	}
}

/* Names are not kept for ever, and nothing else grows either: an element that
 * is like no other before, many times. */
static void test_renewal(void **state)
{
	struct buf xml = { 0 };

	for (int i = 0; i < 20000; i++) {
		struct stanza *stanza;

		buf_addf(&xml, "<n%d xmlns='urn:%d' a%d='v'/>", i, i, i);
		stanza = parse(state, &stream_ns_client, buf_data(&xml));
		assert_non_null(stanza);
		stanza_free(&stanza);
		buf_clear(&xml, 1000);
	}
	buf_free(&xml);
}

static void test_large(void **state)
{
	struct buf xml = { 0 };
	struct stanza *stanza;
	char *written;

	buf_add_str(&xml, "<a>");
	for (int i = 0; i < 100000; i++)
		buf_add_str(&xml, "x&lt;");
	buf_add_str(&xml, "</a>");
	stanza = parse(state, &stream_ns_client, buf_data(&xml));
	assert_non_null(stanza);
	assert_int_equal(stanza->root->first->text_len, 200000);
	assert_true(stanza_size(stanza) < 2000000);
	written = write(stanza);
	assert_string_equal(written, buf_data(&xml));
	mem_free(written);
	stanza_free(&stanza);
	buf_free(&xml);
}

static void test_check(void **state)
{
	const char *name = NULL;
	const char *ns = NULL;
	const char *xml = "<message xmlns='" ACCEPT "'><body/></message>";

	assert_int_equal(stanza_check(parser_of(state), &stream_ns_component,
				      xml, strlen(xml), &name, &ns, NULL),
			 0);
	assert_string_equal(name, "message");
	assert_string_equal(ns, NS_CLIENT);
	xml = "<stream:error/>";
	assert_int_equal(stanza_check(parser_of(state), &stream_ns_component,
				      xml, strlen(xml), &name, &ns, NULL),
			 0);
	assert_string_equal(name, "error");
	assert_string_equal(ns, NS_STREAM);
}

/* -- headers -------------------------------------------------------------- */

static struct stanza *parse_header(void **state, const char *text,
				   struct stream_ns *ns)
{
	struct error err = { "" };
	struct stanza *stanza = stanza_parse_header(parser_of(state), text,
						    strlen(text), ns, &err);

	assert_int_equal(stanza == NULL, err.text[0] != '\0');
	return stanza;
}

static void test_header(void **state)
{
	struct stream_ns ns;
	struct stanza *header = parse_header(
		state,
		"<stream:stream from='juliet@im.example.com'\n"
		" to='im.example.com' version='1.0' xml:lang='en'"
		" xmlns='jabber:client' xmlns:db='jabber:server:dialback'"
		" xmlns:stream='" STREAMS "'>",
		&ns);
	struct stanza *stanza;

	assert_non_null(header);
	assert_true(element_is(header->root, "stream", NS_STREAM));
	assert_string_equal(element_attr(header->root, "to"), "im.example.com");
	assert_string_equal(element_attr(header->root, "version"), "1.0");
	assert_null(header->root->first);
	assert_string_equal(ns.content, NS_CLIENT);
	assert_int_equal(ns.count, 2);
	assert_string_equal(ns.prefixes[0].prefix, "db");
	assert_string_equal(ns.prefixes[0].uri, "jabber:server:dialback");
	assert_string_equal(ns.prefixes[1].prefix, "stream");
	assert_string_equal(ns.prefixes[1].uri, STREAMS);

	/* It is in force for what follows. */
	stanza = parse(state, &ns, "<db:result/>");
	assert_true(
		element_is(stanza->root, "result", "jabber:server:dialback"));
	stanza_free(&stanza);
	stanza_free(&header);
	stream_ns_free(&ns);
	assert_int_equal(ns.count, 0);
}

static void test_header_content(void **state)
{
	struct stream_ns ns;
	struct stanza *header;

	header = parse_header(
		state, "<s:stream xmlns='urn:x' xmlns:s='" STREAMS "'>", &ns);
	assert_string_equal(ns.content, "urn:x");
	stanza_free(&header);
	stream_ns_free(&ns);

	header = parse_header(state, "<s:stream xmlns:s='" STREAMS "'>", &ns);
	assert_true(element_is(header->root, "stream", NS_STREAM));
	assert_string_equal(ns.content, "");
	stanza_free(&header);
	/* The caller's own choice is not freed. */
	ns.content = NS_CLIENT;
	stream_ns_free(&ns);

	header = parse_header(state, "<stream xmlns='" STREAMS "'>", &ns);
	assert_true(element_is(header->root, "stream", NS_STREAM));
	stanza_free(&header);
	stream_ns_free(&ns);
}

static void test_header_refused(void **state)
{
	static const char *const headers[] = {
		"",
		"<",
		"<>",
		"<stream:stream>", /* no declaration, whatever came before */
		"<stream:stream xmlns:stream='" STREAMS "'",
		"<stream:stream xmlns:stream='" STREAMS "'/>",
		"<stream:stream xmlns:stream='" STREAMS "'><a/>",
		"<stream:stream xmlns:stream='" STREAMS "'><a>",
		"<stream:stream xmlns:stream='" STREAMS "'>x",
		"<stream:stream xmlns:stream='" STREAMS "' a='1' a='2'>",
		"<stream:stream xmlns:stream='" STREAMS "'></stream:stream>",
		"<r></w><w>",
		"<!DOCTYPE x>",
	};
	struct stream_ns ns;
	struct stanza *stanza;

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		if (parse_header(state, headers[i], &ns) != NULL)
			fail_msg("accepted: %s", headers[i]);
		assert_int_equal(ns.count, 0);
		stanza = parse(state, &stream_ns_client, "<stream:a/>");
		assert_non_null(stanza);
		stanza_free(&stanza);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_component),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_renewal),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_header_content),
		cmocka_unit_test(test_header_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
