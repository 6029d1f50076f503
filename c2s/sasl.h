/* SPDX-License-Identifier: Apache-2.0
 *
 * SASL (RFC 6120 section 6) between the client and an sm. The mechanisms run
 * in the sm; here are the order of steps, the encoding and the limits.
 */
#ifndef C2S_SASL_H
#define C2S_SASL_H

#include "c2s/stream.h"
#include "util/role/envelope.h"

/* <auth/>, <response/>, <abort/> from the client. */
void c2s_sasl_auth(struct stream *s, const struct element *element);
void c2s_sasl_response(struct stream *s, const struct element *element);
void c2s_sasl_abort(struct stream *s, const struct element *element);

/* Controls from the sm. */
void c2s_sasl_challenge(struct stream *s, const struct envelope *envelope,
			const struct element *element);
void c2s_sasl_failure(struct stream *s, const struct envelope *envelope,
		      const struct element *element);
void c2s_sasl_success(struct stream *s, const struct envelope *envelope,
		      const struct element *element);

/* The sm that runs the exchange is gone. */
void c2s_sasl_sm_gone(struct stream *s);

#endif
