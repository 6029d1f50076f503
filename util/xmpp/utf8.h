/* SPDX-License-Identifier: Apache-2.0
 *
 * The check that bytes are characters at all, before anyone parses them.
 */
#ifndef UTIL_XMPP_UTF8_H
#define UTIL_XMPP_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the bytes are UTF-8 in its shortest form (RFC 3629), without
 * surrogates, of characters that XML 1.0 allows (section 2.2 there). */
bool utf8_is_xml(const char *bytes, size_t len);

/* The same, of any characters. */
bool utf8_is_valid(const char *bytes, size_t len);

#endif
