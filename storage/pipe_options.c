/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of the section `pipe`.
 */
#include "storage/pipe_options.h"

#include <stddef.h>

static const char *const protocols[] = { "chappe", "jabberd2", "extauth",
					 NULL };

#define ROW(opt, kind, member, def, low, high, words, text)                   \
	{ .name = opt, .type = kind,                                         \
	  .offset = offsetof(struct pipe_options, member), .fallback = def,  \
	  .min = low, .max = high, .choices = words, .help = text }

static const struct option pipe_rows[] = {
	ROW("program", OPTION_LIST, program, NULL, 0, 0, NULL,
	    "the program, and its arguments"),
	ROW("protocol", OPTION_CHOICE, protocol, "chappe", 0, 0, protocols,
	    "what it speaks: chappe, jabberd2 or extauth"),
	ROW("processes", OPTION_NUMBER, processes, "1", 1, 64, NULL,
	    "how many of it run at a time"),
	ROW("timeout", OPTION_DURATION, timeout, "5s", 100, 60000, NULL,
	    "time for an answer"),
	ROW("writable", OPTION_BOOL, writable, "no", 0, 0, NULL,
	    "whether it creates, changes and removes accounts"),
	ROW("scram", OPTION_BOOL, scram, "no", 0, 0, NULL,
	    "whether it gives SCRAM keys"),
	{ .name = NULL }
};

const struct section pipe_section = {
	.name = "pipe",
	.titled = true,
	.size = sizeof(struct pipe_options),
	.options = pipe_rows,
};

int pipe_options_check(const struct pipe_options *options, struct error *err)
{
	if (options->program == NULL || options->program[0] == NULL)
		return error_set(err, "program is missing");
	if (options->program[0][0] != '/')
		return error_set(err, "program: \"%s\" is no absolute path",
				 options->program[0]);
	if (options->scram && options->protocol != PIPE_PROTOCOL_CHAPPE)
		return error_set(err, "scram: only the protocol chappe has "
				 "keys");
	return 0;
}
