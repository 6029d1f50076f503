/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a file (XEP-0227 section 3) with libxml2's reader, which holds one
 * element of a user at a time. Files that it includes (section 4) are read in
 * their place. What the elements of a user mean is in db/kind_*.c.
 */
#include "db/pie.h"

#include <assert.h>
#include <errno.h>
#include <libxml/tree.h>
#include <libxml/uri.h>
#include <libxml/xmlreader.h>
#include <string.h>
#include <unistd.h>

#include "util/base/mem.h"
#include "util/base/str.h"

#define NS_XINCLUDE	"http://www.w3.org/2001/XInclude"
#define NS_XINCLUDE_OLD "http://www.w3.org/2003/XInclude"

/* Files within files: the main one, a host's, a user's, and some more. */
#define FILES_MAX 8

/* What an element stands in. */
enum level { IN_NOTHING, IN_DATA, IN_HOST, IN_USER, IN_KIND };

struct reading {
	const struct pie_events *events;
	void *ctx;
	struct stanza_parser *parser;
	unsigned files;
	struct error *err;
	bool failed;
};

/* One file of them. */
struct source {
	struct reading *reading;
	xmlTextReaderPtr xml;
	const char *path; /* NULL: without a name */
	const struct pie_kind *kind; /* IN_KIND */
	char complaint[160];
};

static void read_element(struct source *source, enum level level);

static void fail(struct source *source, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void fail(struct source *source, const char *format, ...)
{
	struct reading *reading = source->reading;
	char text[200];
	va_list args;

	if (reading->failed)
		return;
	reading->failed = true;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	error_set(reading->err, "%s%sline %d: %s",
		  source->path != NULL ? source->path : "",
		  source->path != NULL ? ", " : "",
		  xmlTextReaderGetParserLineNumber(source->xml), text);
}

/* -- what libxml2 gives ----------------------------------------------------- */

static void take_error(void *ctx, const char *text,
		       xmlParserSeverities severity,
		       xmlTextReaderLocatorPtr where)
{
	struct source *source = ctx;

	(void)where;
	if (severity != XML_PARSER_SEVERITY_ERROR || *source->complaint)
		return;
	str_copy(source->complaint, sizeof(source->complaint), text);
	source->complaint[strcspn(source->complaint, "\n")] = '\0';
}

/* The next node; false at the end, or when there is none. */
static bool next_node(struct source *source)
{
	int result;

	if (source->reading->failed)
		return false;
	result = xmlTextReaderRead(source->xml);
	if (result < 0)
		fail(source, "this is no XML: %s", source->complaint);
	if (result > 0 && xmlTextReaderNodeType(source->xml) ==
				  XML_READER_TYPE_DOCUMENT_TYPE) {
		fail(source, "a document type is not allowed");
		return false;
	}
	return result > 0;
}

static bool is_at(const struct source *source, const char *ns,
		  const char *name)
{
	return str_equal((const char *)xmlTextReaderConstNamespaceUri(
				 source->xml), ns) &&
	       str_equal((const char *)xmlTextReaderConstLocalName(
				 source->xml), name);
}

/* A heap string of libxml2's; NULL when there is none. */
static xmlChar *attribute(const struct source *source, const char *name)
{
	return xmlTextReaderGetAttribute(source->xml, (const xmlChar *)name);
}

/* Comments and instructions have no place in what users store. */
static void strip(xmlNodePtr node)
{
	xmlNodePtr child = node->children, next;

	for (; child != NULL; child = next) {
		next = child->next;
		if (child->type == XML_COMMENT_NODE ||
		    child->type == XML_PI_NODE) {
			xmlUnlinkNode(child);
			xmlFreeNode(child);
		} else if (child->type == XML_ELEMENT_NODE) {
			strip(child);
		}
	}
}

/* The element that the reader stands at, whole. NULL: it is none that a
 * server could have stored. */
static struct stanza *take_element(struct source *source)
{
	xmlNodePtr node = xmlTextReaderExpand(source->xml);
	xmlBufferPtr text;
	struct stanza *stanza;

	if (node == NULL) {
		fail(source, "this is no XML: %s", source->complaint);
		return NULL;
	}
	/* The copy declares the namespaces that it needs. */
	node = xmlDocCopyNode(node, node->doc, 1);
	strip(node);
	text = xmlBufferCreate();
	xmlNodeDump(text, node->doc, node, 0, 0);
	xmlFreeNode(node);
	stanza = stanza_parse(source->reading->parser, &stream_ns_client,
			      (const char *)xmlBufferContent(text),
			      (size_t)xmlBufferLength(text), NULL);
	xmlBufferFree(text);
	return stanza;
}

/* -- included files --------------------------------------------------------- */

static void read_root(struct source *source, enum level level)
{
	while (next_node(source)) {
		if (xmlTextReaderNodeType(source->xml) ==
		    XML_READER_TYPE_ELEMENT &&
		    xmlTextReaderDepth(source->xml) == 0)
			read_element(source, level);
	}
}

static bool is_relative(const char *href)
{
	return *href != '\0' && *href != '/' && strchr(href, ':') == NULL;
}

static char *path_beside(const char *path, const char *href)
{
	const char *slash = strrchr(path, '/');
	char *name = xmlURIUnescapeString(href, 0, NULL);
	char *whole = mem_printf("%.*s%s",
				 slash != NULL ? (int)(slash + 1 - path) : 0,
				 path, name != NULL ? name : href);

	xmlFree(name);
	return whole;
}

static void read_file(struct reading *reading, struct source *from, int fd,
		      const char *path, enum level level)
{
	struct source source = {
		.reading = reading,
		.path = path,
		.kind = from != NULL ? from->kind : NULL,
	};

	source.xml = xmlReaderForFd(fd, path, NULL,
				    XML_PARSE_NONET | XML_PARSE_NOCDATA |
					    XML_PARSE_COMPACT);
	assert(source.xml != NULL);
	xmlTextReaderSetErrorHandler(source.xml, take_error, &source);
	read_root(&source, level);
	xmlFreeTextReader(source.xml);
}

/* Section 4: a relative reference, the whole file, as XML. */
static void include(struct source *source, enum level level)
{
	struct reading *reading = source->reading;
	xmlChar *href = attribute(source, "href");
	xmlChar *parse = attribute(source, "parse");
	xmlChar *pointer = attribute(source, "xpointer");
	char *path = NULL;
	FILE *file;

	if (href == NULL || parse != NULL || pointer != NULL ||
	    source->path == NULL || !is_relative((const char *)href)) {
		fail(source, "only whole files beside a file that has a name "
		     "can be included");
	} else if (reading->files == FILES_MAX) {
		fail(source, "too many files include each other");
	} else {
		path = path_beside(source->path, (const char *)href);
		file = fopen(path, "re");
		if (file == NULL) {
			fail(source, "%s: %s", path, strerror(errno));
		} else {
			reading->files++;
			read_file(reading, source, fileno(file), path, level);
			reading->files--;
			fclose(file);
		}
	}
	mem_free(path);
	xmlFree(href);
	xmlFree(parse);
	xmlFree(pointer);
}

/* -- elements --------------------------------------------------------------- */

static void unknown(struct source *source)
{
	char *what = mem_printf(
		"{%s}%s",
		(const char *)xmlTextReaderConstNamespaceUri(source->xml) ?: "",
		(const char *)xmlTextReaderConstLocalName(source->xml));

	source->reading->events->unknown(what, source->reading->ctx);
	mem_free(what);
}

/* Reads up to the end of the element that the reader stands at. Those deeper
 * belong to one that was taken whole. */
static void read_children(struct source *source, enum level level)
{
	int depth = xmlTextReaderDepth(source->xml);

	if (xmlTextReaderIsEmptyElement(source->xml))
		return;
	while (next_node(source)) {
		int type = xmlTextReaderNodeType(source->xml);
		int at = xmlTextReaderDepth(source->xml);

		if (type == XML_READER_TYPE_END_ELEMENT && at == depth)
			return;
		if (type == XML_READER_TYPE_ELEMENT && at == depth + 1)
			read_element(source, level);
	}
}

static void read_host(struct source *source)
{
	xmlChar *jid = attribute(source, "jid");

	source->reading->events->host(jid != NULL ? (const char *)jid : "",
				      source->reading->ctx);
	xmlFree(jid);
	read_children(source, IN_HOST);
}

static void read_user(struct source *source)
{
	const struct pie_events *events = source->reading->events;
	xmlChar *name = attribute(source, "name");
	xmlChar *password = attribute(source, "password");
	bool wanted = events->user(name != NULL ? (const char *)name : "",
				   (const char *)password,
				   source->reading->ctx);

	xmlFree(name);
	if (password != NULL)
		mem_wipe(password, strlen((const char *)password));
	xmlFree(password);
	if (!wanted)
		return;
	read_children(source, IN_USER);
	if (!source->reading->failed)
		events->user_end(source->reading->ctx);
}

static void give_data(struct source *source, const struct pie_kind *kind)
{
	struct reading *reading = source->reading;
	struct stanza *stanza = take_element(source);

	if (stanza != NULL)
		reading->events->data(kind, stanza->root, reading->ctx);
	else if (!reading->failed)
		unknown(source);
	stanza_free(&stanza);
}

static void read_data(struct source *source)
{
	const struct pie_kind *kind = pie_kinds;

	while (kind->element != NULL &&
	       !is_at(source, kind->ns, kind->element))
		kind++;
	if (kind->element == NULL) {
		unknown(source);
	} else if (kind->each) {
		source->kind = kind;
		read_children(source, IN_KIND);
		source->kind = NULL;
	} else {
		give_data(source, kind);
	}
}

static void read_element(struct source *source, enum level level)
{
	/* What users store may look like it. */
	if (level != IN_KIND && (is_at(source, NS_XINCLUDE, "include") ||
				 is_at(source, NS_XINCLUDE_OLD, "include"))) {
		include(source, level);
		return;
	}
	switch (level) {
	case IN_NOTHING:
		if (is_at(source, NS_PIE, "server-data"))
			read_children(source, IN_DATA);
		else
			fail(source, "this is no <server-data/> of XEP-0227");
		break;
	case IN_DATA:
		if (is_at(source, NS_PIE, "host"))
			read_host(source);
		else
			unknown(source);
		break;
	case IN_HOST:
		if (is_at(source, NS_PIE, "user"))
			read_user(source);
		else
			unknown(source);
		break;
	case IN_USER:
		read_data(source);
		break;
	case IN_KIND:
		give_data(source, source->kind);
		break;
	}
}

/* -- the calls -------------------------------------------------------------- */

int pie_read(FILE *file, const char *path, const struct pie_events *events,
	     void *ctx, struct error *err)
{
	struct reading reading = {
		.events = events,
		.ctx = ctx,
		.parser = stanza_parser_new(),
		.files = 1,
		.err = err,
	};

	read_file(&reading, NULL, fileno(file), path, IN_NOTHING);
	stanza_parser_free(&reading.parser);
	return reading.failed ? -1 : 0;
}

int pie_read_user(const struct buf *xml, const struct pie_events *events,
		  void *ctx, struct error *err)
{
	struct reading reading = {
		.events = events,
		.ctx = ctx,
		.parser = stanza_parser_new(),
		.err = err,
	};
	struct source source = { .reading = &reading };
	struct buf text = { 0 };

	buf_addf(&text, "<user xmlns='%s' name='u'>", NS_PIE);
	buf_add(&text, buf_data(xml), xml->len);
	buf_add_str(&text, "</user>");
	source.xml = xmlReaderForMemory(buf_data(&text), (int)text.len, NULL,
					NULL, XML_PARSE_NONET);
	assert(source.xml != NULL);
	xmlTextReaderSetErrorHandler(source.xml, take_error, &source);
	read_root(&source, IN_HOST);
	xmlFreeTextReader(source.xml);
	buf_free_secret(&text);
	stanza_parser_free(&reading.parser);
	return reading.failed ? -1 : 0;
}
