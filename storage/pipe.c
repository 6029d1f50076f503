/* SPDX-License-Identifier: Apache-2.0
 *
 * The authentication driver "pipe": an operator's program says who may log in.
 * Requests wait here until a process of it is free; each has a time in which
 * it must be answered, however often processes fail meanwhile.
 */
#include <stdio.h>
#include <string.h>

#include "storage/drivers.h"
#include "storage/pipe_program.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"

#define WAITING_MAX 5000
#define TRIES_MAX   2 /* a question that kills the program kills not all */

static void ask_done(struct ask *ask, enum storage_status status,
		     const char *reason)
{
	struct auth_request *request = ask->request;

	timer_stop(&ask->timer);
	if (reason != NULL)
		str_copy(request->result.reason,
			 sizeof(request->result.reason), reason);
	mem_free(ask->user);
	mem_free(ask);
	auth_request_done(request, status);
}

/* -- answers --------------------------------------------------------------- */

/* jabberd2: the program has given the password, and we compare. */
static bool password_matches(const struct ask *ask, const char *encoded)
{
	const char *wanted = ask->request->password;
	struct buf password = { .len = 0 };
	bool same;

	same = base64_decode(&password, encoded, strlen(encoded)) == 0 &&
	       password.len == strlen(wanted) &&
	       mem_equal_secret(buf_data(&password), wanted, password.len);
	buf_free_secret(&password);
	return same;
}

static void auth_answered(struct ask *ask, const struct pipe_answer *answer)
{
	struct auth_result *result = &ask->request->result;

	result->matches = answer->result == PIPE_OK &&
			  (answer->password[0] == '\0' ||
			   password_matches(ask, answer->password));
	result->disabled = answer->result == PIPE_DISABLED;
	result->expired = answer->result == PIPE_EXPIRED;
	ask_done(ask, STORAGE_OK, NULL);
}

static void exists_answered(struct ask *ask, const struct pipe_answer *answer)
{
	struct account *account = &ask->request->result.account;

	account->sha1 = answer->sha1;
	account->sha256 = answer->sha256;
	account->disabled = answer->result == PIPE_DISABLED;
	ask_done(ask, answer->result == PIPE_NO ? STORAGE_NOT_FOUND
						: STORAGE_OK, NULL);
}

/* The second half of what needs two questions. */
static void ask_again(struct ask *ask, enum pipe_command command)
{
	struct auth_pipe *pipe = ask->pipe;

	ask->question.command = command;
	ask->program = NULL;
	DL_PREPEND(pipe->waiting, ask);
	pipe->waiting_count++;
	pipe_dispatch_later(pipe);
}

void pipe_answered(struct ask *ask, const struct pipe_answer *answer)
{
	if (answer->result == PIPE_ERROR) {
		ask_done(ask, STORAGE_UNAVAILABLE,
			 answer->text[0] != '\0' ? answer->text
						 : "the program cannot say");
		return;
	}
	switch (ask->question.command) {
	case PIPE_AUTH:
		auth_answered(ask, answer);
		return;
	case PIPE_EXISTS:
		exists_answered(ask, answer);
		return;
	case PIPE_CREATE:
		if (answer->result == PIPE_OK &&
		    ask->pipe->protocol->create_then_set)
			ask_again(ask, PIPE_SET);
		else
			ask_done(ask, answer->result == PIPE_OK ?
				 STORAGE_OK : STORAGE_CONFLICT, NULL);
		return;
	case PIPE_SET:
	case PIPE_REMOVE:
		ask_done(ask, answer->result == PIPE_OK ?
			 STORAGE_OK : STORAGE_NOT_FOUND, NULL);
		return;
	}
}

void pipe_lost(struct ask *ask)
{
	enum pipe_command command = ask->question.command;

	if ((command == PIPE_AUTH || command == PIPE_EXISTS) &&
	    ask->tries < TRIES_MAX)
		ask_again(ask, command);
	else
		ask_done(ask, STORAGE_UNAVAILABLE,
			 "the program has failed before it answered");
}

static void timed_out(struct timer *timer)
{
	struct ask *ask = container_of(timer, struct ask, timer);
	struct auth_pipe *pipe = ask->pipe;

	if (ask->program != NULL) {
		program_timed_out(ask->program, ask);
		ask_done(ask, STORAGE_UNAVAILABLE,
			 "the program did not answer in time");
		return;
	}
	DL_DELETE(pipe->waiting, ask);
	pipe->waiting_count--;
	ask_done(ask, STORAGE_UNAVAILABLE,
		 "the program does not run, or is too slow");
}

/* -- questions ------------------------------------------------------------- */

/* The free process that has least to do; NULL: none. */
static struct program *free_program(const struct auth_pipe *pipe)
{
	struct program *best = NULL;

	for (int64_t i = 0; i < pipe->options->processes; i++) {
		struct program *program = &pipe->programs[i];

		if (program_is_free(program) &&
		    (best == NULL || program->ask_count < best->ask_count))
			best = program;
	}
	return best;
}

static void dispatch(struct deferred *deferred)
{
	struct auth_pipe *pipe =
		container_of(deferred, struct auth_pipe, dispatch);
	struct program *program;
	struct ask *ask;

	while ((ask = pipe->waiting) != NULL &&
	       (program = free_program(pipe)) != NULL) {
		DL_DELETE(pipe->waiting, ask);
		pipe->waiting_count--;
		ask->question.id = ++pipe->last_id;
		program_ask(program, ask);
	}
}

void pipe_dispatch_later(struct auth_pipe *pipe)
{
	if (!pipe->closing)
		loop_defer(pipe->loop, &pipe->dispatch, dispatch);
}

static void refused(struct timer *timer)
{
	struct ask *ask = container_of(timer, struct ask, timer);

	DL_DELETE(ask->pipe->waiting, ask);
	ask->pipe->waiting_count--;
	ask_done(ask, STORAGE_UNAVAILABLE, "too many requests wait");
}

static const char *local_end(const char *jid)
{
	const char *at = strchr(jid, '@');

	return at != NULL ? at : jid;
}

static void pipe_submit(struct auth_pipe *pipe, struct auth_request *request,
			enum pipe_command command)
{
	struct ask *ask = mem_new(struct ask);
	const char *at = local_end(request->user);
	bool full = pipe->waiting_count >= WAITING_MAX;

	ask->pipe = pipe;
	ask->request = request;
	ask->user = mem_strndup(request->user, (size_t)(at - request->user));
	ask->question = (struct pipe_question){
		.command = command, .user = ask->user, .domain = pipe->domain,
		.password = request->password,
	};
	DL_APPEND(pipe->waiting, ask);
	pipe->waiting_count++;
	timer_start(&ask->timer, pipe->loop,
		    full ? 0 : (uint64_t)pipe->options->timeout,
		    full ? refused : timed_out);
	pipe_dispatch_later(pipe);
}

static void pipe_lookup(void *ctx, struct auth_request *request)
{
	pipe_submit(ctx, request, PIPE_EXISTS);
}

static void pipe_check(void *ctx, struct auth_request *request)
{
	pipe_submit(ctx, request, PIPE_AUTH);
}

static void pipe_create(void *ctx, struct auth_request *request)
{
	pipe_submit(ctx, request, PIPE_CREATE);
}

static void pipe_set(void *ctx, struct auth_request *request)
{
	pipe_submit(ctx, request, PIPE_SET);
}

static void pipe_remove(void *ctx, struct auth_request *request)
{
	pipe_submit(ctx, request, PIPE_REMOVE);
}

static unsigned pipe_abilities(void *ctx)
{
	const struct auth_pipe *pipe = ctx;

	return AUTH_CAN_CHECK | (pipe->options->scram ? AUTH_CAN_SCRAM : 0) |
	       (pipe->options->writable ? 0 : AUTH_READ_ONLY);
}

/* -- the driver ------------------------------------------------------------ */

static void *pipe_open(const struct auth_setup *setup, struct error *err)
{
	const struct pipe_options *options = setup->section;
	struct auth_pipe *pipe;

	if (options == NULL) {
		error_set(err, "it needs a section pipe");
		return NULL;
	}
	if (pipe_options_check(options, err) != 0)
		return NULL;
	pipe = mem_new(struct auth_pipe);
	pipe->loop = setup->loop;
	pipe->log = setup->log;
	pipe->domain = mem_strdup(setup->domain);
	pipe->options = options;
	pipe->protocol = pipe_protocol(options->protocol);
	pipe->programs = mem_calloc((size_t)options->processes,
				    sizeof(*pipe->programs));
	for (int64_t i = 0; i < options->processes; i++) {
		pipe->programs[i].pipe = pipe;
		program_start(&pipe->programs[i]);
	}
	return pipe;
}

static void asks_cancel(struct ask **asks)
{
	struct ask *ask;

	while ((ask = *asks) != NULL) {
		DL_DELETE(*asks, ask);
		ask_done(ask, STORAGE_CANCELLED, NULL);
	}
}

static void pipe_close(void *ctx)
{
	struct auth_pipe *pipe = ctx;

	pipe->closing = true;
	loop_defer_cancel(pipe->loop, &pipe->dispatch);
	asks_cancel(&pipe->waiting);
	for (int64_t i = 0; i < pipe->options->processes; i++) {
		program_stop(&pipe->programs[i]);
		asks_cancel(&pipe->programs[i].asks);
	}
	mem_free(pipe->programs);
	mem_free(pipe->domain);
	mem_free(pipe);
}

const struct auth_driver auth_driver_pipe = {
	.abi = AUTH_DRIVER_ABI,
	.name = "pipe",
	.open = pipe_open,
	.close = pipe_close,
	.lookup = pipe_lookup,
	.check = pipe_check,
	.create = pipe_create,
	.set = pipe_set,
	.remove = pipe_remove,
	.abilities = pipe_abilities,
};
