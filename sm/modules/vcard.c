/* SPDX-License-Identifier: Apache-2.0
 *
 * XEP-0054, with the server's part of XEP-0153: a user's vCard, changed by the
 * user, read by anybody. The hash of the avatar in presence is the client's.
 */
#include "sm/modules/vcard.h"

#include "sm/modules.h"

#define KIND "vcard"

static void got(const struct storage_result *result, void *ctx)
{
	struct iq_call *call = ctx;
	bool own = jid_same_bare(call->from, call->user->jid);
	struct stanza *reply;

	if (result->status == STORAGE_NOT_FOUND && !own) {
		/* Section 3.3: as if there were no such account. */
		iq_error(call, STANZA_SERVICE_UNAVAILABLE, NULL);
		return;
	}
	if (result->status != STORAGE_OK &&
	    result->status != STORAGE_NOT_FOUND) {
		iq_error(call, STANZA_INTERNAL_SERVER_ERROR, NULL);
		return;
	}
	reply = iq_result_new(call);
	if (result->status == STORAGE_NOT_FOUND ||
	    element_add_parsed(reply->root, call->sm->parser, result->data,
			       result->data_len) == NULL)
		element_add(reply->root, "vCard", NS_VCARD);
	iq_reply(call, reply);
}

static void vcard_get(struct iq_call *call)
{
	if (vcard_is_of_people(call->domain)) {
		vcard_of_people(call);
		return;
	}
	storage_document_get(call->domain->storage, jid_bare(call->user->jid),
			     KIND, "", got, iq_keep(call));
}

static void put(const struct storage_result *result, void *ctx)
{
	struct iq_call *call = ctx;

	if (result->status == STORAGE_OK)
		iq_result(call);
	else
		iq_error(call, STANZA_INTERNAL_SERVER_ERROR, NULL);
}

static void vcard_set(struct iq_call *call)
{
	struct buf xml = { 0 };

	if (vcard_is_of_people(call->domain)) {
		iq_error(call, STANZA_NOT_ALLOWED,
			 "It comes from the directory");
		return;
	}
	element_write(call->query, &xml);
	if (xml.len > (size_t)call->sm->options->document_max) {
		log_notice(call->sm->log, "vcard.too-long",
			   LOG_S("user", jid_bare(call->user->jid)),
			   LOG_N("bytes", xml.len));
		iq_error(call, STANZA_NOT_ACCEPTABLE, "That is too long");
	} else {
		storage_document_put(
			call->domain->storage, jid_bare(call->user->jid), KIND,
			"", buf_data(&xml), xml.len, put, iq_keep(call));
	}
	buf_free(&xml);
}

static const char *const vcard_features[] = { NS_VCARD, NULL };

static const struct iq_handler vcard_iq[] = {
	{ IQ_GET, TO_OWN_ACCOUNT | TO_ACCOUNT, NS_VCARD, "vCard", vcard_get },
	{ IQ_SET, TO_OWN_ACCOUNT, NS_VCARD, "vCard", vcard_set },
	{ 0 },
};

const struct sm_module sm_module_vcard = {
	.name = "vcard",
	.features = vcard_features,
	.account_features = vcard_features,
	.iq = vcard_iq,
};
