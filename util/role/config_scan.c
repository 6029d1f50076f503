/* SPDX-License-Identifier: Apache-2.0
 *
 * The outline of a configuration file. libconfuse cannot skip sections it
 * does not know when these are nested, knows comments only between options,
 * and is left in the middle of a string for its next use when a file ends
 * there. So its tokens are found here first, and what would harm is blanked
 * or refused. Options and values are not looked at.
 */
#include "util/role/config_scan.h"

#include <stdlib.h>
#include <string.h>

#include "util/base/mem.h"

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_MARK, TOKEN_BAD };

struct token {
	enum token_kind kind;
	char mark;	 /* of TOKEN_MARK: one of = { } ( ) + , */
	char *start;	 /* where it begins in the text */
	const char *text; /* of TOKEN_WORD: without its quotes */
	size_t len;
};

/* More than any section has: what comes behind is unknown anyway. */
#define OPTIONS_MAX 128

/* The names of options that a section has given so far. */
struct names {
	const char *text[OPTIONS_MAX];
	size_t len[OPTIONS_MAX];
	size_t count;
};

struct scan {
	char *p, *end;
	unsigned line;
	const char *path;
	struct error *err;
	struct config_places *places; /* filled */
};

static int fail(const struct scan *scan, unsigned line, const char *what)
{
	return error_set(scan->err, "%s:%u: %s", scan->path, line, what);
}

static void blank(char *from, const char *to)
{
	for (; from < to; from++) {
		if (*from != '\n')
			*from = ' ';
	}
}

/* Past the bytes up to `to`, counting lines. */
static void advance(struct scan *scan, char *to)
{
	for (; scan->p < to; scan->p++) {
		if (*scan->p == '\n')
			scan->line++;
	}
}

static bool at(const struct scan *scan, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(scan->end - scan->p) >= len &&
	       memcmp(scan->p, text, len) == 0;
}

/* Blanks the comment at p; -1 when it is not closed. */
static int skip_comment(struct scan *scan)
{
	char *start = scan->p, *to;

	if (at(scan, "/*")) {
		to = memmem(start + 2, (size_t)(scan->end - start - 2), "*/",
			    2);
		if (!to)
			return fail(scan, scan->line, "comment is not closed");
		to += 2;
	} else {
		to = memchr(start, '\n', (size_t)(scan->end - start));
		if (!to)
			to = scan->end;
	}
	advance(scan, to);
	blank(start, to);
	return 0;
}

static int skip_blanks(struct scan *scan)
{
	while (scan->p < scan->end) {
		if (memchr(" \t\r\n", *scan->p, 4)) {
			advance(scan, scan->p + 1);
		} else if (*scan->p == '#' || at(scan, "//") ||
			   at(scan, "/*")) {
			if (skip_comment(scan) < 0)
				return -1;
		} else {
			break;
		}
	}
	return 0;
}

/* "..." and '...': a backslash takes the next character with it. */
static enum token_kind read_string(struct scan *scan, struct token *token)
{
	char quote = *scan->p, *p = scan->p + 1;

	while (p < scan->end && *p != quote)
		p += *p == '\\' && scan->end - p > 1 ? 2 : 1;
	if (p >= scan->end) {
		fail(scan, scan->line, "string is not closed");
		return TOKEN_BAD;
	}
	token->text = scan->p + 1;
	token->len = (size_t)(p - token->text);
	advance(scan, p + 1);
	return TOKEN_WORD;
}

/* ${NAME}, replaced from the environment by libconfuse. */
static enum token_kind read_variable(struct scan *scan, struct token *token)
{
	char *to = memchr(scan->p, '}', (size_t)(scan->end - scan->p));

	if (!to) {
		fail(scan, scan->line, "${ is not closed");
		return TOKEN_BAD;
	}
	token->text = scan->p;
	token->len = (size_t)(to + 1 - scan->p);
	advance(scan, to + 1);
	return TOKEN_WORD;
}

/* What editors make of quotes would become part of the word. */
static bool is_curly_quote(const struct scan *scan)
{
	return at(scan, "\u201c") || at(scan, "\u201d") ||
	       at(scan, "\u201e") || at(scan, "\u2018") ||
	       at(scan, "\u2019") || at(scan, "\u00ab") || at(scan, "\u00bb");
}

static enum token_kind read_word(struct scan *scan, struct token *token)
{
	char *p = scan->p;

	if (is_curly_quote(scan)) {
		fail(scan, scan->line, "typographic quotes: write \" or '");
		return TOKEN_BAD;
	}

	while (p < scan->end && !memchr(" #\"'\t\n\r={}()+,*", *p, 16))
		p++;
	if (p == scan->p) {
		/* libconfuse would pass over it in silence. */
		fail(scan, scan->line, "character that may not stand here");
		return TOKEN_BAD;
	}
	token->text = scan->p;
	token->len = (size_t)(p - scan->p);
	scan->p = p;
	return TOKEN_WORD;
}

static enum token_kind next_kind(struct scan *scan, struct token *token)
{
	if (skip_blanks(scan) < 0)
		return TOKEN_BAD;
	token->start = scan->p;
	if (scan->p == scan->end)
		return TOKEN_END;
	if (*scan->p == '"' || *scan->p == '\'')
		return read_string(scan, token);
	if (at(scan, "${"))
		return read_variable(scan, token);
	if (memchr("={}(),", *scan->p, 6) || at(scan, "+=")) {
		token->mark = *scan->p;
		scan->p += *scan->p == '+' ? 2 : 1;
		return TOKEN_MARK;
	}
	return read_word(scan, token);
}

static bool next(struct scan *scan, struct token *token)
{
	*token = (struct token){ .kind = TOKEN_BAD };
	token->kind = next_kind(scan, token);
	return token->kind != TOKEN_BAD;
}

static bool is_mark(const struct token *token, char mark)
{
	return token->kind == TOKEN_MARK && token->mark == mark;
}

/* Index in the array, -1 when it is not there. */
static int section_index(const struct section *const *sections,
			 const struct token *name)
{
	for (int i = 0; sections[i]; i++) {
		if (strlen(sections[i]->name) == name->len &&
		    memcmp(sections[i]->name, name->text, name->len) == 0)
			return i;
	}
	return -1;
}

static void note_place(struct config_places *places, size_t section,
		       unsigned line)
{
	places->list = mem_realloc(places->list, places->count + 1,
				   sizeof(*places->list));
	places->list[places->count].section = section;
	places->list[places->count++].line = line;
}

/* libconfuse would take the last one. */
static int note_option(struct scan *scan, struct names *names,
		       const struct token *name, unsigned line)
{
	for (size_t i = 0; i < names->count; i++) {
		if (names->len[i] == name->len &&
		    memcmp(names->text[i], name->text, name->len) == 0)
			return error_set(scan->err,
					 "%s:%u: option \"%.*s\" is given "
					 "twice", scan->path, line,
					 (int)name->len, name->text);
	}
	if (names->count < OPTIONS_MAX) {
		names->text[names->count] = name->text;
		names->len[names->count++] = name->len;
	}
	return 0;
}

/* libconfuse would put nothing in the place of a variable that is not set;
 * "${NAME:-default}" has its own way out. */
static int check_variables(const struct scan *scan, const struct token *token)
{
	const char *p = token->text, *end = p + token->len, *to;
	int result = 0;

	while (result == 0 && *token->start != '\'' &&
	       (p = memmem(p, (size_t)(end - p), "${", 2)) != NULL) {
		char *name;

		p += 2;
		to = memchr(p, '}', (size_t)(end - p));
		if (!to)
			break;
		name = mem_strndup(p, (size_t)(to - p));
		if (!strstr(name, ":-") && !getenv(name))
			result = error_set(scan->err, "%s:%u: the environment "
					   "has no %s", scan->path,
					   scan->line, name);
		mem_free(name);
		p = to;
	}
	return result;
}

/* From behind the opening brace to behind the closing one. What is not ours
 * may be wrong: others will say so. */
static int skip_body(struct scan *scan, unsigned line, bool ours)
{
	struct names names = { .count = 0 };
	struct token token, last = { .kind = TOKEN_END };
	unsigned depth = 1, last_line = line;

	while (depth > 0) {
		if (!next(scan, &token))
			return -1;
		if (token.kind == TOKEN_END)
			return fail(scan, line, "section is not closed");
		if (is_mark(&token, '{'))
			depth++;
		else if (is_mark(&token, '}'))
			depth--;
		else if (ours && token.kind == TOKEN_WORD &&
			 check_variables(scan, &token) < 0)
			return -1;
		else if (ours && depth == 1 && is_mark(&token, '=') &&
			 *token.start == '=' && last.kind == TOKEN_WORD &&
			 note_option(scan, &names, &last, last_line) < 0)
			return -1;
		last = token;
		last_line = scan->line;
	}
	return 0;
}

static int scan_section(struct scan *scan, const struct token *name,
			const struct section *const *sections, bool strict,
			unsigned long long *seen)
{
	unsigned line = scan->line;
	int i = section_index(sections, name);
	struct token token;

	if (i < 0 && strict)
		return error_set(scan->err, "%s:%u: unknown section \"%.*s\"",
				 scan->path, line, (int)name->len, name->text);
	if (!next(scan, &token))
		return -1;
	if (token.kind == TOKEN_WORD && !next(scan, &token))
		return -1;
	if (!is_mark(&token, '{'))
		return error_set(scan->err,
				 "%s:%u: \"%.*s\" does not start a section",
				 scan->path, line, (int)name->len, name->text);
	if (skip_body(scan, line, i >= 0) < 0)
		return -1;
	if (i < 0) {
		blank(name->start, scan->p);
		return 0;
	}
	/* libconfuse would merge the two. */
	if (!sections[i]->titled && (*seen >> i & 1))
		return error_set(scan->err,
				 "%s:%u: section \"%s\" is there already",
				 scan->path, line, sections[i]->name);
	*seen |= 1ULL << i;
	note_place(scan->places, (size_t)i, line);
	return 0;
}

int config_scan(char *text, size_t len, const char *path,
		const struct section *const *sections, bool strict,
		struct config_places *places, struct error *err)
{
	struct scan scan = { .p = text, .end = text + len, .line = 1,
			     .path = path, .err = err, .places = places };
	unsigned long long seen = 0;
	struct token name;

	for (;;) {
		if (!next(&scan, &name))
			return -1;
		if (name.kind == TOKEN_END)
			return 0;
		if (name.kind != TOKEN_WORD)
			return fail(&scan, scan.line,
				    "the name of a section is missing");
		if (scan_section(&scan, &name, sections, strict, &seen) < 0)
			return -1;
	}
}
