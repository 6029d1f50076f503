/* SPDX-License-Identifier: Apache-2.0
 *
 * XEP-0092: which software this is. The operating system is nobody's business.
 */
#include "config.h"
#include "sm/modules.h"

static void version_get(struct iq_call *call)
{
	struct stanza *reply = iq_result_new(call);
	struct element *query = element_add(reply->root, "query", NS_VERSION);

	element_add_text_child(query, "name", NULL, "Chappe");
	element_add_text_child(query, "version", NULL, PACKAGE_VERSION);
	iq_reply(call, reply);
}

static const char *const version_features[] = { NS_VERSION, NULL };

static const struct iq_handler version_iq[] = {
	{ IQ_GET, TO_SERVER, NS_VERSION, "query", version_get },
	{ 0 },
};

const struct sm_module sm_module_version = {
	.name = "version",
	.features = version_features,
	.iq = version_iq,
};
