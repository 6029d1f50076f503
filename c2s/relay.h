/* SPDX-License-Identifier: Apache-2.0
 *
 * Stanzas both ways, and everything that comes from the link.
 */
#ifndef C2S_RELAY_H
#define C2S_RELAY_H

#include "c2s/stream.h"
#include "util/role/link.h"

extern const struct link_handlers relay_handlers;

/* A stanza of a client with an open session goes to its sm. */
void relay_stanza(struct stream *s, enum stanza_kind kind, const char *bytes,
		  size_t len);

/* Sends one stanza, under its number; LINK_NO_ROUTE: nothing was sent. */
enum link_sent relay_send(struct stream *s, uint64_t number, const char *bytes,
			  size_t len);

/* The same for an element that is no stanza, when `number` stanzas have gone. */
enum link_sent relay_element(struct stream *s, uint64_t number,
			     const char *bytes, size_t len);

/* Sends c2s->out as a control element to the sm `at`, and empties it; `to`
 * (who decides which sm) and `session` may be NULL. */
enum link_sent relay_control(struct c2s *c2s, const char *at, const char *to,
			     const char *session);

/* The same to the process that has the session. */
enum link_sent relay_to_owner(struct stream *s);

/* The same for <link:closed/>, which goes to the next one when that is gone. */
void relay_closed(struct stream *s);

#endif
