/* SPDX-License-Identifier: Apache-2.0
 *
 * Growing bytes: the one place where text is put together. A buf is embedded,
 * a zeroed one is empty and holds no memory; the bytes are always followed by
 * a NUL that is not counted.
 */
#ifndef UTIL_BASE_BUF_H
#define UTIL_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

struct buf {
	char *data;   /* NULL while nothing was ever added */
	size_t start; /* bytes consumed at the front of data */
	size_t len;   /* bytes held, from data + start */
	size_t cap;
};

/* The bytes, "" when there are none; valid until the buf changes. */
const char *buf_data(const struct buf *buf);

void buf_add(struct buf *buf, const void *bytes, size_t len);
void buf_add_str(struct buf *buf, const char *text);
void buf_add_char(struct buf *buf, char c);
void buf_addf(struct buf *buf, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void buf_vaddf(struct buf *buf, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

/* Text as XML character data or as an attribute value in either kind of
 * quotes: & < > ' " become entities, and in attributes tab, LF and CR become
 * character references so that they survive normalisation. The text is UTF-8
 * that XML allows. */
void buf_add_xml_text(struct buf *buf, const char *text, size_t len);
void buf_add_xml_attr(struct buf *buf, const char *text);

/* ` name='value'`, with the value escaped; nothing when value is NULL. */
void buf_add_attr(struct buf *buf, const char *name, const char *value);

/* A JSON string with its quotes; NULL gives null. */
void buf_add_json(struct buf *buf, const char *text);

/* Room for `len` more bytes at the returned place; buf_commit() says how many
 * of them were written. */
char *buf_reserve(struct buf *buf, size_t len);
void buf_commit(struct buf *buf, size_t len);

/* Drops `len` bytes (at most buf->len) at the front. */
void buf_consume(struct buf *buf, size_t len);

/* Empties; keeps the memory for the next use when it is at most `keep` bytes,
 * and frees it otherwise. */
void buf_clear(struct buf *buf, size_t keep);

/* Hands the bytes over as a NUL-terminated heap string ("" when empty), and
 * leaves the buf empty. */
char *buf_take(struct buf *buf);

/* Wipes the memory before freeing it: for secrets. */
void buf_free_secret(struct buf *buf);
void buf_free(struct buf *buf);

#endif
