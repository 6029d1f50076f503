/* SPDX-License-Identifier: Apache-2.0
 *
 * One framed element as a light tree. All of a stanza (elements, attributes,
 * text) lives in one chain of memory blocks and is freed as a whole; there is
 * nothing to free below it.
 *
 * Glossary: the *content namespace* is the default namespace of a stream
 * (jabber:client, jabber:server, jabber:component:accept). In a tree it is
 * always NS_CLIENT: parsing maps a stream's content namespace to it, writing
 * maps it back, so that handlers know one name only.
 */
#ifndef UTIL_XMPP_STANZA_H
#define UTIL_XMPP_STANZA_H

#include <stdbool.h>
#include <stddef.h>

#include "util/base/buf.h"
#include "util/base/error.h"

struct stanza;

struct attr {
	const char *name;   /* local name */
	const char *ns;	    /* NULL for the usual, unprefixed ones */
	const char *prefix; /* as it came; NULL without ns */
	const char *value;
	struct attr *next;
};

/* An element, or a piece of text when `name` is NULL. */
struct element {
	const char *name;
	const char *ns;	  /* "" for none */
	const char *text; /* of a text node: NUL-terminated UTF-8 */
	size_t text_len;
	struct attr *attrs;
	struct element *parent;
	struct element *first, *last; /* children */
	struct element *next;	      /* sibling */
	struct stanza *stanza;	      /* whose memory this is */
};

struct stanza {
	struct element *root;
	/* private: */
	struct stanza_block *blocks;
};

/* Namespaces in scope at the top level of a stream: its content namespace and
 * the prefixes that its header declares. */
struct stream_ns {
	const char *content; /* never NULL */
	size_t count;
	struct stream_prefix {
		char *prefix;
		char *uri;
	} *prefixes; /* "stream" among them */
	char *owned_content; /* memory of content when it is no known one */
};

/* Prefix "stream" only, with the content namespace given; on links between
 * roles and the router, "link" too. Constant: not for stream_ns_free(). */
extern const struct stream_ns stream_ns_client, stream_ns_component,
	stream_ns_link;

/* Frees what it holds and zeroes it. Whoever wants another content namespace
 * may point `content` to a string of his own before. */
void stream_ns_free(struct stream_ns *ns);

/* A parser context that is reused from stanza to stanza (creating one costs
 * more than parsing). It serves any streams, fastest when one after the other
 * declares the same: a role with several kinds of stream has one for each. Not
 * for two threads at the same time. */
struct stanza_parser;
struct stanza_parser *stanza_parser_new(void);
void stanza_parser_free(struct stanza_parser **parser);

/* Parses exactly one element. NULL unless the bytes are one well-formed,
 * namespace-well-formed, valid UTF-8 element under `ns`, without comments, PIs, DTD. */
struct stanza *stanza_parse(struct stanza_parser *parser,
			    const struct stream_ns *ns, const char *bytes,
			    size_t len, struct error *err);

/* The same checks without a tree: 0, or -1 with the reason. The name and
 * namespace of the root go to `name` and `ns_out` when these are not NULL:
 * valid until the next use of the parser. */
int stanza_check(struct stanza_parser *parser, const struct stream_ns *ns,
		 const char *bytes, size_t len, const char **name,
		 const char **ns_out, struct error *err);

/* Parses a stream header "<stream:stream ...>" (no end tag) into a stanza of
 * that root element without children; fills `ns` (owned by the caller) with
 * what it declares; the content namespace is left to the caller to judge. */
struct stanza *stanza_parse_header(struct stanza_parser *parser,
				   const char *bytes, size_t len,
				   struct stream_ns *ns, struct error *err);

/* ns NULL: NS_CLIENT. */
struct stanza *stanza_new(const char *name, const char *ns);
struct stanza *stanza_copy(const struct stanza *stanza);

/* A stanza with a copy of the element as its root. */
struct stanza *stanza_from_element(const struct element *element);
void stanza_free(struct stanza **stanza);

/* Bytes of memory it holds: for limits on queues. */
size_t stanza_size(const struct stanza *stanza);

/* -- reading ------------------------------------------------------------ */

/* NULL when absent. Name without namespace means the unprefixed attribute. */
const char *element_attr(const struct element *element, const char *name);
const char *element_attr_ns(const struct element *element, const char *ns,
			    const char *name);

/* First child element; ns NULL: the parent's; name NULL: any name. */
struct element *element_child(const struct element *parent, const char *name,
			      const char *ns);

/* The next sibling that is an element of the same name and namespace. */
struct element *element_next_same(const struct element *element);

/* First / next child that is an element at all. */
struct element *element_first(const struct element *parent);
struct element *element_next(const struct element *element);
bool element_is(const struct element *element, const char *name,
		const char *ns);

/* The text directly inside (all text nodes joined), "" when there is none;
 * lives in the stanza's memory, until text is added to the element. */
const char *element_text(const struct element *element);

/* Text of a child element, NULL when there is no such child. */
const char *element_child_text(const struct element *parent, const char *name,
			       const char *ns);

/* -- building: strings are copied into the stanza ------------------------ */

/* value NULL removes the attribute. */
void element_set_attr(struct element *element, const char *name,
		      const char *value);
/* Adds xml:lang; only for an element that has none. */
void element_add_lang(struct element *element, const char *lang);
/* ns NULL: the parent's. */
struct element *element_add(struct element *parent, const char *name,
			    const char *ns);
/* Adds a child with text in it. */
struct element *element_add_text_child(struct element *parent, const char *name,
				       const char *ns, const char *text);
void element_add_text(struct element *element, const char *text);
void element_addf(struct element *element, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* A deep copy of a foreign element (any stanza's) as last child. */
struct element *element_add_copy(struct element *parent,
				 const struct element *element);
/* Unlinks the child; its memory stays with the stanza. */
void element_remove(struct element *child);

/* Parses bytes (written by stanza_write, content namespace jabber:client) and
 * adds them as the last child: for what the storage kept. NULL on failure. */
struct element *element_add_parsed(struct element *parent,
				   struct stanza_parser *parser,
				   const char *bytes, size_t len);

/* -- writing ------------------------------------------------------------- */

/* Appends the element as XML under a stream whose default namespace is the
 * content namespace: no xmlns on elements of NS_CLIENT that inherit it, a
 * default xmlns wherever the namespace changes. Prefixed attributes get a
 * declaration; "xml:" needs none. A root in NS_STREAM or NS_LINK gets the
 * prefix stream: or link:, which its stream declares. What is written and
 * parsed again under the same declarations is the same tree. */
void element_write(const struct element *element, struct buf *to);
void stanza_write(const struct stanza *stanza, struct buf *to);

#endif
