/* SPDX-License-Identifier: Apache-2.0
 *
 * The session of RFC 3921 section 3, which RFC 6121 abolished and old clients
 * still ask for: nothing happens, and that is the answer.
 */
#include "sm/modules.h"

static const struct iq_handler session_iq[] = {
	{ IQ_SET, TO_SERVER | TO_OWN_ACCOUNT, NS_SESSION, "session",
	  iq_result },
	{ 0 },
};

const struct sm_module sm_module_session = {
	.name = "session",
	.iq = session_iq,
};
