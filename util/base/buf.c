/* SPDX-License-Identifier: Apache-2.0
 *
 * Growing bytes, with the escapers of XML and JSON that write into them. Text
 * is checked before it comes here; escaping changes only what has a meaning
 * in the syntax around it.
 */
#include "util/base/buf.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "util/base/mem.h"

#define BUF_FIRST_SIZE 128

const char *buf_data(const struct buf *buf)
{
	return buf->data != NULL ? buf->data + buf->start : "";
}

/* Makes place for `len` more bytes and the NUL. What was consumed in front is
 * used again when no more bytes have to move than were consumed; otherwise the
 * memory at least doubles. Either way a byte is moved a few times at most. */
static void make_room(struct buf *buf, size_t len)
{
	size_t need;
	size_t cap;

	if (len < buf->cap && buf->start + buf->len < buf->cap - len)
		return;
	if (__builtin_add_overflow(buf->len, len, &need) ||
	    __builtin_add_overflow(need, 1, &need))
		need = SIZE_MAX; /* which mem_realloc() will not give */
	if (buf->start > 0) {
		bool cheap = buf->start >= buf->len;

		memmove(buf->data, buf->data + buf->start, buf->len + 1);
		buf->start = 0;
		if (cheap && need <= buf->cap)
			return;
	}
	cap = buf->cap > 0 ? buf->cap : BUF_FIRST_SIZE / 2;
	do
		cap = cap <= SIZE_MAX / 2 ? cap * 2 : need;
	while (cap < need);
	buf->data = mem_realloc(buf->data, cap, 1);
	buf->cap = cap;
}

char *buf_reserve(struct buf *buf, size_t len)
{
	char *place;

	make_room(buf, len);
	place = buf->data + buf->start + buf->len;
	*place = '\0';
	return place;
}

void buf_commit(struct buf *buf, size_t len)
{
	assert(buf->start + buf->len + len < buf->cap || len == 0);
	buf->len += len;
	if (buf->data != NULL)
		buf->data[buf->start + buf->len] = '\0';
}

void buf_add(struct buf *buf, const void *bytes, size_t len)
{
	char *place = buf_reserve(buf, len);

	if (len > 0)
		memcpy(place, bytes, len);
	place[len] = '\0';
	buf->len += len;
}

void buf_add_str(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

void buf_add_char(struct buf *buf, char c)
{
	buf_add(buf, &c, 1);
}

void buf_addf(struct buf *buf, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vaddf(buf, format, args);
	va_end(args);
}

void buf_vaddf(struct buf *buf, const char *format, va_list args)
{
	const size_t guess = 64;
	char *place = buf_reserve(buf, guess);
	va_list again;
	int len;

	va_copy(again, args);
	len = vsnprintf(place, guess + 1, format, args);
	assert(len >= 0);
	if ((size_t)len > guess) {
		place = buf_reserve(buf, (size_t)len);
		vsnprintf(place, (size_t)len + 1, format, again);
	}
	va_end(again);
	buf_commit(buf, (size_t)len);
}

static const char *const xml_text_escapes[256] = {
	['&'] = "&amp;",   ['<'] = "&lt;",   ['>'] = "&gt;",
	['\''] = "&apos;", ['"'] = "&quot;",
	/* Otherwise XML 1.0 section 2.11 makes a line feed of it. */
	['\r'] = "&#13;",
};

static const char *const xml_attr_escapes[256] = {
	['&'] = "&amp;",   ['<'] = "&lt;",   ['>'] = "&gt;",
	['\''] = "&apos;", ['"'] = "&quot;", ['\r'] = "&#13;",
	['\t'] = "&#9;",   ['\n'] = "&#10;",
};

/* Copies in runs: most text has nothing to escape. */
static void add_escaped(struct buf *buf, const char *text, size_t len,
			const char *const escapes[256])
{
	const unsigned char *p = (const unsigned char *)text;
	const unsigned char *end = p + len;

	while (p < end) {
		const unsigned char *run = p;

		while (p < end && escapes[*p] == NULL)
			p++;
		buf_add(buf, run, (size_t)(p - run));
		if (p < end)
			buf_add_str(buf, escapes[*p++]);
	}
}

void buf_add_xml_text(struct buf *buf, const char *text, size_t len)
{
	add_escaped(buf, text, len, xml_text_escapes);
}

void buf_add_xml_attr(struct buf *buf, const char *text)
{
	add_escaped(buf, text, strlen(text), xml_attr_escapes);
}

void buf_add_attr(struct buf *buf, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_add_char(buf, ' ');
	buf_add_str(buf, name);
	buf_add(buf, "='", 2);
	buf_add_xml_attr(buf, value);
	buf_add_char(buf, '\'');
}

static void add_json_char(struct buf *buf, unsigned char c)
{
	static const char short_escapes[256] = {
		['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
		['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
	};

	if (short_escapes[c] != '\0') {
		buf_add_char(buf, '\\');
		buf_add_char(buf, short_escapes[c]);
	} else {
		buf_addf(buf, "\\u%04x", c);
	}
}

/* RFC 8259 section 7. */
void buf_add_json(struct buf *buf, const char *text)
{
	const char *p = text;

	if (text == NULL) {
		buf_add_str(buf, "null");
		return;
	}
	buf_add_char(buf, '"');
	while (*p != '\0') {
		const char *run = p;

		while ((unsigned char)*p >= 0x20 && *p != '"' && *p != '\\' &&
		       *p != 0x7f)
			p++;
		buf_add(buf, run, (size_t)(p - run));
		if (*p != '\0')
			add_json_char(buf, (unsigned char)*p++);
	}
	buf_add_char(buf, '"');
}

void buf_consume(struct buf *buf, size_t len)
{
	assert(len <= buf->len);
	buf->start += len;
	buf->len -= len;
	if (buf->len > 0 || buf->data == NULL)
		return;
	buf->start = 0;
	buf->data[0] = '\0';
}

void buf_clear(struct buf *buf, size_t keep)
{
	if (buf->cap > keep) {
		buf_free(buf);
		return;
	}
	buf_consume(buf, buf->len);
}

char *buf_take(struct buf *buf)
{
	char *text = buf->data;

	if (text == NULL)
		return mem_strdup("");
	if (buf->start > 0)
		memmove(text, text + buf->start, buf->len + 1);
	*buf = (struct buf){ 0 };
	return text;
}

void buf_free_secret(struct buf *buf)
{
	mem_wipe(buf->data, buf->cap);
	buf_free(buf);
}

void buf_free(struct buf *buf)
{
	mem_free(buf->data);
	*buf = (struct buf){ 0 };
}
