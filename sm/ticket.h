/* SPDX-License-Identifier: Apache-2.0
 *
 * Tickets: what a c2s shows to open a session for somebody who logged in at
 * any sm (docs/link.md section 6, design.md 4).
 */
#ifndef SM_TICKET_H
#define SM_TICKET_H

#include <stdbool.h>
#include <stdint.h>

/* What a ticket is bound to. */
struct ticket_facts {
	const char *c2s;     /* instance */
	const char *session; /* id */
	const char *jid;     /* bare */
};

/* How long after the log-in a session may be opened, in microseconds. */
#define TICKET_LIFE (5 * 60 * INT64_C(1000000))

/* A new ticket "SECONDS-HEX" as a heap string: the time `now` (microseconds
 * since 1970) and the HMAC-SHA-256 of facts and time under the secret. */
char *ticket_new(const char *secret, const struct ticket_facts *facts,
		 int64_t now);

/* Whether the ticket is one of ours for these facts, and not older than
 * `life` microseconds (0: any age, also of a clock that was ahead). The clocks
 * of two machines may differ by an hour. */
bool ticket_check(const char *secret, const struct ticket_facts *facts,
		  const char *ticket, int64_t now, int64_t life);

#endif
