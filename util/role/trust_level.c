/* SPDX-License-Identifier: Apache-2.0
 *
 * The names of the levels of trust.
 */
#include "util/role/trust_level.h"

#include <stddef.h>

#include "util/base/str.h"

const char *const trust_names[] = { "permissive", "verified", "encrypted",
				    "trusted", NULL };

enum trust trust_parse(const char *name, enum trust otherwise)
{
	for (int level = 0; level < TRUST_COUNT; level++) {
		if (str_equal(trust_names[level], name))
			return (enum trust)level;
	}
	return otherwise;
}
