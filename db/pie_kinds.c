/* SPDX-License-Identifier: Apache-2.0
 *
 * The kinds of data that a file has: a row for each element. They are written
 * in this order.
 */
#include "db/pie.h"

const struct pie_kind pie_kinds[] = {
	{ "accounts", NS_PIE_SCRAM, "scram-credentials", false,
	  kind_account_write, kind_scram_read },
	{ "accounts", NS_PIE_OURS, "account", false, NULL,
	  kind_account_read },
	{ "roster items", NS_ROSTER, "query", false, kind_roster_write,
	  kind_roster_read },
	{ "subscription requests", NS_CLIENT, "presence", false, NULL,
	  kind_request_read },
	{ "vCards", NS_VCARD, "vCard", false, kind_vcard_write,
	  kind_vcard_read },
	{ "private elements", NS_PRIVATE, "query", false, kind_private_write,
	  kind_private_read },
	{ "blocked addresses", NS_BLOCKING, "blocklist", false,
	  kind_blocks_write, kind_blocks_read },
	{ "blocked addresses", "jabber:iq:privacy", "query", false, NULL,
	  kind_privacy_read },
	{ "times of last activity", NS_LAST, "query", false, kind_last_write,
	  kind_last_read },
	{ "offline messages", NS_PIE, "offline-messages", true,
	  kind_offline_write, kind_offline_read },
	{ .element = NULL },
};
