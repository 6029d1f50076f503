/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of stream headers, stream errors and ends.
 */
#include "util/xmpp/stream.h"

#include <assert.h>
#include <string.h>

#include "util/xmpp/ns.h"
#include "util/xmpp/utf8.h"

static const char *const conditions[] = {
	[STREAM_BAD_FORMAT] = "bad-format",
	[STREAM_BAD_NAMESPACE_PREFIX] = "bad-namespace-prefix",
	[STREAM_CONFLICT] = "conflict",
	[STREAM_CONNECTION_TIMEOUT] = "connection-timeout",
	[STREAM_HOST_GONE] = "host-gone",
	[STREAM_HOST_UNKNOWN] = "host-unknown",
	[STREAM_IMPROPER_ADDRESSING] = "improper-addressing",
	[STREAM_INTERNAL_SERVER_ERROR] = "internal-server-error",
	[STREAM_INVALID_FROM] = "invalid-from",
	[STREAM_INVALID_NAMESPACE] = "invalid-namespace",
	[STREAM_INVALID_XML] = "invalid-xml",
	[STREAM_NOT_AUTHORIZED] = "not-authorized",
	[STREAM_NOT_WELL_FORMED] = "not-well-formed",
	[STREAM_POLICY_VIOLATION] = "policy-violation",
	[STREAM_REMOTE_CONNECTION_FAILED] = "remote-connection-failed",
	[STREAM_RESET] = "reset",
	[STREAM_RESOURCE_CONSTRAINT] = "resource-constraint",
	[STREAM_RESTRICTED_XML] = "restricted-xml",
	[STREAM_SEE_OTHER_HOST] = "see-other-host",
	[STREAM_SYSTEM_SHUTDOWN] = "system-shutdown",
	[STREAM_UNDEFINED_CONDITION] = "undefined-condition",
	[STREAM_UNSUPPORTED_ENCODING] = "unsupported-encoding",
	[STREAM_UNSUPPORTED_FEATURE] = "unsupported-feature",
	[STREAM_UNSUPPORTED_STANZA_TYPE] = "unsupported-stanza-type",
	[STREAM_UNSUPPORTED_VERSION] = "unsupported-version",
};

#define CONDITIONS (sizeof(conditions) / sizeof(conditions[0]))

const char *stream_error_condition(enum stream_error error)
{
	assert((size_t)error < CONDITIONS);
	return conditions[error];
}

int stream_error_parse(const char *condition, enum stream_error *error)
{
	for (size_t i = 0; i < CONDITIONS; i++) {
		if (strcmp(conditions[i], condition) == 0) {
			*error = (enum stream_error)i;
			return 0;
		}
	}
	return -1;
}

enum stream_error stream_error_of_bytes(const char *bytes, size_t len)
{
	return utf8_is_valid(bytes, len) ? STREAM_NOT_WELL_FORMED
					 : STREAM_UNSUPPORTED_ENCODING;
}

enum stream_error stream_error_of_frame(enum frame_error error)
{
	switch (error) {
	case FRAME_RESTRICTED_XML:
		return STREAM_RESTRICTED_XML;
	case FRAME_TOO_BIG:
		return STREAM_POLICY_VIOLATION;
	case FRAME_BAD_ENCODING:
		return STREAM_UNSUPPORTED_ENCODING;
	default:
		return STREAM_NOT_WELL_FORMED;
	}
}

void stream_write_header(struct buf *to, const struct stream_header *header)
{
	buf_add_str(to, "<?xml version='1.0'?><stream:stream");
	buf_add_attr(to, "xmlns", header->content_ns);
	buf_add_attr(to, "xmlns:stream", NS_STREAM);
	if (header->extra != NULL)
		buf_add_str(to, header->extra);
	buf_add_attr(to, "from", header->from);
	buf_add_attr(to, "to", header->to);
	buf_add_attr(to, "id", header->id);
	buf_add_attr(to, "version", header->version);
	buf_add_attr(to, "xml:lang", header->lang);
	buf_add_char(to, '>');
}

void stream_write_error(struct buf *to, enum stream_error error,
			const char *text)
{
	buf_add_str(to, "<stream:error><");
	buf_add_str(to, stream_error_condition(error));
	buf_add_attr(to, "xmlns", NS_STREAM_ERRORS);
	if (error == STREAM_SEE_OTHER_HOST && text != NULL) {
		buf_add_char(to, '>');
		buf_add_xml_text(to, text, strlen(text));
		buf_add_str(to, "</see-other-host>");
		text = NULL;
	} else {
		buf_add_str(to, "/>");
	}
	if (text != NULL) {
		buf_add_str(to, "<text");
		buf_add_attr(to, "xmlns", NS_STREAM_ERRORS);
		buf_add_attr(to, "xml:lang", "en");
		buf_add_char(to, '>');
		buf_add_xml_text(to, text, strlen(text));
		buf_add_str(to, "</text>");
	}
	buf_add_str(to, "</stream:error>");
}

void stream_write_end(struct buf *to)
{
	buf_add_str(to, "</stream:stream>");
}
