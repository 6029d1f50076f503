/* SPDX-License-Identifier: Apache-2.0
 *
 * XEP-0199: answers pings to the server and, for its own user, the account.
 */
#include "sm/modules.h"

static const char *const ping_features[] = { NS_PING, NULL };

static const struct iq_handler ping_iq[] = {
	{ IQ_GET, TO_SERVER | TO_OWN_ACCOUNT, NS_PING, "ping", iq_result },
	{ 0 },
};

const struct sm_module sm_module_ping = {
	.name = "ping",
	.features = ping_features,
	.account_features = ping_features,
	.iq = ping_iq,
};
