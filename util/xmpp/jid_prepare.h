/* SPDX-License-Identifier: Apache-2.0
 *
 * Between jid.c and jid_prepare.c: preparation without memory of its own.
 */
#ifndef UTIL_XMPP_JID_PREPARE_H
#define UTIL_XMPP_JID_PREPARE_H

#include <stddef.h>

enum jid_part {
	JID_LOCAL,
	JID_DOMAIN,
	JID_RESOURCE
};

/* Prepares a part into `out`, which has room for JID_PART_MAX bytes and a NUL.
 * 0, or -1 when it is empty, too long or not allowed. */
int jid_prepare(enum jid_part part, const char *text, size_t len, char *out);

#endif
