/* SPDX-License-Identifier: Apache-2.0
 *
 * The walk through the markup of one piece: one pass, no look behind, so that
 * the piece may come in any portions. Whether names are declared, and what
 * else XML asks for, is the job of stanza_parse.c.
 */
#include "util/xmpp/frame_scan.h"

#include <string.h>

enum char_class {
	SPACE = 1,
	NAME_START = 2,
	NAME_MORE = 4,
	NAME = NAME_START | NAME_MORE
};

/* The ASCII part of XML's names, and all bytes of other characters: which of
 * those may stand in a name is left to the parser. */
static const uint8_t classes[256] = {
	['\t'] = SPACE,
	['\n'] = SPACE,
	['\r'] = SPACE,
	[' '] = SPACE,
	['-'] = NAME_MORE,
	['.'] = NAME_MORE,
	['0' ... '9'] = NAME_MORE,
	[':'] = NAME_START,
	['A' ... 'Z'] = NAME_START,
	['_'] = NAME_START,
	['a' ... 'z'] = NAME_START,
	[0x80 ... 0xff] = NAME_START,
};

static const char cdata_open[] = "[CDATA[";

static bool is(char c, enum char_class class)
{
	return (classes[(unsigned char)c] & class) != 0;
}

const char *frame_fail(struct frame *frame, enum frame_error error,
		       const char *reason)
{
	buf_free(&frame->held);
	frame->error = error;
	frame->reason = reason;
	return NULL;
}

static const char *not_well_formed(struct frame *frame, const char *reason)
{
	return frame_fail(frame, FRAME_NOT_WELL_FORMED, reason);
}

const char *frame_skip_space(const char *p, const char *end)
{
	while (p < end && is(*p, SPACE))
		p++;
	return p;
}

static uint64_t has_byte(uint64_t word, char c)
{
	const uint64_t ones = UINT64_MAX / 255;

	word ^= ones * (unsigned char)c;
	return (word - ones) & ~word & (ones << 7);
}

/* The first of three bytes, or `end`. Eight bytes at a time: most of a stanza
 * is text and attribute values. */
static const char *skip_to(const char *p, const char *end, char a, char b,
			   char c)
{
	uint64_t word;

	while (end - p >= (ptrdiff_t)sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		if ((has_byte(word, a) | has_byte(word, b) |
		     has_byte(word, c)) != 0)
			break;
		p += sizeof(word);
	}
	while (p < end && *p != a && *p != b && *p != c)
		p++;
	return p;
}

/* -- start and end tags --------------------------------------------------- */

/* FNV-1a: two names of one hash would be told apart by the parser. */
static void hash_name(struct frame *frame, const char *p, const char *end)
{
	for (; p < end; p++)
		frame->hash = (frame->hash ^ (unsigned char)*p) * 16777619U;
}

/* The bytes of a name that are there, counted against the limit. */
static const char *scan_name(struct frame *frame, const char *p,
			     const char *end)
{
	const char *start = p;

	while (p < end && is(*p, NAME))
		p++;
	frame->name += p - start;
	if (frame->name > frame->limits->name)
		return frame_fail(frame, FRAME_TOO_BIG, "a name is too long");
	return p;
}

static const char *scan_markup(struct frame *frame, const char *p)
{
	if (*p == '/') {
		frame->state = STATE_END_MARKUP;
		return p + 1;
	}
	if (*p == '!') {
		frame->state = STATE_BANG;
		return p + 1;
	}
	if (*p == '?') {
		if (frame->in_stream || frame->declared)
			return frame_fail(frame, FRAME_RESTRICTED_XML,
					  "a processing instruction");
		frame->state = STATE_DECLARATION;
		return p + 1;
	}
	if (!is(*p, NAME_START))
		return not_well_formed(frame, "no name after <");
	if (frame->depth >= frame->limits->depth)
		return frame_fail(frame, FRAME_TOO_BIG,
				  "elements are nested too deeply");
	frame->name = 0;
	frame->hash = 0;
	frame->attributes = 0;
	frame->state = STATE_NAME;
	return p;
}

static const char *start_tag_done(struct frame *frame, const char *p)
{
	if (!frame->in_stream) {
		frame->state = STATE_HEADER_COMPLETE;
	} else {
		if (frame->depth < FRAME_MATCHED)
			frame->open[frame->depth] = frame->hash;
		frame->depth++;
		frame->state = STATE_TEXT;
	}
	return p;
}

/* After the name of an element or a value: what may follow in a start tag. */
static const char *scan_tag(struct frame *frame, const char *p, const char *end)
{
	bool spaced = frame->state == STATE_TAG;

	if (is(*p, SPACE)) {
		frame->state = STATE_TAG;
		return frame_skip_space(p, end);
	}
	if (*p == '>')
		return start_tag_done(frame, p + 1);
	if (*p == '/') {
		frame->state = STATE_EMPTY;
		return p + 1;
	}
	if (!spaced || !is(*p, NAME_START))
		return not_well_formed(frame, "a stray byte in a start tag");
	if (++frame->attributes > frame->limits->attributes)
		return frame_fail(frame, FRAME_TOO_BIG, "too many attributes");
	frame->name = 0;
	frame->state = STATE_ATTRIBUTE;
	return p;
}

static const char *scan_element_name(struct frame *frame, const char *p,
				     const char *end)
{
	const char *start = p;

	p = scan_name(frame, p, end);
	if (p == NULL)
		return NULL;
	hash_name(frame, start, p);
	if (p < end)
		frame->state = STATE_AFTER_VALUE;
	return p;
}

static const char *scan_attribute(struct frame *frame, const char *p,
				  const char *end)
{
	p = scan_name(frame, p, end);
	if (p != NULL && p < end)
		frame->state = STATE_EQUALS;
	return p;
}

static const char *scan_equals(struct frame *frame, const char *p,
			       const char *end)
{
	if (is(*p, SPACE))
		return frame_skip_space(p, end);
	if (*p != '=')
		return not_well_formed(frame, "an attribute without value");
	frame->state = STATE_QUOTE;
	return p + 1;
}

static const char *scan_quote(struct frame *frame, const char *p,
			      const char *end)
{
	if (is(*p, SPACE))
		return frame_skip_space(p, end);
	if (*p != '\'' && *p != '"')
		return not_well_formed(frame, "a value without quotes");
	frame->quote = *p;
	frame->state = STATE_VALUE;
	return p + 1;
}

static const char *scan_value(struct frame *frame, const char *p,
			      const char *end)
{
	p = skip_to(p, end, (char)frame->quote, '<', '&');
	if (p == end)
		return p;
	if (*p == '<')
		return not_well_formed(frame, "< in an attribute value");
	if (*p == '&') {
		frame->state = STATE_REFERENCE;
	} else {
		frame->quote = 0;
		frame->state = STATE_AFTER_VALUE;
	}
	return p + 1;
}

static const char *scan_empty(struct frame *frame, const char *p)
{
	if (*p != '>')
		return not_well_formed(frame, "/ in a start tag");
	if (!frame->in_stream)
		return not_well_formed(frame, "an empty stream");
	frame->state = frame->depth == 0 ? STATE_ELEMENT_COMPLETE : STATE_TEXT;
	return p + 1;
}

static const char *scan_end_markup(struct frame *frame, const char *p)
{
	if (!is(*p, NAME_START))
		return not_well_formed(frame, "no name after </");
	if (!frame->in_stream)
		return not_well_formed(frame, "an end tag before the stream");
	frame->name = 0;
	frame->hash = 0;
	frame->state = STATE_END_NAME;
	return p;
}

static const char *scan_end_name(struct frame *frame, const char *p,
				 const char *end)
{
	const char *start = p;

	p = scan_name(frame, p, end);
	if (p == NULL)
		return NULL;
	hash_name(frame, start, p);
	if (p < end)
		frame->state = STATE_END_SPACE;
	return p;
}

static const char *scan_end_space(struct frame *frame, const char *p,
				  const char *end)
{
	if (is(*p, SPACE))
		return frame_skip_space(p, end);
	if (*p != '>')
		return not_well_formed(frame, "a stray byte in an end tag");
	if (frame->depth == 0) {
		frame->state = STATE_END_COMPLETE;
		return p + 1;
	}
	frame->depth--;
	if (frame->depth < FRAME_MATCHED &&
	    frame->open[frame->depth] != frame->hash)
		return not_well_formed(frame, "an end tag that does not match");
	frame->state = frame->depth == 0 ? STATE_ELEMENT_COMPLETE : STATE_TEXT;
	return p + 1;
}

/* -- text, references, CDATA ---------------------------------------------- */

static const char *scan_text(struct frame *frame, const char *p,
			     const char *end)
{
	p = skip_to(p, end, '<', '&', '<');
	if (p == end)
		return p;
	frame->state = *p == '<' ? STATE_MARKUP : STATE_REFERENCE;
	return p + 1;
}

static const char *scan_reference(struct frame *frame, const char *p)
{
	frame->reference = 0;
	if (*p == '#') {
		frame->state = STATE_NUMBER;
		return p + 1;
	}
	if (!is(*p, NAME_START))
		return not_well_formed(frame, "& without a name");
	frame->state = STATE_ENTITY;
	return p;
}

static const char *reference_done(struct frame *frame, const char *p)
{
	frame->state = frame->quote != 0 ? STATE_VALUE : STATE_TEXT;
	return p;
}

/* The five names fit into a number, so nothing needs to be kept of them. */
#define ENTITY(a, b, c, d)                                                     \
	((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

static const char *scan_entity(struct frame *frame, const char *p)
{
	if (*p != ';') {
		if (!is(*p, NAME))
			return not_well_formed(frame, "& without ;");
		if (frame->reference >> 24 != 0)
			return frame_fail(frame, FRAME_RESTRICTED_XML,
					  "an entity reference");
		frame->reference = frame->reference << 8 | (unsigned char)*p;
		return p + 1;
	}
	switch (frame->reference) {
	case ENTITY(0, 'a', 'm', 'p'):
	case ENTITY(0, 0, 'l', 't'):
	case ENTITY(0, 0, 'g', 't'):
	case ENTITY('a', 'p', 'o', 's'):
	case ENTITY('q', 'u', 'o', 't'):
		return reference_done(frame, p + 1);
	default:
		return frame_fail(frame, FRAME_RESTRICTED_XML,
				  "an entity reference");
	}
}

/* Char of XML 1.0 section 2.2. */
static bool is_xml_char(uint32_t c)
{
	return c == 0x9 || c == 0xa || c == 0xd || (c >= 0x20 && c <= 0xd7ff) ||
	       (c >= 0xe000 && c <= 0xfffd) || (c >= 0x10000 && c <= 0x10ffff);
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

/* Decimal or hexadecimal: "&#" or "&#x" is past. */
static const char *scan_digits(struct frame *frame, const char *p,
			       unsigned base)
{
	unsigned digit = digit_value(*p);

	if (digit < base) {
		frame->reference = frame->reference * base + digit;
		if (frame->reference <= 0x10ffff)
			return p + 1;
	} else if (*p == ';' && is_xml_char(frame->reference)) {
		return reference_done(frame, p + 1);
	}
	return not_well_formed(frame, "a reference to no character");
}

static const char *scan_number(struct frame *frame, const char *p)
{
	if (*p == 'x') {
		frame->state = STATE_HEX;
		return p + 1;
	}
	frame->state = STATE_DECIMAL;
	return p;
}

static const char *scan_bang(struct frame *frame, const char *p)
{
	if (*p == '-')
		return frame_fail(frame, FRAME_RESTRICTED_XML, "a comment");
	if (*p == 'D' || *p == 'E' || *p == 'A' || *p == 'N')
		return frame_fail(frame, FRAME_RESTRICTED_XML,
				  "a document type declaration");
	/* Character data has no place outside of an element. */
	if (*p != cdata_open[0] || frame->depth == 0)
		return not_well_formed(frame, "<! without meaning");
	frame->reference = 1;
	frame->state = STATE_CDATA_OPEN;
	return p + 1;
}

static const char *scan_cdata_open(struct frame *frame, const char *p)
{
	if (*p != cdata_open[frame->reference])
		return not_well_formed(frame, "<! without meaning");
	if (cdata_open[++frame->reference] == '\0')
		frame->state = STATE_CDATA;
	return p + 1;
}

static const char *scan_cdata(struct frame *frame, const char *p,
			      const char *end)
{
	const char *close = memchr(p, ']', end - p);

	if (close == NULL)
		return end;
	frame->state = STATE_CDATA_CLOSE;
	return close + 1;
}

static const char *scan_cdata_close(struct frame *frame, const char *p)
{
	if (*p == ']')
		frame->state = STATE_CDATA_CLOSE2;
	else if (*p == '>' && frame->state == STATE_CDATA_CLOSE2)
		frame->state = STATE_TEXT;
	else
		frame->state = STATE_CDATA;
	return p + 1;
}

/* An XML declaration has no ">" but the one at its end. */
static const char *scan_declaration(struct frame *frame, const char *p,
				    const char *end)
{
	const char *close = memchr(p, '>', end - p);

	if (close == NULL)
		return end;
	frame->state = STATE_DECLARATION_COMPLETE;
	return close + 1;
}

/* -- all states ---------------------------------------------------------------
 */

/* One step of at least one byte, or of a change of state; NULL on error. */
static const char *scan_step(struct frame *frame, const char *p,
			     const char *end)
{
	switch ((enum frame_state)frame->state) {
	case STATE_OPEN:
		frame->state = STATE_MARKUP;
		return p + 1;
	case STATE_MARKUP:
		return scan_markup(frame, p);
	case STATE_NAME:
		return scan_element_name(frame, p, end);
	case STATE_TAG:
	case STATE_AFTER_VALUE:
		return scan_tag(frame, p, end);
	case STATE_ATTRIBUTE:
		return scan_attribute(frame, p, end);
	case STATE_EQUALS:
		return scan_equals(frame, p, end);
	case STATE_QUOTE:
		return scan_quote(frame, p, end);
	case STATE_VALUE:
		return scan_value(frame, p, end);
	case STATE_EMPTY:
		return scan_empty(frame, p);
	case STATE_END_MARKUP:
		return scan_end_markup(frame, p);
	case STATE_END_NAME:
		return scan_end_name(frame, p, end);
	case STATE_END_SPACE:
		return scan_end_space(frame, p, end);
	case STATE_TEXT:
		return scan_text(frame, p, end);
	case STATE_REFERENCE:
		return scan_reference(frame, p);
	case STATE_ENTITY:
		return scan_entity(frame, p);
	case STATE_NUMBER:
		return scan_number(frame, p);
	case STATE_DECIMAL:
		return scan_digits(frame, p, 10);
	case STATE_HEX:
		return scan_digits(frame, p, 16);
	case STATE_BANG:
		return scan_bang(frame, p);
	case STATE_CDATA_OPEN:
		return scan_cdata_open(frame, p);
	case STATE_CDATA:
		return scan_cdata(frame, p, end);
	case STATE_CDATA_CLOSE:
	case STATE_CDATA_CLOSE2:
		return scan_cdata_close(frame, p);
	case STATE_DECLARATION:
		return scan_declaration(frame, p, end);
	default:
		return p;
	}
}

const char *frame_scan(struct frame *frame, const char *bytes, const char *end)
{
	while (bytes != NULL && bytes < end && frame->state < STATE_COMPLETE)
		bytes = scan_step(frame, bytes, end);
	return bytes;
}
