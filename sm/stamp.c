/* SPDX-License-Identifier: Apache-2.0
 *
 * Times as text, for delays, offline messages and XEP-0202.
 */
#include "sm/stamp.h"

#include <stdio.h>
#include <time.h>

#include "util/base/str.h"
#include "util/xmpp/ns.h"

void stamp_write(char to[STAMP_MAX], int64_t time_us)
{
	time_t seconds = (time_t)(time_us / 1000000);
	unsigned ms = (unsigned)(time_us / 1000 % 1000);
	struct tm utc;
	char date[24];

	gmtime_r(&seconds, &utc);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(to, STAMP_MAX, "%s.%03uZ", date, ms);
}

void stamp_delay(struct stanza *stanza, const char *from, int64_t time_us)
{
	const struct element *child =
		element_child(stanza->root, "delay", NS_DELAY);
	struct element *delay;
	char stamp[STAMP_MAX];

	for (; child != NULL; child = element_next_same(child)) {
		if (str_equal(element_attr(child, "from"), from))
			return;
	}
	stamp_write(stamp, time_us);
	delay = element_add(stanza->root, "delay", NS_DELAY);
	element_set_attr(delay, "from", from);
	element_set_attr(delay, "stamp", stamp);
}
