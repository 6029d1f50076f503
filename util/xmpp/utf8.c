/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8 and the characters of XML. libxml2 lets some overlong forms pass, and
 * bytes that two processes understand differently must not travel.
 */
#include "util/xmpp/utf8.h"

#include <stdint.h>
#include <string.h>

/* Not one of eight bytes is a control or above ASCII: the usual case. */
static bool is_plain(const unsigned char *p)
{
	const uint64_t ones = UINT64_MAX / 255;
	const uint64_t high = ones << 7;
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	/* Borrows may call a plain word suspicious, never the reverse. */
	return ((word | (word - ones * 0x20)) & high) == 0;
}

/* The continuation bytes of a sequence add up to a character of at least
 * `min`, the least that needs so many. */
static bool is_sequence(const unsigned char *p, size_t count, uint32_t c,
			uint32_t min)
{
	for (size_t i = 0; i < count; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return false;
		c = c << 6 | (p[i] & 0x3f);
	}
	return c >= min && c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
}

static bool is_xml_control(unsigned char c)
{
	return c == '\t' || c == '\n' || c == '\r';
}

/* U+FFFE or U+FFFF, of which XML has none. */
static bool is_noncharacter(const unsigned char *p)
{
	return p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe;
}

/* Length of the character at `p`; 0 when it is none. */
static size_t character_length(const unsigned char *p, size_t left)
{
	if (*p < 0x80)
		return 1;
	if (*p < 0xe0)
		return *p >= 0xc2 && left >= 2 &&
				       is_sequence(p + 1, 1, *p & 0x1f, 0x80)
			       ? 2
			       : 0;
	if (*p < 0xf0)
		return left >= 3 && is_sequence(p + 1, 2, *p & 0x0f, 0x800) ? 3
									    : 0;
	return *p < 0xf5 && left >= 4 &&
			       is_sequence(p + 1, 3, *p & 0x07, 0x10000)
		       ? 4
		       : 0;
}

static bool check(const char *bytes, size_t len, bool xml)
{
	const unsigned char *p = (const unsigned char *)bytes;
	const unsigned char *end = p + len;
	size_t step;

	while (p < end) {
		if (end - p >= 8 && is_plain(p)) {
			p += 8;
			continue;
		}
		step = character_length(p, end - p);
		if (step == 0)
			return false;
		if (xml && ((*p < 0x20 && !is_xml_control(*p)) ||
			    (step == 3 && is_noncharacter(p))))
			return false;
		p += step;
	}
	return true;
}

bool utf8_is_xml(const char *bytes, size_t len)
{
	return check(bytes, len, true);
}

bool utf8_is_valid(const char *bytes, size_t len)
{
	return check(bytes, len, false);
}
