/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading of the configuration file: libconfuse reads the syntax, with all
 * values as text; types, ranges and messages are ours (config_value.c). What
 * an option means is the role's.
 */
#include "util/role/config.h"

#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/role/config_scan.h"
#include "util/role/config_value.h"

#define FILE_MAX (1 << 20)
#define SECRET_MAX 4096

/* An option of each libconfuse section that is none: it carries a pointer to
 * our struct place to where libconfuse calls us back. */
#define PLACE_OPTION " "

struct entry {
	const struct section *section;
	char *title;
	void *data;
	unsigned line; /* where it begins; 0: it is not in the file */
};

struct config {
	char *path;
	struct entry *entries;
	size_t count;
};

struct place {
	const struct section *section; /* NULL at the top */
	const char *path;
	struct error *err;
	bool *failed; /* err is filled */
};

/* -- what libconfuse is given --------------------------------------------- */

static const struct place *place_of(const cfg_t *cfg)
{
	for (const cfg_opt_t *opt = cfg->opts; opt && opt->name; opt++) {
		if (opt->type == CFGT_PTR)
			return (const struct place *)opt->simple_value.ptr;
	}
	return NULL;
}

/* The first message counts: later ones follow from it. */
static void on_error(cfg_t *cfg, const char *format, va_list args)
{
	const struct place *place = place_of(cfg);
	struct buf text = { .data = NULL };

	if (!place || *place->failed)
		return;
	buf_vaddf(&text, format, args);
	error_set(place->err, "%s:%d: %s", place->path, cfg->line,
		  buf_data(&text));
	buf_free(&text);
	*place->failed = true;
}

static const struct option *find_option(const struct section *section,
					const char *name)
{
	for (const struct option *o = section->options; o->name; o++) {
		if (str_equal(o->name, name))
			return o;
	}
	return NULL;
}

/* After each value: checks it while libconfuse knows the line. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
	const struct place *place = place_of(cfg);
	const struct option *option = find_option(place->section, opt->name);
	struct error why;
	unsigned count = cfg_opt_size(opt);

	if (count == 0 ||
	    config_value_set(option, cfg_opt_getnstr(opt, count - 1), NULL,
			     &why) == 0)
		return 0;
	error_set(place->err, "%s:%d: %s: %s", place->path, cfg->line,
		  opt->name, why.text);
	*place->failed = true;
	return -1;
}

static cfg_opt_t place_option(struct place *place)
{
	return (cfg_opt_t){ .name = PLACE_OPTION,
			    .type = CFGT_PTR,
			    .flags = CFGF_NODEFAULT,
			    .simple_value = { .ptr = (void **)place } };
}

/* libconfuse copies the tables of sections, but keeps the one at the top. */
static cfg_opt_t *options_table(const struct section *section,
				struct place *place)
{
	size_t count = 0;
	cfg_opt_t *table;

	while (section->options[count].name)
		count++;
	table = mem_calloc(count + 2, sizeof(*table));
	for (size_t i = 0; i < count; i++) {
		table[i].name = section->options[i].name;
		table[i].type = CFGT_STR;
		table[i].flags = CFGF_NODEFAULT;
		if (section->options[i].type == OPTION_LIST)
			table[i].flags |= CFGF_LIST;
		table[i].validcb = on_value;
	}
	table[count] = place_option(place);
	return table;
}

struct tables {
	cfg_opt_t *top;
	struct place *places; /* of the sections, then of the top */
	size_t count;
	struct error *err;
	bool failed;
};

static void tables_init(struct tables *tables, const char *path,
			const struct section *const *sections,
			struct error *err)
{
	size_t count = 0;

	while (sections[count])
		count++;
	tables->count = count;
	tables->err = err;
	tables->top = mem_calloc(count + 2, sizeof(*tables->top));
	tables->places = mem_calloc(count + 1, sizeof(*tables->places));
	for (size_t i = 0; i <= count; i++) {
		struct place *place = &tables->places[i];

		*place = (struct place){ sections[i], path, err,
					 &tables->failed };
		if (i == count) {
			tables->top[i] = place_option(place);
			continue;
		}
		tables->top[i].name = sections[i]->name;
		tables->top[i].type = CFGT_SEC;
		tables->top[i].subopts = options_table(sections[i], place);
		if (sections[i]->titled)
			tables->top[i].flags = CFGF_MULTI | CFGF_TITLE |
					       CFGF_NO_TITLE_DUPES;
	}
}

static void tables_free(struct tables *tables)
{
	for (size_t i = 0; i < tables->count; i++)
		mem_free(tables->top[i].subopts);
	mem_free(tables->top);
	mem_free(tables->places);
}

/* -- from libconfuse to ours ---------------------------------------------- */

static void fill_option(const struct option *option, cfg_t *cfg, void *data)
{
	cfg_opt_t *opt = cfg_getopt(cfg, option->name);

	config_value_set_fallback(option, data);
	/* An empty list is modified and has no values. */
	if (!(opt->flags & CFGF_MODIFIED))
		return;
	if (option->type == OPTION_LIST)
		config_value_clear_list(option, data);
	for (unsigned i = 0; i < cfg_opt_size(opt); i++)
		config_value_set(option, cfg_opt_getnstr(opt, i), data, NULL);
}

static void add_entry(struct config *config, const struct section *section,
		      cfg_t *cfg)
{
	struct entry *entry;

	config->entries = mem_realloc(config->entries, config->count + 1,
				      sizeof(*config->entries));
	entry = &config->entries[config->count++];
	entry->section = section;
	entry->title = section->titled ? mem_strdup(cfg_title(cfg)) : NULL;
	entry->data = mem_alloc(section->size);
	for (const struct option *o = section->options; o->name; o++)
		fill_option(o, cfg, entry->data);
}

/* The line of the j-th section of the i-th kind; 0: there is none. */
static unsigned line_of(const struct config_places *places, size_t i, unsigned j)
{
	for (size_t at = 0; at < places->count; at++) {
		if (places->list[at].section == i && j-- == 0)
			return places->list[at].line;
	}
	return 0;
}

static struct config *fill(const char *path, cfg_t *cfg,
			   const struct section *const *sections,
			   const struct config_places *places)
{
	struct config *config = mem_new(struct config);

	config->path = mem_strdup(path);
	for (size_t i = 0; sections[i]; i++) {
		unsigned count = cfg_size(cfg, sections[i]->name);

		for (unsigned j = 0; j < count; j++) {
			add_entry(config, sections[i],
				  cfg_getnsec(cfg, sections[i]->name, j));
			config->entries[config->count - 1].line =
				line_of(places, i, j);
		}
	}
	return config;
}

static struct config *parse(const char *path, char *text, size_t len,
			    const struct section *const *sections,
			    const struct config_places *places,
			    struct error *err)
{
	struct tables tables = { .failed = false };
	struct config *config = NULL;
	FILE *file;
	cfg_t *cfg;

	tables_init(&tables, path, sections, err);
	cfg = cfg_init(tables.top, CFGF_NONE);
	cfg_set_error_function(cfg, on_error);
	file = fmemopen(text, len, "r");
	if (!file)
		error_set(err, "%s: %s", path, strerror(errno));
	else if (cfg_parse_fp(cfg, file) == CFG_SUCCESS)
		config = fill(path, cfg, sections, places);
	else if (!tables.failed)
		error_set(err, "%s:%d: syntax error", path, cfg->line);
	if (file)
		fclose(file);
	cfg_free(cfg);
	tables_free(&tables);
	return config;
}

/* -- files ---------------------------------------------------------------- */

/* The whole file with a line end behind it, so that it is never empty. */
static int read_file(const char *path, struct buf *text, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return error_set(err, "%s: %s", path, strerror(errno));
	do {
		got = read(fd, buf_reserve(text, 65536), 65536);
		if (got > 0)
			buf_commit(text, (size_t)got);
	} while ((got > 0 && text->len <= FILE_MAX) ||
		 (got < 0 && errno == EINTR));
	if (got < 0)
		error_set(err, "%s: %s", path, strerror(errno));
	close(fd);
	if (got < 0)
		return -1;
	if (text->len > FILE_MAX)
		return error_set(err, "%s: larger than 1 MiB", path);
	if (memchr(buf_data(text), '\0', text->len))
		return error_set(err, "%s: not a text file", path);
	buf_add_char(text, '\n');
	return 0;
}

struct config *config_load(const char *path,
			   const struct section *const *sections, bool strict,
			   struct error *err)
{
	struct buf file = { .data = NULL };
	struct config_places places = { .count = 0 };
	struct config *config = NULL;
	char *text;
	size_t len;

	if (read_file(path, &file, err) == 0) {
		len = file.len;
		text = buf_take(&file);
		if (config_scan(text, len, path, sections, strict, &places,
				err) == 0)
			config = parse(path, text, len, sections, &places,
				       err);
		mem_free(places.list);
		mem_free(text);
	}
	buf_free(&file);
	return config;
}

void config_free(struct config **config)
{
	if (!*config)
		return;
	for (size_t i = 0; i < (*config)->count; i++) {
		struct entry *entry = &(*config)->entries[i];

		for (const struct option *o = entry->section->options; o->name;
		     o++)
			config_value_free(o, entry->data);
		mem_free(entry->data);
		mem_free(entry->title);
	}
	mem_free((*config)->entries);
	mem_free((*config)->path);
	mem_free(*config);
	*config = NULL;
}

char *config_read_secret(const char *path, struct error *err)
{
	char line[SECRET_MAX + 1], *secret = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	ssize_t len;

	if (fd < 0 || fstat(fd, &st) < 0) {
		error_set(err, "%s: %s", path, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		error_set(err, "%s: not a regular file", path);
	} else if (st.st_mode & S_IRWXO) {
		error_set(err, "%s: others may read or write this secret",
			  path);
	} else if ((len = read(fd, line, SECRET_MAX)) < 0) {
		error_set(err, "%s: %s", path, strerror(errno));
	} else {
		line[len] = '\0';
		line[strcspn(line, "\r\n")] = '\0';
		if (*line)
			secret = mem_strdup(line);
		else
			error_set(err, "%s: no secret in the first line", path);
	}
	mem_wipe(line, sizeof(line));
	if (fd >= 0)
		close(fd);
	return secret;
}

/* -- asking --------------------------------------------------------------- */

size_t config_count(const struct config *config, const char *section)
{
	size_t count = 0;

	for (size_t i = 0; i < config->count; i++)
		count += str_equal(config->entries[i].section->name, section);
	return count;
}

const void *config_get(const struct config *config, const char *section,
		       size_t i, const char **title)
{
	for (size_t j = 0; j < config->count; j++) {
		const struct entry *entry = &config->entries[j];

		if (!str_equal(entry->section->name, section) || i-- > 0)
			continue;
		if (title)
			*title = entry->title;
		return entry->data;
	}
	return NULL;
}

unsigned config_line(const struct config *config, const char *section,
		     size_t i)
{
	for (size_t j = 0; j < config->count; j++) {
		if (str_equal(config->entries[j].section->name, section) &&
		    i-- == 0)
			return config->entries[j].line;
	}
	return 0;
}

const void *config_find(const struct config *config, const char *section,
			const char *title)
{
	const void *pattern = NULL;

	for (size_t i = 0; i < config->count; i++) {
		const struct entry *entry = &config->entries[i];

		if (!entry->title || !str_equal(entry->section->name, section))
			continue;
		if (str_equal(entry->title, title))
			return entry->data;
		if (!pattern && str_matches(title, entry->title))
			pattern = entry->data;
	}
	return pattern;
}

void config_dump(const struct config *config, struct buf *to)
{
	for (size_t i = 0; i < config->count; i++) {
		const struct entry *entry = &config->entries[i];

		buf_addf(to, "%s%s ", i ? "\n" : "", entry->section->name);
		if (entry->title) {
			config_value_quote(to, entry->title);
			buf_add_char(to, ' ');
		}
		buf_add_str(to, "{\n");
		for (const struct option *o = entry->section->options; o->name;
		     o++) {
			if (o->help)
				buf_addf(to, "\t# %s\n", o->help);
			buf_add_char(to, '\t');
			config_value_dump(o, entry->data, to);
			buf_add_char(to, '\n');
		}
		buf_add_str(to, "}\n");
	}
}

const char *config_path(const struct config *config)
{
	return config->path;
}
