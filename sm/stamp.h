/* SPDX-License-Identifier: Apache-2.0
 *
 * Times as XMPP writes them (XEP-0082), and the delay of a stanza (XEP-0203).
 */
#ifndef SM_STAMP_H
#define SM_STAMP_H

#include <stdint.h>

#include "util/xmpp/stanza.h"

#define STAMP_MAX 32

/* "2026-11-22T10:00:00.123Z" for microseconds since 1970. */
void stamp_write(char to[STAMP_MAX], int64_t time_us);

/* Adds <delay/> to the stanza, unless it has one from the same address. */
void stamp_delay(struct stanza *stanza, const char *from, int64_t time_us);

#endif
