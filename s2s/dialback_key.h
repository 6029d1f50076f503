/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of server dialback (XEP-0185): what nobody can make who does not
 * know our secret, and what every instance that knows it can check.
 */
#ifndef S2S_DIALBACK_KEY_H
#define S2S_DIALBACK_KEY_H

#include <stdbool.h>

#define DIALBACK_KEY_SIZE 65 /* 64 digits and a NUL */

/* The key for a stream with that id from `originating` (ours) to
 * `receiving`. */
void dialback_key(char key[DIALBACK_KEY_SIZE], const char *secret,
		  const char *receiving, const char *originating,
		  const char *id);

/* Whether `key` is the one; the time does not depend on where it differs. */
bool dialback_key_is(const char *key, const char *secret,
		     const char *receiving, const char *originating,
		     const char *id);

#endif
