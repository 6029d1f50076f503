/* SPDX-License-Identifier: Apache-2.0
 *
 * The namespaces of a stream, for stanza_parse.c only; the type is in
 * stanza.h.
 */
#ifndef UTIL_XMPP_STREAM_NS_H
#define UTIL_XMPP_STREAM_NS_H

#include <stdbool.h>

#include "util/xmpp/stanza.h"

/* Adds a declaration: of a prefix, or with NULL of the content namespace.
 * Both strings are copied. */
void stream_ns_declare(struct stream_ns *ns, const char *prefix,
		       const char *uri);

/* `to` is overwritten; released with stream_ns_free(). */
void stream_ns_copy(struct stream_ns *to, const struct stream_ns *from);

/* The same declarations in the same order. */
bool stream_ns_equal(const struct stream_ns *a, const struct stream_ns *b);

#endif
