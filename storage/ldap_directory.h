/* SPDX-License-Identifier: Apache-2.0
 *
 * A directory: operations on whatever server is well, over a few connections.
 * Connecting happens in threads, since DNS and TLS may block; everything else
 * from the loop, without waiting.
 *
 * Searches share one connection, made as bind-dn; each check of a password has
 * a connection for itself while it lasts. What goes on for ever has one, too.
 * When a connection is lost, what was under way on it is asked once more
 * elsewhere.
 */
#ifndef STORAGE_LDAP_DIRECTORY_H
#define STORAGE_LDAP_DIRECTORY_H

#include "storage/ldap_options.h"
#include "storage/storage.h"
#include "util/net/timer.h"

struct directory;
struct directory_entry; /* storage/ldap_connection.h */
struct connection;

struct directory_answer {
	/* OK: a server has answered, with `code`; UNAVAILABLE: none could;
	 * CANCELLED: the directory is closed. */
	enum storage_status status;
	int code;	  /* LDAP_SUCCESS, LDAP_INVALID_CREDENTIALS, ... */
	const char *text; /* what it said, or why it could not; not NULL */
};

/* FEED: searches on a connection of their own, which may go on for ever. Their
 * time limit is for silence, not for the whole. */
enum directory_kind { DIRECTORY_SEARCH, DIRECTORY_BIND, DIRECTORY_FEED };

#define DIRECTORY_KINDS 3

/* Embedded in its owner, to whom the texts belong; they live until `done`. */
struct directory_operation {
	enum directory_kind kind;
	const char *dn; /* base of the search, or who binds */
	/* search */
	const char *filter;
	int scope;
	const char *const *attributes; /* NULL-terminated */
	int limit;	/* entries; 0: no limit */
	int page_size;	/* 0: all at once */
	/* RFC 4533, refreshAndPersist: with the cookie that `sync_len` bytes
	 * are, 0: none. Never sent twice. */
	bool sync;
	const void *sync_cookie;
	size_t sync_len;
	/* bind */
	const char *password; /* never empty: RFC 4513 section 5.1.2 */
	/* Runs for each entry; `entry` is valid during the call. */
	void (*entry)(struct directory_operation *operation,
		      const struct directory_entry *entry);
	/* sync: for each intermediate response (RFC 4511 section 4.13). */
	void (*info)(struct directory_operation *operation,
		     const struct directory_entry *response);
	/* Runs once, never inside directory_submit(). May submit others, but
	 * not close the directory. */
	void (*done)(struct directory_operation *operation,
		     const struct directory_answer *answer);
	/* private: */
	struct directory *directory;
	struct connection *connection; /* NULL: it waits for one */
	int id;				 /* there */
	size_t server; /* that it was sent to */
	uint64_t sent;
	unsigned tries;
	size_t entries;
	struct timer deadline;
	struct directory_operation *prev, *next;
};

/* `options` and `name` (for the log) must outlive it. Connects when there is
 * something to ask. NULL when the options make no sense. */
struct directory *directory_open(struct loop *loop, struct log *log,
				 const char *name,
				 const struct ldap_options *options,
				 struct error *err);

/* Ends all operations, CANCELLED. Threads that connect just then end later,
 * and nobody waits for them. NULL inside is allowed. */
void directory_close(struct directory **directory);

/* All that is not private is to be set. */
void directory_submit(struct directory *directory,
		      struct directory_operation *operation);

/* Nothing is expected to come any more, for a long time. */
void directory_rest(struct directory_operation *operation);

/* No answer is wanted any more; `done` does not run. */
void directory_withdraw(struct directory_operation *operation);

/* -- for storage/ldap_connection.c ----------------------------------------- */

/* It is open, or could not be opened; the latter frees it. */
void directory_connected(struct connection *connection);
void directory_not_connected(struct connection *connection,
			     const char *reason);

/* Something of a result has come: there will be more. */
void directory_progress(struct directory_operation *operation);

/* A result has come; the operation is the directory's again. */
void directory_answered(struct connection *connection,
			struct directory_operation *operation, int code,
			const char *text);

/* Frees the connection. */
void directory_lost(struct connection *connection, const char *reason);

#endif
