/* SPDX-License-Identifier: Apache-2.0
 *
 * The outline of a configuration file. libconfuse cannot skip sections it
 * does not know when these are nested, knows comments only between options,
 * and is left in the middle of a string for its next use when a file ends
 * there. So its tokens are found here first, and what would harm is blanked
 * or refused. Options and values are not looked at.
 */
#include "util/role/config_scan.h"

#include <string.h>

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_MARK, TOKEN_BAD };

struct token {
	enum token_kind kind;
	char mark;	 /* of TOKEN_MARK: one of = { } ( ) + , */
	char *start;	 /* where it begins in the text */
	const char *text; /* of TOKEN_WORD: without its quotes */
	size_t len;
};

struct scan {
	char *p, *end;
	unsigned line;
	const char *path;
	struct error *err;
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

static enum token_kind read_word(struct scan *scan, struct token *token)
{
	char *p = scan->p;

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

/* From behind the opening brace to behind the closing one. */
static int skip_body(struct scan *scan, unsigned line)
{
	struct token token;
	unsigned depth = 1;

	while (depth > 0) {
		if (!next(scan, &token))
			return -1;
		if (token.kind == TOKEN_END)
			return fail(scan, line, "section is not closed");
		if (is_mark(&token, '{'))
			depth++;
		else if (is_mark(&token, '}'))
			depth--;
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
	if (skip_body(scan, line) < 0)
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
	return 0;
}

int config_scan(char *text, size_t len, const char *path,
		const struct section *const *sections, bool strict,
		struct error *err)
{
	struct scan scan = { .p = text, .end = text + len, .line = 1,
			     .path = path, .err = err };
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
