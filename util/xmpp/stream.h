/* SPDX-License-Identifier: Apache-2.0
 *
 * What all kinds of stream share: headers and stream errors (RFC 6120
 * sections 4.7 and 4.9). Text only; sending it is up to the owner.
 */
#ifndef UTIL_XMPP_STREAM_H
#define UTIL_XMPP_STREAM_H

#include "util/base/buf.h"
#include "util/xmpp/frame.h"

/* The conditions of RFC 6120 section 4.9.3. */
enum stream_error {
	STREAM_BAD_FORMAT,
	STREAM_BAD_NAMESPACE_PREFIX,
	STREAM_CONFLICT,
	STREAM_CONNECTION_TIMEOUT,
	STREAM_HOST_GONE,
	STREAM_HOST_UNKNOWN,
	STREAM_IMPROPER_ADDRESSING,
	STREAM_INTERNAL_SERVER_ERROR,
	STREAM_INVALID_FROM,
	STREAM_INVALID_NAMESPACE,
	STREAM_INVALID_XML,
	STREAM_NOT_AUTHORIZED,
	STREAM_NOT_WELL_FORMED,
	STREAM_POLICY_VIOLATION,
	STREAM_REMOTE_CONNECTION_FAILED,
	STREAM_RESET,
	STREAM_RESOURCE_CONSTRAINT,
	STREAM_RESTRICTED_XML,
	STREAM_SEE_OTHER_HOST,
	STREAM_SYSTEM_SHUTDOWN,
	STREAM_UNDEFINED_CONDITION,
	STREAM_UNSUPPORTED_ENCODING,
	STREAM_UNSUPPORTED_FEATURE,
	STREAM_UNSUPPORTED_STANZA_TYPE,
	STREAM_UNSUPPORTED_VERSION
};

const char *stream_error_condition(enum stream_error error);

/* The condition of that name; -1 when there is none. */
int stream_error_parse(const char *condition, enum stream_error *error);

/* The condition for an element that could not be parsed: when it is not even
 * UTF-8, that is another one (section 4.9.3.22). */
enum stream_error stream_error_of_bytes(const char *bytes, size_t len);

/* The condition for what the scanner refused (not FRAME_OK). */
enum stream_error stream_error_of_frame(enum frame_error error);

/* Values may be NULL (left out). */
struct stream_header {
	const char *content_ns; /* "jabber:client" */
	const char *from;
	const char *to;
	const char *id;
	const char *version; /* "1.0"; NULL on XEP-0114 streams */
	const char *lang;
	const char *extra; /* raw further declarations, " xmlns:db='...'" */
};

/* "<?xml version='1.0'?><stream:stream ...>" */
void stream_write_header(struct buf *to, const struct stream_header *header);

/* "<stream:error><condition/><text/></stream:error>"; text may be NULL. Of
 * see-other-host it is the host, inside the condition (section 4.9.3.19). */
void stream_write_error(struct buf *to, enum stream_error error,
			const char *text);
void stream_write_end(struct buf *to); /* "</stream:stream>" */

#endif
