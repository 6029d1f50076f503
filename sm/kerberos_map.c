/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules from principals to users. Principals come as the library writes them:
 * what is special in a name has a "\" in front, which no "*" stands for, so
 * that nobody can smuggle a realm in.
 */
#include "sm/kerberos_map.h"

#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"

#define SPECIAL "/@\\"

/* Halves of a rule, without the blanks around them. */
struct rule {
	char *principal, *user;
};

static bool rule_read(const char *text, struct rule *rule)
{
	const char *sign = strrchr(text, '=');
	char *halves[2];

	if (sign == NULL)
		return false;
	halves[0] = mem_strndup(text, (size_t)(sign - text));
	halves[1] = mem_strdup(sign + 1);
	rule->principal = mem_strdup(str_trim(halves[0]));
	rule->user = mem_strdup(str_trim(halves[1]));
	mem_free(halves[0]);
	mem_free(halves[1]);
	return true;
}

static void rule_free(struct rule *rule)
{
	mem_free(rule->principal);
	mem_free(rule->user);
}

static size_t stars(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += *text == '*';
	return count;
}

int kerberos_map_check(const char *text, struct error *err)
{
	struct rule rule;
	const char *problem = NULL;

	if (!rule_read(text, &rule))
		return error_set(err, "\"%s\" is not PRINCIPAL = USER", text);
	if (strchr(rule.principal, '@') == NULL)
		problem = "the principal has no realm";
	else if (stars(rule.principal) > 1 ||
		 stars(rule.user) > stars(rule.principal))
		problem = "one * in the principal, and then one in the user, "
			  "is all there can be";
	rule_free(&rule);
	if (problem != NULL)
		return error_set(err, "\"%s\": %s", text, problem);
	return 0;
}

/* What the "*" of the pattern stands for (heap; "" if it has none), NULL when
 * it does not fit. */
static char *fit(const char *pattern, const char *principal)
{
	const char *star = strchr(pattern, '*');
	size_t head, tail, len = strlen(principal);

	if (star == NULL)
		return str_equal(pattern, principal) ? mem_strdup("") : NULL;
	head = (size_t)(star - pattern);
	tail = strlen(star + 1);
	if (len <= head + tail || memcmp(principal, pattern, head) != 0 ||
	    !str_equal(principal + len - tail, star + 1) ||
	    strcspn(principal + head, SPECIAL) < len - head - tail)
		return NULL;
	return mem_strndup(principal + head, len - head - tail);
}

static char *fill(const char *user, const char *text)
{
	const char *star = strchr(user, '*');

	if (star == NULL)
		return mem_strdup(user);
	return mem_printf("%.*s%s%s", (int)(star - user), user, text,
			  star + 1);
}

/* True when the rule decides; then *user is set. */
static bool apply(const char *text, const char *principal, char **user)
{
	struct rule rule;
	char *part;

	if (!rule_read(text, &rule))
		return false;
	part = fit(rule.principal, principal);
	if (part != NULL && *rule.user != '\0')
		*user = fill(rule.user, part);
	rule_free(&rule);
	mem_free(part);
	return part != NULL;
}

char *kerberos_map_user(const char *principal, char *const *rules,
			char *const *realms)
{
	size_t len = strcspn(principal, SPECIAL);
	char *user = NULL;

	for (; rules != NULL && *rules != NULL; rules++) {
		if (apply(*rules, principal, &user))
			return user;
	}
	if (len == 0 || principal[len] != '@')
		return NULL;
	for (; realms != NULL && *realms != NULL; realms++) {
		if (str_equal(principal + len + 1, *realms))
			return mem_strndup(principal, len);
	}
	return NULL;
}
