/* SPDX-License-Identifier: Apache-2.0
 *
 * The options of a node as forms (XEP-0060 sections 7.1.5, 8.2 and 16.4.4).
 */
#include <string.h>

#include "sm/pubsub.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/xmpp/ns.h"

enum kind { BOOLEAN, CHOICE, NUMBER, TEXT, LINES };

/* Defaults: XEP-0163 section 3, XEP-0060 section 16.4.4. */
static const struct row {
	const char *name, *label, *value;
	enum kind kind;
	const char *choices[6];
} rows[PUBSUB_OPTION_COUNT] = {
	[PUBSUB_ACCESS_MODEL] = { "access_model", "Who may subscribe",
				  "presence", CHOICE,
				  { "authorize", "open", "presence", "roster",
				    "whitelist" } },
	[PUBSUB_PUBLISH_MODEL] = { "publish_model", "Who may publish",
				   "publishers", CHOICE,
				   { "publishers", "subscribers", "open" } },
	[PUBSUB_MAX_ITEMS] = { "max_items", "Items to keep, or max", "1",
			       NUMBER, { NULL } },
	[PUBSUB_PERSIST_ITEMS] = { "persist_items", "Keep items", "1", BOOLEAN,
				   { NULL } },
	[PUBSUB_SEND_LAST] = { "send_last_published_item",
			       "When to send the last item",
			       "on_sub_and_presence", CHOICE,
			       { "never", "on_sub", "on_sub_and_presence" } },
	[PUBSUB_DELIVER_NOTIFICATIONS] = { "deliver_notifications",
					   "Notify at all", "1", BOOLEAN,
					   { NULL } },
	[PUBSUB_DELIVER_PAYLOADS] = { "deliver_payloads",
				      "Payloads in notifications", "1",
				      BOOLEAN, { NULL } },
	[PUBSUB_NOTIFY_CONFIG] = { "notify_config",
				   "Notify of new configurations", "0",
				   BOOLEAN, { NULL } },
	[PUBSUB_NOTIFY_DELETE] = { "notify_delete",
				   "Notify when the node is deleted", "1",
				   BOOLEAN, { NULL } },
	[PUBSUB_NOTIFY_RETRACT] = { "notify_retract",
				    "Notify when items are removed", "1",
				    BOOLEAN, { NULL } },
	[PUBSUB_NOTIFICATION_TYPE] = { "notification_type",
				       "Type of messages", "headline", CHOICE,
				       { "normal", "headline" } },
	[PUBSUB_ROSTER_GROUPS] = { "roster_groups_allowed",
				   "Groups that may subscribe", "", LINES,
				   { NULL } },
	[PUBSUB_TITLE] = { "title", "Name of the node", "", TEXT, { NULL } },
	[PUBSUB_DESCRIPTION] = { "description", "What it is for", "", TEXT,
				 { NULL } },
	[PUBSUB_TYPE] = { "type", "Namespace of the payloads", "", TEXT,
			  { NULL } },
};

static const char *const kind_types[] = {
	[BOOLEAN] = "boolean",	   [CHOICE] = "list-single",
	[NUMBER] = "text-single",  [TEXT] = "text-single",
	[LINES] = "text-multi",
};

#define PREFIX "pubsub#"

const char *pubsub_option_name(enum pubsub_option option)
{
	return rows[option].name;
}

enum pubsub_option pubsub_option_find(const char *name)
{
	int i = 0;

	while (i < PUBSUB_OPTION_COUNT && !str_equal(rows[i].name, name))
		i++;
	return (enum pubsub_option)i;
}

const char *pubsub_option(const struct pubsub_node *node,
			  enum pubsub_option option)
{
	const char *value = node != NULL ? node->config.value[option] : NULL;

	return value != NULL ? value : rows[option].value;
}

bool pubsub_is_set(const struct pubsub_node *node, enum pubsub_option option)
{
	return str_equal(pubsub_option(node, option), "1");
}

void pubsub_config_clear(struct pubsub_config *config)
{
	for (int i = 0; i < PUBSUB_OPTION_COUNT; i++) {
		mem_free(config->value[i]);
		config->value[i] = NULL;
	}
}

/* -- reading --------------------------------------------------------------- */

static enum pubsub_option field_option(const struct element *field)
{
	const char *var = element_attr(field, "var");

	if (var == NULL || !str_starts(var, PREFIX))
		return PUBSUB_OPTION_COUNT;
	return pubsub_option_find(var + strlen(PREFIX));
}

/* All values, a line each. */
static char *field_lines(const struct element *field)
{
	const struct element *value = element_child(field, "value", NULL);
	struct buf lines = { 0 };

	for (; value != NULL; value = element_next_same(value))
		buf_addf(&lines, "%s%s", lines.len > 0 ? "\n" : "",
			 element_text(value));
	return buf_take(&lines);
}

static bool is_choice(const struct row *row, const char *value)
{
	for (size_t i = 0; row->choices[i] != NULL; i++) {
		if (str_equal(row->choices[i], value))
			return true;
	}
	return false;
}

/* The value in the one way that we write it; NULL: it cannot be. */
static char *field_value(const struct row *row, const struct element *field)
{
	const char *value = element_child_text(field, "value", NULL);
	uint64_t number;

	if (row->kind == LINES)
		return field_lines(field);
	if (value == NULL)
		value = row->kind == TEXT ? "" : row->value;
	switch (row->kind) {
	case BOOLEAN:
		if (str_equal(value, "true") || str_equal(value, "1"))
			return mem_strdup("1");
		if (str_equal(value, "false") || str_equal(value, "0"))
			return mem_strdup("0");
		return NULL;
	case CHOICE:
		return is_choice(row, value) ? mem_strdup(value) : NULL;
	case NUMBER:
		if (!str_equal(value, "max") &&
		    str_to_u64(value, 0, UINT32_MAX, &number) != 0)
			return NULL;
		return mem_strdup(value);
	default:
		return strlen(value) <= 2 * PUBSUB_NAME_MAX ?
			       mem_strdup(value) : NULL;
	}
}

int pubsub_config_read(struct pubsub_config *config,
		       const struct element *form, const char **bad)
{
	const struct element *field = element_child(form, "field", NULL);
	struct pubsub_config new = { { NULL } };

	*bad = NULL;
	for (; field != NULL; field = element_next_same(field)) {
		enum pubsub_option option = field_option(field);

		if (option == PUBSUB_OPTION_COUNT)
			continue;
		mem_free(new.value[option]);
		new.value[option] = field_value(&rows[option], field);
		if (new.value[option] == NULL) {
			*bad = element_attr(field, "var");
			pubsub_config_clear(&new);
			return -1;
		}
	}
	for (int i = 0; i < PUBSUB_OPTION_COUNT; i++) {
		if (new.value[i] == NULL)
			continue;
		mem_free(config->value[i]);
		config->value[i] = new.value[i];
	}
	return 0;
}

/* An option that we do not have is a condition that we do not meet. */
bool pubsub_config_matches(const struct pubsub_node *node,
			   const struct element *form)
{
	const struct element *field = element_child(form, "field", NULL);

	for (; field != NULL; field = element_next_same(field)) {
		enum pubsub_option option = field_option(field);
		bool same;
		char *value;

		if (str_equal(element_attr(field, "var"), "FORM_TYPE"))
			continue;
		if (option == PUBSUB_OPTION_COUNT)
			return false;
		value = field_value(&rows[option], field);
		same = str_equal(value, pubsub_option(node, option));
		mem_free(value);
		if (!same)
			return false;
	}
	return true;
}

/* -- writing --------------------------------------------------------------- */

static void add_values(struct element *field, const char *lines)
{
	while (*lines != '\0') {
		size_t len = strcspn(lines, "\n");
		char *line = mem_strndup(lines, len);

		element_add_text_child(field, "value", NULL, line);
		mem_free(line);
		lines += lines[len] == '\n' ? len + 1 : len;
	}
}

static void add_field(struct element *form, const struct row *row,
		      const char *value)
{
	struct element *field = element_add(form, "field", NULL);
	char *var = mem_printf(PREFIX "%s", row->name);

	element_set_attr(field, "var", var);
	element_set_attr(field, "type", kind_types[row->kind]);
	element_set_attr(field, "label", row->label);
	mem_free(var);
	for (size_t i = 0; row->choices[i] != NULL; i++)
		element_add_text_child(element_add(field, "option", NULL),
				       "value", NULL, row->choices[i]);
	if (row->kind == LINES)
		add_values(field, value);
	else
		element_add_text_child(field, "value", NULL, value);
}

void pubsub_config_form(const struct pubsub_node *node, const char *form_type,
			struct element *parent)
{
	struct element *form = element_add(parent, "x", NS_DATA_FORMS);
	struct element *field;

	element_set_attr(form, "type",
			 str_ends(form_type, "config") ? "form" : "result");
	field = element_add(form, "field", NULL);
	element_set_attr(field, "var", "FORM_TYPE");
	element_set_attr(field, "type", "hidden");
	element_add_text_child(field, "value", NULL, form_type);
	for (int i = 0; i < PUBSUB_OPTION_COUNT; i++)
		add_field(form, &rows[i],
			  pubsub_option(node, (enum pubsub_option)i));
}
