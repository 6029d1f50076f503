/* SPDX-License-Identifier: Apache-2.0
 *
 * What the administrator wants of a remote domain, and what a connection with
 * it has shown.
 */
#ifndef S2S_TRUST_H
#define S2S_TRUST_H

#include "s2s/dane.h"
#include "s2s/s2s.h"
#include "util/net/conn.h"

#define TRUST_WHY_MAX  160
#define TRUST_LACK_MAX (TRUST_WHY_MAX + 32)

struct s2s_policy {
	enum trust required;
	bool refuse;
	const struct remote_section *section; /* NULL: none applies; of the
						 configuration: do not keep */
};

/* The first section `remote` whose title is the domain or, failing that, a
 * pattern of it, and which is for this local domain. */
struct s2s_policy s2s_policy(const struct s2s *s2s, const char *local,
			     const char *remote);

/* Whether the peer of a connection under TLS is `remote`: by a pinned key, by
 * what DNSSEC announces (`dane`; NULL: nothing), which then is the only thing
 * that counts, by a certificate that is valid for it, or one that it announces
 * by HTTPS (s2s/posh.h). When not, `why` says
 * so: "its certificate is for another name". */
bool s2s_is_identified(const struct s2s *s2s, const struct conn *conn,
		       const struct s2s_policy *policy, const char *remote,
		       const struct s2s_dane *dane, char why[TRUST_WHY_MAX]);

/* Which level was not reached and why, as text: "trusted: its certificate has
 * expired"; NULL: none. `why` is what s2s_is_identified() said. */
const char *s2s_trust_lack(enum trust reached, const char *why,
			   char text[TRUST_LACK_MAX]);

/* A pair was accepted with this level: tells what a stricter one, which the
 * configuration tries out, would have done. */
void s2s_trust_trial(struct s2s *s2s, enum s2s_direction direction,
		     const char *local, const char *remote, enum trust reached,
		     const char *why);

#endif
