/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands about databases: chappe-db does them, which runs as the user
 * of an sm, and finds out here which words it is given.
 */
#include "ctl/ctl.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/base/mem.h"

#define PROGRAM	  "chappe-db"
#define WORDS_OWN 24 /* beside the arguments */

/* Beside this program in a build tree; where roles are, when installed. */
static char *program_path(void)
{
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *path, *slash;

	if (len > 0) {
		self[len] = '\0';
		slash = strrchr(self, '/');
		path = mem_printf("%.*s/" PROGRAM, (int)(slash - self), self);
		if (access(path, X_OK) == 0)
			return path;
		mem_free(path);
	}
	return mem_strdup(SBINDIR "/" PROGRAM);
}

static void add(char *words[], size_t *count, const char *word,
		const char *value)
{
	if (word == NULL)
		return;
	words[(*count)++] = mem_strdup(word);
	if (value != NULL)
		words[(*count)++] = mem_strdup(value);
}

static void add_option(char *words[], size_t *count, const char *option,
		       const char *value)
{
	if (value != NULL)
		add(words, count, option, value);
}

int ctl_db(struct ctl *ctl)
{
	/* "db export": the last word; "import jabberd2" too. */
	const char *command = strrchr(ctl->command->words, ' ') + 1;
	char *path = program_path();
	char **words = mem_calloc((size_t)ctl->argument_count + WORDS_OWN,
				  sizeof(*words));
	size_t count = 0;

	add(words, &count, PROGRAM, NULL);
	add_option(words, &count, "-c", ctl->config_file);
	add_option(words, &count, "--storage", ctl->storage);
	add_option(words, &count, "--domain", ctl->domain);
	add_option(words, &count, "--user", ctl->user);
	add_option(words, &count, "--output", ctl->output);
	add(words, &count, ctl->dry_run ? "--dry-run" : NULL, NULL);
	add(words, &count, ctl->json ? "--json" : NULL, NULL);
	add(words, &count, "--", NULL);
	add(words, &count, command, NULL);
	for (int i = 0; i < ctl->argument_count; i++)
		add(words, &count, ctl->arguments[i], NULL);
	execv(path, words);
	ctl_complain("%s: %s", path, strerror(errno));
	while (count > 0)
		mem_free(words[--count]);
	mem_free(words);
	mem_free(path);
	return CTL_FAILED;
}
