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

#define FEATURES_MAX 1000

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

/* What is sorted are the strings before their ends were marked: "a<" comes
 * before "a#b<". */
static unsigned char sort_byte(char c)
{
	return c == '<' ? 0 : (unsigned char)c;
}

static int compare(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;

	while (*x != '\0' && *x == *y) {
		x++;
		y++;
	}
	return (int)sort_byte(*x) - (int)sort_byte(*y);
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

static bool has_type(const struct element *form)
{
	const struct element *field = element_child(form, "field", NULL);

	for (; field != NULL; field = element_next_same(field)) {
		if (str_equal(element_attr(field, "var"), "FORM_TYPE"))
			return str_equal(element_attr(field, "type"), "hidden");
	}
	return false;
}

static void add_forms(const struct element *query, struct buf *to)
{
	const struct element *form = element_child(query, "x", NS_DATA_FORMS);
	struct lines lines = { 0 };

	/* Section 5.4, step 3.6: one that does not say what it is, is left
	 * out. */
	for (; form != NULL; form = element_next_same(form)) {
		if (has_type(form))
			lines_add(&lines, form_line(form));
	}
	lines_take(&lines, to);
}

/* Section 5.4, steps 3.3 to 3.5: what stands there twice could be read in two
 * ways. */
static bool has_twice(const struct element *query, const char *name)
{
	const struct element *a = element_child(query, name, NULL), *b;
	unsigned count = 0;

	for (; a != NULL; a = element_next_same(a)) {
		/* No client has so many, and each costs a look at all. */
		if (++count > FEATURES_MAX)
			return true;
		for (b = element_next_same(a); b != NULL;
		     b = element_next_same(b)) {
			if (str_equal(element_attr(a, "var"),
				      element_attr(b, "var")) &&
			    str_equal(element_attr(a, "category"),
				      element_attr(b, "category")) &&
			    str_equal(element_attr(a, "type"),
				      element_attr(b, "type")) &&
			    str_equal(element_attr_ns(a, NS_XML, "lang"),
				      element_attr_ns(b, NS_XML, "lang")) &&
			    str_equal(element_attr(a, "name"),
				      element_attr(b, "name")))
				return true;
		}
	}
	return false;
}

char *disco_caps_hash(const struct element *query, enum digest kind)
{
	unsigned char digest[DIGEST_MAX];
	struct buf text = { 0 }, ver = { 0 };

	if (has_twice(query, "identity") || has_twice(query, "feature"))
		return NULL;
	add_identities(query, &text);
	add_features(query, &text);
	add_forms(query, &text);
	crypto_digest(kind, buf_data(&text), text.len, digest);
	base64_encode(&ver, digest, digest_size(kind));
	buf_free(&text);
	return buf_take(&ver);
}

static char *make_ver(struct sm *sm, struct sm_domain *domain)
{
	struct stanza *info = stanza_new("query", NS_DISCO_INFO);
	char *ver;

	disco_server_info(sm, domain, info->root);
	ver = disco_caps_hash(info->root, DIGEST_SHA1);
	stanza_free(&info);
	return ver;
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
