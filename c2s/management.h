/* SPDX-License-Identifier: Apache-2.0
 *
 * XEP-0198 as far as c2s has to do with it: the client's elements go to the
 * sm, which counts and remembers (sm/management.h); its answers to the client.
 */
#ifndef C2S_MANAGEMENT_H
#define C2S_MANAGEMENT_H

#include "c2s/stream.h"
#include "util/role/envelope.h"

/* An element of the client in STATE_OPEN; <a/> was looked at before. */
void c2s_management_input(struct stream *s, const char *bytes, size_t len);

/* <active/> or <inactive/> (XEP-0352) in STATE_OPEN. */
void c2s_management_state(struct stream *s, const char *bytes, size_t len);

/* In any other state: not now. */
void c2s_management_refuse(struct stream *s, const struct element *element);

/* <resume/> in STATE_AUTHENTICATED. */
void c2s_management_resume(struct stream *s, const struct element *element);

/* <a/> in STATE_OPEN; may end the stream. */
void c2s_management_acked(struct stream *s, const struct element *element);

/* Controls of the sm: it is enabled; the session is resumed; it is not, NULL:
 * because there is no sm. */
void c2s_management_enabled(struct stream *s, const struct envelope *envelope,
			    const struct element *element);
void c2s_management_resumed(struct stream *s, const struct element *element);
void c2s_management_refused(struct stream *s, const struct element *element);

/* The session is open at another sm: what went to the last one and was not
 * answered is asked again. */
void c2s_management_again(struct stream *s);

#endif
