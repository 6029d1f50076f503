/* SPDX-License-Identifier: Apache-2.0
 *
 * What is said to a program of the authentication driver "pipe", and what it
 * answers, in each of the protocols (docs/pipe.md). Bytes only: nothing runs.
 */
#ifndef STORAGE_PIPE_PROTOCOL_H
#define STORAGE_PIPE_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/pipe_options.h"
#include "storage/storage.h"

enum pipe_command {
	PIPE_AUTH,
	PIPE_EXISTS,
	PIPE_SET,
	PIPE_CREATE,
	PIPE_REMOVE
};

/* Of the greeting of a program. */
#define PIPE_CAN_CHECK 1u /* jabberd2: without it, passwords are fetched */

struct pipe_question {
	uint64_t id;
	enum pipe_command command;
	const char *user;     /* localpart */
	const char *domain;
	const char *password; /* AUTH, SET, CREATE */
};

enum pipe_result {
	PIPE_OK,
	PIPE_NO,
	PIPE_DISABLED,
	PIPE_EXPIRED,
	PIPE_ERROR,
	PIPE_GREETING /* not an answer; `capabilities` is set */
};

struct pipe_answer {
	uint64_t id; /* with protocols that have ids */
	enum pipe_result result;
	char text[160];	    /* ERROR: why */
	char password[512]; /* base64; "": the program has compared by itself */
	struct scram_keys sha1, sha256; /* EXISTS; rounds 0: none */
	unsigned capabilities;
};

struct pipe_protocol {
	bool ids;    /* answers may come in any order */
	bool greets; /* nothing is asked before it has */
	/* An account is made without its password, which is set then. */
	bool create_then_set;
	const char *farewell; /* "" for none */
	/* Appends the question. */
	void (*write)(struct buf *to, const struct pipe_question *question,
		      unsigned capabilities);
	/* Reads an answer from the front: the number of its bytes, 0: it is
	 * not whole, -1: this is no answer. An answer without a meaning (an
	 * empty line) has `skip` set. */
	long (*read)(const char *bytes, size_t len, struct pipe_answer *answer,
		     bool *skip);
};

const struct pipe_protocol *pipe_protocol(enum pipe_protocol_name name);

/* Bytes of an answer. */
#define PIPE_ANSWER_MAX 8192

#endif
