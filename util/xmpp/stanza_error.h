/* SPDX-License-Identifier: Apache-2.0
 *
 * Stanza errors (RFC 6120 section 8.3) and replies.
 */
#ifndef UTIL_XMPP_STANZA_ERROR_H
#define UTIL_XMPP_STANZA_ERROR_H

#include <stdbool.h>

#include "util/xmpp/stanza.h"

/* The conditions of RFC 6120 section 8.3.3; each has the error type that the
 * RFC gives it as its default. */
enum stanza_error {
	STANZA_BAD_REQUEST,
	STANZA_CONFLICT,
	STANZA_FEATURE_NOT_IMPLEMENTED,
	STANZA_FORBIDDEN,
	STANZA_GONE,
	STANZA_INTERNAL_SERVER_ERROR, /* type wait: it heals by itself */
	STANZA_ITEM_NOT_FOUND,
	STANZA_JID_MALFORMED,
	STANZA_NOT_ACCEPTABLE,
	STANZA_NOT_ALLOWED,
	STANZA_NOT_AUTHORIZED,
	STANZA_POLICY_VIOLATION,
	STANZA_RECIPIENT_UNAVAILABLE,
	STANZA_REDIRECT,
	STANZA_REGISTRATION_REQUIRED,
	STANZA_REMOTE_SERVER_NOT_FOUND,
	STANZA_REMOTE_SERVER_TIMEOUT,
	STANZA_RESOURCE_CONSTRAINT,
	STANZA_SERVICE_UNAVAILABLE,
	STANZA_SUBSCRIPTION_REQUIRED,
	STANZA_UNDEFINED_CONDITION,
	STANZA_UNEXPECTED_REQUEST
};

const char *stanza_error_condition(enum stanza_error error);
const char *stanza_error_type(enum stanza_error error); /* "cancel", ... */

/* A new error stanza in answer to `original`: same name, id and payload (but
 * at most 4 KiB of it), from and to exchanged, type error; text may be NULL.
 * The caller makes sure that `original` may be answered at all, see
 * stanza_may_answer(). Owned by the caller. */
struct stanza *stanza_error_new(const struct stanza *original,
				enum stanza_error error, const char *text);

/* False for type error, and for iq of type result: never answer an error with
 * an error (RFC 6120 section 8.3.1). */
bool stanza_may_answer(const struct stanza *stanza);

/* An empty <iq type='result'/> in answer to the request. */
struct stanza *stanza_result_new(const struct stanza *request);

#endif
