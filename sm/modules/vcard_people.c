/* SPDX-License-Identifier: Apache-2.0
 *
 * A vCard (XEP-0054) made of what a directory says about somebody.
 */
#include <string.h>

#include "sm/modules/vcard.h"
#include "storage/people.h"
#include "util/base/buf.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/utf8.h"

bool vcard_is_of_people(const struct sm_domain *domain)
{
	return domain->people != NULL && people_has_cards(domain->people);
}

/* The child of that name, made if there is none. */
static struct element *child_of(struct element *parent, const char *name,
				size_t len)
{
	char *text = mem_strndup(name, len);
	struct element *child = element_child(parent, text, NULL);

	if (child == NULL)
		child = element_add(parent, text, NULL);
	mem_free(text);
	return child;
}

/* Section 3.1 has no type of a picture that must be right; those that
 * directories keep are these. */
static void add_photo(struct element *photo, const struct people_value *value)
{
	static const char png[] = "\x89PNG";
	struct buf text = { .len = 0 };
	bool is_png = value->len > 4 && memcmp(value->data, png, 4) == 0;

	base64_encode(&text, value->data, value->len);
	element_add_text_child(photo, "TYPE", NULL,
			       is_png ? "image/png" : "image/jpeg");
	element_add_text_child(photo, "BINVAL", NULL, buf_data(&text));
	buf_free(&text);
}

static void add_value(struct element *card, const struct people_value *value)
{
	const char *name = value->field;
	struct element *at = card;
	size_t len;

	if (str_equal(name, "PHOTO")) {
		add_photo(child_of(card, name, strlen(name)), value);
		return;
	}
	if (!utf8_is_xml(value->data, value->len))
		return;
	while (name[len = strcspn(name, "/")] == '/') {
		at = child_of(at, name, len);
		name += len + 1;
	}
	if (*name != '\0')
		element_add_text_child(at, name, NULL, value->data);
}

static void got(const struct people_result *result, void *ctx)
{
	struct iq_call *call = ctx;
	struct element *card;
	struct stanza *reply;

	if (result->status == STORAGE_NOT_FOUND) {
		iq_error(call, STANZA_SERVICE_UNAVAILABLE, NULL);
		return;
	}
	if (result->status != STORAGE_OK) {
		log_warning(call->sm->log, "vcard.unavailable",
			    LOG_S("user", jid_bare(call->user->jid)),
			    LOG_S("reason", result->reason));
		iq_error(call, STANZA_INTERNAL_SERVER_ERROR, NULL);
		return;
	}
	reply = iq_result_new(call);
	card = element_add(reply->root, "vCard", NS_VCARD);
	for (size_t i = 0; i < result->rows[0].count; i++)
		add_value(card, &result->rows[0].values[i]);
	iq_reply(call, reply);
}

void vcard_of_people(struct iq_call *call)
{
	people_card(call->domain->people, jid_bare(call->user->jid), got,
		    iq_keep(call));
}
