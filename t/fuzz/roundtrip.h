/* SPDX-License-Identifier: Apache-2.0
 *
 * The properties that hold for every stanza, for several fuzz targets.
 */
#ifndef T_FUZZ_ROUNDTRIP_H
#define T_FUZZ_ROUNDTRIP_H

#include <stdbool.h>

#include "util/xmpp/stanza.h"

bool tree_equal(const struct element *a, const struct element *b);

/* stanza_parse() and stanza_check() agree on the bytes; and if they accept
 * them, what is written parses into an equal tree, of the stanza and of a
 * copy of it. Aborts otherwise. Returns whether they are accepted. */
bool roundtrip(struct stanza_parser *parser, const struct stream_ns *ns,
	       const char *bytes, size_t len);

#endif
