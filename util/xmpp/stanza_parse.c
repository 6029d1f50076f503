/* SPDX-License-Identifier: Apache-2.0
 *
 * Parses framed elements. libxml2 is fed with one endless document, in which
 * a wrapper element has the namespaces of the stream in scope: so a stanza
 * costs no set-up at all. What its bytes do to the document is watched here:
 * they must open and close exactly one element, or they are refused, and the
 * document is thrown away. Which bytes come in is decided by frame.c.
 */
#include "util/xmpp/stanza.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/ns.h"
#include "util/xmpp/stanza_memory.h"
#include "util/xmpp/stream_ns.h"
#include "util/xmpp/utf8.h"

/* Elements within elements, whatever the framing allows. */
#define DEPTH_MAX 512

/* libxml2 keeps every name that it ever saw, and what else grows in years is
 * not documented: the document is renewed after so many bytes of names or of
 * everything. A new one costs as much as a stanza. */
#define NAMES_MAX (256 * 1024)
#define BYTES_MAX (16 * 1024 * 1024)

struct stanza_parser {
	xmlSAXHandler sax;
	xmlParserCtxt *xml;	/* the document; NULL when there is none */
	size_t bytes;		/* that it has seen */
	struct stream_ns scope; /* that its wrapper declares */
	bool wrapped;		/* the wrapper is open */

	/* Of the element that is being parsed: */
	bool in_element; /* its bytes are being fed */
	bool failed;
	bool build;	/* into `stanza`, or check only */
	unsigned depth; /* of open elements */
	unsigned roots; /* elements seen at the top level */
	struct stanza *stanza;
	struct element *parent; /* NULL at the top level */
	const char *root_name;	/* in the document's memory */
	const char *root_ns;
	struct stream_ns *declared; /* collects the root's declarations */
	struct error *err;
};

static void parser_fail(struct stanza_parser *parser, const char *reason)
{
	if (!parser->failed)
		error_set(parser->err, "%s", reason);
	parser->failed = true;
}

/* -- what libxml2 reports ------------------------------------------------- */

/* The content namespace of the stream and jabber:client are one. */
static const char *map_ns(const struct stanza_parser *parser, const char *ns)
{
	if (ns == NULL)
		return "";
	if (strcmp(ns, NS_CLIENT) == 0 ||
	    strcmp(ns, parser->scope.content) == 0)
		return NS_CLIENT;
	return ns;
}

/* libxml2 gives five pointers for each: local name, prefix, namespace, start
 * and end of the value. */
static void add_attrs(struct element *element, int count, const xmlChar **list)
{
	struct attr **place = &element->attrs;
	struct attr *attr;

	for (; count > 0; count--, list += 5) {
		attr = attr_append(element->stanza, place,
				   (const char *)list[0], (const char *)list[3],
				   list[4] - list[3]);
		if (list[2] != NULL) {
			attr->prefix = stanza_strdup(element->stanza,
						     (const char *)list[1]);
			attr->ns = stanza_strdup(element->stanza,
						 (const char *)list[2]);
		}
		place = &attr->next;
	}
}

static void root_start(struct stanza_parser *parser, const char *name,
		       const char *ns, int ns_count, const xmlChar **ns_list)
{
	if (parser->roots++ > 0) {
		parser_fail(parser, "more than one element");
		return;
	}
	parser->root_name = name;
	parser->root_ns = ns;
	if (parser->declared == NULL)
		return;
	for (; ns_count > 0; ns_count--, ns_list += 2)
		stream_ns_declare(parser->declared, (const char *)ns_list[0],
				  (const char *)ns_list[1]);
}

static void on_start(void *ctx, const xmlChar *name, const xmlChar *prefix,
		     const xmlChar *uri, int ns_count, const xmlChar **ns_list,
		     int attr_count, int default_count, const xmlChar **attrs)
{
	struct stanza_parser *parser = ctx;
	struct element *element;
	const char *ns;

	(void)prefix;
	(void)default_count; /* there is no DTD that could have any */
	if (!parser->in_element || parser->failed)
		return;
	ns = map_ns(parser, (const char *)uri);
	if (parser->depth == 0)
		root_start(parser, (const char *)name, ns, ns_count, ns_list);
	if (++parser->depth > DEPTH_MAX)
		parser_fail(parser, "elements are nested too deeply");
	if (!parser->build || parser->failed)
		return;
	element = element_append(parser->stanza, parser->parent,
				 (const char *)name, ns);
	add_attrs(element, attr_count, attrs);
	parser->parent = element;
}

static void on_end(void *ctx, const xmlChar *name, const xmlChar *prefix,
		   const xmlChar *uri)
{
	struct stanza_parser *parser = ctx;

	(void)name;
	(void)prefix;
	(void)uri;
	if (!parser->in_element || parser->failed)
		return;
	if (parser->depth == 0) {
		/* It would close our wrapper. */
		parser_fail(parser, "an end tag without start tag");
		return;
	}
	parser->depth--;
	if (parser->build)
		parser->parent = parser->parent->parent;
}

static void on_text(void *ctx, const xmlChar *text, int len)
{
	struct stanza_parser *parser = ctx;

	if (!parser->in_element || parser->failed)
		return;
	if (parser->depth == 0)
		parser_fail(parser, "text around the element");
	else if (parser->build)
		element_append_text(parser->parent, (const char *)text, len);
}

static void on_comment(void *ctx, const xmlChar *text)
{
	(void)text;
	parser_fail(ctx, "a comment");
}

static void on_instruction(void *ctx, const xmlChar *target,
			   const xmlChar *data)
{
	(void)target;
	(void)data;
	parser_fail(ctx, "a processing instruction");
}

static void on_reference(void *ctx, const xmlChar *name)
{
	(void)name;
	parser_fail(ctx, "an entity reference");
}

/* Errors in namespaces are errors, even though libxml2 would go on; but a
 * namespace name that is no URI hurts nobody, and "vcard-temp" is one. */
static void on_error(void *ctx, xmlError *error)
{
	struct stanza_parser *parser = ctx;
	char text[sizeof(parser->err->text)];

	if (error->level == XML_ERR_WARNING || error->code == XML_WAR_NS_URI)
		return;
	str_copy(text, sizeof(text),
		 error->message != NULL ? error->message : "not well-formed");
	parser_fail(parser, str_trim(text));
}

/* -- the endless document ------------------------------------------------- */

struct stanza_parser *stanza_parser_new(void)
{
	struct stanza_parser *parser = mem_new(struct stanza_parser);

	parser->sax = (xmlSAXHandler){
		.initialized = XML_SAX2_MAGIC,
		.startElementNs = on_start,
		.endElementNs = on_end,
		.characters = on_text,
		.ignorableWhitespace = on_text,
		.cdataBlock = on_text,
		.comment = on_comment,
		.processingInstruction = on_instruction,
		.reference = on_reference,
		.serror = on_error,
	};
	return parser;
}

static void document_drop(struct stanza_parser *parser)
{
	if (parser->xml != NULL)
		xmlFreeParserCtxt(parser->xml);
	parser->xml = NULL;
	parser->bytes = 0;
	parser->wrapped = false;
}

void stanza_parser_free(struct stanza_parser **parser)
{
	if (*parser == NULL)
		return;
	document_drop(*parser);
	stream_ns_free(&(*parser)->scope);
	mem_free(*parser);
	*parser = NULL;
}

static void feed(struct stanza_parser *parser, const char *bytes, size_t len)
{
	parser->bytes += len;
	if (xmlParseChunk(parser->xml, bytes, (int)len, 0) != 0)
		parser_fail(parser, "not well-formed");
}

static void feed_str(struct stanza_parser *parser, const char *text)
{
	feed(parser, text, strlen(text));
}

/* A document whose root is never closed. */
static void document_open(struct stanza_parser *parser)
{
	if (parser->xml != NULL &&
	    (parser->bytes > BYTES_MAX ||
	     xmlDictGetUsage(parser->xml->dict) > NAMES_MAX))
		document_drop(parser);
	if (parser->xml != NULL)
		return;
	parser->xml =
		xmlCreatePushParserCtxt(&parser->sax, parser, NULL, 0, NULL);
	if (parser->xml == NULL)
		abort(); /* out of memory, as in util/base/mem.c */
	/* NOENT gives the five predefined entities as text, in attributes too;
	 * others do not exist without a DTD. */
	xmlCtxtUseOptions(parser->xml, XML_PARSE_NOENT | XML_PARSE_NONET);
	feed_str(parser, "<?xml version='1.0' encoding='UTF-8'?><r>");
}

/* Makes the wrapper declare what the stream does; it usually does already. */
static void wrapper_open(struct stanza_parser *parser,
			 const struct stream_ns *ns)
{
	struct buf tag = { 0 };

	if (parser->wrapped && stream_ns_equal(&parser->scope, ns))
		return;
	if (parser->wrapped)
		buf_add_str(&tag, "</w>");
	buf_add_str(&tag, "<w");
	if (*ns->content != '\0')
		buf_add_attr(&tag, "xmlns", ns->content);
	for (size_t i = 0; i < ns->count; i++) {
		buf_addf(&tag, " xmlns:%s", ns->prefixes[i].prefix);
		buf_add_str(&tag, "='");
		buf_add_xml_attr(&tag, ns->prefixes[i].uri);
		buf_add_char(&tag, '\'');
	}
	buf_add_char(&tag, '>');
	feed(parser, buf_data(&tag), tag.len);
	buf_free(&tag);
	stream_ns_free(&parser->scope);
	stream_ns_copy(&parser->scope, ns);
	parser->wrapped = true;
}

/* Whether what was fed left the document as it was: one more element, nothing
 * open, nothing that waits for its end. */
static bool element_is_whole(struct stanza_parser *parser)
{
	const xmlParserInput *input = parser->xml->input;

	if (parser->failed)
		return false;
	if (parser->roots != 1 || parser->depth != 0 ||
	    !parser->xml->wellFormed || input == NULL ||
	    input->cur != input->end ||
	    parser->xml->instate != XML_PARSER_CONTENT)
		parser_fail(parser, "not exactly one element");
	return !parser->failed;
}

static void parser_prepare(struct stanza_parser *parser,
			   const struct stream_ns *ns, struct error *err)
{
	parser->err = err;
	parser->failed = false;
	parser->in_element = false;
	parser->depth = 0;
	parser->roots = 0;
	parser->parent = NULL;
	parser->root_name = NULL;
	parser->root_ns = NULL;
	document_open(parser);
	wrapper_open(parser, ns);
}

/* The element of `bytes`, with `end` behind it (for headers, else ""). */
static int parser_run(struct stanza_parser *parser, const struct stream_ns *ns,
		      const char *bytes, size_t len, const char *end,
		      struct error *err)
{
	bool whole;

	if (len == 0 || len > INT_MAX / 2 || bytes[0] != '<' ||
	    !utf8_is_xml(bytes, len))
		return error_set(err, "not an element in UTF-8");
	parser_prepare(parser, ns, err);
	parser->in_element = true;
	feed(parser, bytes, len);
	if (!parser->failed && *end != '\0')
		feed_str(parser, end);
	whole = element_is_whole(parser);
	parser->in_element = false;
	parser->err = NULL;
	if (!whole)
		document_drop(parser);
	return whole ? 0 : -1;
}

/* -- the three ways to parse ---------------------------------------------- */

static struct stanza *parse(struct stanza_parser *parser,
			    const struct stream_ns *ns, const char *bytes,
			    size_t len, const char *end, struct error *err)
{
	/* What the tree of a typical stanza takes: markup costs more than its
	 * bytes, and what is long is mostly text. */
	struct stanza *stanza =
		stanza_alloc(512 + len + (len < 1024 ? len : 1024));

	parser->build = true;
	parser->stanza = stanza;
	if (parser_run(parser, ns, bytes, len, end, err) < 0)
		stanza_free(&stanza);
	parser->stanza = NULL;
	return stanza;
}

struct stanza *stanza_parse(struct stanza_parser *parser,
			    const struct stream_ns *ns, const char *bytes,
			    size_t len, struct error *err)
{
	parser->declared = NULL;
	return parse(parser, ns, bytes, len, "", err);
}

int stanza_check(struct stanza_parser *parser, const struct stream_ns *ns,
		 const char *bytes, size_t len, const char **name,
		 const char **ns_out, struct error *err)
{
	parser->declared = NULL;
	parser->build = false;
	if (parser_run(parser, ns, bytes, len, "", err) < 0)
		return -1;
	if (name != NULL)
		*name = parser->root_name;
	if (ns_out != NULL)
		*ns_out = parser->root_ns;
	return 0;
}

/* The end tag that a header lacks: so it is parsed like any element, and its
 * declarations cannot mix with those of another stream. */
struct stanza *stanza_parse_header(struct stanza_parser *parser,
				   const char *bytes, size_t len,
				   struct stream_ns *ns, struct error *err)
{
	static const struct stream_ns nothing = { .content = "" };
	struct buf end = { 0 };
	struct stanza *stanza;
	size_t name_len = 0;

	while (1 + name_len < len &&
	       strchr(" \t\r\n/>", bytes[1 + name_len]) == NULL)
		name_len++;
	buf_add_str(&end, "</");
	if (name_len > 0)
		buf_add(&end, bytes + 1, name_len);
	buf_add_char(&end, '>');

	memset(ns, 0, sizeof(*ns));
	ns->content = "";
	parser->declared = ns;
	stanza = parse(parser, &nothing, bytes, len, buf_data(&end), err);
	parser->declared = NULL;
	buf_free(&end);
	if (stanza != NULL && stanza->root->first != NULL) {
		error_set(err, "more than a stream header");
		stanza_free(&stanza);
	}
	if (stanza == NULL) {
		stream_ns_free(ns);
		ns->content = "";
	}
	return stanza;
}
