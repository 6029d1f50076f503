/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes that may die, hang, or say what makes no sense: they are ended
 * and started again after a pause that grows. A question that only asks goes
 * to another process then.
 */
#include "storage/pipe_program.h"

#include <stdio.h>
#include <string.h>

#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"

#define ASKS_MAX   32 /* at a time, where answers have ids */
#define PAUSE_MIN  100
#define PAUSE_MAX  30000
#define LIVED_LONG 60000 /* ms after which a failure is like the first */

/* -- failing --------------------------------------------------------------- */

static void restart(struct timer *timer)
{
	program_start(container_of(timer, struct program, restart));
}

void program_stop(struct program *program)
{
	const char *farewell = program->pipe->protocol->farewell;

	timer_stop(&program->restart);
	if (program->process != NULL && *farewell != '\0')
		process_write(program->process, farewell, strlen(farewell));
	process_free(&program->process);
	buf_free_secret(&program->input);
}

static void program_failed(struct program *program, const char *reason)
{
	struct auth_pipe *pipe = program->pipe;
	uint64_t now = loop_now(pipe->loop), wait;
	struct ask *ask;

	process_free(&program->process);
	buf_free_secret(&program->input);
	if (program->pause == 0 || now - program->started > LIVED_LONG)
		program->pause = PAUSE_MIN;
	else if (program->pause < PAUSE_MAX)
		program->pause *= 2;
	wait = loop_jitter(pipe->loop, program->pause);
	log_warning(pipe->log, "pipe.failed", LOG_S("domain", pipe->domain),
		    LOG_S("program", pipe->options->program[0]),
		    LOG_S("reason", reason), LOG_N("retry", wait));
	timer_start(&program->restart, pipe->loop, wait, restart);
	while ((ask = program->asks) != NULL) {
		DL_DELETE(program->asks, ask);
		program->ask_count--;
		pipe_lost(ask);
	}
}

/* -- answers --------------------------------------------------------------- */

static struct ask *find_ask(const struct program *program,
			    const struct pipe_answer *answer)
{
	struct ask *ask;

	if (!program->pipe->protocol->ids)
		return program->asks;
	DL_FOREACH(program->asks, ask) {
		if (ask->question.id == answer->id)
			break;
	}
	return ask;
}

/* False: it makes no sense. */
static bool take_answer(struct program *program, struct pipe_answer *answer)
{
	struct auth_pipe *pipe = program->pipe;
	struct ask *ask = find_ask(program, answer);

	program->heard = loop_now(pipe->loop);
	if (answer->result == PIPE_GREETING) {
		if (program->greeted)
			return false;
		program->greeted = true;
		program->capabilities = answer->capabilities;
		pipe_dispatch_later(pipe);
		return true;
	}
	if (ask == NULL) {
		/* Too late, or for the second time. */
		if (!pipe->protocol->ids || answer->id > pipe->last_id)
			return false;
		log_warning(pipe->log, "pipe.late",
			    LOG_S("domain", pipe->domain),
			    LOG_N("id", answer->id));
		return true;
	}
	DL_DELETE(program->asks, ask);
	program->ask_count--;
	pipe_answered(ask, answer);
	pipe_dispatch_later(pipe);
	return true;
}

static void on_data(struct process *process, const char *bytes, size_t len,
		    void *ctx)
{
	struct program *program = ctx;
	long used = 1;

	(void)process;
	buf_add(&program->input, bytes, len);
	while (program->input.len > 0 && used > 0) {
		struct pipe_answer answer = { .id = 0 };
		bool skip = false;

		used = program->pipe->protocol->read(
			buf_data(&program->input), program->input.len,
			&answer, &skip);
		if (used > 0 && !skip && !take_answer(program, &answer))
			used = -1;
		mem_wipe(&answer, sizeof(answer));
		if (used > 0)
			buf_consume(&program->input, (size_t)used);
	}
	if (used < 0)
		program_failed(program, "what it says makes no sense");
	else if (program->input.len == 0)
		buf_free_secret(&program->input);
}

static void on_ended(struct process *process, const char *reason, void *ctx)
{
	struct program *program = ctx;

	(void)process;
	program->process = NULL;
	program_failed(program, reason);
}

static const struct process_handlers handlers = {
	.data = on_data,
	.ended = on_ended,
};

/* -- asking ---------------------------------------------------------------- */

void program_start(struct program *program)
{
	struct auth_pipe *pipe = program->pipe;
	struct error err;

	program->started = program->heard = loop_now(pipe->loop);
	program->greeted = !pipe->protocol->greets;
	program->capabilities = 0;
	program->process = process_start(pipe->loop, pipe->options->program,
					 &handlers, program, &err);
	if (program->process == NULL)
		program_failed(program, err.text);
	else
		pipe_dispatch_later(pipe);
}

bool program_is_free(const struct program *program)
{
	return program->process != NULL && program->greeted &&
	       program->ask_count <
		       (program->pipe->protocol->ids ? ASKS_MAX : 1);
}

void program_ask(struct program *program, struct ask *ask)
{
	struct buf text = { .len = 0 };

	ask->program = program;
	ask->sent = loop_now(program->pipe->loop);
	ask->tries++;
	DL_APPEND(program->asks, ask);
	program->ask_count++;
	program->pipe->protocol->write(&text, &ask->question,
				       program->capabilities);
	process_write(program->process, buf_data(&text), text.len);
	buf_free_secret(&text);
}

/* Without ids, the next answer would be taken for another question's. With
 * them, a program from which nothing has come since hangs. */
void program_timed_out(struct program *program, struct ask *ask)
{
	bool hangs = program->heard <= ask->sent;

	DL_DELETE(program->asks, ask);
	program->ask_count--;
	if (!program->pipe->protocol->ids || hangs)
		program_failed(program, "it did not answer in time");
}
