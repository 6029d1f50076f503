/* SPDX-License-Identifier: Apache-2.0
 *
 * XEP-0202: the server's time, in UTC.
 */
#include "sm/modules.h"
#include "sm/stamp.h"

static void time_get(struct iq_call *call)
{
	struct stanza *reply = iq_result_new(call);
	struct element *time = element_add(reply->root, "time", NS_TIME);
	char stamp[STAMP_MAX];

	stamp_write(stamp, loop_time_us(call->sm->loop));
	element_add_text_child(time, "tzo", NULL, "+00:00");
	element_add_text_child(time, "utc", NULL, stamp);
	iq_reply(call, reply);
}

static const char *const time_features[] = { NS_TIME, NULL };

static const struct iq_handler time_iq[] = {
	{ IQ_GET, TO_SERVER, NS_TIME, "time", time_get },
	{ 0 },
};

const struct sm_module sm_module_time = {
	.name = "time",
	.features = time_features,
	.iq = time_iq,
};
