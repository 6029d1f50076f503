/* SPDX-License-Identifier: Apache-2.0
 *
 * Access rules (util/role/access.h) for components, and the trust that an sm
 * asks for on behalf of its users.
 */
#ifndef S2S_ACCESS_H
#define S2S_ACCESS_H

#include "s2s/remote.h"
#include "util/role/access.h"
#include "util/role/envelope.h"

/* What becomes of a stanza. */
enum s2s_access {
	S2S_ACCESS_PASS,
	S2S_ACCESS_DROP,   /* in silence */
	S2S_ACCESS_ANSWER, /* with the error in the decision */
	S2S_ACCESS_REFUSE  /* the request for a subscription: `unsubscribed` */
};

struct s2s_decision {
	enum s2s_access access;
	int need; /* PASS, outgoing: trust of the stream, or -1 */
	enum stanza_error error;
	char text[256];
};

/* A stanza of ours for another server. */
struct s2s_decision s2s_access_out(struct s2s *s2s,
				   const struct envelope *envelope,
				   const struct stanza *stanza,
				   const struct jid *from,
				   const struct jid *to);

/* One of another server for us, on a stream with this trust. */
struct s2s_decision s2s_access_in(struct s2s *s2s, const struct stanza *stanza,
				  const struct jid *from, const struct jid *to,
				  enum trust trust);

/* The answer to a request that is refused; owned by the caller. */
struct stanza *s2s_access_refusal(const struct stanza *stanza);

/* What the stream has reached that stanzas go out on; OPEN only. */
enum trust s2s_access_level(const struct s2s_remote *remote);

/* Whether sms judge what this domain of ours says and hears. */
bool s2s_access_is_sm(const struct s2s *s2s, const char *domain);

#endif
