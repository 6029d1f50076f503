/* SPDX-License-Identifier: Apache-2.0
 *
 * What we have to do with one remote domain on behalf of one of ours: stanzas
 * that wait, dialback keys that are to be verified, the stream for both, and
 * how often it failed.
 */
#ifndef S2S_REMOTE_H
#define S2S_REMOTE_H

#include "s2s/queue.h"
#include "s2s/s2s.h"

/*
 *   IDLE --something to do--> CONNECTING --conn--> NEGOTIATING --> OPEN
 *    ^  ^                      |    ^                |              |
 *    |  |                      |    +---other server-+              |
 *    |  +--nothing waits-- PAUSED <--failed----------+              |
 *    +--------------------------------------------------ended-------+
 *
 *   OPEN --connection broken--> SUSPENDED --resumed--> OPEN, else IDLE
 *
 * SUSPENDED: what was written waits for its stream to be resumed (XEP-0198).
 * While what waits is not too old, a pause ends in another attempt. When all
 * of it was returned the domain counts as *dead*: what comes in the pauses is
 * returned at once.
 */
enum s2s_remote_state {
	REMOTE_IDLE,
	REMOTE_CONNECTING,
	REMOTE_NEGOTIATING,
	REMOTE_OPEN,
	REMOTE_PAUSED,
	REMOTE_SUSPENDED
};

struct s2s_connect;
struct s2s_stream;

/* A key that an incoming stream brought and that waits to be verified. */
struct s2s_verify {
	struct s2s_verify *next;
	struct s2s_remote *remote;
	uint64_t serial; /* of the incoming stream */
	char *id, *key;
	bool sent;
	struct timer timer;
};

struct s2s_remote {
	struct s2s *s2s;
	char *key; /* "LOCAL REMOTE" */
	char *local, *remote;
	char *ascii; /* the remote domain in DNS */
	enum s2s_remote_state state;
	struct s2s_queue queue;
	struct s2s_verify *verifies;
	struct s2s_stream *stream;   /* NEGOTIATING, OPEN */
	struct s2s_management *suspended; /* of the stream before */
	struct s2s_remote *prev_user, *next_user; /* of stream or suspended */
	struct s2s_connect *connect; /* CONNECTING, NEGOTIATING */
	struct timer timer;	     /* of the state */
	struct timer age;	     /* of the first that waits */
	unsigned failures;	     /* in a row */
	bool dead;
	bool final;  /* it will not be better soon */
	bool blamed; /* something, in the attempt that is under way */
	enum stanza_error condition; /* of the last failure */
	char *reason; /* a sentence; NULL: none since it was open */
	uint64_t opened, tried;	     /* loop_now() */
	UT_hash_handle hh;
};

/* The pair; NULL: there is nothing with it. */
struct s2s_remote *s2s_remote_find(struct s2s *s2s, const char *local,
				   const char *domain);

const char *s2s_remote_state_name(enum s2s_remote_state state);

/* Sends a stanza (the bytes as they stand on a stream of servers), or keeps
 * it for a while, or returns it to its sender. The receipt is processed when
 * that is done; one with n = 0 is none. `need`: an enum trust that its stream
 * must have reached; -1: what the configuration wants of all is enough. */
void s2s_remote_send(struct s2s *s2s, const char *local, const char *remote,
		     const char *bytes, size_t len, int need,
		     struct link_receipt receipt);

/* Has a dialback key verified at the remote domain (s2s/dialback.h). */
void s2s_remote_verify(struct s2s_stream *incoming, const char *local,
		       const char *remote, const char *key);

/* -- what outgoing streams tell ------------------------------------------- */

/* Why the stream that is ending now is of no use: a sentence. `final`: it
 * would be the same with another server, or in a moment. */
void s2s_remote_blame(struct s2s_remote *remote, enum stanza_error condition,
		      bool final, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Stanzas may be sent over its stream from now on. */
void s2s_remote_opened(struct s2s_remote *remote);

/* The stream carries this one, too. */
void s2s_remote_join(struct s2s_remote *remote, struct s2s_stream *stream);

/* The stream has ended, or is about to: its users find another one, or wait
 * for it to be resumed, which may be when it is `broken`. */
void s2s_remotes_leave(struct s2s_stream *stream, const char *reason,
		       bool broken);

/* What was written to a stream, and not acknowledged: back into the queue, at
 * the front. */
void s2s_remote_take_back(struct s2s_remote *remote,
			  struct s2s_queued *queued);

/* The stream that it waited for will not be resumed. The second: a list of
 * such. */
void s2s_remote_released(struct s2s_remote *remote);
void s2s_remotes_released(struct s2s_remote *users);

/* A verification has an answer. `condition`: of the error, NULL: none. */
void s2s_remote_verified(struct s2s_remote *remote, struct s2s_verify *verify,
			 bool valid, const char *condition, const char *text);

/* -- what incoming streams tell ------------------------------------------- */

/* The remote domain lives: it has just authenticated. If it takes stanzas on
 * this stream too (XEP-0288), they may go there. */
void s2s_remote_encouraged(struct s2s *s2s, const char *local,
			   const char *remote, struct s2s_stream *stream);

/* The stream takes more again. */
void s2s_remotes_flush(struct s2s_stream *stream);

/* At the end of the process: frees all, without a word to anybody. */
void s2s_remotes_free(struct s2s *s2s);

#endif
