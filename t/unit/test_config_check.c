/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wrong with a file though all its values are right by themselves:
 * each case is one change to a file that all roles take.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "c2s/options.h"
#include "router/options.h"
#include "s2s/options.h"
#include "sm/options.h"
#include "util/base/buf.h"
#include "util/base/mem.h"

static const struct section *const sections[] = {
	&router_section, &link_section,	   &c2s_section,
	&s2s_section,	 &remote_section,  &domain_section,
	&sm_section,	 &storage_section, &ldap_section, &pipe_section,
	NULL
};

#define PEM "certificate = \"/no/c\"  key = \"/no/k\"  "

/* The words in angle brackets are where cases put something. */
static const char good[] =
	"router \"router\" { <router> }\n"
	"c2s \"c2s-1\" { <c2s> }\n"
	"s2s \"s2s-1\" { <s2s> }\n"
	"sm \"sm-1\" { <sm> }\n"
	"storage \"main\" { <storage> }\n"
	"<more>\n"
	"domain \"localhost\" { <domain> }\n";

static const struct {
	const char *place, *text, *said;
} cases[] = {
	{ "<c2s>", "listen = \"127.0.0.1:99999\"",
	  "c2s \"c2s-1\": listen: \"127.0.0.1:99999\" does not end with" },
	{ "<c2s>", "listen = \"127.0.0.1\"", "\"127.0.0.1\" does not end" },
	{ "<c2s>", "listen = \"localhost:5222\"", "not a numeric address" },
	{ "<c2s>", "listen = \"::1:5222\"", "not a numeric address" },
	{ "<c2s>", "listen = \":5222\"", "has no host" },
	{ "<c2s>", "listen = \"unix:sock\"", "not unix:/PATH" },
	{ "<c2s>", "listen-tls = \"[::1]\"", "listen-tls: \"[::1]\"" },
	{ "<c2s>", "listen = { \"[::1]:5222\", \"*:5222\", \"unix:/s\" }",
	  NULL },
	{ "<c2s>", "log-level = verbose",
	  "c2s \"c2s-1\": log-level: \"verbose\" is no level" },
	{ "<c2s>", "log-target = file", "log-target: \"file\"" },
	{ "<c2s>", "metrics = \"9100\"", "metrics: \"9100\"" },
	{ "<sm>", "log-level = verbose", "sm \"sm-1\": log-level" },
	{ "<sm>", "routers = \"router.example\"", "routers: \"router.e" },
	{ "<sm>", "routers = \"router.example:5347\"", NULL },
	{ "<s2s>", "listen = \"localhost:5269\"", "s2s \"s2s-1\": listen" },
	{ "<s2s>", "log-level = verbose", "s2s \"s2s-1\": log-level" },
	{ "<router>", "listen = \"127.0.0.1:x\"", "router \"router\": listen" },
	{ "<router>", "log-level = verbose", "router \"router\": log-level" },
	{ "<more>", "domain \"a..b\" { " PEM "}",
	  "domain \"a..b\": this is no domain name" },
	{ "<more>", "domain \"LOCALHOST\" { " PEM "}",
	  "domain \"localhost\": it is the same as domain \"LOCALHOST\"" },
	{ "<more>", "domain \"x.org\" { key = \"/no/k\" }",
	  "domain \"x.org\": certificate is missing" },
	{ "<more>", "domain \"x.org\" { certificate = \"/no/c\" }",
	  "domain \"x.org\": key is missing" },
	{ "<more>", "domain \"x.org\" { certificate = \"/no-such-file\" "
		    "key = \"/no/k\" }",
	  "certificate: /no-such-file: No such file or directory" },
	{ "<domain>", "storage = nope",
	  "domain \"localhost\": storage: there is no section storage "
	  "\"nope\"" },
	{ "<domain>", "auth = { ldap }", "no section ldap \"main\"" },
	{ "<domain>", "contact-admin = \"admin@example.org\"",
	  "contact-admin: \"admin@example.org\" is no URI" },
	{ "<domain>", "contact-abuse = \"mailto:\"", "contact-abuse" },
	{ "<domain>", "contact-abuse = \"mailto:a@b\"", NULL },
	{ "<more>", "ldap \"main\" { uri = \"http://x\" }",
	  "ldap \"main\": \"http://x\" is no URI of LDAP" },
};

/* The good file with one change; the other places become what is needed. */
static void write_file(const char *path, const char *place, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	for (const char *p = good; *p;) {
		const char *end = strchr(p, '>');

		if (*p != '<') {
			fputc(*p++, file);
			continue;
		}
		if (strncmp(p, "<domain>", 8) == 0)
			fputs(PEM, file);
		if (strncmp(p, "<storage>", 9) == 0 &&
		    strcmp(place, "<storage>") != 0)
			fputs("driver = memory", file);
		if (strncmp(p, place, strlen(place)) == 0)
			fputs(text, file);
		p = end + 1;
	}
	fclose(file);
}

static int check(const char *path, struct error *err)
{
	struct config *config = config_load(path, sections, true, err);
	int result;

	assert_non_null(config);
	result = router_config_check(config, err) < 0 ||
		 c2s_config_check(config, err) < 0 ||
		 sm_config_check(config, err) < 0 ||
		 s2s_config_check(config, err) < 0;
	config_free(&config);
	return result;
}

static void test_cases(void **state)
{
	char *path = mem_printf("/tmp/test_config_check.%ld", (long)getpid());

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error err = { .text = "" };
		int result;

		write_file(path, cases[i].place, cases[i].text);
		result = check(path, &err);
		if (result != (cases[i].said != NULL) ||
		    (cases[i].said && !strstr(err.text, cases[i].said)))
			fail_msg("%s: %s", cases[i].text, err.text);
		if (cases[i].said && !strstr(err.text, path))
			fail_msg("no file in: %s", err.text);
	}
	unlink(path);
	mem_free(path);
}

/* Roles without domains have nothing to serve; a router has no need of any. */
static void test_no_domain(void **state)
{
	static const struct {
		const char *text;
		int result;
	} files[] = {
		{ "c2s \"c2s-1\" { }\n", 1 },
		{ "sm \"sm-1\" { }\n", 1 },
		{ "router \"router\" { }\n", 0 },
	};
	char *path = mem_printf("/tmp/test_config_check.%ld", (long)getpid());

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct error err = { .text = "" };
		FILE *file = fopen(path, "w");

		assert_non_null(file);
		fputs(files[i].text, file);
		fclose(file);
		assert_int_equal(check(path, &err), files[i].result);
		if (files[i].result)
			assert_non_null(strstr(err.text,
					       "there is no section domain"));
	}
	unlink(path);
	mem_free(path);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_no_domain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
