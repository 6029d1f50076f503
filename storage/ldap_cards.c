/* SPDX-License-Identifier: Apache-2.0
 *
 * What is asked of the directory about people: one entry for a vCard, several
 * for a search. Which attribute is which field stands in the options.
 */
#include <stdio.h>
#include <string.h>

#include "storage/ldap_connection.h"
#include "storage/ldap_people.h"
#include "storage/ldap_person.h"
#include "storage/ldap_private.h"
#include "storage/ldap_text.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* Bytes of one value, a photo; longer ones are left out. */
#define VALUE_MAX 262144

struct inquiry {
	struct ldap_people *people;
	struct people_request *request;
	const struct ldap_fields *fields;
	struct buf dn, filter;
	struct directory_operation operation;
	size_t entries;
};

/* -- fields ---------------------------------------------------------------- */

static void fields_open(struct ldap_fields *fields, char **texts,
			const char *user_attribute)
{
	size_t count = 0;

	while (texts != NULL && texts[count] != NULL)
		count++;
	fields->list = mem_calloc(count + 1, sizeof(*fields->list));
	fields->attributes = mem_calloc(count + 2, sizeof(char *));
	fields->attributes[0] = user_attribute;
	for (size_t i = 0; i < count; i++) {
		const char *sign = strchr(texts[i], '=');
		struct ldap_field *field = &fields->list[i];

		field->name = mem_strndup(texts[i],
					  (size_t)(sign - texts[i]));
		field->attribute = mem_strdup(sign + 1);
		fields->attributes[i + 1] = field->attribute;
	}
	fields->count = count;
}

static void fields_close(struct ldap_fields *fields)
{
	for (size_t i = 0; i < fields->count; i++) {
		mem_free(fields->list[i].name);
		mem_free(fields->list[i].attribute);
	}
	mem_free(fields->list);
	mem_free(fields->attributes);
}

static bool has_name(const char *const *names, const char *name)
{
	for (; *names != NULL; names++) {
		if (str_equal(*names, name))
			return true;
	}
	return false;
}

void ldap_cards_open(struct ldap_people *people)
{
	const struct ldap_options *options = people->options;
	const char *user = ldap_options_user_attribute(options);
	size_t count = 0;

	fields_open(&people->card, options->vcard_fields, user);
	fields_open(&people->search, options->search_fields, user);
	people->search_names =
		mem_calloc(people->search.count + 1, sizeof(char *));
	for (size_t i = 0; i < people->search.count; i++) {
		const char *name = people->search.list[i].name;

		if (!has_name(people->search_names, name))
			people->search_names[count++] = name;
	}
}

void ldap_cards_close(struct ldap_people *people)
{
	fields_close(&people->card);
	fields_close(&people->search);
	mem_free(people->search_names);
}

/* -- entries --------------------------------------------------------------- */

/* The first attribute of a field that has a value counts. */
static bool has_field(const struct people_row *row, const char *name)
{
	for (size_t i = 0; i < row->count; i++) {
		if (str_equal(row->values[i].field, name))
			return true;
	}
	return false;
}

static void take_fields(const struct inquiry *inquiry,
			const struct directory_entry *entry,
			struct people_row *row)
{
	for (size_t i = 0; i < inquiry->fields->count; i++) {
		const struct ldap_field *field = &inquiry->fields->list[i];
		struct berval **values;

		if (has_field(row, field->name))
			continue;
		values = entry_values(entry, field->attribute);
		if (values != NULL && values[0] != NULL &&
		    values[0]->bv_len > 0 && values[0]->bv_len <= VALUE_MAX)
			people_row_add(row, field->name, values[0]->bv_val,
				       values[0]->bv_len);
		ldap_value_free_len(values);
	}
}

static char *jid_of(const struct inquiry *inquiry,
		    const struct directory_entry *entry)
{
	struct berval **values =
		entry_values(entry, inquiry->fields->attributes[0]);
	char *jid = values != NULL && values[0] != NULL ?
			    ldap_person_jid(values[0],
					    inquiry->people->domain) : NULL;

	ldap_value_free_len(values);
	return jid;
}

static void took_entry(struct directory_operation *operation,
		       const struct directory_entry *entry)
{
	struct inquiry *inquiry =
		container_of(operation, struct inquiry, operation);
	struct people_request *request = inquiry->request;
	struct people_result *result = &request->result;
	struct people_row *row;
	char *jid = jid_of(inquiry, entry);

	inquiry->entries++;
	if (request->op == PEOPLE_OP_SEARCH && result->count ==
						       request->limit)
		result->more = true;
	/* An entry of the same name beside it is not the person asked for. */
	if (jid == NULL || result->more ||
	    (request->op == PEOPLE_OP_CARD &&
	     !str_equal(jid, request->jid))) {
		mem_free(jid);
		return;
	}
	result->rows = mem_realloc(result->rows, result->count + 1,
				   sizeof(*result->rows));
	row = &result->rows[result->count++];
	*row = (struct people_row){ .jid = jid };
	take_fields(inquiry, entry, row);
}

/* -- filters --------------------------------------------------------------- */

/* "a*" begins with, "*a" ends with, "a" contains; a "*" elsewhere is none. */
static void add_text(struct buf *filter, const char *text)
{
	size_t len = strlen(text);
	bool first = len > 0 && text[0] == '*';
	bool last = len > 1 && text[len - 1] == '*';

	if (first || !last)
		buf_add_char(filter, '*');
	text += first;
	len -= (size_t)first + (size_t)last;
	if (len > 0) {
		ldap_text_add_filter(filter, text, len);
		if (!first || last)
			buf_add_char(filter, '*');
	}
}

static void add_term(struct inquiry *inquiry, const struct people_term *term)
{
	buf_add_str(&inquiry->filter, "(|");
	for (size_t i = 0; i < inquiry->fields->count; i++) {
		const struct ldap_field *field = &inquiry->fields->list[i];

		if (!str_equal(field->name, term->field))
			continue;
		buf_addf(&inquiry->filter, "(%s=", field->attribute);
		add_text(&inquiry->filter, term->text);
		buf_add_char(&inquiry->filter, ')');
	}
	buf_add_char(&inquiry->filter, ')');
}

static void make_search(struct inquiry *inquiry)
{
	const struct ldap_people *people = inquiry->people;

	buf_add_str(&inquiry->filter, "(&");
	ldap_filter_everybody(&inquiry->filter, people->options,
			      people->domain);
	for (size_t i = 0; i < inquiry->request->term_count; i++)
		add_term(inquiry, &inquiry->request->terms[i]);
	buf_add_char(&inquiry->filter, ')');
}

static void make_card(struct inquiry *inquiry)
{
	const struct ldap_people *people = inquiry->people;
	const struct ldap_options *options = people->options;
	const char *jid = inquiry->request->jid;
	char *name = ldap_text_unescape_local(jid, strcspn(jid, "@"));

	if (options->dn_template != NULL) {
		ldap_text_expand(&inquiry->dn, options->dn_template,
				 ldap_text_add_dn, name, people->domain);
		buf_add_str(&inquiry->filter, "(objectClass=*)");
	} else {
		ldap_text_expand(&inquiry->filter,
				 ldap_options_filter(options),
				 ldap_text_add_filter, name, people->domain);
	}
	mem_free(name);
}

/* -- asking ---------------------------------------------------------------- */

static enum storage_status status_of(struct inquiry *inquiry,
				     const struct directory_answer *answer)
{
	struct people_result *result = &inquiry->request->result;
	bool card = inquiry->request->op == PEOPLE_OP_CARD;
	int code = answer->code;

	if (code == LDAP_SIZELIMIT_EXCEEDED && !card) {
		result->more = true;
		code = LDAP_SUCCESS;
	}
	if (card && (code == LDAP_NO_SUCH_OBJECT ||
		     code == LDAP_INVALID_DN_SYNTAX))
		code = LDAP_SUCCESS;
	if (answer->status != STORAGE_OK || code != LDAP_SUCCESS) {
		snprintf(result->reason, sizeof(result->reason),
			 "the directory: %s",
			 answer->status == STORAGE_OK ? ldap_err2string(code) :
							answer->text);
		return answer->status == STORAGE_CANCELLED ?
			       STORAGE_CANCELLED : STORAGE_UNAVAILABLE;
	}
	/* Two entries of one name are nobody, as at a log-in. */
	return card && (result->count != 1 || inquiry->entries != 1) ?
		       STORAGE_NOT_FOUND : STORAGE_OK;
}

static void inquiry_done(struct directory_operation *operation,
			 const struct directory_answer *answer)
{
	struct inquiry *inquiry =
		container_of(operation, struct inquiry, operation);

	people_request_done(inquiry->request, status_of(inquiry, answer));
	buf_free(&inquiry->dn);
	buf_free(&inquiry->filter);
	mem_free(inquiry);
}

void ldap_cards_ask(void *state, struct people_request *request)
{
	struct ldap_people *people = state;
	const struct ldap_options *options = people->options;
	struct inquiry *inquiry = mem_new(struct inquiry);
	bool card = request->op == PEOPLE_OP_CARD;
	bool template = card && options->dn_template != NULL;

	inquiry->people = people;
	inquiry->request = request;
	inquiry->fields = card ? &people->card : &people->search;
	if (card)
		make_card(inquiry);
	else
		make_search(inquiry);
	inquiry->operation = (struct directory_operation){
		.kind = DIRECTORY_SEARCH,
		.dn = template		      ? buf_data(&inquiry->dn) :
		      options->base != NULL ? options->base : "",
		.scope = template ? LDAP_SCOPE_BASE : options->scope,
		.filter = buf_data(&inquiry->filter),
		.attributes = inquiry->fields->attributes,
		/* One more shows that there are more. */
		.limit = card ? 2 : (int)request->limit + 1,
		.entry = took_entry,
		.done = inquiry_done,
	};
	directory_submit(people->directory, &inquiry->operation);
}
