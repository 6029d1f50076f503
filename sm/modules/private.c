/* SPDX-License-Identifier: Apache-2.0
 *
 * XEP-0049: XML that a user keeps at the server, one document for each name
 * and namespace. Other people's requests find no handler and are refused like
 * those for accounts that do not exist.
 */
#include "sm/modules.h"
#include "util/base/mem.h"

#define KIND "private"

static const struct element *only_child(const struct iq_call *call)
{
	const struct element *child = element_first(call->query);

	if (child == NULL || element_next(child) != NULL ||
	    *child->ns == '\0' || element_is(child, child->name, NS_PRIVATE))
		return NULL;
	return child;
}

static char *document_key(const struct element *element)
{
	return mem_printf("%s %s", element->ns, element->name);
}

static void got(const struct storage_result *result, void *ctx)
{
	struct iq_call *call = ctx;
	const struct element *asked = only_child(call);
	struct stanza *reply;
	struct element *query;

	if (result->status != STORAGE_OK &&
	    result->status != STORAGE_NOT_FOUND) {
		iq_error(call, STANZA_INTERNAL_SERVER_ERROR, NULL);
		return;
	}
	reply = iq_result_new(call);
	query = element_add(reply->root, "query", NS_PRIVATE);
	/* What was never stored is empty. */
	if (result->status != STORAGE_OK ||
	    element_add_parsed(query, call->sm->parser, result->data,
			       result->data_len) == NULL)
		element_add(query, asked->name, asked->ns);
	iq_reply(call, reply);
}

static void private_get(struct iq_call *call)
{
	const struct element *asked = only_child(call);
	char *key;

	if (asked == NULL) {
		iq_error(call, STANZA_BAD_REQUEST,
			 "Ask for one element in a namespace of its own");
		return;
	}
	key = document_key(asked);
	storage_document_get(call->domain->storage, jid_bare(call->user->jid),
			     KIND, key, got, iq_keep(call));
	mem_free(key);
}

static void put(const struct storage_result *result, void *ctx)
{
	struct iq_call *call = ctx;

	if (result->status == STORAGE_OK)
		iq_result(call);
	else
		iq_error(call, STANZA_INTERNAL_SERVER_ERROR, NULL);
}

static void private_set(struct iq_call *call)
{
	const struct element *given = only_child(call);
	struct buf xml = { 0 };
	char *key;

	if (given == NULL) {
		iq_error(call, STANZA_BAD_REQUEST,
			 "Store one element in a namespace of its own");
		return;
	}
	element_write(given, &xml);
	if (xml.len > (size_t)call->sm->options->document_max) {
		log_notice(call->sm->log, "private.too-long",
			   LOG_S("user", jid_bare(call->user->jid)),
			   LOG_N("bytes", xml.len));
		iq_error(call, STANZA_NOT_ACCEPTABLE, "That is too long");
	} else {
		key = document_key(given);
		storage_document_put(
			call->domain->storage, jid_bare(call->user->jid), KIND,
			key, buf_data(&xml), xml.len, put, iq_keep(call));
		mem_free(key);
	}
	buf_free(&xml);
}

static const char *const private_features[] = { NS_PRIVATE, NULL };

static const struct iq_handler private_iq[] = {
	{ IQ_GET, TO_OWN_ACCOUNT, NS_PRIVATE, "query", private_get },
	{ IQ_SET, TO_OWN_ACCOUNT, NS_PRIVATE, "query", private_set },
	{ 0 },
};

const struct sm_module sm_module_private = {
	.name = "private",
	.features = private_features,
	.iq = private_iq,
};
