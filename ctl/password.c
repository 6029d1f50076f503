/* SPDX-License-Identifier: Apache-2.0
 *
 * Passwords come from the standard input or a prompt, never from an argument
 * that `ps` and the shell's history would show.
 */
#include "ctl/ctl.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "util/base/mem.h"
#include "util/base/str.h"

char *ctl_read_line(FILE *from)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len = getline(&line, &size, from);
	char *copy;

	if (len < 0) {
		mem_free(line);
		return NULL;
	}
	/* A NUL would cut it short: this is refused instead. */
	for (ssize_t i = 0; i < len; i++)
		if (line[i] == '\0')
			line[i] = '\x01';
	line[strcspn(line, "\r\n")] = '\0';
	copy = mem_strdup(line);
	mem_wipe(line, size);
	mem_free(line);
	return copy;
}

static char *prompt(FILE *terminal, const char *text)
{
	struct termios before, quiet;
	bool hidden = tcgetattr(fileno(terminal), &before) == 0;
	char *line;

	if (hidden) {
		quiet = before;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(fileno(terminal), TCSAFLUSH, &quiet);
	}
	fputs(text, terminal);
	fflush(terminal);
	line = ctl_read_line(terminal);
	if (hidden)
		tcsetattr(fileno(terminal), TCSAFLUSH, &before);
	fputc('\n', terminal);
	return line;
}

static char *ask_twice(FILE *terminal, const char *jid)
{
	char *question = mem_printf("Password for %s: ", jid);
	char *first = prompt(terminal, question);
	char *second = first ? prompt(terminal, "The same again: ") : NULL;

	mem_free(question);
	if (!first || !second || !str_equal(first, second)) {
		ctl_complain(second ? "the two passwords differ"
				    : "no password was given");
		mem_free_secret(first);
		first = NULL;
	}
	mem_free_secret(second);
	return first;
}

char *ctl_password(const struct ctl *ctl, const char *jid)
{
	FILE *terminal;
	char *password;

	if (ctl->password_stdin) {
		password = ctl_read_line(stdin);
		if (!password)
			ctl_complain("no password on the standard input");
		return password;
	}
	terminal = fopen("/dev/tty", "r+");
	if (!terminal) {
		ctl_complain("no terminal to ask for the password; "
			     "use --password-stdin");
		return NULL;
	}
	password = ask_twice(terminal, jid);
	fclose(terminal);
	return password;
}
