/* SPDX-License-Identifier: Apache-2.0
 *
 * XEP-0055: users of a domain search for people of its directory, by plain
 * fields or by a data form (XEP-0004). Where there is no directory that can be
 * searched, there is no such feature.
 */
#include <string.h>

#include "sm/modules.h"
#include "storage/people.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/utf8.h"

/* People in one answer, terms in one question, bytes of a term. */
#define FOUND_MAX 50
#define TERMS_MAX 16
#define TERM_MAX 200

#define INSTRUCTIONS "Fill in what you know. A * stands for any text, at the " \
		     "beginning or the end."
#define MORE "There are more; ask for something more special."

struct query {
	struct iq_call *call;
	bool form;
};

static const char *const *fields_of(const struct sm_domain *domain)
{
	return domain->people != NULL ? people_search_fields(domain->people) :
					NULL;
}

/* What the fields of section 3 are called for people. */
static const char *label_of(const char *field)
{
	static const char *const labels[][2] = {
		{ "first", "Given name" }, { "last", "Family name" },
		{ "nick", "Name" }, { "email", "Email" },
	};

	for (size_t i = 0; i < sizeof(labels) / sizeof(*labels); i++) {
		if (str_equal(labels[i][0], field))
			return labels[i][1];
	}
	return field;
}

static struct element *form_new(struct element *query, const char *type,
				const char *instructions)
{
	struct element *form = element_add(query, "x", NS_DATA_FORMS);
	struct element *hidden;

	element_set_attr(form, "type", type);
	element_add_text_child(form, "title", NULL, "Search for people");
	if (instructions != NULL)
		element_add_text_child(form, "instructions", NULL,
				       instructions);
	hidden = element_add(form, "field", NULL);
	element_set_attr(hidden, "var", "FORM_TYPE");
	element_set_attr(hidden, "type", "hidden");
	element_add_text_child(hidden, "value", NULL, NS_SEARCH);
	return form;
}

static void add_field(struct element *parent, const char *var,
		      const char *label)
{
	struct element *field = element_add(parent, "field", NULL);

	element_set_attr(field, "type", "text-single");
	element_set_attr(field, "label", label);
	element_set_attr(field, "var", var);
}

/* Those of the directory are for those of the domain. */
static bool refuse(struct iq_call *call)
{
	if (fields_of(call->domain) == NULL)
		iq_error(call, STANZA_SERVICE_UNAVAILABLE, NULL);
	else if (!str_equal(jid_domain(call->from), call->domain->name))
		iq_error(call, STANZA_FORBIDDEN, NULL);
	else
		return false;
	return true;
}

static void search_get(struct iq_call *call)
{
	const char *const *field;
	struct element *query, *form;
	struct stanza *reply;

	if (refuse(call))
		return;
	reply = iq_result_new(call);
	query = element_add(reply->root, "query", NS_SEARCH);
	element_add_text_child(query, "instructions", NULL, INSTRUCTIONS);
	for (field = fields_of(call->domain); *field != NULL; field++)
		element_add(query, *field, NULL);
	form = form_new(query, "form", INSTRUCTIONS);
	for (field = fields_of(call->domain); *field != NULL; field++)
		add_field(form, *field, label_of(*field));
	iq_reply(call, reply);
}

/* -- what was found -------------------------------------------------------- */

static const char *value_of(const struct people_row *row, const char *field)
{
	for (size_t i = 0; i < row->count; i++) {
		const struct people_value *value = &row->values[i];

		if (str_equal(value->field, field) &&
		    utf8_is_xml(value->data, value->len))
			return value->data;
	}
	return NULL;
}

static void write_plain(struct element *query, const char *const *fields,
			const struct people_row *row)
{
	struct element *item = element_add(query, "item", NULL);

	element_set_attr(item, "jid", row->jid);
	for (; *fields != NULL; fields++) {
		const char *value = value_of(row, *fields);

		if (value != NULL)
			element_add_text_child(item, *fields, NULL, value);
	}
}

static void write_value(struct element *item, const char *var,
			const char *value)
{
	struct element *field = element_add(item, "field", NULL);

	element_set_attr(field, "var", var);
	element_add_text_child(field, "value", NULL,
			       value != NULL ? value : "");
}

static void write_form(struct element *query, const char *const *fields,
		       const struct people_result *result)
{
	struct element *form =
		form_new(query, "result", result->more ? MORE : NULL);
	struct element *reported = element_add(form, "reported", NULL);

	add_field(reported, "jid", "Address");
	element_set_attr(element_first(reported), "type", "jid-single");
	for (size_t i = 0; fields[i] != NULL; i++)
		add_field(reported, fields[i], label_of(fields[i]));
	for (size_t i = 0; i < result->count; i++) {
		struct element *item = element_add(form, "item", NULL);

		write_value(item, "jid", result->rows[i].jid);
		for (size_t j = 0; fields[j] != NULL; j++)
			write_value(item, fields[j],
				    value_of(&result->rows[i], fields[j]));
	}
}

static void found(const struct people_result *result, void *ctx)
{
	struct query *asked = ctx;
	struct iq_call *call = asked->call;
	const char *const *fields = fields_of(call->domain);
	bool form = asked->form;
	struct element *query;
	struct stanza *reply;

	mem_free(asked);
	if (result->status != STORAGE_OK || fields == NULL) {
		log_warning(call->sm->log, "search.unavailable",
			    LOG_S("domain", call->domain->name),
			    LOG_S("reason", result->reason));
		iq_error(call, STANZA_INTERNAL_SERVER_ERROR, NULL);
		return;
	}
	reply = iq_result_new(call);
	query = element_add(reply->root, "query", NS_SEARCH);
	if (form)
		write_form(query, fields, result);
	for (size_t i = 0; !form && i < result->count; i++)
		write_plain(query, fields, &result->rows[i]);
	iq_reply(call, reply);
}

/* -- asking ---------------------------------------------------------------- */

struct terms {
	struct people_term list[TERMS_MAX];
	size_t count;
};

/* The texts stay the element's. False: too long, or too many. */
static bool add_term(struct terms *terms, const char *const *fields,
		     const char *field, const char *text)
{
	while (*fields != NULL && !str_equal(*fields, field))
		fields++;
	if (*fields == NULL || text == NULL || *text == '\0')
		return true;
	if (terms->count == TERMS_MAX || strlen(text) > TERM_MAX)
		return false;
	terms->list[terms->count++] = (struct people_term){
		(char *)*fields, (char *)text
	};
	return true;
}

static bool read_form(struct terms *terms, const char *const *fields,
		      const struct element *form)
{
	const struct element *field = element_child(form, "field", NULL);

	for (; field != NULL; field = element_next_same(field)) {
		if (!add_term(terms, fields, element_attr(field, "var"),
			      element_child_text(field, "value", NULL)))
			return false;
	}
	return true;
}

static bool read_plain(struct terms *terms, const char *const *fields,
		       const struct element *query)
{
	const struct element *child = element_first(query);

	for (; child != NULL; child = element_next(child)) {
		if (!add_term(terms, fields, child->name,
			      element_text(child)))
			return false;
	}
	return true;
}

static void search_set(struct iq_call *call)
{
	const struct element *form =
		element_child(call->query, "x", NS_DATA_FORMS);
	struct terms terms = { .count = 0 };
	const char *const *fields;
	struct query *asked;
	bool good;

	if (refuse(call))
		return;
	fields = fields_of(call->domain);
	good = form != NULL ? read_form(&terms, fields, form) :
			      read_plain(&terms, fields, call->query);
	if (!good || terms.count == 0) {
		iq_error(call, STANZA_NOT_ACCEPTABLE,
			 good ? "Say what to search for" : "That is too much");
		return;
	}
	asked = mem_new(struct query);
	asked->form = form != NULL;
	asked->call = iq_keep(call);
	people_search(call->domain->people, terms.list, terms.count,
		      FOUND_MAX, found, asked);
}

static void search_info(struct sm *sm, struct sm_domain *domain,
			struct element *query)
{
	struct element *identity, *feature;

	(void)sm;
	if (fields_of(domain) == NULL)
		return;
	identity = element_add(query, "identity", NULL);
	element_set_attr(identity, "category", "directory");
	element_set_attr(identity, "type", "user");
	feature = element_add(query, "feature", NULL);
	element_set_attr(feature, "var", NS_SEARCH);
}

static const struct iq_handler search_iq[] = {
	{ IQ_GET, TO_SERVER, NS_SEARCH, "query", search_get },
	{ IQ_SET, TO_SERVER, NS_SEARCH, "query", search_set },
	{ 0 },
};

const struct sm_module sm_module_search = {
	.name = "search",
	.iq = search_iq,
	.disco_info = search_info,
};
