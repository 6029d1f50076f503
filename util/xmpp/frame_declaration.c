/* SPDX-License-Identifier: Apache-2.0
 *
 * The XML declaration at the start of a stream, which the parser never sees:
 * it parses one element at a time.
 */
#include <string.h>

#include "util/xmpp/frame_scan.h"

/* What is left of the declaration. */
struct cursor {
	const char *p;
	const char *end;
};

static bool take(struct cursor *at, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(at->end - at->p) < len || memcmp(at->p, text, len) != 0)
		return false;
	at->p += len;
	return true;
}

static bool take_space(struct cursor *at)
{
	const char *start = at->p;

	at->p = frame_skip_space(at->p, at->end);
	return at->p > start;
}

/* White space, `name`, "=" and a value in quotes. On false nothing was
 * taken. */
static bool take_attribute(struct cursor *at, const char *name,
			   struct cursor *value)
{
	struct cursor try = *at;
	const char *close;
	char quote;

	if (!take_space(&try) || !take(&try, name))
		return false;
	take_space(&try);
	if (!take(&try, "="))
		return false;
	take_space(&try);
	if (try.p == try.end || (*try.p != '\'' && *try.p != '"'))
		return false;
	quote = *try.p++;
	close = memchr(try.p, quote, try.end - try.p);
	if (close == NULL)
		return false;
	value->p = try.p;
	value->end = close;
	try.p = close + 1;
	*at = try;
	return true;
}

static bool is_value(const struct cursor *value, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(value->end - value->p) == len &&
	       strncasecmp(value->p, text, len) == 0;
}

static bool is_version(const struct cursor *value)
{
	struct cursor at = *value;

	if (!take(&at, "1.") || at.p == at.end)
		return false;
	while (at.p < at.end && *at.p >= '0' && *at.p <= '9')
		at.p++;
	return at.p == at.end;
}

int frame_check_declaration(struct frame *frame, const char *bytes, size_t len)
{
	struct cursor at = { bytes, bytes + len };
	struct cursor value;

	if (!take(&at, "<?xml") || !take_attribute(&at, "version", &value)) {
		frame_fail(frame, FRAME_RESTRICTED_XML,
			   "a processing instruction");
		return -1;
	}
	if (!is_version(&value))
		goto bad;
	if (take_attribute(&at, "encoding", &value) &&
	    !is_value(&value, "UTF-8")) {
		frame_fail(frame, FRAME_BAD_ENCODING,
			   "the encoding is not UTF-8");
		return -1;
	}
	if (take_attribute(&at, "standalone", &value) &&
	    !is_value(&value, "yes") && !is_value(&value, "no"))
		goto bad;
	take_space(&at);
	if (take(&at, "?>") && at.p == at.end)
		return 0;
bad:
	frame_fail(frame, FRAME_NOT_WELL_FORMED, "a bad XML declaration");
	return -1;
}
