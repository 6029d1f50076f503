/* SPDX-License-Identifier: Apache-2.0
 *
 * Slows down who guesses passwords: failed log-ins are counted for each
 * account and each address; the answer to a failure takes longer each time,
 * and beyond a limit further attempts are refused unseen.
 *
 * An account is counted apart for an address from which its owner has logged
 * in: a stranger who guesses does not lock the owner out.
 */
#ifndef SM_THROTTLE_H
#define SM_THROTTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct throttle;

struct throttle_limits {
	uint64_t failures; /* of an account; an address may have five times
			      as many, since many people may share it */
	uint64_t window;   /* ms without a failure, after which all is
			      forgotten */
};

/* Remembers at most `entries` accounts and addresses, the latest ones. */
struct throttle *throttle_new(size_t entries);
void throttle_free(struct throttle **throttle);

/* Whether an attempt shall be refused. `account` is a bare JID, or NULL when
 * it is not known (yet); `address` NULL is none. `now` is loop_now(). */
bool throttle_refuses(struct throttle *throttle,
		      const struct throttle_limits *limits,
		      const char *account, const char *address, uint64_t now);

/* Counts a failure; returns the milliseconds to wait before it is answered. */
uint64_t throttle_failed(struct throttle *throttle,
			 const struct throttle_limits *limits,
			 const char *account, const char *address,
			 uint64_t now);

/* A log-in: the failures of the account are forgotten. */
void throttle_succeeded(struct throttle *throttle, const char *account,
			const char *address, uint64_t now);

/* Forgets the failures of an account, wherever they came from; returns how
 * many. Those of addresses stay: they are of other accounts, too. */
uint64_t throttle_forgive(struct throttle *throttle, const char *account);

#endif
