/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line: options, finding the command, usage texts.
 */
#include "ctl/ctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "util/base/mem.h"
#include "util/base/str.h"

void ctl_complain(const char *format, ...)
{
	va_list args;

	fputs("chappectl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static void usage(FILE *to)
{
	const struct ctl_command *command;

	fputs("Usage: chappectl [-c FILE] [--json] COMMAND [ARGUMENT...]\n\n",
	      to);
	for (command = ctl_commands; command->words; command++) {
		int used = fprintf(to, "  %s %s", command->words,
				   command->arguments);

		fprintf(to, "%*s%s\n", used < 36 ? 36 - used : 2, "",
			command->help);
	}
	fputs("\n  -c FILE           configuration (default: $CHAPPE_CONF or\n"
	      "                    " SYSCONFDIR "/chappe/chappe.conf)\n"
	      "  --json            answers as a JSON array of objects\n"
	      "  --password-stdin  passwords from the standard input\n"
	      "  -f, --force       drain what nobody else can stand in for\n"
	      "  -a, --all         restart every role\n"
	      "  --domain NAME     of `db` and `import`: only this domain,\n"
	      "  --user JID        only this account,\n"
	      "  --storage NAME    in this section storage,\n"
	      "  --output FILE     written to a file, not imported,\n"
	      "  --dry-run         saying what would be done\n"
	      "  -V, -h            version, this text\n",
	      to);
}

/* How many of the words on the command line are the command's; 0: another. */
static int words_matching(const char *words, int count, char *const given[])
{
	int matched = 0;

	while (*words) {
		size_t len = strcspn(words, " ");

		if (matched >= count || strlen(given[matched]) != len ||
		    strncmp(words, given[matched], len) != 0)
			return 0;
		matched++;
		words += len + strspn(words + len, " ");
	}
	return matched;
}

/* What is there instead of the words given: of a group such as `user`, its
 * commands. */
static void no_command(const char *word)
{
	const struct ctl_command *command;
	size_t len = strlen(word);
	struct buf group = { 0 };

	for (command = ctl_commands; command->words; command++)
		if (strncmp(command->words, word, len) == 0 &&
		    command->words[len] == ' ')
			buf_addf(&group, "%s%s", group.len ? ", " : "",
				 command->words + len + 1);
	if (group.len)
		ctl_complain("'%s' is followed by one of: %s", word,
			     buf_data(&group));
	else
		ctl_complain("there is no command '%s'; chappectl -h lists "
			     "them", word);
	buf_free(&group);
}

static int find_command(struct ctl *ctl, int count, char *given[])
{
	const struct ctl_command *command;

	for (command = ctl_commands; command->words; command++) {
		int words = words_matching(command->words, count, given);

		if (!words)
			continue;
		ctl->command = command;
		ctl->arguments = given + words;
		ctl->argument_count = count - words;
		if (ctl->argument_count >= command->min &&
		    (command->max < 0 ||
		     ctl->argument_count <= command->max))
			return 0;
		ctl_complain("usage: chappectl %s %s", command->words,
			     command->arguments);
		return -1;
	}
	no_command(given[0]);
	return -1;
}

/* A long option, which getopt(3) hands over as the value of "--": its
 * letter. */
static int long_option(const char *name)
{
	static const struct {
		const char *name;
		int letter;
	} options[] = {
		{ "json", 'j' }, { "password-stdin", 'p' }, { "help", 'h' },
		{ "version", 'V' }, { "dry-run", 'n' }, { "storage", 's' },
		{ "domain", 'd' }, { "user", 'u' }, { "output", 'o' },
		{ "force", 'f' }, { "all", 'a' },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (str_equal(options[i].name, name))
			return options[i].letter;
	ctl_complain("there is no option --%s", name);
	return '?';
}

/* Where the value of a long option goes; NULL: it has none. */
static const char **long_value(struct ctl *ctl, int letter)
{
	switch (letter) {
	case 's':
		return &ctl->storage;
	case 'd':
		return &ctl->domain;
	case 'u':
		return &ctl->user;
	case 'o':
		return &ctl->output;
	}
	return NULL;
}

/* The word after a long option, when it wants one. */
static int take_value(struct ctl *ctl, int letter, int argc, char *argv[])
{
	const char **value = long_value(ctl, letter);

	if (value == NULL)
		return 0;
	if (optind >= argc) {
		ctl_complain("--%s wants a value", optarg);
		return -1;
	}
	*value = argv[optind++];
	return 0;
}

/* Exit code, or -1 to go on. */
static int read_options(struct ctl *ctl, int argc, char *argv[])
{
	int letter;

	while ((letter = getopt(argc, argv, "c:jpfahV-:")) != -1) {
		if (letter == '-') {
			letter = long_option(optarg);
			if (take_value(ctl, letter, argc, argv) < 0)
				return CTL_USAGE;
		}
		switch (letter) {
		case 'c':
			ctl->config_file = optarg;
			break;
		case 'j':
			ctl->json = true;
			break;
		case 'p':
			ctl->password_stdin = true;
			break;
		case 'n':
			ctl->dry_run = true;
			break;
		case 'f':
			ctl->force = true;
			break;
		case 'a':
			ctl->all = true;
			break;
		case 's':
		case 'd':
		case 'u':
		case 'o':
			break;
		case 'h':
			usage(stdout);
			return CTL_OK;
		case 'V':
			puts("chappectl " PACKAGE_VERSION);
			return CTL_OK;
		default:
			return CTL_USAGE;
		}
	}
	if (optind == argc) {
		usage(stderr);
		return CTL_USAGE;
	}
	return find_command(ctl, argc - optind, argv + optind) < 0 ? CTL_USAGE
								   : -1;
}

/* With the configuration that says how to reach the routers. */
static int run_online(struct ctl *ctl)
{
	static const struct section *const sections[] = { &ctl_section, NULL };
	struct error err = { "" };
	struct config *config =
		config_load(ctl->config_file, sections, false, &err);
	int code;

	if (!config) {
		ctl_complain("%s", err.text);
		return CTL_FAILED;
	}
	ctl->config = config;
	ctl->options = config_get(config, ctl_section.name, 0, NULL);
	code = ctl->command->run(ctl);
	ctl_print_results(ctl);
	ctl_call_close(&ctl->call);
	config_free(&config);
	return code;
}

int ctl_main(int argc, char *argv[])
{
	struct ctl ctl = { .config_file = getenv("CHAPPE_CONF") };
	int code;

	if (!ctl.config_file || !*ctl.config_file)
		ctl.config_file = SYSCONFDIR "/chappe/chappe.conf";
	code = read_options(&ctl, argc, argv);
	if (code >= 0)
		return code;
	if (ctl.command->run == ctl_config_check ||
	    ctl.command->run == ctl_db)
		return ctl.command->run(&ctl);
	return run_online(&ctl);
}
