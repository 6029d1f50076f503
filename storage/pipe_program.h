/* SPDX-License-Identifier: Apache-2.0
 *
 * One process of an operator's program: started again when it has failed,
 * with what it was asked, and the end of its patience. Who asks what is up to
 * storage/pipe.c.
 */
#ifndef STORAGE_PIPE_PROGRAM_H
#define STORAGE_PIPE_PROGRAM_H

#include "storage/auth_driver.h"
#include "storage/pipe_protocol.h"
#include "util/net/process.h"
#include "util/net/timer.h"

struct program;

/* A request on its way. */
struct ask {
	struct auth_request *request;
	struct auth_pipe *pipe;
	struct program *program; /* NULL: it waits for one */
	struct pipe_question question;
	char *user; /* the localpart */
	uint64_t sent;	 /* loop_now() */
	unsigned tries;
	struct timer timer;
	struct ask *prev, *next; /* in the program's list, or those waiting */
};

struct program {
	struct auth_pipe *pipe;
	struct process *process; /* NULL: not running */
	struct buf input;	 /* what it wrote and is not whole */
	bool greeted;		 /* or needs not to */
	unsigned capabilities;
	uint64_t heard;	  /* loop_now() of its last answer */
	uint64_t started; /* loop_now() */
	uint64_t pause;	  /* before the next start, ms */
	struct timer restart;
	struct ask *asks;
	size_t ask_count;
};

/* Starts it, now or, if that fails, later. */
void program_start(struct program *program);

/* Whether it may be asked something now. */
bool program_is_free(const struct program *program);

void program_ask(struct program *program, struct ask *ask);

/* The ask has had its time. */
void program_timed_out(struct program *program, struct ask *ask);

/* Lets the process go; what it was asked is the caller's again. */
void program_stop(struct program *program);

/* storage/pipe.c, called by these: */

struct auth_pipe {
	struct loop *loop;
	struct log *log;
	char *domain;
	const struct pipe_options *options;
	const struct pipe_protocol *protocol;
	struct program *programs; /* options->processes of them */
	struct ask *waiting;
	size_t waiting_count;
	uint64_t last_id;
	struct deferred dispatch;
	bool closing;
};

/* An answer to what was asked; the ask is in no list any more. */
void pipe_answered(struct ask *ask, const struct pipe_answer *answer);

/* The program has failed before it answered; likewise. */
void pipe_lost(struct ask *ask);

/* A program may be free. */
void pipe_dispatch_later(struct auth_pipe *pipe);

#endif
