/* SPDX-License-Identifier: Apache-2.0
 *
 * The verification string of XEP-0115 section 5.1 over the server's
 * disco#info, and its hash. It is made each time that it is asked for, which is
 * seldom: what it is made of may have changed with a reload.
 */
#include "sm/modules/disco.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"

/* A list of strings that will be sorted; each on the heap. */
struct lines {
	char **line;
	size_t count;
};

static void lines_add(struct lines *lines, char *line)
{
	lines->line = mem_realloc(lines->line, lines->count + 1,
				  sizeof(*lines->line));
	lines->line[lines->count++] = line;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Appends the lines in order, and frees them. */
static void lines_take(struct lines *lines, struct buf *to)
{
	if (lines->count > 0)
		qsort(lines->line, lines->count, sizeof(*lines->line), compare);
	for (size_t i = 0; i < lines->count; i++) {
		buf_add_str(to, lines->line[i]);
		mem_free(lines->line[i]);
	}
	mem_free(lines->line);
	*lines = (struct lines){ 0 };
}

static const char *or_empty(const char *text)
{
	return text != NULL ? text : "";
}

static void add_identities(const struct element *query, struct buf *to)
{
	const struct element *child = element_child(query, "identity", NULL);
	struct lines lines = { 0 };

	for (; child != NULL; child = element_next_same(child))
		lines_add(&lines,
			  mem_printf("%s/%s/%s/%s<",
				     or_empty(element_attr(child, "category")),
				     or_empty(element_attr(child, "type")),
				     or_empty(element_attr_ns(child, NS_XML,
							      "lang")),
				     or_empty(element_attr(child, "name"))));
	lines_take(&lines, to);
}

static void add_features(const struct element *query, struct buf *to)
{
	const struct element *child = element_child(query, "feature", NULL);
	struct lines lines = { 0 };

	for (; child != NULL; child = element_next_same(child))
		lines_add(&lines,
			  mem_printf("%s<",
				     or_empty(element_attr(child, "var"))));
	lines_take(&lines, to);
}

/* "VAR<VALUE<VALUE<", the values in order. */
static char *field_line(const struct element *field)
{
	const struct element *value = element_child(field, "value", NULL);
	struct lines values = { 0 };
	struct buf line = { 0 };

	buf_addf(&line, "%s<", or_empty(element_attr(field, "var")));
	for (; value != NULL; value = element_next_same(value))
		lines_add(&values, mem_printf("%s<", element_text(value)));
	lines_take(&values, &line);
	return buf_take(&line);
}

static char *form_line(const struct element *form)
{
	const struct element *field = element_child(form, "field", NULL);
	struct lines fields = { 0 };
	struct buf line = { 0 };

	for (; field != NULL; field = element_next_same(field)) {
		const char *var = element_attr(field, "var");

		if (str_equal(var, "FORM_TYPE"))
			buf_addf(&line, "%s<",
				 or_empty(element_child_text(field, "value",
							     NULL)));
		else
			lines_add(&fields, field_line(field));
	}
	lines_take(&fields, &line);
	return buf_take(&line);
}

static void add_forms(const struct element *query, struct buf *to)
{
	const struct element *form = element_child(query, "x", NS_DATA_FORMS);
	struct lines lines = { 0 };

	for (; form != NULL; form = element_next_same(form))
		lines_add(&lines, form_line(form));
	lines_take(&lines, to);
}

static char *make_ver(struct sm *sm, struct sm_domain *domain)
{
	struct stanza *info = stanza_new("query", NS_DISCO_INFO);
	unsigned char digest[DIGEST_MAX];
	struct buf text = { 0 }, ver = { 0 };

	disco_server_info(sm, domain, info->root);
	add_identities(info->root, &text);
	add_features(info->root, &text);
	add_forms(info->root, &text);
	crypto_digest(DIGEST_SHA1, buf_data(&text), text.len, digest);
	base64_encode(&ver, digest, digest_size(DIGEST_SHA1));
	buf_free(&text);
	stanza_free(&info);
	return buf_take(&ver);
}

static struct disco_hash **hashes_of(const struct sm *sm)
{
	return module_data(sm, &sm_module_disco);
}

const char *disco_caps_ver(struct sm *sm, struct sm_domain *domain)
{
	struct disco_hash *hash;
	char *ver;

	LL_FOREACH(*hashes_of(sm), hash) {
		if (hash->domain == domain)
			break;
	}
	if (hash == NULL) {
		hash = mem_new(struct disco_hash);
		hash->domain = domain;
		LL_PREPEND(*hashes_of(sm), hash);
	}
	ver = make_ver(sm, domain);
	if (str_equal(ver, hash->ver)) {
		mem_free(ver);
	} else {
		mem_free(hash->ver);
		hash->ver = ver;
	}
	return hash->ver;
}

void disco_caps_stop(struct sm *sm)
{
	struct disco_hash *hash;

	while ((hash = *hashes_of(sm)) != NULL) {
		LL_DELETE(*hashes_of(sm), hash);
		mem_free(hash->ver);
		mem_free(hash);
	}
}
