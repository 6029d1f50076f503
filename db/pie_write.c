/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing a file: several owners at a time are asked of the storage, so that
 * it is never idle, and written in order, so that only these are in memory.
 */
#include "db/pie.h"

#include <errno.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"

#define WINDOW 32   /* owners at a time */
#define PAGE   1000 /* names of owners at a time */

/* -- one owner ------------------------------------------------------------- */

static void write_row(struct pie_owner *owner)
{
	while (pie_kinds[owner->row].element != NULL &&
	       pie_kinds[owner->row].write == NULL)
		owner->row++;
	if (pie_kinds[owner->row].element != NULL) {
		pie_kinds[owner->row].write(owner);
		return;
	}
	owner->done = true;
	loop_stop(owner->db->loop);
}

static void clear_row(struct pie_owner *owner)
{
	for (size_t i = 0; i < owner->name_count; i++)
		mem_free(owner->names[i]);
	mem_free(owner->names);
	owner->names = NULL;
	owner->name_count = owner->name_next = 0;
	owner->after = 0;
	owner->opened = false;
}

void pie_written(struct pie_owner *owner)
{
	clear_row(owner);
	owner->row++;
	write_row(owner);
}

void pie_unavailable(struct pie_owner *owner,
		     const struct storage_result *result)
{
	db_complain("%s: %s", owner->jid,
		    *result->reason != '\0'
			    ? result->reason
			    : storage_status_text(result->status));
	owner->failed = owner->done = true;
	loop_stop(owner->db->loop);
}

struct pie_owner *pie_owner_new(struct db *db, struct storage *storage,
				struct stanza_parser *parser, const char *jid)
{
	struct pie_owner *owner = mem_new(struct pie_owner);

	owner->db = db;
	owner->storage = storage;
	owner->parser = parser;
	owner->jid = mem_strdup(jid);
	write_row(owner);
	return owner;
}

void pie_owner_free(struct pie_owner **owner)
{
	clear_row(*owner);
	buf_free_secret(&(*owner)->xml);
	mem_free((*owner)->jid);
	mem_free(*owner);
	*owner = NULL;
}

/* element_write() leaves the namespace of a stream away, which a file has to
 * say. */
void pie_add_element(struct buf *to, const struct element *element)
{
	struct buf xml = { 0 };
	size_t name = strlen(element->name) + 1;

	element_write(element, &xml);
	if (str_equal(element->ns, NS_CLIENT)) {
		buf_add(to, buf_data(&xml), name);
		buf_addf(to, " xmlns='%s'", NS_CLIENT);
		buf_add_str(to, buf_data(&xml) + name);
	} else {
		buf_add(to, buf_data(&xml), xml.len);
	}
	buf_free(&xml);
}

/* -- the file -------------------------------------------------------------- */

struct export {
	struct db *db;
	FILE *file;
	struct storage *storage;
	const char *domain; /* that is being written */
	struct stanza_parser *parser;
	struct pie_owner *owners; /* in order */
	size_t owner_count;
	char **names; /* a page of those in the storage */
	size_t name_count;
	bool listed; /* the page is there */
	bool failed;
};

static bool owner_is_done(void *ctx)
{
	return ((struct export *)ctx)->owners->done;
}

static void write_user(struct export *export, const struct pie_owner *owner)
{
	const char *at = strchr(owner->jid, '@');
	char *name = mem_strndup(owner->jid, (size_t)(at - owner->jid));
	struct buf text = { 0 };

	buf_add_str(&text, "<user");
	buf_add_attr(&text, "name", name);
	buf_add_str(&text, ">");
	fputs(buf_data(&text), export->file);
	fwrite(buf_data(&owner->xml), 1, owner->xml.len, export->file);
	fputs("</user>\n", export->file);
	if (ferror(export->file)) {
		if (!export->failed)
			db_complain("it cannot be written: %s",
				    strerror(errno));
		export->failed = true;
	}
	buf_free(&text);
	mem_free(name);
}

/* Waits for the first, writes it and forgets it. */
static void write_first(struct export *export)
{
	struct pie_owner *owner = export->owners;

	db_wait(export->db, owner_is_done, export);
	if (owner->failed)
		export->failed = true;
	else if (!export->failed)
		write_user(export, owner);
	DL_DELETE(export->owners, owner);
	export->owner_count--;
	pie_owner_free(&owner);
}

static bool is_wanted(const struct export *export, const char *jid)
{
	const char *at = strchr(jid, '@');

	return at != NULL && str_equal(at + 1, export->domain) &&
	       (export->db->user == NULL || str_equal(jid, export->db->user));
}

static void got_page(const struct storage_result *result, void *ctx)
{
	struct export *export = ctx;

	export->names = mem_calloc(result->count + 1, sizeof(char *));
	for (size_t i = 0; i < result->count; i++)
		export->names[export->name_count++] =
			mem_strdup(result->names[i]);
	if (result->status != STORAGE_OK) {
		db_complain("%s: %s", export->domain, result->reason);
		export->failed = true;
	}
	export->listed = true;
	loop_stop(export->db->loop);
}

static bool page_is_there(void *ctx)
{
	return ((struct export *)ctx)->listed;
}

static void free_page(struct export *export)
{
	for (size_t i = 0; i < export->name_count; i++)
		mem_free(export->names[i]);
	mem_free(export->names);
	export->names = NULL;
	export->name_count = 0;
	export->listed = false;
}

static void write_page(struct export *export)
{
	for (size_t i = 0; i < export->name_count && !export->failed; i++) {
		struct pie_owner *owner;

		if (!is_wanted(export, export->names[i]))
			continue;
		if (export->owner_count == WINDOW)
			write_first(export);
		owner = pie_owner_new(export->db, export->storage,
				      export->parser, export->names[i]);
		DL_APPEND(export->owners, owner);
		export->owner_count++;
	}
}

static void write_host(struct export *export)
{
	struct buf text = { 0 };
	char *after = NULL;
	size_t count;

	buf_add_str(&text, "<host");
	buf_add_attr(&text, "jid", export->domain);
	buf_add_str(&text, ">\n");
	fputs(buf_data(&text), export->file);
	buf_free(&text);
	do {
		storage_owner_list(export->storage, after, PAGE, got_page,
				   export);
		db_wait(export->db, page_is_there, export);
		count = export->name_count;
		write_page(export);
		mem_free(after);
		after = count > 0 ? mem_strdup(export->names[count - 1])
				  : NULL;
		free_page(export);
	} while (count == PAGE && !export->failed);
	mem_free(after);
	while (export->owners != NULL)
		write_first(export);
	fputs("</host>\n", export->file);
}

/* The domains in the order of the file; each is one prepared name. */
static int write_hosts(struct export *export)
{
	struct db *db = export->db;
	size_t count = config_count(db->config, "domain");
	unsigned written = 0;

	for (size_t i = 0; i < count && !export->failed; i++) {
		const char *title;
		char *domain;

		config_get(db->config, "domain", i, &title);
		domain = jid_prepare_domain(title);
		if (domain == NULL ||
		    (db->domain != NULL && !str_equal(domain, db->domain)) ||
		    (db->user != NULL &&
		     !str_equal(strchr(db->user, '@') + 1, domain))) {
			mem_free(domain);
			continue;
		}
		export->storage = db_store(db, title);
		export->domain = domain;
		if (export->storage != NULL)
			write_host(export);
		else
			export->failed = true;
		mem_free(domain);
		written++;
	}
	if (written == 0) {
		db_complain("no domain of this name is served");
		return DB_NOT_FOUND;
	}
	return export->failed ? DB_UNAVAILABLE : DB_OK;
}

int db_export(struct db *db)
{
	struct export export = {
		.db = db,
		.file = db->files[0].stream,
		.parser = stanza_parser_new(),
	};
	int code;

	fputs("<?xml version='1.0' encoding='UTF-8'?>\n"
	      "<server-data xmlns='" NS_PIE "'>\n", export.file);
	code = write_hosts(&export);
	fputs("</server-data>\n", export.file);
	stanza_parser_free(&export.parser);
	if (code == DB_OK)
		report_print(db->report, db->json, stderr);
	return code;
}
