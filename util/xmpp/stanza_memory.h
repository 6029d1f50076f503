/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory of a stanza, for the stanza_*.c files only: a chain of zeroed
 * blocks from which pieces are cut and never given back.
 */
#ifndef UTIL_XMPP_STANZA_MEMORY_H
#define UTIL_XMPP_STANZA_MEMORY_H

#include "util/xmpp/stanza.h"

/* A stanza without a root, with room for about `room` bytes before it needs
 * a second block. */
struct stanza *stanza_alloc(size_t room);

/* Zeroed memory for anything. */
void *stanza_take(struct stanza *stanza, size_t size);
char *stanza_strndup(struct stanza *stanza, const char *text, size_t len);
char *stanza_strdup(struct stanza *stanza, const char *text);

/* `text` (`len` bytes and a NUL, of this stanza) with more bytes behind it: at
 * the same place if nothing was taken since and there is room. */
char *stanza_extend(struct stanza *stanza, char *text, size_t len,
		    const char *more, size_t more_len);

/* A new last child (or the root when parent is NULL), with copies of the name
 * and namespace; `ns` is not NULL. */
struct element *element_append(struct stanza *stanza, struct element *parent,
			       const char *name, const char *ns);

/* Text at the end of the element: joined with text that is there. */
void element_append_text(struct element *parent, const char *text, size_t len);

/* A new attribute at `place`, the `next` of the one before it. */
struct attr *attr_append(struct stanza *stanza, struct attr **place,
			 const char *name, const char *value,
			 size_t value_len);

/* The node after this one in document order within the tree of `root`, NULL
 * at its end. `leave`, when not NULL, is called for each element that ends
 * between the two. */
struct element *element_walk(const struct element *root,
			     const struct element *node,
			     void (*leave)(const struct element *element,
					   void *ctx),
			     void *ctx);

#endif
