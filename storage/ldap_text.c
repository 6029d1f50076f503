/* SPDX-License-Identifier: Apache-2.0
 *
 * Escaping. Which text goes where is decided elsewhere.
 */
#include "storage/ldap_text.h"

#include <stdbool.h>
#include <string.h>

#include "util/base/mem.h"

/* RFC 4515 section 3; more than must be is allowed. */
void ldap_text_add_filter(struct buf *to, const char *value, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)value[i];

		if (c < 0x20 || c == 0x7f || strchr("*()\\&|!=<>~", c) != NULL)
			buf_addf(to, "\\%02x", c);
		else
			buf_add_char(to, (char)c);
	}
}

/* RFC 4514 section 2.4, all by their numbers: that is right at both ends, too,
 * where a space and a "#" are special. */
void ldap_text_add_dn(struct buf *to, const char *value, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)value[i];

		if (c <= 0x20 || c == 0x7f ||
		    strchr("\"+,;<>\\=#/", c) != NULL)
			buf_addf(to, "\\%02x", c);
		else
			buf_add_char(to, (char)c);
	}
}

void ldap_text_expand(struct buf *to, const char *template,
		      ldap_text_add *add, const char *name, const char *domain)
{
	for (const char *at = template; *at != '\0'; at++) {
		if (*at != '%') {
			buf_add_char(to, *at);
			continue;
		}
		at++;
		if (*at == 'u' || *at == 'j')
			add(to, name, strlen(name));
		if (*at == 'j')
			add(to, "@", 1);
		if (*at == 'd' || *at == 'j')
			add(to, domain, strlen(domain));
		if (*at == '%')
			buf_add_char(to, '%');
	}
}

/* -- XEP-0106 -------------------------------------------------------------- */

/* What a localpart cannot have, and what stands for it. */
static const struct {
	char sign;
	char digits[3];
} escapes[] = {
	{ ' ', "20" }, { '"', "22" },  { '&', "26" }, { '\'', "27" },
	{ '/', "2f" }, { ':', "3a" },  { '<', "3c" }, { '>', "3e" },
	{ '@', "40" }, { '\\', "5c" },
};

#define ESCAPES (sizeof(escapes) / sizeof(*escapes))

/* The sign that an escape at `text` stands for; 0: there is none. */
static char escape_at(const char *text, size_t len)
{
	if (len < 3 || text[0] != '\\')
		return '\0';
	for (size_t i = 0; i < ESCAPES; i++) {
		if (memcmp(text + 1, escapes[i].digits, 2) == 0)
			return escapes[i].sign;
	}
	return '\0';
}

char *ldap_text_unescape_local(const char *local, size_t len)
{
	struct buf name = { .len = 0 };

	for (size_t i = 0; i < len; i++) {
		char sign = escape_at(local + i, len - i);

		buf_add_char(&name, sign != '\0' ? sign : local[i]);
		if (sign != '\0')
			i += 2;
	}
	return buf_take(&name);
}

/* Section 4.2: a backslash is escaped only where it would be taken for an
 * escape, so that names that have one already stay as they are. */
static const char *digits_for(const char *text, size_t len)
{
	if (text[0] == '\\')
		return escape_at(text, len) != '\0' ? "5c" : NULL;
	for (size_t i = 0; i < ESCAPES; i++) {
		if (escapes[i].sign == text[0])
			return escapes[i].digits;
	}
	return NULL;
}

char *ldap_text_escape_local(const char *name, size_t len)
{
	struct buf local = { .len = 0 };

	for (size_t i = 0; i < len; i++) {
		const char *digits = digits_for(name + i, len - i);

		if (digits != NULL)
			buf_addf(&local, "\\%s", digits);
		else
			buf_add_char(&local, name[i]);
	}
	return buf_take(&local);
}
