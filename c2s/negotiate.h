/* SPDX-License-Identifier: Apache-2.0
 *
 * Stream headers, stream features, STARTTLS, and in-band registration, which
 * comes before authentication.
 */
#ifndef C2S_NEGOTIATE_H
#define C2S_NEGOTIATE_H

#include "c2s/stream.h"
#include "util/role/envelope.h"

/* A stream header came (RFC 6120 section 4.7). */
void negotiate_header(struct stream *s, const char *bytes, size_t len);

/* Our header, if it was not sent on this stream yet (section 4.9.1.2). `to`
 * may be NULL. */
void negotiate_answer_header(struct stream *s, const char *to);

/* The features of the state that the last header led to. */
void negotiate_features(struct stream *s);

/* <starttls/> (section 5.4.2). */
void negotiate_starttls(struct stream *s);

/* An iq before authentication: XEP-0077, else the stream fails. */
void negotiate_register(struct stream *s, const struct element *iq);
void negotiate_registered(struct stream *s, const struct envelope *envelope,
			  const struct element *element);
void negotiate_register_failed(struct stream *s);

/* Types of channel binding (XEP-0440). */
struct binding_type {
	const char *name;
	enum binding binding;
};
extern const struct binding_type binding_types[2];

#define BINDING_MAX 128 /* bytes of channel binding data */

/* Whether the connection has any channel binding. */
bool negotiate_has_binding(const struct stream *s);

#endif
