/* SPDX-License-Identifier: Apache-2.0
 *
 * XEP-0157: whom to write to about this server, as a form in its disco#info.
 */
#include "sm/modules.h"

static void add_field(struct element *form, const char *var, const char *type,
		      char *const *values)
{
	struct element *field;

	if (values == NULL || *values == NULL)
		return;
	field = element_add(form, "field", NULL);
	element_set_attr(field, "var", var);
	element_set_attr(field, "type", type);
	for (; *values != NULL; values++)
		element_add_text_child(field, "value", NULL, *values);
}

static void contact_info(struct sm *sm, struct sm_domain *domain,
			 struct element *query)
{
	const struct domain_options *options = domain->options;
	const struct {
		const char *var;
		char **uris;
	} rows[] = {
		{ "abuse-addresses", options->contact_abuse },
		{ "admin-addresses", options->contact_admin },
		{ "feedback-addresses", options->contact_feedback },
		{ "sales-addresses", options->contact_sales },
		{ "security-addresses", options->contact_security },
		{ "status-addresses", options->contact_status },
		{ "support-addresses", options->contact_support },
	};
	size_t count = sizeof(rows) / sizeof(rows[0]);
	char *form_type[] = { "http://jabber.org/network/serverinfo", NULL };
	struct element *form = NULL;

	(void)sm;
	for (size_t i = 0; i < count; i++) {
		if (rows[i].uris == NULL || *rows[i].uris == NULL)
			continue;
		if (form == NULL) {
			form = element_add(query, "x", NS_DATA_FORMS);
			element_set_attr(form, "type", "result");
			add_field(form, "FORM_TYPE", "hidden", form_type);
		}
		add_field(form, rows[i].var, "list-multi", rows[i].uris);
	}
}

const struct sm_module sm_module_contact = {
	.name = "contact",
	.disco_info = contact_info,
};
