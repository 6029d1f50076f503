/* SPDX-License-Identifier: Apache-2.0
 *
 * What our domains have to publish so that other servers find and trust them,
 * and whether they do: the commands `dns` and `dns.check`.
 */
#ifndef S2S_ZONE_H
#define S2S_ZONE_H

#include "s2s/s2s.h"
#include "util/role/command.h"

/* Arguments domain (none: all), host (none: the domain): rows name, type,
 * value. */
void s2s_zone(struct command_call *call, void *ctx);

/* Arguments name, type, value: one row with what DNS says of that. */
void s2s_zone_check(struct command_call *call, void *ctx);

/* At the end of the process: answers what is still being asked. */
void s2s_zone_stop(struct s2s *s2s);

#endif
