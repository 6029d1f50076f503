/* SPDX-License-Identifier: Apache-2.0
 *
 * Collects the violations of one run.
 */
#include "t/sim/verdict.h"

#include <inttypes.h>
#include <stdarg.h>

#include "util/base/buf.h"

void verdict_fail(struct verdict *verdict, const char *invariant,
		  const char *format, ...)
{
	struct buf line = { 0 };
	va_list args;

	va_start(args, format);
	buf_vaddf(&line, format, args);
	va_end(args);
	world_say(verdict->world, "VIOLATION", "%s: %s", invariant,
		  buf_data(&line));
	if (verdict->violations++ < VERDICT_SHOWN)
		buf_addf(verdict->text, "  %s: %s (at %" PRIu64 " s)\n",
			 invariant, buf_data(&line),
			 verdict->world->now / SECOND_US);
	buf_free(&line);
}
