/* SPDX-License-Identifier: Apache-2.0
 *
 * A configuration file: what is refused is refused with a line, and what is
 * taken is dumped, and the dump is taken as the same. Its access rules are
 * compiled, and asked about a message.
 */
#include "t/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/base/str.h"
#include "util/role/access.h"
#include "util/role/config.h"

struct values {
	char *text;
	char **list;
	bool flag;
	int64_t number, size, wait;
	int choice;
};

static const char *const choices[] = { "one", "two", NULL };

static const struct option rows[] = {
	{ .name = "text", .type = OPTION_STRING,
	  .offset = offsetof(struct values, text), .help = "a text" },
	{ .name = "list", .type = OPTION_LIST,
	  .offset = offsetof(struct values, list), .fallback = "a, b" },
	{ .name = "flag", .type = OPTION_BOOL,
	  .offset = offsetof(struct values, flag), .fallback = "yes" },
	{ .name = "number", .type = OPTION_NUMBER,
	  .offset = offsetof(struct values, number), .fallback = "5",
	  .min = -10 },
	{ .name = "size", .type = OPTION_SIZE,
	  .offset = offsetof(struct values, size), .fallback = "4K" },
	{ .name = "wait", .type = OPTION_DURATION,
	  .offset = offsetof(struct values, wait), .fallback = "1h" },
	{ .name = "choice", .type = OPTION_CHOICE,
	  .offset = offsetof(struct values, choice), .fallback = "two",
	  .choices = choices },
	{ .name = NULL },
};

static const struct section titled = {
	.name = "titled", .titled = true, .size = sizeof(struct values),
	.options = rows,
};

static const struct section plain = {
	.name = "plain", .size = sizeof(struct values), .options = rows,
};

static const struct section *const sections[] = { &titled, &plain,
						  &access_section, NULL };

static void require(int condition)
{
	if (!condition)
		abort();
}

static struct config *load(const void *data, size_t size, bool strict,
			   struct error *err)
{
	char path[64];
	int fd = memfd_create("config", MFD_CLOEXEC);
	struct config *config;

	require(fd >= 0);
	require(write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err->text[0] = '\0';
	config = config_load(path, sections, strict, err);
	require(config || str_starts(err->text, path));
	close(fd);
	return config;
}

static void try_rules(const struct config *config)
{
	struct error err = { "" };
	struct access *access = access_new(config, NULL, &err);
	struct jid *from = jid_parse("alice@a.example/x");
	struct jid *to = jid_parse("bob@b.c.example");
	struct access_query query = { .from = from, .to = to,
				      .from_here = true,
				      .what = ACCESS_MESSAGE };
	struct access_verdict verdict;

	require(access || strstr(err.text, ": access "));
	if (access) {
		verdict = access_judge(access, &query);
		require(verdict.allowed || verdict.rule);
		query.to_here = true;
		access_judge(access, &query);
	}
	access_free(&access);
	jid_free(&from);
	jid_free(&to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err;
	struct config *config = load(data, size, false, &err);
	struct buf first = { .data = NULL }, second = { .data = NULL };

	if (!config)
		return 0;
	try_rules(config);
	config_dump(config, &first);
	config_free(&config);
	config = load(buf_data(&first), first.len, true, &err);
	require(config != NULL);
	config_dump(config, &second);
	require(strcmp(buf_data(&first), buf_data(&second)) == 0);
	config_free(&config);
	buf_free(&first);
	buf_free(&second);
	return 0;
}
